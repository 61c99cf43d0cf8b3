# Licensed under the Apache License, Version 2.0; see LICENSE.

# The local store: shared by all children, warm after restarts, sound after crashes, never larger than allowed.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);
use File::Find ();

my $megabyte = 1024 * 1024;

sub is_stored { return ($_[0]->field('Cache-Status') || '') =~ /\Arproxy; ?hit\b/ }

# Disk space of a folder, in bytes.
sub space
{
    my ($folder) = @_;
    my $bytes = 0;
    File::Find::find(sub { $bytes += 512 * ((lstat)[12] || 0) if -f }, $folder);
    return $bytes;
}


sub respond
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{\A/([a-z]+)};
    if ($what eq 'half') {
        $c->send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: $megabyte\r\n\r\n",
            'x' x ($megabyte / 2));
        $c->wait_gone;
        return $c->close;
    } elsif ($what eq 'breaks') {
        $c->send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 1000\r\n\r\n", 'x' x 500);
        return $c->close;
    } elsif ($what eq 'chunks') {
        $c->send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n");
        return $c->close if $request->target =~ /broken/;
        $c->send_chunk('y' x 100_000) for 1 .. 5;
        return $c->send_last_chunk;
    } elsif ($what eq 'until') {
        $c->send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n\r\n", 'z' x 10_000);
        return $c->close;
    }
    return as_asked()->($c, $request);
}

my $unique = 0;
sub object { return asking('/o' . ++$unique, 'Cache-Control' => 'max-age=600', @_) }

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 4, expect_kills => 1, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=24M largest=12M
RProxyPass / app
RProxyCache on
CONF
    my $folder = $httpd->root . '/cache';

    part 'objects of all sizes come back as they were' => sub {
        for my $size (1, 8191, 8192, 8193, 65519, 65520, 65521, 131040, 500_000, 10 * $megabyte) {
            my $target = object(size => $size, ETag => '"a"');
            my $first = get($httpd, $target);
            my $second = get($httpd, $target);
            ok(is_stored($second), "$size bytes are stored");
            is(length $second->body, $size, "$size bytes come back");
            is(md5_hex($second->body), md5_hex($first->body), 'the same ones');
            my $from = $size - 1 < 100_000 ? int $size / 2 : 65_000;
            my $range = get($httpd, $target, Range => "bytes=$from-" . ($from + 999));
            ok($range->body eq substr($first->body, $from, 1000), 'a range across its pieces too');
        }
    };
    part 'framing does not matter, breaking off does' => sub {
        for my $target ('/chunks', '/until') {
            my $first = get($httpd, $target);
            ok(is_stored(get($httpd, $target)), "$target is stored");
            is(md5_hex(get($httpd, $target)->body), md5_hex($first->body), "$target comes back");
        }
        for my $target ('/breaks', '/chunks-broken') {
            $backend->forget;
            for (1 .. 2) {
                my $response = get($httpd, $target);
                ok($response->broken || $response->status == 502, "$target: broken each time");
            }
            is($backend->count, 2, "$target: never stored");
        }
    };
    part 'a client that leaves does not leave half an object behind' => sub {
        my $client = client($httpd);
        my $target = object(size => 9 * $megabyte);
        $client->send_request('GET', $target);
        $client->read_response_head;
        $client->reset;
        my $response = get($httpd, $target);
        is(length $response->body, 9 * $megabyte, 'the next gets it whole');
        ok(eventually { is_stored(get($httpd, $target)) }, 'and it is stored whole');
        is(length get($httpd, $target)->body, 9 * $megabyte, 'from the store too');
    };
    part 'an object too large to keep passes through' => sub {
        my $target = object(size => 13 * $megabyte);
        is(length get($httpd, $target)->body, 13 * $megabyte, 'whole');
        ok(!is_stored(get($httpd, $target)), 'each time from the backend');
    };
    part 'all children share it' => sub {
        my $target = object();
        $backend->forget;
        my @clients = map { client($httpd) } 1 .. 4;
        my $first = $clients[0]->get($target)->body;
        is($_->get($target)->body, $first, 'each gets the same') for @clients;
        is($backend->count, 1, 'the backend is asked once');
    };
    part 'it is warm after a graceful restart, and after a stop' => sub {
        my $target = object();
        my $large = object(size => 300_000);
        my ($first, $whole) = map { get($httpd, $_)->body } $target, $large;
        $httpd->graceful;
        my $response = get($httpd, $target);
        ok(is_stored($response) && $response->body eq $first, 'graceful');
        $httpd->stop;
        $httpd->begin;
        $response = get($httpd, $target);
        ok(is_stored($response) && $response->body eq $first, 'stop and start');
        $response = get($httpd, $large);
        ok(is_stored($response) && $response->body eq $whole, 'a large one as well');
    };
    part 'children killed in the middle of storing leave a sound store' => sub {
        my $target = object();
        my $first = get($httpd, $target)->body;
        for my $round (1 .. 2) {
            my @clients;
            for (1 .. 2) {
                push @clients, my $client = client($httpd);
                $client->send_request('GET', "/half$round");
                $client->read_response_head;
                $client->read_bytes(100_000);
            }
            my %old = map { $_ => 1 } $httpd->children;
            kill KILL => keys %old;
            ok(eventually { my @now = $httpd->children; @now && !grep { $old{$_} } @now },
                "round $round: there are new children");
            my $response = get($httpd, $target);
            ok(is_stored($response) && $response->body eq $first, 'what was stored is still there');
            my $another = object(size => 200_000);
            get($httpd, $another);
            ok(is_stored(get($httpd, $another)), 'and more can be stored');
        }
        my $again = asking('/o-again', 'Cache-Control' => 'max-age=600', size => $megabyte);
        get($httpd, $again);
        ok(is_stored(get($httpd, $again)), 'also as large');
    };
    part 'it never grows beyond its size' => sub {
        my $client = client($httpd);
        my (@targets, $largest);
        for my $n (1 .. 120) {
            push @targets, my $target = object(size => 300_000);
            is(length $client->get($target)->body, 300_000, 'served') or last if $n % 40 == 0;
            $client->get($target) if $n % 40;
            my $now = space($folder);
            $largest = $now if !$largest || $now > $largest;
        }
        cmp_ok($largest, '<=', 24 * $megabyte + 65536, '36 MB went into 24');
        ok(is_stored($client->get($targets[-1])), 'the newest is there');
        ok(!is_stored($client->get($targets[0])), 'the oldest had to go');
        is(length $client->get($targets[-2])->body, 300_000, 'and what is there is whole');
    };
};

# Where it is when nobody says.
one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(config => pool(app => $backend) . "RProxyPass / app\nRProxyCache on\n");
    my $target = object();
    get($httpd, $target);
    ok(is_stored(get($httpd, $target)), 'RProxyCache on is enough');
    ok(-d $httpd->root . '/run/rproxy-cache', 'the store is in the runtime folder');
    is((stat $httpd->root . '/run/rproxy-cache')[2] & 077, 0, 'and nobody else may look into it');
};

# A store that cannot be used.
one_mpm {
    my $backend = backend(as_asked());
    my $httpd = RP::Httpd->new(config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=8M
RProxyPass / app
RProxyCache on
CONF
    part 'a damaged file is set aside' => sub {
        $httpd->begin;
        get($httpd, object());
        $httpd->stop;
        RP::Place->write_file($httpd->root . '/cache/data.mdb', 'this is no database' x 1000);
        $httpd->begin;
        my $target = object();
        is(get($httpd, $target)->status, 200, 'requests are served');
        ok(is_stored(get($httpd, $target)), 'and stored');
    };
};

done_testing;
