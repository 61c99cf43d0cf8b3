# Licensed under the Apache License, Version 2.0; see LICENSE.

# RProxyLimit for a farm: several hosts that count together in a real Redis, and what becomes of it when that is away.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Time::HiRes qw(sleep time);

use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

my $secret = RP::Place->write_file(RP::Place->folder . '/secret', 'x' x 32);

sub farm { my ($url) = @_; return "RProxyFarm $url name=shop secret=$secret connect=2s timeout=2s trial=200ms\n" }

# So many of each, in turn: how many got which status.
sub tally
{
    my ($n, $target, @hosts) = @_;
    my %count;
    for (1 .. $n) {
        $count{ get($_, $target)->status }++ for @hosts;
    }
    return join ' ', map { "$_:$count{$_}" } sort keys %count;
}

sub limits
{
    my $backend = shift;
    return pool(app => $backend) . <<'CONF';
RProxyPass / app
<Location /rate>
    RProxyLimit rate=1/m burst=10 name=rate
</Location>
<Location /again>
    RProxyLimit rate=1/m burst=10 name=again
</Location>
<Location /away>
    RProxyLimit rate=1/m burst=10 name=away
</Location>
<Location /wide>
    RProxyLimit rate=100000/s name=wide
</Location>
<Location /both>
    RProxyLimit rate=1/m burst=6 name=both
    RProxyLimit rate=1/m burst=4 key=none name=each
</Location>
<Location /dry>
    RProxyLimit rate=1/m burst=3 dry-run name=dry
</Location>
<Location /hold>
    RProxyLimit concurrent=4 name=hold
</Location>
CONF
}

# Holds what is asked of /hold until the test says so, or the client is gone.
sub respond
{
    my ($c, $request) = @_;
    return $c->respond($request, 200, [], 'here') if $request->target !~ m{\A/hold/(\w+)};
    my $what = $1;
    $c->note("begun $what");
    return $c->wait_gone if $what eq 'killed';
    $c->wait_signal($what);
    $c->respond($request, 200, [], 'done');
}

sub hold
{
    my ($n, $what, @hosts) = @_;
    my @clients;
    for my $i (0 .. $n - 1) {
        push @clients, client($hosts[$i % @hosts]);
        $clients[-1]->send_request('GET', "/hold/$what");
    }
    return @clients;
}

one_mpm {
    my $redis = RP::Redis->start;
    my $backend = backend(\&respond);
    my @hosts = map { httpd(children => 2, config => farm($redis->url) . limits($backend)) } 1, 2;
    my $begun = sub { my ($what) = @_; return scalar grep { $_ eq "begun $what" } $backend->notes };
    ok($_->wait_log(qr/RP0775: the farm has 2 hosts now/), 'each host knows that there are two') for @hosts;

    part 'hosts count a rate together' => sub {
        is(tally(10, '/rate', @hosts), '200:10 429:10', 'the farm has the burst once');
        my $response = get($hosts[1], '/rate');
        like($response->field('Retry-After'), qr/\A(?:60|[45]\d)\z/, 'and knows when there is room');
        is(tally(5, '/both', @hosts), '200:4 429:6', 'the narrower of two limits counts');
        is(tally(5, '/dry', @hosts), '200:10', 'a dry run refuses nobody');
        ok((grep { $_->error_log =~ /RP0802: limit dry, dry run/ } @hosts) > 0, 'but is told of');
    };

    part 'what lies in Redis' => sub {
        my @keys = grep { /limit/ } @{ $redis->command('KEYS', '*') };
        cmp_ok(scalar @keys, '>=', 3, 'are numbers');
        is(scalar(grep { !/\A\{shop:limit:[0-9a-f]{32}\}:[0-9a-f]{16}\z/ } @keys), 0, 'under names that tell nobody');
        is(scalar(grep { $redis->command('PTTL', $_) <= 0 } @keys), 0, 'that go away by themselves');
    };

    part 'who is over a limit does not reach Redis' => sub {
        my $calls = sub { $redis->command('INFO', 'commandstats') =~ /cmdstat_evalsha:calls=(\d+)/ ? $1 : 0 };
        tally(1, '/rate', @hosts);
        my $before = $calls->();
        is(tally(20, '/rate', @hosts), '429:40', 'forty are refused');
        cmp_ok($calls->() - $before, '<', 20, 'by what the hosts have heard already');
    };

    part 'hosts count requests at a time together' => sub {
        my @clients = hold(4, 'first', @hosts);
        ok((eventually { $begun->('first') == 4 }), 'four are under way, on two hosts');
        is(tally(2, '/hold/more', @hosts), '429:4', 'that is all there may be');
        $backend->signal('first');
        is(join(' ', map { $_->read_response->status } @clients), '200 200 200 200', 'when they have ended');
        my ($key) = grep { $redis->command('TYPE', $_) eq 'zset' && /limit/ } @{ $redis->command('KEYS', '*') };
        ok((eventually { !defined $key || $redis->command('ZCARD', $key) == 0 }), 'their places are given back');
        @clients = hold(4, 'second', $hosts[1]);
        ok((eventually { $begun->('second') == 4 }), 'to whichever host');
        $backend->signal('second');
        is(join(' ', map { $_->read_response->status } @clients), '200 200 200 200', 'asks for them');
    };

    part 'a Redis that has lost everything' => sub {
        $redis->command('FLUSHALL');
        is(tally(1, '/wide', @hosts), '200:2', 'is one to count in');
        ok((eventually { $redis->command('EXISTS', '{shop}:hosts') }), 'the hosts tell it again that they are there');
        my @clients = hold(4, 'third', @hosts);
        ok((eventually { $begun->('third') == 4 }), 'and requests are under way');
        $redis->command('FLUSHALL');
        ok((eventually { grep { $redis->command('TYPE', $_) eq 'zset' && $redis->command('ZCARD', $_) == 4 }
                @{ $redis->command('KEYS', '*limit*') } }), 'which are entered anew');
        is(tally(1, '/hold/more', @hosts), '429:2', 'and count');
        $backend->signal('third');
        is(join(' ', map { $_->read_response->status } @clients), '200 200 200 200', 'until they have ended');
    };

    part 'a Redis that is stopped' => sub {
        # Shorter than a patient farm's, as it is waited for here.
        $_->configure(farm($redis->url) =~ s/timeout=2s/timeout=500ms/r . limits($backend)) for @hosts;
        $_->graceful_whole for @hosts;
        is(tally(1, '/again', @hosts), '200:2', 'all is well');
        $redis->pause;
        my @took;
        for (1 .. 6) {
            my $begin = time;
            is(get($hosts[0], '/wide')->status, 200, 'requests are served on');
            push @took, time - $begin;
        }
        @took = sort { $a <=> $b } @took;
        cmp_ok($took[0], '<', 0.5, 'without waiting when it is known');
        cmp_ok($took[-1], '<', 0.5 + 5, 'and no longer than the deadline before');
        my %count;
        $count{ get($hosts[$_ % 2], '/away')->status }++ for 1 .. 30;
        is("$count{200} $count{429}", '10 20', 'each host has its half of a limit');
        $redis->resume;
        ok((eventually { get($hosts[0], '/wide'); $hosts[0]->error_log =~ /RP0709/ }), 'and it is found again');
    };

    part 'a host that is killed' => sub {
        my $third = httpd(children => 1, expect_kills => 1, config => farm($redis->url) . limits($backend));
        my @clients = hold(4, 'killed', $third);
        ok((eventually { $begun->('killed') == 4 }), 'has all places');
        is(tally(1, '/hold/more', @hosts), '429:2', 'the others have none');
        kill KILL => -$third->pid;
        local $RP::Stream::PATIENCE = 15 + $RP::Stream::PATIENCE;
        $backend->signal('after');
        ok((eventually { get($hosts[0], '/hold/after')->status == 200 }), 'and have them when its time is over');
        $third->stop;
    };
};

one_mpm {
    my @nodes = RP::Redis->cluster(3);
    my $backend = backend(\&respond);
    my $url = 'cluster://' . join ',', map { $_->address } @nodes;
    my @hosts = map { httpd(children => 2, config => farm($url) . limits($backend)) } 1, 2;

    part 'a cluster' => sub {
        is(tally(8, '/rate', @hosts), '200:10 429:6', 'counts rates');
        is(tally(5, '/both', @hosts), '200:4 429:6', 'also those whose keys are on several nodes');
        my @clients = hold(4, 'many', @hosts);
        ok((eventually { 4 == grep { $_ eq 'begun many' } $backend->notes }), 'requests are under way');
        is(tally(2, '/hold/more', @hosts), '429:4', 'and counted');
        $backend->signal('many');
        is(join(' ', map { $_->read_response->status } @clients), '200 200 200 200', 'until they end');
        $backend->signal('after');
        ok((eventually { get($hosts[1], '/hold/after')->status == 200 }), 'when there is room again');
    };
};

done_testing;
