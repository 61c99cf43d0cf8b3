# Licensed under the Apache License, Version 2.0; see LICENSE.

# Nothing that a client sends becomes two requests for a backend that httpd took for one.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $inner = "GET /NN/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
my $length = length $inner;
my @attempts = (
    ['CL.TE', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: @{[$length + 5]}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$inner"],
    ['TE.CL', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
        . sprintf("%x", $length) . "\r\n$inner\r\n0\r\n\r\n"],
    ['CL.CL', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: $length\r\n\r\n$inner"],
    ['CL.CL, the other way round', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: $length\r\nContent-Length: 0\r\n\r\n$inner"],
    ['a list of lengths', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, $length\r\n\r\n$inner"],
    ['a signed length', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +$length\r\n\r\n$inner"],
    ['a length with a space in it', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: $length 0\r\n\r\n$inner"],
    ['a length in a folded line', "POST / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n Content-Length: $length\r\n\r\n$inner"],
    ['a coding in a folded line', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n$inner"],
    ['space before the colon', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: $length\r\nTransfer-Encoding : chunked\r\n\r\n$inner"],
    ['a tab before chunked', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: @{[$length + 5]}\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n$inner"],
    ['a vertical tab before chunked', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: @{[$length + 5]}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n$inner"],
    ['xchunked', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: @{[$length + 5]}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n$inner"],
    ['chunked, identity', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n$inner"],
    ['identity, chunked', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"],
    ['two codings', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n$inner"],
    ['a quoted coding', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: @{[$length + 5]}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n$inner"],
    ['a bare CR in a value', "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rTransfer-Encoding: chunked\r\n\r\n"],
    ['a bare LF in a value', "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\nX-Inner: c\r\n\r\n"],
    ['a NUL in a value', "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n"],
    ['CRLF in a target, encoded', "GET /a%0d%0aX-Injected:%20b HTTP/1.1\r\nHost: a\r\n\r\n"],
    ['a space in a target', "GET /a HTTP/1.1\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n"],
    ['a coding in HTTP/1.0', "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: @{[$length + 5]}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$inner"],
    ['chunk sizes with signs', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n$inner"],
    ['chunk sizes with 0x', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x"
        . sprintf("%x", $length) . "\r\n$inner\r\n0\r\n\r\n"],
    ['a chunk extension with a bare LF', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n" . sprintf("%x", $length) . "\r\n$inner\r\n0\r\n\r\n"],
    ['a chunk size beyond 64 bits', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n$inner\r\n0\r\n\r\n"],
    ['framing fields as trailers', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: $length\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n"],
    ['Content-Length named in Connection', "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: $length\r\n\r\n$inner"],
    ['Transfer-Encoding named in Connection', "POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n" . sprintf("%x", $length) . "\r\n$inner\r\n0\r\n\r\n"],
    ['a body behind GET', "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: $length\r\n\r\n$inner"],
    ['a body behind HEAD', "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: $length\r\n\r\n$inner"],
    ['a body behind an upgrade', "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: $length\r\n\r\n$inner"],
    ['a body behind Expect', "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: $length\r\n\r\n$inner"],
    ['two hosts', "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    ['a method with a bracket', "GE{T / HTTP/1.1\r\nHost: a\r\n\r\n"],
);

each_mpm {
    my $backend = backend(sub { $_[0]->respond($_[1], 200, [], 'answer') });
    my $httpd = httpd(config => pool(app => $backend)
        . "HttpProtocolOptions Unsafe\nTimeout 1\nKeepAliveTimeout 1\nRProxyPass / app\n");

    for my $n (10 .. $#attempts + 10) {
        my ($name, $bytes) = @{ $attempts[$n - 10] };
        $bytes =~ s{ /(?!NN)}{ /NN/}g;
        $bytes =~ s{/NN}{/$n}g;
        part $name => sub {
            $backend->forget;
            my $client = client($httpd);
            # What comes last ends the connection, when it is not taken for a part of what comes before.
            $client->send($bytes, "GET /$n/end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            my $answers = $client->read_rest;
            like($answers, qr/\AHTTP\/1\.1 \d\d\d /, 'there is an answer') if length $answers;
            my $responses = () = $answers =~ m{HTTP/1\.1 [2-5]\d\d }g;
            # A request of an attempt before, which its client did not wait for, may come late.
            my @seen = grep { $_->start =~ m{ /$n/} || $_->start !~ m{ /\d\d/} } $backend->requests;
            cmp_ok(scalar @seen, '<=', $responses, 'the backend saw no more requests than the client got answers')
                or diag("answers: $answers\n", map { 'connection ' . $_->connection . ': '
                    . $_->raw_head } @seen);
            # httpd itself may read bytes behind the body as a second request; then it is one for everybody.
            for my $request (@seen) {
                my $head = $request->raw_head;
                my @framing = map { my $n = $_; map { "$n: $_" } $request->fields($n) } 'Content-Length',
                    'Transfer-Encoding';
                cmp_ok(scalar @framing, '<=', 1, 'its length is said once') or diag($head);
                like($_, qr/\A(?:Content-Length: \d+|Transfer-Encoding: chunked)\z/, 'and plainly')
                    for @framing;
                unlike($head, qr/(?<!\r)\n/, 'no bare LF');
                unlike($head, qr/\r(?!\n)/, 'no bare CR');
                unlike($head, qr/\n[ \t]/, 'no folded line');
                unlike($head, qr/[\0\x01-\x08\x0b\x0c\x0e-\x1f]/, 'no control byte');
                unlike($head, qr/^X-Injected/m, 'no injected field');
                is(scalar(my @hosts = $request->fields('Host')), 1, 'one Host');
                is_deeply([grep { $_->[0] =~ /\A(?:Host|Content-Length|Transfer-Encoding)\z/i } @{ $request->{trailers} }], [],
                    'no framing in trailers');
            }
        };
    }
};

done_testing;
