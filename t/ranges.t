# Licensed under the Apache License, Version 2.0; see LICENSE.

# Ranges in the cache: cut from what is stored whole, stored as parts, put together (RFC 9110 §14,
# RFC 9111 §3.3, §3.4).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Compress::Zlib ();
use POSIX ();

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
<Location /plain>
    RProxyCacheAllow plain-parts
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

# A backend that knows ranges.  What the query may say: size, etag, chunked, ignore (ranges), wrong (another tag for
# ranges), unknown (the complete length), odd (ranges are one byte off), changed (the tag that holds when somebody asks
# about the other), vary, breaks (in the middle of the rest), age, dated (Last-Modified), other-type, -date, -size (the rest has
# another).
sub representation { return join '', map { sprintf '%07d;', $_ } 0 .. $_[0] / 8 - 1 }

sub ranged
{
    my ($c, $request) = @_;
    my %how = map { my ($name, $value) = split /=/, $_, 2; ($name, $value // 1) }
        split /&/, ($request->target =~ /\?(.*)/)[0];
    my $whole = representation($how{size});
    my $etag = $how{etag} ? qq("$how{etag}") : $how{weak} ? qq(W/"$how{weak}") : undef;
    if ($how{vary} && ($request->field('X-Kind') || '') eq 'b') {
        $etag = '"b"';
        $whole =~ tr/0-9/a-j/;
    }
    $etag = qq("$how{changed}")
        if $how{changed} && ($request->field('If-Range') || $request->field('If-None-Match'));
    my $rest = ($request->field('Range') || '') =~ /\Abytes=100-\z/;
    my @fields = ('Cache-Control' => 'max-age=' . ($how{age} // 600),
        'Content-Type' => $rest && $how{'other-type'} ? 'text/html' : 'text/plain',
        $how{dated} ? ('Last-Modified' => $rest && $how{'other-date'} ? 'Tue, 02 Jan 2024 00:00:00 GMT' : $modified) : (),
        'X-Number' => $request->number, defined $etag ? (ETag => $etag) : (),
        $how{vary} ? (Vary => 'X-Kind') : ());
    my ($first, $last) = ($request->field('Range') || '') =~ /\Abytes=(\d*)-(\d*)\z/;
    my $match = $request->field('If-None-Match');
    return $c->respond($request, 304, \@fields) if defined $etag && defined $match && $match eq $etag;
    my $condition = $request->field('If-Range');
    return $c->respond($request, 200, \@fields, $whole)
        if !defined $first || $how{ignore} || (defined $condition && $condition ne ($etag // ''));
    ($first, $last) = length $first ? ($first, length $last ? $last : $how{size} - 1)
        : ($how{size} - $last, $how{size} - 1);
    return $c->respond($request, 416, ['Content-Range' => "bytes */$how{size}"], 'no') if $first >= $how{size};
    $last = $how{size} - 1 if $last >= $how{size};
    my $body = substr $whole, $first, $last - $first + 1;
    $last++ if $how{odd};
    push @fields, 'Content-Range' => "bytes $first-$last/" . ($how{unknown} ? '*' : $how{size} + ($rest && $how{'other-size'} ? 1 : 0)),
        'Content-Digest' => 'sha-256=:AA==:';
    @fields = map { $_ eq $etag ? '"other"' : $_ } @fields
        if $how{wrong} && defined $request->field('If-Range');
    return $c->send("HTTP/1.1 206 Status\r\nContent-Length: ", length $body, "\r\nETag: $etag\r\nContent-Range: ",
        "bytes $first-$last/$how{size}\r\n\r\n", substr $body, 0, length($body) / 2) && $c->reset
        if $how{breaks} && defined $request->field('If-Range');
    return $c->send(RP::Test::chunked(206, \@fields, $body)) if $how{chunked};
    return $c->respond($request, 206, \@fields, $body);
}

sub RP::Test::chunked
{
    my ($status, $fields, $body) = @_;
    my @fields = @$fields;
    my $head = "HTTP/1.1 $status Status\r\nTransfer-Encoding: chunked\r\n";
    while (my ($name, $value) = splice @fields, 0, 2) {
        $head .= "$name: $value\r\n";
    }
    return sprintf "%s\r\n%x\r\n%s\r\n0\r\n\r\n", $head, length $body, $body;
}

sub parted { return '/' . ++$unique . '?' . join '&', @_ }

sub is_part
{
    my ($response, $whole, $first, $last, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($response->status, 206, "$name: partial");
    like($response->field('Content-Range') || '', qr{\Abytes $first-$last/}, "$name: at its place");
    ok($response->body eq substr($whole, $first, $last - $first + 1), "$name: its bytes");
}

each_mpm {
    my $backend = backend(\&ranged);
    my $httpd = httpd(config => pool(app => $backend) . $config);
    my $ask = sub { my ($target, $range, @fields) = @_; return get($httpd, $target, Range => "bytes=$range", @fields) };

    for my $size (8000, 400_000) {
        my $whole = representation($size);
        my $half = $size / 2;
        part "a part of $size bytes answers ranges within it" => sub {
            for my $where ('', '/early') {
                my $target = $where . parted("size=$size", 'etag=v1');
                $backend->forget;
                my $first = $ask->($target, "-$half");
                is_part($first, $whole, $half, $size - 1, 'first');
                like($first->field('Cache-Status'), qr/fwd=uri-miss; fwd-status=206; stored/, 'which is stored');
                is($first->field('Content-Digest'), 'sha-256=:AA==:', 'the first has the digest');
                my $again = $ask->($target, "-$half");
                is_part($again, $whole, $half, $size - 1, 'the same again');
                is_hit($again, 'from the store');
                is($again->field('X-Number'), $first->field('X-Number'), 'with its fields');
                is($again->field('Content-Digest'), undef, 'but not the digest');
                is($again->field('Content-Length'), $half, 'its length');
                like($again->field('Age'), qr/\A\d+\z/, 'its age');
                is_part($ask->($target, $half + 9 . '-' . ($half + 99)), $whole, $half + 9, $half + 99, 'from within');
                is_part($ask->($target, $size - 10 . '-'), $whole, $size - 10, $size - 1, 'to the end');
                is_part($ask->($target, '-1'), $whole, $size - 1, $size - 1, 'the last byte');
                is_part($ask->($target, '-1', 'If-Range' => '"v1"'), $whole, $size - 1, $size - 1, 'If-Range');
                is($ask->($target, "$size-")->field('Content-Range'), "bytes */$size", 'nothing is behind the end');
                is($ask->($target, '-1', 'If-None-Match' => '"v1"')->status, 304, 'a condition');
                is($backend->count, 1, 'and the backend was asked once');
                is($ask->($target, '-1', 'If-Range' => '"v0"')->status, 200, 'If-Range with another tag: the whole');
                is($backend->count, 2, 'which the backend has');
            }
        };
        part "parts of $size bytes that touch become one" => sub {
            my $target = parted("size=$size", 'etag=v1');
            my ($a, $b, $c) = map { int $size * $_ } 0.25, 0.5, 0.75;
            $ask->($target, "$a-" . ($b - 1));
            my $behind = $ask->($target, "$b-" . ($c - 1));
            like($behind->field('Cache-Status'), qr/fwd=partial; fwd-status=206; stored/, 'one adjoins');
            is_part($behind, $whole, $b, $c - 1, 'its client gets what it asked for');
            $ask->($target, $a - 500 . '-' . ($a + 500));
            $backend->forget;
            is_part($ask->($target, $a - 500 . '-' . ($c - 1)), $whole, $a - 500, $c - 1, 'all of it');
            is($backend->count, 0, 'is in the store');
            $ask->($target, '0-' . $a);
            my $last = $ask->($target, $c - 10 . '-');
            is_part($last, $whole, $c - 10, $size - 1, 'the last');
            $backend->forget;
            my $all = get($httpd, $target);
            is($all->status, 200, 'in the end it is whole');
            is_hit($all, 'from the store');
            ok($all->body eq $whole, 'each byte of it');
            is($all->field('Content-Length'), $size, 'its length');
            is($all->field('Content-Range'), undef, 'and no longer a range');
            is($backend->count, 0, 'the backend had nothing to do');
        };
        for my $end ([beginning => '0-' . ($half - 1), "bytes=$half-"],
                     [end => "$half-", 'bytes=0-' . ($half - 1)]) {
            my ($which, $range, $rest) = @$end;
            for my $age (600, 0) {
                part "the $which of $size bytes, " . ($age ? 'fresh' : 'stale') . ', is completed' => sub {
                    my $target = parted("size=$size", 'etag=v1', "age=$age");
                    $ask->($target, $range);
                    $backend->forget;
                    my $all = get($httpd, $target);
                    is($all->status, 200, 'the client gets a whole');
                    ok($all->body eq $whole, 'with all its bytes');
                    is($all->field('Content-Length'), $size, 'its length');
                    is($all->field($_), undef, "no $_") for qw(Content-Range Content-Digest);
                    is($all->field('Content-Type'), 'text/plain', 'its type');
                    is($all->field('X-Number'), $backend->last_request->number, 'with newer fields where there are');
                    like($all->field('Cache-Status'), qr/fwd=partial; fwd-status=206; stored/, 'and is stored');
                    is($backend->count, 1, 'one request');
                    is($backend->last_request->field('Range'), $rest, 'for the rest');
                    is($backend->last_request->field('If-Range'), '"v1"', 'if it is the same');
                    my $next = get($httpd, $target);
                    ok($next->body eq $whole, 'the next one gets it too');
                    is($backend->last_request->field('Range'), $age ? $rest : undef, 'and no range is asked for');
                    is_hit($next, 'from the store') if $age;
                };
            }
        }
        part "a part of $size bytes is not completed with something else" => sub {
            for my $how ('ignore', 'wrong', 'changed=v2', 'odd', 'chunked') {
                my $target = parted("size=$size", 'etag=v1', $how);
                $backend->forget;
                $ask->($target, '0-99');
                my $all = get($httpd, $target);
                is($all->status, 200, "$how: a whole");
                ok($all->body eq $whole && !$all->broken, 'right in each byte');
                my $next = get($httpd, $target);
                is_hit($next, 'stored');
                ok($next->body eq $whole, 'right again');
            }
        };
    }
    part 'a stale part is asked about' => sub {
        my $whole = representation(8000);
        my $target = parted('size=8000', 'etag=v1', 'age=0');
        $ask->($target, '100-199');
        $backend->forget;
        my $again = $ask->($target, '110-119');
        is_part($again, $whole, 110, 119, 'it still holds');
        is($backend->last_request->field('If-None-Match'), '"v1"', 'as the backend said');
        like($again->field('Cache-Status'), qr/rproxy; fwd=stale; fwd-status=304/, 'and we say');
        my $other = parted('size=8000', 'etag=v1', 'age=0', 'changed=v2');
        $backend->forget;
        $ask->($other, '100-199');
        my $changed = $ask->($other, '110-119');
        is_part($changed, $whole, 110, 119, 'when it does not, the new one comes');
        is($changed->field('ETag'), '"v2"', 'with its tag');
    };
    part 'a stale whole is asked about when a range is wanted' => sub {
        my $whole = representation(8000);
        my $target = parted('size=8000', 'etag=v1', 'age=0');
        get($httpd, $target);
        $backend->forget;
        is_part($ask->($target, '110-119'), $whole, 110, 119, 'it still holds');
        is($backend->last_request->field('If-None-Match'), '"v1"', 'as the backend said');
        is($backend->count, 1, 'once');
    };
    part 'what cannot be told to be the same is not put together' => sub {
        my $whole = representation(8000);
        for my $tag ('weak=v1', 'none=1') {
            my $target = parted('size=8000', $tag);
            $backend->forget;
            $ask->($target, '0-99');
            is_part($ask->($target, '50-59'), $whole, 50, 59, "$tag: a part answers");
            is($backend->count, 1, 'from the store');
            $ask->($target, '100-199');
            my $both = $ask->($target, '0-199');
            is_part($both, $whole, 0, 199, 'two are not one');
            is($backend->last_request->field('Range'), 'bytes=0-199', 'but asked for together');
            my $all = get($httpd, $target);
            ok($all->body eq $whole, 'the whole is whole');
            is($backend->last_request->field('Range'), undef, 'and asked for as such');
        }
    };
    part 'but with the operator\'s leave, while it is fresh' => sub {
        my $whole = representation(8000);
        for my $tag ('weak=v1', 'none=1') {
            my $target = '/plain' . parted('size=8000', $tag);
            $ask->($target, '0-99');
            $backend->forget;
            $ask->($target, '100-199');
            is_part($ask->($target, '0-199'), $whole, 0, 199, "$tag: two are one");
            is($backend->count, 1, 'from the store');
            my $all = get($httpd, $target);
            ok($all->body eq $whole, 'the whole is whole');
            is($backend->last_request->field('Range'), 'bytes=200-', 'and only the rest was asked for');
            is($backend->last_request->field('If-Range'), undef, 'without a condition');
            is_hit(get($httpd, $target), 'stored');
        }
        for my $not ('age=0', 'unknown', 'other-type', 'other-date', 'other-size') {
            my $target = '/plain' . parted('size=8000', 'dated', $not);
            $ask->($target, '0-99');
            my $all = get($httpd, $target);
            ok($all->body eq $whole && !$all->broken, "$not: the whole is whole");
            is($backend->last_request->field('Range'), undef, 'and asked for as such');
        }
    };
    part 'without a known length' => sub {
        my $whole = representation(8000);
        my $target = parted('size=8000', 'etag=v1', 'unknown');
        $ask->($target, '0-99');
        $backend->forget;
        is_part($ask->($target, '10-19'), $whole, 10, 19, 'a range within');
        is($backend->count, 0, 'from the store');
        is_part($ask->($target, '-5'), $whole, 7995, 7999, 'the last bytes');
        is($backend->count, 1, 'are for the backend to tell');
    };
    part 'what is odd is passed on and not stored' => sub {
        my $target = parted('size=8000', 'etag=v1', 'odd');
        $backend->forget;
        my $first = $ask->($target, '10-19');
        is($first->field('Content-Range'), 'bytes 10-20/8000', 'a range that is not that of its bytes');
        $ask->($target, '10-19');
        is($backend->count, 2, 'is not stored');
    };
    part 'a 206 without a length is stored if it has the bytes it names' => sub {
        my $target = parted('size=8000', 'etag=v1', 'chunked');
        $backend->forget;
        $ask->($target, '10-19') for 1 .. 2;
        is($backend->count, 1, 'it has');
        my $odd = parted('size=8000', 'etag=v1', 'chunked', 'odd');
        $backend->forget;
        $ask->($odd, '10-19') for 1 .. 2;
        is($backend->count, 2, 'it has not');
    };
    part 'a range that is all there is makes a whole' => sub {
        for my $size (8000, 400_000) {
            my $target = parted("size=$size", 'etag=v1');
            $ask->($target, '0-');
            $backend->forget;
            my $all = get($httpd, $target);
            is($all->status, 200, 'it is served as such');
            ok($all->body eq representation($size), 'with each byte');
            is($all->field('Content-Length'), $size, 'and its length');
            is($backend->count, 0, 'from the store');
            is(head($httpd, $target)->field('Content-Length'), $size, 'to HEAD as well');
            is($backend->count, 0, 'likewise');
        }
    };
    part 'the larger of two parts is kept' => sub {
        my $target = parted('size=8000', 'etag=v1');
        $ask->($target, '1000-1999');
        $ask->($target, '10-19');
        $backend->forget;
        $ask->($target, '1000-1999');
        is($backend->count, 0, 'of the same representation');
        $ask->($target, '5000-7999');
        $backend->forget;
        $ask->($target, '5000-7999');
        is($backend->count, 0, 'also when it comes later');
    };
    part 'a large part is not copied for each small piece behind it' => sub {
        my $target = parted('size=4000000', 'etag=v1');
        $ask->($target, '0-1999999');
        $backend->forget;
        $ask->($target, '2000000-2000099');
        $ask->($target, '1000-1000999');
        is($backend->count, 1, 'it stays');
        $ask->($target, '1000-2000050');
        is($backend->count, 2, 'as it is');
        $ask->($target, '2000000-2999999');
        $backend->forget;
        is(length $ask->($target, '1000-2000999')->body, 2_000_000, 'but for a large piece it is');
        is($backend->count, 0, 'worth it');
    };
    part 'parts of variants do not mix' => sub {
        my $target = parted('size=8000', 'etag=a', 'vary');
        my $whole = representation(8000);
        my $other = $whole =~ tr/0-9/a-j/r;
        for my $round (1, 2) {
            $backend->forget;
            is_part($ask->($target, '100-199', 'X-Kind' => 'a'), $whole, 100, 199, 'one');
            is_part($ask->($target, '100-199', 'X-Kind' => 'b'), $other, 100, 199, 'another');
            is($backend->count, $round == 1 ? 2 : 0, $round == 1 ? 'both are asked for' : 'both are stored');
        }
        $ask->($target, '0-99', 'X-Kind' => 'a');
        is_part($ask->($target, '50-150', 'X-Kind' => 'a'), $whole, 50, 150, 'each grows by its own');
        ok(get($httpd, $target, 'X-Kind' => 'b')->body eq $other, 'each is completed');
        ok(get($httpd, $target, 'X-Kind' => 'a')->body eq $whole, 'with its own');
    };
    part 'when the rest breaks off, so does the whole' => sub {
        for my $size (8000, 400_000) {
            my $half = $size / 2;
            for my $range ('0-' . ($half - 1), "$half-") {
                my $target = parted("size=$size", 'etag=v1', 'breaks');
                my $part = $ask->($target, $range)->body;
                my $response = get($httpd, $target);
                ok($response->broken || $response->status == 502, 'the client sees it');
                is_hit(my $again = $ask->($target, $range), 'the part is still there');
                ok($again->body eq $part, 'and sound');
            }
        }
    };
    part 'what is completed is coded like any other whole' => sub {
        for my $range ('0-99', '7000-') {
            my $target = '/coded' . parted('size=8000', 'etag=v1');
            $ask->($target, $range, 'Accept-Encoding' => 'gzip');
            $backend->forget;
            for my $from ('a backend and the store', 'the store') {
                my $coded = get($httpd, $target, 'Accept-Encoding' => 'gzip');
                is($coded->field('Content-Encoding'), 'gzip', "from $from: it is coded");
                like($coded->field('ETag'), qr/\A(?:W\/"v1\+gzip"|"v1\+gzip-[0-9a-f]{12}")\z/, 'with a tag of its own');
                is(Compress::Zlib::memGunzip($coded->body), representation(8000), 'each byte of it');
            }
            is($backend->count, 1, 'one request');
        }
    };
    part 'whatever many clients ask for at once, all get the right bytes' => sub {
        my $size = 300_000;
        my $whole = representation($size);
        my $client = sub {
            my ($seed) = @_;
            srand $seed;
            for my $n (1 .. 60) {
                # Few targets, which are evicted from nowhere: parts come, grow, are completed and replaced.
                my $target = "/many/" . int(rand 4) . ($n > 30) . "?size=$size&etag=v1";
                my ($first, $length) = (int rand $size, 1 + int rand 60_000);
                my $last = $first + $length > $size ? $size - 1 : $first + $length - 1;
                my $response = rand() < 0.05 ? get($httpd, $target) : $ask->($target, "$first-$last");
                my $want = $response->status == 206 ? substr $whole, $first, $last - $first + 1 : $whole;
                return 0 if $response->status !~ /\A20[06]\z/ || $response->body ne $want;
            }
            return 1;
        };
        $backend->forget;
        my @pids;
        for my $seed (1 .. 3) {
            my $pid = fork;
            POSIX::_exit(eval { $client->($seed) } ? 0 : 1) if !$pid;
            push @pids, $pid;
        }
        for my $pid (@pids) {
            waitpid $pid, 0;
            is($?, 0, 'as one of them saw it');
        }
        cmp_ok($backend->count, '<', 170, 'and some of them from the store');
    };
    part 'a part makes no answer to HEAD' => sub {
        my $target = parted('size=8000', 'etag=v1');
        $ask->($target, '0-99');
        my $head = head($httpd, $target);
        is($head->status . ' ' . $head->field('Content-Length'), '200 8000', 'the backend has it');
    };
};

done_testing;
