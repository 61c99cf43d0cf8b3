# Licensed under the Apache License, Version 2.0; see LICENSE.

# Ranges in the cache: cut from what is stored whole, stored as parts, put together (RFC 9110 §14, RFC 9111 §3.3, §3.4).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $unique = 0;
my $modified = 'Mon, 01 Jan 2024 00:00:00 GMT';

sub cacheable { return asking('/' . ++$unique, 'Cache-Control' => 'max-age=600', @_) }

sub is_hit
{
    my ($response, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($response->field('Cache-Status') || '', qr/\Arproxy; ?hit\b/, $name);
}

my $config = <<'CONF';
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
<Location /early>
    RProxyCacheEarly on
</Location>
<Location /coded>
    RProxyCompress gzip
</Location>
CONF

each_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(config => pool(app => $backend) . $config);

    for my $size (1000, 200_000) {
        for my $where ('', '/early') {
            part "of $size bytes stored whole" . ($where && ', in the quick handler') => sub {
                my $target = $where . cacheable(ETag => '"v1"', 'Last-Modified' => $modified,
                    'Content-Type' => 'text/plain', 'Content-Digest' => 'sha-256=:AA==:', 'Content-MD5' => 'AA==',
                    'Repr-Digest' => 'sha-256=:BB==:', size => $size);
                my $whole = get($httpd, $target)->body;
                $backend->forget;
                my $client = client($httpd);
                my $range = sub { $client->get($target, Range => @_) };
                my $middle = $size / 2;
                my $part = $range->("bytes=$middle-" . ($middle + 9));
                is($part->status, 206, 'a range');
                is_hit($part, 'from the store');
                ok($part->body eq substr($whole, $middle, 10), 'its bytes');
                is($part->field('Content-Range'), "bytes $middle-" . ($middle + 9) . "/$size", 'its place');
                is($part->field('Content-Length'), 10, 'its length');
                is($part->field($_), undef, "no $_, which was of other bytes") for qw(Content-Digest Content-MD5);
                is($part->field('Repr-Digest'), 'sha-256=:BB==:', 'Repr-Digest is of the representation');
                is($part->field('ETag'), '"v1"', 'the validator');
                ok($range->('bytes=900-')->body eq substr($whole, 900), 'to the end');
                ok($range->('bytes=-7')->body eq substr($whole, -7), 'the last bytes');
                ok($range->("bytes=-9999999")->body eq $whole, 'more last bytes than there are');
                is($range->("bytes=-9999999")->status, 206, 'is a range, too');
                is($range->("bytes=0-9999999")->field('Content-Range'), 'bytes 0-' . ($size - 1) . "/$size",
                    'a range is cut at the end');

                for my $beyond ("bytes=$size-", "bytes=$size-9999999", 'bytes=-0', "bytes=$size-,9999999-") {
                    my $refused = $range->($beyond);
                    is($refused->status, 416, "$beyond is beyond the end");
                    is($refused->field('Content-Range'), "bytes */$size", 'the answer tells the length');
                    is($refused->field($_), undef, "and has no $_") for qw(ETag Content-Digest);
                }
                for my $ignored ('lines=1-2', 'bytes=2-1', 'bytes=x', 'bytes=0-1,x', 'bytes=') {
                    my $response = $range->($ignored);
                    is($response->status, 200, "$ignored is ignored");
                    is($response->field('Content-Digest'), 'sha-256=:AA==:', 'and the whole has its digest')
                        if $ignored ne 'bytes=0-1,x';
                }
                is($client->get($target)->field('Accept-Ranges'), 'bytes', 'ranges are offered');

                my $head = $client->head($target, Range => 'bytes=0-1');
                is($head->status, 200, 'HEAD has no ranges');
                is($head->field('Content-Length'), $size, 'its length is the whole');
                is($head->field('Content-Range'), undef, 'and nothing of a range');
                is($client->head($target, Range => "bytes=$size-")->status, 200, 'nor can it ask beyond the end');

                is($range->('bytes=0-1', 'If-Range' => '"v1"')->status, 206, 'If-Range with the tag');
                is($range->('bytes=0-1', 'If-Range' => '"v0"')->status, 200, 'with another');
                is($range->('bytes=0-1', 'If-Range' => 'W/"v1"')->status, 200, 'with a weak one');
                is($range->('bytes=0-1', 'If-Range' => $modified)->status, 206, 'with the date');
                is($range->('bytes=0-1', 'If-Range' => 'Tue, 02 Jan 2024 00:00:00 GMT')->status, 200,
                    'with a later date');
                is($range->("bytes=$size-", 'If-Range' => '"v0"')->status, 200,
                    'beyond the end of what is not it: the whole');
                is($range->("bytes=$size-", 'If-None-Match' => '"v1"')->status, 304, 'If-None-Match goes first');

                my $many = $range->("bytes=0-1,10-12,-2");
                is($many->status, 206, 'several ranges');
                my ($boundary) = ($many->field('Content-Type') || '') =~ m{\Amultipart/byteranges; ?boundary="?([^"]+)};
                ok($boundary, 'are multipart');
                is($many->field($_), undef, "without $_") for qw(Content-Digest Content-Range);
                my @parts = split /\r?\n?--\Q$boundary\E(?:--)?\r\n/, $many->body;
                shift @parts;
                is_deeply([map { (split /\r\n\r\n/, $_, 2)[1] } @parts],
                    [substr($whole, 0, 2), substr($whole, 10, 3), substr($whole, -2)], 'each has its bytes');
                my ($place) = $parts[1] =~ /^Content-range: (.*?)\r$/mi;
                is($place, "bytes 10-12/$size", 'and its place');
                is($backend->count, 0, 'and the backend is asked for nothing');
            };
        }
    }
    part 'more ranges than are good for anybody get the whole' => sub {
        my $target = cacheable(size => 200_000);
        my $whole = get($httpd, $target)->body;
        my $many = get($httpd, $target, Range => 'bytes=' . join ',', map { 4 * $_ . '-' . 4 * $_ } 0 .. 400);
        is($many->status, 200, 'beyond MaxRanges');
        ok($many->body eq $whole, 'the whole, once');
        my $overlaps = get($httpd, $target, Range => 'bytes=' . join ',', map { '0-100000' } 1 .. 100);
        cmp_ok(length $overlaps->body, '<=', 200_000, 'overlapping ones are no way to get more');
    };
    part 'of another status than 200 there are none' => sub {
        for my $status (404, 203, 410) {
            my $target = cacheable(status => $status, size => 1000);
            get($httpd, $target);
            for my $range ('bytes=0-1', 'bytes=1000-') {
                my $response = get($httpd, $target, Range => $range);
                is_hit($response, "a stored $status");
                is($response->status, $status, "is not asked for $range");
                is(length $response->body, 1000, 'but whole');
            }
        }
    };
    part 'of an empty body there are none' => sub {
        my $target = cacheable(body => '');
        get($httpd, $target);
        my $response = get($httpd, $target, Range => 'bytes=0-');
        is($response->status . $response->body, '200', 'it is whole');
    };
    part 'of a response that is coded on the way they are of its own bytes' => sub {
        my $target = '/coded' . cacheable(ETag => '"v1"', 'Content-Type' => 'text/plain', size => 20_000);
        my $coded = get($httpd, $target, 'Accept-Encoding' => 'gzip');
        is($coded->field('Content-Encoding'), 'gzip', 'without a range it is coded');
        is($coded->field('Accept-Ranges'), undef, 'and ranges of that are not offered');
        my $part = get($httpd, $target, 'Accept-Encoding' => 'gzip', Range => 'bytes=3-9');
        is($part->status, 206, 'a range');
        is($part->field('Content-Encoding'), undef, 'is not coded');
        is($part->field('ETag'), '"v1"', 'and says so by its tag');
        is($part->body, '3456789', 'its bytes');
        my $mixed = get($httpd, $target, 'Accept-Encoding' => 'gzip', Range => 'bytes=3-9',
            'If-Range' => $coded->field('ETag'));
        is($mixed->status, 200, 'who has a part of the coded one gets the whole');
    };
    part 'what a backend answers to a range is passed on as it is' => sub {
        my $target = cacheable(size => 100, 'Content-Digest' => 'sha-256=:AA==:');
        my $response = get($httpd, $target, Range => 'bytes=0-9');
        is($response->status, 200, 'a backend that knows no ranges');
        is(length $response->body, 100, 'is not corrected');
        is(get($httpd, $target, Range => 'bytes=0-9')->status, 206, 'but the next range is cut from it');
    };
};

done_testing;
