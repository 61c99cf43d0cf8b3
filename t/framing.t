# Licensed under the Apache License, Version 2.0; see LICENSE.

# A response that cannot be framed with certainty is nobody's: 502, and the connection is closed, never used again.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $ok = "HTTP/1.1 200 OK\r\n";
my @malformed = (
    ['two different lengths', "${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
    ['a list of different lengths', "${ok}Content-Length: 5, 6\r\n\r\nhello"],
    ['a length and chunked', "${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ['a negative length', "${ok}Content-Length: -5\r\n\r\nhello"],
    ['a signed length', "${ok}Content-Length: +5\r\n\r\nhello"],
    ['a hexadecimal length', "${ok}Content-Length: 0x5\r\n\r\nhello"],
    ['a length with junk behind it', "${ok}Content-Length: 5 bytes\r\n\r\nhello"],
    ['an empty length', "${ok}Content-Length:\r\n\r\nhello"],
    ['a length beyond all bounds', "${ok}Content-Length: 99999999999999999999\r\n\r\nhello"],
    ['an unknown transfer coding before chunked', "${ok}Transfer-Encoding: frobnicate, chunked\r\n\r\nhello"],
    ['an unknown transfer coding with a length', "${ok}Transfer-Encoding: frobnicate\r\nContent-Length: 5\r\n\r\nhello"],
    ['gzip as a transfer coding', "${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    ['chunked twice', "${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ['chunked, but not last', "${ok}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"],
    ['chunked with a vertical tab', "${ok}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"],
    ['chunked in HTTP/1.0', "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ['another protocol', "ICY 200 OK\r\n\r\nhello"],
    ['another major version', "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a version in small letters', "http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a version without its minor part', "HTTP/1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['no version at all', "hello"],
    ['a status of two digits', "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a status of four digits', "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a status below 100', "HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a status that is a word', "HTTP/1.1 abc OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a negative status', "HTTP/1.1 -20 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['two spaces before the status', "HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a bare CR in the status line', "HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello"],
    ['a NUL in the status line', "HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello"],
    ['a bare CR in a field', "${ok}X-A: b\rX-C: d\r\nContent-Length: 5\r\n\r\nhello"],
    ['a NUL in a field', "${ok}X-A: b\0c\r\nContent-Length: 5\r\n\r\nhello"],
    ['a control byte in a field', "${ok}X-A: b\x01c\r\nContent-Length: 5\r\n\r\nhello"],
    ['a space in a field name', "${ok}X A: b\r\nContent-Length: 5\r\n\r\nhello"],
    ['a space behind a field name', "${ok}Content-Length : 5\r\n\r\nhello"],
    ['a space before the first field', "$ok X-A: b\r\nContent-Length: 5\r\n\r\nhello"],
    ['a field without a colon', "${ok}nonsense\r\nContent-Length: 5\r\n\r\nhello"],
    ['a field without a name', "${ok}: b\r\nContent-Length: 5\r\n\r\nhello"],
    ['a field name with a byte beyond ASCII', "${ok}X-\xc3\xbc: b\r\nContent-Length: 5\r\n\r\nhello"],
    ['an oversized field', "${ok}X-A: " . 'b' x 200_000 . "\r\nContent-Length: 5\r\n\r\nhello"],
    ['too many fields', $ok . "X-A: b\r\n" x 5000 . "Content-Length: 5\r\n\r\nhello"],
    ['an oversized status line', 'HTTP/1.1 200 ' . 'O' x 200_000 . "\r\nContent-Length: 5\r\n\r\nhello"],
    ['a malformed informational response', "HTTP/1.1 103 Early\r\nX A: b\r\n\r\n${ok}Content-Length: 5\r\n\r\nhello"],
    ['informational responses without end', "HTTP/1.1 103 Early Hints\r\n\r\n" x 2000, 'close'],
    ['a malformed Connection field', "${ok}Connection: \"x\r\nContent-Length: 5\r\n\r\nhello"],
    ['a head that breaks off', "${ok}Content-Le", 'close'],
    ['nothing at all', '', 'close'],
);

# Bodies that go wrong when the head has been passed on: the client must see a broken one.
my $chunked = "${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
my @broken = (
    ['a chunk size that is none', "${chunked}xyz\r\nhello\r\n0\r\n\r\n"],
    ['a negative chunk size', "${chunked}-5\r\nhello\r\n0\r\n\r\n"],
    ['a chunk size with 0x', "${chunked}0x5\r\nhello\r\n0\r\n\r\n"],
    ['a chunk size beyond all bounds', "${chunked}fffffffffffffffff\r\nhello\r\n0\r\n\r\n"],
    ['an empty chunk size', "$chunked\r\nhello\r\n0\r\n\r\n"],
    ['a chunk longer than its size', "${chunked}5\r\nhello, world\r\n0\r\n\r\n"],
    ['a chunk size that ends in a bare CR', "${chunked}5\rhello\r\n0\r\n\r\n"],
    ['a chunk extension without end', "${chunked}5;" . 'x' x 100_000 . "\r\nhello\r\n0\r\n\r\n"],
    ['trailers without end', "${chunked}0\r\n" . "X-A: b\r\n" x 20_000 . "\r\n"],
    ['a trailer that is none', "${chunked}0\r\nX A: b\r\n\r\n"],
);

# Lenient where RFC 9112 says so.
my @tolerated = (
    ['lines that end in LF alone', "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"],
    ['no reason phrase, no space', "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"],
    ['a folded field', "${ok}X-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello"],
    ['equal lengths', "${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"],
    ['white space around a length', "${ok}Content-Length: \t 5 \t\r\n\r\nhello"],
    ['a higher minor version', "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ['chunked in another case', "${ok}Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ['a length said twice', "${ok}Content-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello"],
    ['a reason beyond ASCII', "HTTP/1.1 200 G\xfct\r\nContent-Length: 5\r\n\r\nhello"],
    ['a status above 599', "HTTP/1.1 600 Odd\r\nContent-Length: 5\r\n\r\nhello"],
);

# The body of one of the broken ones, in one piece, when its head is with the client.
sub late
{
    my ($c, $n) = @_;
    my ($head, $body) = $broken[$n][1] =~ /\A(.*?\r\n\r\n)(.*)\z/s;
    $c->send($head);
    $c->wait_signal("late $n");
    $c->send($body);
    $c->wait_gone;
}

sub plays
{
    my (@cases) = @_;
    return sub {
        my ($c, $request) = @_;
        my ($n) = $request->target =~ m{\A/(\d+)};
        return late($c, $1) if $request->target =~ m{\A/late/(\d+)};
        return $c->send("${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
            $request->method eq 'HEAD' ? '' : 'hello') if $request->target eq '/lengths';
        return $c->respond($request, 200, [], 'fine') if !defined $n;
        $c->send($cases[$n][1]);
        return $c->close if $cases[$n][2];
        return if $request->target =~ m{/open};
        $c->note("$n: " . ($c->wait_gone ? 'closed' : 'left open'));
    };
}

each_mpm {
    my $backend = backend(plays(@malformed));
    my $broken = backend(plays(@broken));
    my $tolerated = backend(plays(@tolerated));
    my $httpd = httpd(children => 1, config => pool(app => $backend) . pool(broken => $broken)
        . pool(tolerated => $tolerated)
        . <<'CONF');
RProxyTimeout first-byte=3s idle=3s
RProxyPass / app
RProxyPass /broken broken/
RProxyPass /tolerated tolerated/
CONF

    for my $n (0 .. $#malformed) {
        my ($name, $bytes, $closes) = @{ $malformed[$n] };
        part "$name is a 502" => sub {
            $httpd->forget_logs;
            my $response = get($httpd, "/$n");
            is($response->status, 502, 'for the client');
            like($response->field('Proxy-Status') || '', qr/\Arproxy; *error=\w+/,
                'which learns of it in Proxy-Status');
            like($httpd->wait_log(qr/RP\d+.*pool app/) || '',
                qr/member \S*\Q@{[$backend->authority]}\E.*phase \w+.*: ./,
                'the log names pool, member, phase and cause');
            ok($backend->wait_note(qr/\A$n: closed/), 'the connection is closed') if !$closes;
            is(get($httpd, '/')->body, 'fine', 'and the next request has another');
        };
    }
    for my $n (0 .. $#broken) {
        my ($name) = @{ $broken[$n] };
        part "$name never makes a complete response" => sub {
            my $client = client($httpd);
            my $response = eval { $client->get("/broken/$n") };
            ok(!$response || $response->broken || $response->status == 502,
                'the client sees that it is broken');
            $client->close;
            ok($broken->wait_note(qr/\A$n: closed/), 'the backend\'s connection is closed');
            is(get($httpd, '/broken/')->body, 'fine', 'and the next request has another');
        };
    }
    for my $n (0 .. $#tolerated - 1) {
        part "$tolerated[$n][0] can be read without doubt" => sub {
            my $response = get($httpd, "/tolerated/$n/open");
            is($response->status, 200, 'served');
            is($response->body, 'hello', 'whole');
            is(get($httpd, '/tolerated/')->body, 'fine', 'and the connection is in step');
        };
    }
    part 'a status above 599 counts as 5xx (RFC 9110 section 15), and its framing holds' => sub {
        my $n = $#tolerated;
        like(get($httpd, "/tolerated/$n/open")->status, qr/\A(?:5\d\d|600)\z/, 'the client gets it, or a 502');
        is(get($httpd, '/tolerated/')->body, 'fine', 'and the connection is in step');
    };
    part 'equal lengths become one' => sub {
        my $client = client($httpd);
        for my $method (qw(HEAD GET)) {
            my $response = $client->request($method, '/tolerated/lengths');
            is_deeply([$response->fields('Content-Length')], [5], $method);
        }
        is($client->get('/tolerated/lengths')->body, 'hello', 'and the connection is in step');
    };
    part 'bad framing right behind good data, when the head is out, breaks the response' => sub {
        for my $n (0 .. $#broken) {
            my $client = client($httpd);
            $client->send_request('GET', "/broken/late/$n");
            is($client->read_response_head->status, 200, "$broken[$n][0]: the head is there");
            $broken->signal("late $n");
            unlike($client->read_rest, qr/\r\n0\r\n/, 'the end is not');
        }
        is(get($httpd, '/broken/')->body, 'fine', 'and the next request is served');
    };
    part 'a folded field is unfolded' => sub {
        like(get($httpd, '/tolerated/2/open')->field('X-A'), qr/\Ab +c\z/, 'into one line');
    };
};

done_testing;
