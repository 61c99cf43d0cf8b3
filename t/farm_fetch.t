# Licensed under the Apache License, Version 2.0; see LICENSE.

# One fetch for the farm: of all clients of all proxies that want an object that is nowhere, one has it fetched.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Farm;
use RP::Redis;
use Time::HiRes qw(sleep time);

plan(skip_all => 'no redis-server') if !RP::Redis->available;

# Clients at each proxy; by hand with more of them.
my $crowd = $ENV{RP_CROWD} || 50;

# So many clients at each host ask for a page at once.  @return their responses
sub crowd_asks
{
    my ($target, @hosts) = @_;
    my @clients = map { my $host = $_; map { client($host) } 1 .. $crowd } @hosts;
    $_->send_request('GET', $target) for @clients;
    return sub { map { $_->read_response('GET') } @clients };
}

sub respond
{
    my ($c, $request, $version) = @_;
    my $target = $request->target;
    $c->note("asked $target");
    $c->wait_signal($1) if $target =~ m{/wait/(\w+)};
    return $c->reset if $target =~ /reset/;
    return $c->respond($request, 200, ['Cache-Control' => 'private'], 'of ' . $request->number) if $target =~ /private/;
    return $c->respond($request, 200, ['Cache-Control' => 'max-age=600'], 'x' x 300_000) if $target =~ /large/;
    return $c->respond($request, 200, ['Cache-Control' => 'max-age=' . ($version == 1 ? 1 : 600)
        . ', stale-while-revalidate=600'], "$target $version") if $target =~ /swr/;
    RP::Farm::page(@_);
}

one_mpm {
    my $redis = RP::Redis->start;
    my $httpd = [children => 2, threads => $crowd / 2 + 14, expect_kills => 1];
    my $farm = RP::Farm->new(redis => $redis, hosts => 3, respond => \&respond, httpd => $httpd,
        options => 'largest=1M');
    my ($a, $b, $c) = $farm->hosts;
    my $backend = $farm->backend_of;
    my $asked = sub { my ($target) = @_; scalar grep { $_ eq "asked $target" } $backend->notes };

    part 'a crowd at each of three proxies' => sub {
        my $finish = crowd_asks('/wait/crowd/a', $a, $b, $c);
        $backend->wait_note(qr{/wait/crowd/a});
        sleep 0.3;
        $backend->signal('crowd');
        my @responses = $finish->();
        is(scalar(grep { $_->body eq '/wait/crowd/a 1' } @responses), 3 * $crowd, 'all are served');
        is($asked->('/wait/crowd/a'), 1, 'and the backend was asked once');
    };
    part 'an object in pieces' => sub {
        my $finish = crowd_asks('/wait/large/a', $a, $b, $c);
        $backend->wait_note(qr{/wait/large/a});
        $backend->signal('large');
        is(scalar(grep { length $_->body == 300_000 } $finish->()), 3 * $crowd, 'all are served');
        is($asked->('/wait/large/a'), 1, 'and the backend was asked once');
    };
    part 'what is for one client only' => sub {
        my @clients = map { client($_) } $a, $b, $c;
        $_->send_request('GET', '/private/wait/private/a') for @clients;
        $backend->wait_note(qr{/private});
        $backend->signal('private');
        my %bodies = map { $_->read_response('GET')->body => 1 } @clients;
        is(scalar keys %bodies, 3, 'each gets his own');
        ok((grep { /:\{log\}:fetched/ } @{ $redis->command('KEYS', '*') }), 'as those who waited were told');
    };
    part 'a fetch that fails' => sub {
        my @clients = map { client($_) } $a, $b, $c;
        $_->send_request('GET', '/reset/wait/reset/a') for @clients;
        $backend->wait_note(qr{/reset});
        $backend->signal('reset');
        is(join(' ', map { $_->read_response('GET')->status } @clients), '502 502 502', 'is nobody\'s success');
    };
    part 'a background refresh' => sub {
        ok((eventually { get($_, '/swr/a')->body eq '/swr/a 1' }), 'each proxy has it') for $a, $b, $c;
        my $before = $asked->('/swr/a');
        $farm->version(2);
        sleep 1.5;
        my @clients = map { my $host = $_; map { client($host) } 1 .. 10 } $a, $b, $c;
        $_->send_request('GET', '/swr/a') for @clients;
        is(scalar(grep { $_->read_response('GET')->status == 200 } @clients), 30, 'many ask for it when it is stale');
        ok((eventually { get($_, '/swr/a')->body eq '/swr/a 2' }), 'each proxy has the new one') for $a, $b, $c;
        is($asked->('/swr/a') - $before, 1, 'and the backend was asked once');
    };
    part 'whoever fetches is killed' => sub {
        my $first = client($a);
        $first->send_request('GET', '/wait/killed/a');
        $backend->wait_note(qr{/wait/killed/a});
        my $second = client($b);
        $second->send_request('GET', '/wait/killed/a');
        ok((eventually { grep { /\}:l\z/ && ($redis->command('HGET', $_, 'w') || 0) == 1 }
            @{ $redis->command('KEYS', '*') } }), 'another proxy waits');
        is($asked->('/wait/killed/a'), 1, 'and does not ask');
        kill KILL => $a->pid, $a->children;
        $a->_forget;
        my $begin = time;
        ok((eventually { $asked->('/wait/killed/a') == 2 }), 'after a while it does');
        cmp_ok(time - $begin, '<', 3 + $RP::Stream::PATIENCE / 2, 'which is not longer than the lease');
        $backend->signal('killed');
        is($second->read_response('GET')->body, '/wait/killed/a 2', 'and is served');
    };
    part 'a slow fetch keeps its lease' => sub {
        my @clients = map { client($_) } $b, $c;
        $_->send_request('GET', '/wait/slow/a') for @clients;
        $backend->wait_note(qr{/wait/slow/a});
        sleep 4;
        is($asked->('/wait/slow/a'), 1, 'beyond the lease\'s time');
        $backend->signal('slow');
        is(join(' ', map { $_->read_response('GET')->body } @clients), '/wait/slow/a 2 /wait/slow/a 2',
            'all are served');
    };
    part 'while Redis is away' => sub {
        $redis->kill;
        is(get($_, '/away/a')->status, 200, 'everybody fetches for himself') for $b, $c;
    };
};

done_testing;
