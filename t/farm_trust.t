# Licensed under the Apache License, Version 2.0; see LICENSE.

# What is planted, swapped or kept in the farm's Redis is not believed; a farm on a cluster of Redis.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use RP::Backend qw(as_asked asking);
use RP::Farm;
use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

my ($secret, $newer, $strange) = map { RP::Farm->secret($_) } qw(farm newer strange);
my @fresh = ('Cache-Control' => 'max-age=600');

sub says { $_[0]->field('Cache-Status') }

sub entries
{
    my ($redis) = @_;
    my @names = grep { /\Arproxy:.*\}:e/ } @{ $redis->command('KEYS', '*') };
    return @names;
}

one_mpm {
    my $backend = backend(as_asked());

    part 'with a secret' => sub {
        my $redis = RP::Redis->start;
        my ($here, $there, $turned, $other, $bare, $namesake) = map { RP::Farm->proxy($redis->url, $backend, farm => $_,
            children => 1) } ("secret=$secret") x 2, "secret=$newer old-secret=$secret", "secret=$strange", undef,
            "secret=$secret name=other";
        my $put = sub {
            my ($path) = @_;
            my %had = map { $_ => 1 } entries($redis);
            get($here, asking($path, @fresh, body => "of $path"));
            eventually { entries($redis) > keys %had };
            my ($new) = grep { !$had{$_} } entries($redis);
            return $new;
        };
        my $is_miss = sub {
            my ($proxy, $path, $tag, $what) = @_;
            my $response = get($proxy, asking($path, @fresh, body => "of $path"));
            like(says($response), qr/fwd=uri-miss/, "$what is a miss");
            is($response->body, "of $path", 'and the body right');
            ok($proxy->wait_log(qr/$tag/), "the log says so: $tag");
        };

        my $one = $put->('/one');
        my $sealed = $redis->command('GET', $one);
        unlike($sealed, qr{of /one}, 'what lies in Redis tells nothing');
        like(says(get($there, asking('/one', @fresh, body => 'of /one'))), qr/\Arproxy; ?hit/,
            'who has the secret reads it');
        like(says(get($turned, asking('/one', @fresh, body => 'of /one'))), qr/\Arproxy; ?hit/,
            'who has it as the one before as well');
        $is_miss->($other, '/one', 'RP0232', 'what another secret has sealed');
        $put->('/own');
        $is_miss->($bare, '/own', 'RP0234', 'what is sealed, to who has no secret,');
        my $apart = get($namesake, asking('/own', @fresh, body => 'of /own'));
        like(says($apart), qr/fwd=uri-miss/, 'a farm of another name sees nothing of it');

        my $swapped = $put->('/swapped');
        $redis->command('SET', $swapped, $sealed);
        $is_miss->($there, '/swapped', 'RP0233', 'what lay elsewhere');
        my $planted = $put->('/planted');
        $redis->command('SET', $planted, "RPf1 planted by hand");
        $is_miss->($there, '/planted', 'RP0231', 'what was planted');
        my $cut = $put->('/cut');
        $redis->command('SET', $cut, substr $redis->command('GET', $cut), 0, -1);
        get($there, asking('/cut', @fresh, body => 'of /cut'));
        is($there->error_log =~ s/RP0233//gr, $there->error_log =~ s/RP0233//r, 'each kind is logged once');
        my $typed = $put->('/typed');
        $redis->command('DEL', $typed);
        $redis->command('HSET', $typed, 'a', 'b');
        is(get($there, asking('/typed', @fresh, body => 'of /typed'))->body, 'of /typed', 'another type is a miss');
    };

    part 'without one' => sub {
        my $redis = RP::Redis->start;
        my ($here, $there) = map { RP::Farm->proxy($redis->url, $backend, children => 1) } 1 .. 2;
        my $target = asking('/bare', @fresh);
        get($here, $target);
        ok(RP::Farm->wait_keys($redis, 1), 'in Redis');
        my ($key) = entries($redis);
        $redis->command('SET', $key, substr $redis->command('GET', $key), 0, 60);
        like(says(get($there, $target)), qr/fwd=uri-miss/, 'what is cut off is a miss');
        ok($there->wait_log(qr/RP0234/), 'which is logged');
        my $other = asking('/elsewhere', @fresh);
        get($here, $other);
        ok(eventually { entries($redis) == 2 }, 'another one');
        my ($new) = grep { $_ ne $key } entries($redis);
        $redis->command('SET', $new, $redis->command('GET', $key));
        like(says(get($there, $other)), qr/fwd=uri-miss/, "another URL's response is a miss, too");
    };

    part 'a cluster' => sub {
        my @nodes = RP::Redis->cluster(3);
        my ($here, $there) = map { RP::Farm->proxy('cluster://' . $_->address, $backend, farm => "secret=$secret",
            children => 1) } @nodes[0, 1];
        $backend->forget;
        my @targets = map { asking("/cluster/$_", @fresh, Vary => 'X-Who', size => 200_000) } 1 .. 3;
        my $put = sub {
            for my $target (@targets) {
                get($here, $target, 'X-Who' => $_) for qw(a b);
            }
        };
        $put->();
        my $all = sub { map { my $node = $_; map { [$_ => $node] } RP::Farm->keys($node) } @nodes };
        # Of each a marker, a list, and two variants with four pieces.
        # A node that takes no writes for a moment, as those of a busy machine may, is not asked a second time.
        my $again = time + 3;
        ok(eventually {
            my @all = $all->();
            if (@all != 3 * (2 + 2 * 5) && time >= $again) {
                $again = time + 3;
                post($here, $_, 'x') for @targets;
                $put->();
            }
            @all == 3 * (2 + 2 * 5);
        }, 'everything is put there');
        $backend->forget;
        my %nodes;
        $nodes{ $_->[0] =~ /(\{.*\})/ ? $1 : '' }{ $_->[1]->port }++ for $all->();
        is(scalar(keys %nodes), 3, 'three URLs');
        is(scalar(grep { keys %$_ == 1 } values %nodes), 3, 'each in a slot');
        for my $target (@targets) {
            is(length get($there, $target, 'X-Who' => $_)->body, 200_000, "$_ comes from there") for qw(a b);
        }
        is($backend->count, 0, 'and not from the backend again');
        post($there, $_, 'x') for @targets;
        ok(eventually { !grep { $_->[0] =~ /\}:e/ } $all->() }, 'and can be taken away');
    };
};

done_testing;
