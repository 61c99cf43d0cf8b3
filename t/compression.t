# Licensed under the Apache License, Version 2.0; see LICENSE.

# Content codings: chosen as the client wants, true to the representation (RFC 9110 sections 8.4, 8.8, 12.5.3).
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

my $text = join '', map { "line $_ of a text that repeats itself\n" } 1 .. 2000;

sub respond
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{\A/(?:cached/|padded/|adapted/)?([\w-]*)};
    if ($what eq 'flushed') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk('first part, ');
        $c->wait_signal($request->field('X-Signal'));
        $c->send_chunk('second part');
        return $c->send_last_chunk;
    } elsif ($what eq 'text') {
        my $match = $request->field('If-None-Match');
        my @fields = ('Content-Type' => 'text/plain', ETag => '"v1"', 'Cache-Control' => 'max-age=600',
            'Accept-Ranges' => 'bytes');
        return $c->respond($request, 304, \@fields) if defined $match && $match =~ /(?<!\/)"v1"/;
        return $c->respond($request, 200, \@fields, $text);
    } elsif ($what eq 'weak') {
        return $c->respond($request, 200, ['Content-Type' => 'text/plain', ETag => 'W/"w1"'], $text);
    } elsif ($what eq 'chunked') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk($_) for unpack '(a1000)*', $text;
        return $c->send_last_chunk;
    } elsif ($what eq 'digests') {
        my @digests = map { ("$_: sha-256=:4REjxQ4yrqUVicfSKYNO/cF9zNj5ANbzgDZt3/h3Qxo=:\r\n") }
            'Content-Digest', 'Repr-Digest', 'Digest', 'Content-MD5';
        my $match = $request->field('If-None-Match') || '';
        my $head = join '', qq{ETag: "v1"\r\nCache-Control: max-age=0\r\n}, @digests;
        return $c->send("HTTP/1.1 304 Not Modified\r\n$head\r\n") if $match eq '"v1"';
        $c->send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n$head\r\n");
        $c->send_chunk($text) if $request->method ne 'HEAD';
        return $c->send(join '', "0\r\n", @digests, "X-Sum: 42\r\n\r\n") if $request->method ne 'HEAD';
        return;
    } elsif ($what eq 'broken') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n", $text);
        return $c->close;
    } elsif ($what eq 'random') {
        return $c->respond($request, 200, ['Content-Type' => 'text/plain'], join '',
            map { chr rand 256 } 1 .. 500_000);
    }
    return as_asked()->($c, $request);
}

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(config => pool(app => $backend) . <<'CONF');
RProxyPass / app
RProxyCompress zstd br gzip
RProxyCacheLocal @ROOT@/cache size=32M
<Location /off>
    RProxyCompress off
</Location>
<Location /cached>
    RProxyCache on
</Location>
<Location /secret>
    RProxyCompressExcept cookie=sid "expr=%{QUERY_STRING} =~ /private/"
</Location>
<Location /padded>
    RProxyCompressPad 512
</Location>
<Location /adapted>
    RProxyCompressAdapt on
</Location>
<Location /only-json>
    RProxyCompressTypes application/json +json
    RProxyCompressMin 10
</Location>
CONF

    for my $coding (qw(gzip br zstd)) {
        part "$coding is unpacked by its own tool" => sub {
            my $response = get($httpd, '/text', 'Accept-Encoding' => $coding);
            is($response->field('Content-Encoding'), $coding, 'it is named');
            cmp_ok(length $response->body, '<', length($text) / 4, 'it is smaller');
            is(md5_hex(unpacked($response)), md5_hex($text), 'it is the text');
            like($response->field('Vary') || '', qr/\baccept-encoding\b/i, 'Vary names Accept-Encoding');
            isnt($response->field('ETag'), '"v1"', 'other bytes have another tag');
            ok(defined $response->field('ETag'), 'but they have one');
            my $length = $response->field('Content-Length');
            ok(!defined $length || $length == length $response->body, 'Content-Length is true, if any');
            is($response->field('Accept-Ranges'), undef, 'no ranges are offered');

            my $chunked = get($httpd, '/chunked', 'Accept-Encoding' => $coding);
            is(md5_hex(unpacked($chunked)), md5_hex($text), 'a chunked response too');
            my $random = get($httpd, '/random', 'Accept-Encoding' => $coding);
            is($random->field('Content-Encoding'), undef, 'one that cannot be made smaller is left alone');
            is(length $random->body, 500_000, 'whole');

            my $client = client($httpd);
            my $tag = $response->field('ETag');
            my $same = $client->get('/text', 'Accept-Encoding' => $coding, 'If-None-Match' => $tag);
            is($same->status, 304, 'its tag gets a 304');
            is($same->field('ETag'), $tag, 'with the same tag');
            like($same->field('Vary') || '', qr/\baccept-encoding\b/i, 'and Vary');
            is($client->get('/text', 'Accept-Encoding' => $coding, 'If-None-Match' => '"v0"')->status, 200,
                'another tag does not');
            my $head = $client->head('/text', 'Accept-Encoding' => $coding);
            is($head->field($_), $response->field($_), "HEAD says the same $_")
                for qw(ETag Vary Content-Encoding);
            isnt($head->field('Content-Length') // '', length $text, 'and not the length of other bytes');
        };
        part "$coding is flushed where the backend flushes" => sub {
            # curl unpacks while it receives; the tools want all of it.
            my $file = RP::Place->folder . '/received';
            my $curl = RP::Process->run(['curl', '-sN', '--compressed', '-H', "Accept-Encoding: $coding",
                '-H', "X-Signal: $coding",
                'http://127.0.0.1:' . $httpd->port . '/flushed'], output => $file);
            ok(eventually { RP::Place->read_file($file) eq 'first part, ' },
                'the first part can be read before the second is sent');
            $backend->signal($coding);
            ok(eventually { RP::Process->ended($curl) }, 'and then the rest');
            is(RP::Place->read_file($file), 'first part, second part', 'all of it');
            RP::Process->stop($curl);
        };
    }
    part 'the client chooses by q-values, the server among equals' => sub {
        my @choices = (
            ['gzip, br, zstd', 'zstd'], ['gzip, br', 'br'], ['gzip', 'gzip'], ['x-gzip', 'gzip'],
                ['GZIP', 'gzip'],
            ['gzip;q=1, br;q=0.5, zstd;q=0.1', 'gzip'], ['gzip;q=0.5, br;q=0.9', 'br'],
                ['br;q=0, gzip', 'gzip'],
            ['*', 'zstd'], ['zstd;q=0, *', 'br'], ['identity', undef], ['identity, gzip;q=0.5', undef],
            ['gzip;q=0', undef], ['deflate', undef], ['', undef], ['gzip;q=0.001, identity;q=0', 'gzip'],
                ['*;q=0', undef],
            ['gzip ; q=0.8 , br ; q=0.9', 'br'],
        );
        my $client = client($httpd);
        for my $choice (@choices) {
            my ($accept, $coding) = @$choice;
            my $response = $client->get('/text', 'Accept-Encoding' => $accept);
            is($response->field('Content-Encoding'), $coding, "\"$accept\" gets " . ($coding || 'identity'));
            like($response->field('Vary') || '', qr/\baccept-encoding\b/i, 'with Vary') if !$coding;
        }
        my $none = $client->get('/text');
        is($none->field('Content-Encoding'), undef, 'no Accept-Encoding gets identity');
        is($none->field('ETag'), '"v1"', 'with the tag as it came');
        is($none->field('Content-Length'), length $text, 'and its length');
        is(client($httpd)->get('/weak', 'Accept-Encoding' => 'gzip')->field('ETag') =~ m{\AW/"} ? 1 : 0, 1,
            'a weak tag stays weak');
    };
    part 'what is left alone' => sub {
        my $long = 'x' x 5000;
        my %alone = (
            'no-transform' => asking('/', 'Content-Type' => 'text/plain', 'Cache-Control' => 'no-transform',
                body => $long),
            'no-transform in a line of its own' => asking('/', 'Content-Type' => 'text/plain',
                'Cache-Control' => 'max-age=600', 'Cache-Control' => 'no-transform', body => $long),
            'already encoded' => asking('/', 'Content-Type' => 'text/plain', 'Content-Encoding' => 'gzip',
                body => $long),
            'a picture' => asking('/', 'Content-Type' => 'image/png', body => $long),
            'no type' => asking('/', 'X-A' => 'b', body => $long),
            'too short' => asking('/', 'Content-Type' => 'text/plain', body => 'x' x 100),
            'a partial response' => asking('/', status => 206, 'Content-Type' => 'text/plain',
                'Content-Range' => 'bytes 0-4999/9999', body => $long),
            'where it is off' => asking('/off', 'Content-Type' => 'text/plain', body => $long),
            'a type that is not listed' => asking('/only-json', 'Content-Type' => 'text/plain',
                body => $long),
        );
        for my $what (sort keys %alone) {
            my $response = get($httpd, $alone{$what}, 'Accept-Encoding' => 'gzip');
            is(length $response->body, $what eq 'too short' ? 100 : 5000,
                "$what: the bytes are the backend's");
            is($response->field('Content-Encoding'), $what eq 'already encoded' ? 'gzip' : undef,
                "$what: Content-Encoding as it came");
        }
        is(get($httpd, asking('/', status => 204, 'Content-Type' => 'text/plain'),
            'Accept-Encoding' => 'gzip')->field('Content-Encoding'),
            undef, 'a 204');
        is(get($httpd, '/text', 'Accept-Encoding' => 'gzip',
            Range => 'bytes=0-9')->field('Content-Encoding'), undef, 'a request for a range');
    };
    part 'what is compressed' => sub {
        my $long = 'x' x 5000;
        for my $type ('text/html; charset=utf-8', 'TEXT/CSS', 'application/json', 'application/javascript',
            'image/svg+xml', 'application/ld+json') {
            is(get($httpd, asking('/', 'Content-Type' => $type, body => $long),
                'Accept-Encoding' => 'gzip')->field('Content-Encoding'),
                'gzip', $type);
        }
        is(get($httpd, asking('/only-json', 'Content-Type' => $_, body => 'x' x 20),
            'Accept-Encoding' => 'br')->field('Content-Encoding'),
            'br', "$_ where it is listed") for 'application/json', 'application/problem+json';
        is(get($httpd, asking('/', status => 404, 'Content-Type' => 'text/html', body => $long),
            'Accept-Encoding' => 'gzip')->field('Content-Encoding'),
            'gzip', 'an error page');
    };
    part 'digests are of the bytes that come with them' => sub {
        my @names = ('Content-Digest', 'Repr-Digest', 'Digest', 'Content-MD5');
        for my $where ('', '/cached') {
            my $coded = get($httpd, "$where/digests", 'Accept-Encoding' => 'gzip', TE => 'trailers', Connection => 'TE');
            is($coded->field('Content-Encoding'), 'gzip', "$where/digests is compressed");
            is($coded->field($_), undef, "without $_") for @names;
            is($coded->trailer($_), undef, "without the trailer $_") for @names;
            my $plain = get($httpd, "$where/digests", TE => 'trailers', Connection => 'TE');
            is($plain->field($_), 'sha-256=:4REjxQ4yrqUVicfSKYNO/cF9zNj5ANbzgDZt3/h3Qxo=:', "uncompressed with its $_")
                for @names;
        }
        my $coded = get($httpd, '/digests', 'Accept-Encoding' => 'gzip', TE => 'trailers', Connection => 'TE');
        is($coded->trailer('X-Sum'), '42', 'another trailer field goes with it');
        my $plain = get($httpd, '/digests', TE => 'trailers', Connection => 'TE');
        ok(defined $plain->trailer($_), "as does $_ uncompressed") for @names;
        my $head = client($httpd)->head('/digests', 'Accept-Encoding' => 'gzip');
        is($head->field($_), undef, "HEAD has no $_ either") for @names;
        my $not_modified = get($httpd, '/digests', 'Accept-Encoding' => 'gzip', 'If-None-Match' => '"v1+gzip"');
        is($not_modified->status, 304, 'of the compressed one');
        is($not_modified->field($_), undef, "a 304 says no $_") for @names;
    };
    part 'where a response may have a secret in it nothing is compressed' => sub {
        my $long = 'x' x 5000;
        my $target = asking('/secret', 'Content-Type' => 'text/html', body => $long);
        my %coding = (
            'another cookie' => [$target, 'gzip', Cookie => 'sid2=1; a=sid'], 'no cookie' => [$target, 'gzip'],
            'the cookie' => [$target, undef, Cookie => 'a=b; sid=42'], 'the cookie in a line of its own' =>
                [$target, undef, Cookie => 'a=b', Cookie => 'sid='],
            'what the expression says' => ["$target&private=1", undef],
        );
        for my $case (sort keys %coding) {
            my ($to, $expected, @fields) = @{ $coding{$case} };
            is(get($httpd, $to, 'Accept-Encoding' => 'gzip', @fields)->field('Content-Encoding'), $expected, $case);
        }
    };
    part 'random bytes hide a length' => sub {
        for my $coding (qw(gzip zstd)) {
            my %lengths;
            for (1 .. 12) {
                my $response = get($httpd, '/padded/text', 'Accept-Encoding' => $coding);
                is(md5_hex(unpacked($response)), md5_hex($text), "$coding: it is the text") if $_ <= 2;
                $lengths{ length $response->body }++;
            }
            cmp_ok(scalar keys %lengths, '>', 4, "$coding: of many lengths");
        }
        is(get($httpd, '/padded/text', 'Accept-Encoding' => 'br')->field('Content-Encoding'), undef, 'br is not used there');
        my ($status, $plain) = command(['curl', '-s', '--compressed', '-H', 'Accept-Encoding: gzip',
            'http://127.0.0.1:' . $httpd->port . '/padded/text']);
        is(md5_hex($plain), md5_hex($text), 'which curl passes over');
    };
    part 'levels may give way' => sub {
        my $response = get($httpd, '/adapted/text', 'Accept-Encoding' => 'br');
        is(md5_hex(unpacked($response)), md5_hex($text), 'the text stays the same');
    };
    part 'a response that breaks off stays broken' => sub {
        my $response = get($httpd, '/broken', 'Accept-Encoding' => 'gzip');
        ok($response->status == 502 || $response->broken, 'the client sees it');
    };
    part 'the cache gives each client what it takes' => sub {
        my $client = client($httpd);
        $backend->forget;
        for my $round (1 .. 2) {
            for my $accept ('gzip', 'br', 'zstd', 'identity', 'gzip, br') {
                my $response = $client->get('/cached/text', 'Accept-Encoding' => $accept);
                is(md5_hex(unpacked($response)), md5_hex($text), "$accept, round $round");
                my $tag = $response->field('ETag');
                is($client->get('/cached/text', 'Accept-Encoding' => $accept,
                    'If-None-Match' => $tag)->status, 304, 'and 304 for its tag');
            }
        }
        is($backend->count, 1, 'from one response of the backend');
        my $part = $client->get('/cached/text', 'Accept-Encoding' => 'gzip', Range => 'bytes=0-9');
        is($part->status, 206, 'a range');
        is($part->body, substr($text, 0, 10), 'is of the bytes as they came');
        is($part->field('ETag'), '"v1"', 'and says so by its tag');
    };
};

done_testing;
