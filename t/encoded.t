# Licensed under the Apache License, Version 2.0; see LICENSE.

# Cached responses are compressed once per coding, thoroughly, and served so from then on.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);

my %unpack = (gzip => ['gzip', '-dc'], br => ['brotli', '-dc'], zstd => ['zstd', '-dcq']);

sub unpacked
{
    my ($response) = @_;
    my $coding = $response->field('Content-Encoding');
    return $response->body if !defined $coding;
    my ($status, $plain) = command($unpack{$coding}, $response->body);
    die "$coding: cannot be unpacked\n" if $status;
    return $plain;
}

# Words enough for the levels to differ.
sub text
{
    my ($seed, $length) = @_;
    my $text = '';
    while (length $text < $length) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        $text .= join(' ', map { ('the', 'of', 'proxy', 'answer', "w$seed", 'and', 'cached', 'line')[($seed >> $_) & 7] } 1 .. 20)
            . "\n";
    }
    return substr $text, 0, $length;
}

my $page = text(1, 60_000);
my $other = text(2, 50_000);

# /page/...: fresh for long; /short/...: to be validated; X-Version says what there is now.
sub respond
{
    my ($c, $request) = @_;
    my ($kind) = $request->target =~ m{\A/(\w+)};
    my $new = $request->target =~ /new/;
    return $c->respond($request, 200, ['Content-Type' => 'text/plain', 'Cache-Control' => 'max-age=600', ETag => '"r"'],
        join '', map { chr rand 256 } 1 .. 20_000) if $kind eq 'random';
    my @fields = ('Content-Type' => 'text/html', ETag => $kind eq 'weak' ? 'W/"v"' : '"v"', Vary => 'X-Version');
    push @fields, 'Cache-Control' => $kind eq 'short' ? 'max-age=0' : 'max-age=600', 'Cache-Tag' => 'all';
    push @fields, 'Last-Modified' => 'Sun, 06 Nov 1994 08:49:37 GMT';
    return $c->respond($request, 304, \@fields)
        if ($request->field('If-None-Match') || '') eq '"v"';
    my $body = ($request->field('X-Version') || 1) == 2 ? $other : $page;
    return $c->respond($request, 200, \@fields, $body);
}

my $conf = <<'CONF';
RProxyPass / app
RProxyCache on
RProxyCompress zstd br gzip
RProxyCompressStored budget=100
RProxyCacheLocal @ROOT@/cache size=32M
LogLevel rproxy:debug
LogFormat "%U %{rproxy-cache}n %{rproxy-compress}n" compress
CustomLog @ROOT@/compress.log compress
<Location /streamed>
    RProxyCompressStored off
</Location>
<Location />
    RProxyPurge on
    Require ip 127.0.0.1
</Location>
CONF

# Ask until the stored variant answers.
sub stored
{
    my ($httpd, $target, @fields) = @_;
    my $response;
    eventually {
        $response = get($httpd, $target, @fields);
        ($response->field('ETag') || '') =~ /-[0-9a-f]{12}"\z/;
    } or diag("$target: never stored");
    return $response;
}

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(modules => [qw(authz_host)], config => pool(app => $backend) . $conf);

    for my $coding (qw(gzip br zstd)) {
        part "$coding: streamed first, then stored" => sub {
            my $first = get($httpd, "/page/$coding", 'Accept-Encoding' => $coding);
            is($first->field('Content-Encoding'), $coding, 'the first visitor gets it compressed');
            is(md5_hex(unpacked($first)), md5_hex($page), 'all of it');
            is($first->field('ETag'), qq{W/"v+$coding"}, 'with a weak tag, as another time the bytes may differ');

            my $stored = stored($httpd, "/page/$coding", 'Accept-Encoding' => $coding);
            is($stored->field('Content-Encoding'), $coding, 'a later one gets what is stored');
            is(md5_hex(unpacked($stored)), md5_hex($page), 'which is the same text');
            is($stored->field('Content-Length'), length $stored->body, 'of known length');
            cmp_ok(length $stored->body, '<', length $first->body, 'and shorter');
            my $tag = $stored->field('ETag');
            like($tag, qr/\A"v\+$coding-[0-9a-f]{12}"\z/, 'under a strong tag of its own');
            like($stored->field('Vary') || '', qr/\baccept-encoding\b/i, 'with Vary');
            is($backend->count, 1, 'from one response of the backend') if $coding eq 'gzip';

            my $client = client($httpd);
            my $again = $client->get("/page/$coding", 'Accept-Encoding' => $coding);
            is($again->body, $stored->body, 'the bytes stay the same');
            my $head = $client->head("/page/$coding", 'Accept-Encoding' => $coding);
            is($head->field($_), $stored->field($_), "HEAD says the same $_")
                for qw(ETag Vary Content-Encoding Content-Length Content-Type);
            for my $held ($tag, $first->field('ETag'), "\"a\", $tag") {
                my $same = $client->get("/page/$coding", 'Accept-Encoding' => $coding, 'If-None-Match' => $held);
                is($same->status, 304, "304 to who has $held");
                ok(index($held, $same->field('ETag')) >= 0, 'under the tag that he has');
                is($same->field('Content-Encoding'), undef, 'saying no more than selects');
                like($same->field('Vary') || '', qr/\baccept-encoding\b/i, 'Vary among it');
            }
            is($client->get("/page/$coding", 'Accept-Encoding' => $coding, 'If-None-Match' => '"v"')->status, 200,
                'who has it uncompressed gets it');
            is($client->get("/page/$coding", 'If-None-Match' => $tag)->status, 200,
                'who has it compressed and takes nothing compressed gets it');

            my $part = $client->get("/page/$coding", 'Accept-Encoding' => $coding, Range => 'bytes=10-99',
                'If-Range' => $tag);
            is($part->status, 206, 'a range of it, for who has a part of it');
            is($part->body, substr($stored->body, 10, 90), 'is of these bytes');
            is($part->field('Content-Encoding'), $coding, 'in the coding');
            is($part->field('Content-Range'), 'bytes 10-99/' . length $stored->body, 'and says so');
            my $whole = $client->get("/page/$coding", 'Accept-Encoding' => $coding, Range => 'bytes=10-99',
                'If-Range' => qq{"v+$coding-000000000000"});
            is($whole->status, 200, 'who has a part of other bytes gets all');
            is(md5_hex(unpacked($whole)), md5_hex($page), 'of them');
            my $plain = $client->get("/page/$coding", 'Accept-Encoding' => $coding, Range => 'bytes=10-99');
            is($plain->status, 206, 'without If-Range a range');
            is($plain->body, substr($page, 10, 90), 'is of the bytes as they came');
        };
    }
    part 'variants by Vary have variants by coding' => sub {
        stored($httpd, '/page/vary', 'Accept-Encoding' => 'br');
        my $two = stored($httpd, '/page/vary', 'Accept-Encoding' => 'br', 'X-Version' => 2);
        is(md5_hex(unpacked($two)), md5_hex($other), 'each its own');
        my $one = stored($httpd, '/page/vary', 'Accept-Encoding' => 'br');
        is(md5_hex(unpacked($one)), md5_hex($page), 'and the other');
    };
    part 'a 304 of the backend keeps what is stored' => sub {
        my $stored = stored($httpd, '/short/kept', 'Accept-Encoding' => 'br');
        my $n = $backend->count;
        my $again = get($httpd, '/short/kept', 'Accept-Encoding' => 'br');
        is($backend->count, $n + 1, 'the backend is asked');
        like($again->field('Cache-Status'), qr/fwd-status=304/, 'and confirms it');
        is($again->field('ETag'), $stored->field('ETag'), 'the stored variant answers');
        is($again->body, $stored->body, 'with its bytes');
    };
    part 'what is purged is gone in all codings' => sub {
        my $stored = stored($httpd, '/page/purged', 'Accept-Encoding' => 'br');
        is(request($httpd, 'PURGE', '/page/purged')->status, 200, 'purged by its URL');
        my $n = $backend->count;
        my $new = get($httpd, '/page/purged', 'Accept-Encoding' => 'br', 'X-Version' => 1);
        is($backend->count, $n + 1, 'the backend is asked');
        is($new->field('ETag'), 'W/"v+br"', 'and what comes is compressed anew');
        stored($httpd, '/page/purged', 'Accept-Encoding' => 'br');
    };
    part 'what takes its place is not answered with what was made of the other' => sub {
        my $client = client($httpd);
        my $old = stored($httpd, '/page/replaced', 'Accept-Encoding' => 'br');
        my $new = $client->get('/page/replaced', 'Accept-Encoding' => 'br', 'Cache-Control' => 'no-cache');
        is(md5_hex(unpacked($new)), md5_hex($page), 'fetched anew');
        my $after = stored($httpd, '/page/replaced', 'Accept-Encoding' => 'br');
        is(md5_hex(unpacked($after)), md5_hex($page), 'and coded anew');
    };
    part 'what compression makes no shorter goes out as it is' => sub {
        my $response;
        ok(eventually {
            $response = get($httpd, '/random', 'Accept-Encoding' => 'br');
            !defined $response->field('Content-Encoding');
        }, 'once that is known');
        is($response->field('ETag'), '"r"', 'with its own tag');
        like($response->field('Vary') || '', qr/\baccept-encoding\b/i, 'and Vary all the same');
        is(length $response->body, 20_000, 'whole');
    };
    part 'where it is off each is compressed anew' => sub {
        get($httpd, '/streamed', 'Accept-Encoding' => 'br') for 1 .. 3;
        ok($httpd->wait_log(qr{RP0506: zstd 19}), 'others are made and logged');
        unlike($httpd->error_log, qr{RP0506: .*/streamed}, 'this one is not');
        is(get($httpd, '/streamed', 'Accept-Encoding' => 'br')->field('ETag'), 'W/"v+br"', 'and streamed');
    };
    part 'the log tells stored from streamed' => sub {
        ok(eventually { RP::Place->read_file($httpd->root . '/compress.log') =~ m{^/page/br miss now$}m }, 'the first');
        like(RP::Place->read_file($httpd->root . '/compress.log'), qr{^/page/br hit stored$}m, 'and a later one');
    };
};

done_testing;
