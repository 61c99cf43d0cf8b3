# Licensed under the Apache License, Version 2.0; see LICENSE.

# What backends send in gzip: as it is to who takes that, unpacked for others, and the source of other codings.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Compress::Raw::Zlib;
use IO::Compress::Gzip qw(gzip);
use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64);

my %unpack = (gzip => ['gzip', '-dc'], br => ['brotli', '-dc'], zstd => ['zstd', '-dcq']);
my $text = join '', map { "line $_ of a text that " . ($_ * 7919 % 1009) . " repeats itself\n" } 1 .. 3000;

sub packed { my ($plain) = @_; gzip(\$plain => \my $coded, -Minimal => 1); return $coded }

my $coded = packed($text);

sub plain
{
    my ($response) = @_;
    my $coding = $response->field('Content-Encoding');
    return $response->body if !defined $coding;
    my ($status, $plain) = command($unpack{$coding}, $response->body);
    die "$coding: cannot be unpacked\n" if $status;
    return $plain;
}

# A bomb: a hundred megabytes of zeros.
my $bomb = do { my $zeros = "\0" x (1 << 20); my $b; my $z = IO::Compress::Gzip->new(\$b); $z->print($zeros) for 1 .. 100; $z->close; $b };

my %body = (whole => $coded, members => packed(substr $text, 0, 5000) . packed(substr $text, 5000), cut => substr($coded, 0, 2000),
    junk => 'this is not gzip at all' x 30, bomb => $bomb, trailing => $coded . "\0\0\0\0garbage");

sub respond
{
    my ($c, $request) = @_;
    my ($where, $what) = $request->target =~ m{\A/(?:(\w+)/)?(\w+)};
    if ($what eq 'asked') {
        return $c->respond($request, 200, ['Content-Type' => 'text/plain'], $request->field('Accept-Encoding') || 'nothing');
    }
    my @fields = ('Content-Type' => 'text/plain', 'Content-Encoding' => 'gzip', ETag => '"g"', Vary => 'Accept-Encoding',
        ($where || '') eq 'cached' ? ('Cache-Control' => 'max-age=600', 'Use-As-Dictionary' => 'match="/*"') : ());
    return $c->respond($request, 304, \@fields) if ($request->field('If-None-Match') || '') eq '"g"';
    if ($what eq 'flushed') {
        my $z = Compress::Raw::Zlib::Deflate->new(-WindowBits => WANT_GZIP);
        my $buffer;
        $c->send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
        $z->deflate('first part, ', $buffer);
        $z->flush(my $rest, Z_SYNC_FLUSH);
        $c->send_chunk($buffer . $rest);
        $c->wait_signal('go');
        $z->deflate('second part', $buffer);
        $z->flush($rest, Z_FINISH);
        $c->send_chunk($buffer . $rest);
        return $c->send_last_chunk;
    }
    return $c->respond($request, 200, \@fields, $body{$what});
}

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(config => pool(app => $backend) . <<'CONF');
RProxyPass / app
RProxyTrust 127.0.0.1
RProxyCompress dcz zstd br gzip
RProxyCompressStored budget=100 br=6 zstd=9
RProxyCacheLocal @ROOT@/cache size=32M
<Location /cached>
    RProxyCache on
</Location>
<Location /gzip>
    RProxyCompressBackend gzip
</Location>
<Location /off>
    RProxyCompress off
</Location>
CONF

    part 'backends are asked for what the operator says' => sub {
        is(get($httpd, '/asked', 'Accept-Encoding' => 'br')->body, 'nothing', 'for no coding by default');
        is(get($httpd, '/gzip/asked', 'Accept-Encoding' => 'br')->body, 'gzip', 'or for gzip');
        is(get($httpd, '/off/asked', 'Accept-Encoding' => 'br')->body, 'br', 'and for what the client says without RProxyCompress');
    };
    for my $where ('', '/cached') {
        part "each gets what it takes from $where/whole" => sub {
            for my $round (1 .. 2) {
                my $as_is = get($httpd, "$where/whole", 'Accept-Encoding' => 'gzip');
                is($as_is->body, $coded, 'gzip goes out as it came');
                is($as_is->field('ETag'), '"g"', 'under its tag');
                is($as_is->field('Content-Length'), length $coded, 'and of its length');
                my $plain = get($httpd, "$where/whole");
                is($plain->field('Content-Encoding'), undef, 'who takes none gets it unpacked');
                is(md5_hex($plain->body), md5_hex($text), 'all of it');
                is($plain->field('ETag'), '"g+plain"', 'under another tag');
                like($plain->field('Vary'), qr/accept-encoding/i, 'with Vary');
                is(get($httpd, "$where/whole", 'If-None-Match' => '"g+plain"')->status, 304, 'which gets a 304');
                is(get($httpd, "$where/whole", 'If-None-Match' => '"g+plain"')->field('ETag'), '"g+plain"', 'with that tag');
                is(get($httpd, "$where/whole", 'Accept-Encoding' => 'gzip', 'If-None-Match' => '"g"')->status, 304, 'as does its own');
                my $other = get($httpd, "$where/whole", 'Accept-Encoding' => 'zstd');
                is($other->field('Content-Encoding'), 'zstd', 'who takes zstd alone gets that');
                is(md5_hex(plain($other)), md5_hex($text), 'and all of it');
                like($other->field('ETag'), qr/\A(?:W\/"g\+zstd"|"g\+zstd-[0-9a-f]{12}")\z/, 'under its tag');
            }
        };
    }
    part 'what is stored in gzip becomes other codings' => sub {
        my $response;
        ok(eventually {
            $response = get($httpd, '/cached/whole', 'Accept-Encoding' => 'gzip, br');
            ($response->field('ETag') || '') =~ /\A"g\+br-[0-9a-f]{12}"\z/;
        }, 'for those who like them better') or diag($response->raw_head);
        is(md5_hex(plain($response)), md5_hex($text), 'of the same text');
        cmp_ok(length $response->body, '<', length $coded, 'in fewer bytes');
        is(scalar(grep { $_->target eq '/cached/whole' } $backend->requests), 1, 'from one response of the backend');
    };
    part 'it is a dictionary as it is unpacked' => sub {
        my @has = ('X-Forwarded-Proto' => 'https', 'Accept-Encoding' => 'gzip, zstd, dcz',
            'Available-Dictionary' => ':' . encode_base64(sha256($text), '') . ':');
        get($httpd, '/cached/members', @has);
        ok($httpd->wait_log(qr/RP0507/), 'it is kept');
        ok(eventually { get($httpd, '/cached/members', @has)->field('Content-Encoding') eq 'dcz' }, 'and used');
    };
    part 'what is odd' => sub {
        is(md5_hex(get($httpd, '/members')->body), md5_hex($text), 'several members are one text');
        is(md5_hex(get($httpd, '/trailing')->body), md5_hex($text), 'what follows them is passed over');
        for my $bad (qw(cut junk bomb)) {
            my $response = get($httpd, "/$bad");
            ok($response->status >= 500 || $response->broken, "$bad: the client sees that it is not whole");
            cmp_ok(length $response->body, '<', 20_000_000, "$bad: and does not get much");
            is(get($httpd, "/$bad", 'Accept-Encoding' => 'gzip')->body, $body{$bad}, "$bad: as it came to who takes it");
        }
        ok($httpd->wait_log(qr/RP0502/), 'the log says so');
        my $part = get($httpd, '/cached/whole', Range => 'bytes=0-9');
        is($part->status, 200, 'of what is unpacked there are no ranges');
        is(get($httpd, '/cached/whole', 'Accept-Encoding' => 'gzip', Range => 'bytes=0-9')->body, substr($coded, 0, 10),
            'of what is stored there are');
        my $head = head($httpd, '/cached/whole');
        is($head->field('Content-Encoding'), undef, 'HEAD says what GET would');
        is($head->field('ETag'), '"g+plain"', 'under the same tag');
    };
    part 'it is unpacked as it comes' => sub {
        my $client = client($httpd);
        $client->send_request('GET', '/flushed');
        my $head = $client->read_response_head;
        is($head->status, 200, 'the head');
        is($client->read_chunk, 'first part, ', 'the first part can be read before the second is sent');
        $backend->signal('go');
        is($client->read_chunk, 'second part', 'and then the rest');
        is($client->read_chunk, '', 'to its end');
    };
};

done_testing;
