# Licensed under the Apache License, Version 2.0; see LICENSE.

# Several proxies, each with a store of its own, and one Redis in which they find what the others have stored.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use RP::Backend qw(as_asked asking);
use RP::Farm;
use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

my $secret = RP::Farm->secret;
my @fresh = ('Cache-Control' => 'max-age=600');

sub says { my ($response) = @_; return $response->field('Cache-Status') }

one_mpm {
    my $redis = RP::Redis->start;
    my $backend = backend(as_asked());
    my ($here, $there) = map { RP::Farm->proxy($redis->url, $backend, children => 1) } 1 .. 2;

    # Nothing is there, and nothing is still to come.
    my $n = 0;
    my $empty = sub {
        for my $proxy ($here, $there) {
            my $mark = 'mark-' . ++$n . '-';
            get($proxy, asking("/$mark", @fresh));
            ok(eventually { grep { $redis->command('GET', $_) =~ /$mark/ } @{ $redis->command('KEYS', '*:e') } },
                'all is put');
        }
        RP::Farm->empty($redis);
        $backend->forget;
    };

    part 'a farm without a secret says once what that means' => sub {
        my @lines = grep { /RP0715/ } split /\n/, $here->error_log;
        is(scalar @lines, 1, 'one line');
        like($lines[0], qr/no secret=/, 'names the option');
    };

    part 'what one proxy has fetched is a hit at another' => sub {
        my $target = asking('/small', @fresh, 'X-Of' => 'one');
        my $first = get($here, $target);
        like(says($first), qr/fwd=uri-miss.*stored/, 'the backend is asked');
        ok(RP::Farm->wait_keys($redis, 1), 'it is put into Redis');
        my $second = get($there, $target);
        is($second->body, $first->body, 'the other proxy has the body');
        like(says($second), qr/\Arproxy; ?hit/, 'as a hit');
        is($second->field('X-Of'), 'one', 'and the fields');
        is($backend->count, 1, 'the backend was asked once');
    };

    part 'and lies in the local store then' => sub {
        $empty->();
        like(says(get($there, asking('/small', @fresh, 'X-Of' => 'one'))), qr/hit/, 'also when Redis has lost it');
        is($backend->count, 0, 'without the backend');
    };

    part 'variants' => sub {
        my $target = asking('/vary', @fresh, Vary => 'X-Who', 'X-Of' => 'two');
        $empty->();
        my %first = map { $_ => get($here, $target, 'X-Who' => $_)->body } qw(a b);
        isnt($first{a}, $first{b}, 'there are two');
        ok(RP::Farm->wait_keys($redis, 4), 'they, what leads to them and the list of them are put into Redis');
        is(get($there, $target, 'X-Who' => $_)->body, $first{$_}, "$_ is found at the other proxy") for qw(b a);
        is($backend->count, 2, 'without the backend');
        get($there, $target, 'X-Who' => 'c');
        is($backend->count, 3, 'which is asked for another one');
    };

    part 'variants that have expired are forgotten, and there is a bound' => sub {
        my $long = asking('/many', @fresh, Vary => 'X-Who');
        $empty->();
        get($here, $long, 'X-Who' => 'a');
        ok(RP::Farm->wait_keys($redis, 3), 'a variant, what leads to it, and the list');
        my ($index) = grep { /\}:i/ } @{ $redis->command('KEYS', '*') };
        my ($of) = $index =~ /(.*):i/;
        my @names = map { sprintf '%032x', $_ } 1 .. 2048;
        $redis->command('HSET', $index, map { ($_, '0000000000000001 0') } @names);
        get($here, $long, 'X-Who' => 'b');
        ok(eventually { $redis->command('HLEN', $index) < 2048 }, 'some that are not there are taken out');
        $redis->command('MSET', map { ("$of:e:$_", 'x') } @names);
        $redis->command('HSET', $index, map { ($_, '0000000000000001 0') } @names);
        get($here, $long, 'X-Who' => 'c');
        get($here, asking('/many/behind', @fresh));
        ok(eventually { 2 == grep { /\}:e\z/ } @{ $redis->command('KEYS', '*') } }, 'what comes later is put there');
        is($redis->command('HLEN', $index), 2050, 'but not one more of so many');
        like(says(get($here, $long, 'X-Who' => 'c')), qr/\Arproxy; ?hit/, 'which is in the local store');
    };

    part 'a response that one has stored is validated by the other' => sub {
        my $target = asking('/validated', 'Cache-Control' => 'max-age=1', ETag => '"v"', revalidates => 1);
        $empty->();
        my $first = get($here, $target);
        ok(RP::Farm->wait_keys($redis, 1), 'it is in Redis');
        ok(eventually { says(get($there, $target)) =~ /fwd=stale/ }, 'it becomes stale');
        is($backend->count, 2, 'two requests');
        is($backend->last_request->field('If-None-Match'), '"v"', 'the second with the validator');
        is(get($there, $target)->body, $first->body, 'the body is the first');
    };

    part 'one that another has validated is not validated again' => sub {
        my $target = asking('/fresher', 'Cache-Control' => 'max-age=3', ETag => '"v"', revalidates => 1);
        $empty->();
        get($here, $target);
        ok(RP::Farm->wait_keys($redis, 1), 'it is put into Redis');
        like(says(get($there, $target)), qr/\Arproxy; ?hit/, 'and into both local stores');
        my ($key) = @{ $redis->command('KEYS', '*:e') };
        my $before = $redis->command('GET', $key);
        ok(eventually { says(get($here, $target)) =~ /fwd=stale/ }, 'it becomes stale and is validated here');
        ok(eventually { $redis->command('GET', $key) ne $before }, 'Redis has it validated');
        like(says(get($there, $target)), qr/\Arproxy; ?hit/, 'there it is fresh');
        is($backend->count, 2, 'without asking the backend once more');
    };

    part 'ranges and HEAD' => sub {
        $empty->();
        my $target = asking('/head', @fresh, size => 100);
        get($here, $target);
        ok(eventually { says(head($there, $target)) =~ /hit/ }, 'a HEAD is answered');
        is(get($there, $target, Range => 'bytes=10-19')->body, 'abcdef0123', 'a range, too');
    };

    part 'what is purged by one has gone from Redis' => sub {
        my $target = asking('/purged', @fresh, Vary => 'X-Who');
        $empty->();
        get($here, $target, 'X-Who' => $_) for qw(a b);
        ok(RP::Farm->wait_keys($redis, 4), 'two variants are there');
        post($there, $target, 'x');
        ok(eventually { !grep { /:e/ } @{ $redis->command('KEYS', '*') } }, 'an unsafe request takes both away');
    };
};

done_testing;
