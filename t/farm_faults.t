# Licensed under the Apache License, Version 2.0; see LICENSE.

# Whatever becomes of the farm's Redis, requests go on.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Time::HiRes qw(time);

use RP::Backend qw(as_asked asking);
use RP::Farm;
use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

my @fresh = ('Cache-Control' => 'max-age=600');
my $n = 0;

sub new_target { return asking('/n' . $n++, @fresh) }
sub says { $_[0]->field('Cache-Status') }
sub entries { my ($redis) = @_; my @names = grep { /\}:e/ } @{ $redis->command('KEYS', '*') }; return @names }

# Requests that no store has an answer to yet: all are answered, and none waits for Redis longer than it may.
sub goes_on
{
    my ($proxy, $what) = @_;
    my ($longest, $wrong) = (0, 0);
    for (1 .. 12) {
        my ($target, $begun) = (new_target(), time);
        $wrong++ if get($proxy, $target)->status != 200 || says(get($proxy, $target)) !~ /\Arproxy; ?hit/;
        $longest = time - $begun if time - $begun > $longest;
    }
    is($wrong, 0, "$what: requests are answered, and what they brought is cached here");
    # Two requests, each with up to three look-ups of 100 ms and 100 ms for connecting; the machine may be busy.
    cmp_ok($longest, '<', 4, 'in time');
}

# Soon everything is as before: what one proxy fetches another has.
sub is_back
{
    my ($redis, $here, $there, $what) = @_;
    my $found = eventually {
        my $target = new_target();
        get($here, $target);
        my $before = entries($redis);
        select undef, undef, undef, 0.05;
        says(get($there, $target)) =~ /\Arproxy; ?hit/;
    };
    ok($found, "$what: the farm is back");
}

one_mpm {
    my $redis = RP::Redis->start;
    my $backend = backend(as_asked());
    my @of = (farm => 'connect=100ms timeout=100ms trial=200ms', children => 1);
    my ($here, $there) = map { RP::Farm->proxy($redis->url, $backend, @of) } 1 .. 2;

    is_back($redis, $here, $there, 'at first');

    part 'it is stopped' => sub {
        $redis->pause;
        goes_on($there, 'while it does not answer');
        $redis->resume;
        is_back($redis, $here, $there, 'when it goes on');
    };

    part 'it is killed and comes back empty' => sub {
        $redis->kill;
        goes_on($there, 'while it is away');
        $redis->start_again;
        is_back($redis, $here, $there, 'when it is there again');
    };

    part 'it takes no writes' => sub {
        my $known = new_target();
        get($here, $known);
        ok(eventually { entries($redis) > 0 }, 'something is there');
        $redis->command('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
        $redis->command('REPLICAOF', '127.0.0.1', 9);
        goes_on($here, 'a replica');
        ok($here->wait_log(qr/RP0706/), 'the log says so');
        $redis->command('REPLICAOF', 'NO', 'ONE');
        is_back($redis, $here, $there, 'when it takes them again');
    };

    part 'it is full' => sub {
        $redis->command('CONFIG', 'SET', 'maxmemory', 1);
        my $large = asking('/full', @fresh, size => 300_000);
        is(length get($here, $large)->body, 300_000, 'a large response is served');
        goes_on($here, 'small ones');
        ok($here->wait_log(qr/RP0705/), 'the log says so');
        is(scalar(grep { /:c:/ } @{ $redis->command('KEYS', '*') }), 0, 'nothing of it is there');
        $redis->command('CONFIG', 'SET', 'maxmemory', 0);
        is_back($redis, $here, $there, 'when there is room');
    };

    part 'it evicts' => sub {
        $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random');
        $redis->command('CONFIG', 'SET', 'maxmemory', 3_000_000);
        my @targets = map { asking("/evicts/$_", @fresh, size => 400_000) } 1 .. 10;
        get($here, $_) for @targets;
        # What goes while it is read breaks its response off, before its head or behind it.
        my @whole = grep { $_ && !$_->broken } map { my $target = $_; scalar eval { get($there, $target) } } @targets;
        cmp_ok(scalar @whole, '>', 0, 'responses come');
        is(scalar(grep { length $_->body != 400_000 } @whole), 0, 'what is not whole is not used as if it were');
        $redis->command('CONFIG', 'SET', 'maxmemory', 0);
    };

    part 'it answers nonsense' => sub {
        my $nonsense = backend(sub { }, on_connection => sub {
            my ($c) = @_;
            $c->send("HTTP/1.1 400 what?\r\n\r\n");
            $c->close;
        });
        my $proxy = RP::Farm->proxy('redis://' . $nonsense->authority, $backend, @of);
        goes_on($proxy, 'another server');
    };
};

done_testing;
