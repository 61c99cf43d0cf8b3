# Licensed under the Apache License, Version 2.0; see LICENSE.

# Messages go through in both directions as they are: every framing, every size, in bounded memory.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);
use HTTP::Tiny;
use IO::Select;

my $megabyte = 1024 * 1024;
my $large = join '', map { pack 'N', ($_ * 2654435761) % 2**32 } 1 .. 10 * $megabyte / 4;

# Responses by path.
my %responses = (
    '/length' => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    '/empty' => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    '/chunked' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=\"1\"\r\nhel\r\n002\r\nlo\r\n0\r\n\r\n",
    '/chunked-empty' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    '/close' => "HTTP/1.1 200 OK\r\n\r\nhello",
    '/close-1.0' => "HTTP/1.0 200 OK\r\n\r\nhello",
    '/length-1.0' => "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    '/no-reason' => "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    '/reason' => "HTTP/1.1 200 Very Well\r\nContent-Length: 5\r\n\r\nhello",
    '/odd-status' => "HTTP/1.1 299 Odd\r\nContent-Length: 5\r\n\r\nhello",
    '/404' => "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello",
    '/500' => "HTTP/1.1 500 Broken\r\nContent-Length: 5\r\n\r\nhello",
    '/204' => "HTTP/1.1 204 No Content\r\nX-Is: 204\r\n\r\n",
    '/304' => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n",
    '/205' => "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    '/trailers' => "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n",
    '/list-of-lengths' => "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    '/early-hints' => "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        . "HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    '/processing' => "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
);

sub respond
{
    my ($c, $request) = @_;
    my ($path) = split /\?/, $request->target;
    if ($path eq '/large') {
        return $c->respond($request, 200, [], $large);
    } elsif ($path eq '/large-chunked') {
        $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk($_) for unpack '(a100000)*', $large;
        return $c->send_last_chunk;
    } elsif ($path eq '/late-trailers') {
        $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk('hello');
        $c->wait_signal('trailers');
        return $c->send_last_chunk('X-Sum' => 42);
    } elsif ($path eq '/hints-then-wait') {
        $c->send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
        $c->wait_signal('the client has its hints');
        return $c->respond($request, 200, [], 'hello');
    } elsif ($responses{$path}) {
        my $response = $responses{$path};
        $response =~ s/\r\n\r\n\K.*\z//s if $request->method eq 'HEAD';
        $c->send($response);
        return $c->close if $path =~ /close|1\.0/;
        return;
    }
    return echoes()->($c, $request);
}

each_mpm {
    my $backend = backend(\&respond);
    my $unix = RP::Place->folder . '/backend.sock';
    my $on_socket = backend(on_request => echoes(), unix => $unix);
    my $httpd = httpd(config => pool(app => $backend) . pool(socket => $on_socket) . <<'CONF');
RProxyPass / app
RProxyPass /socket socket
CONF

    part 'a response arrives in whatever framing the backend chose' => sub {
        for my $path (qw(/length /chunked /close /close-1.0 /length-1.0 /no-reason /reason /list-of-lengths)) {
            my $response = get($httpd, $path);
            is($response->status, 200, "$path: the status");
            is($response->body, 'hello', "$path: the body");
            is($response->broken, '', "$path: is whole");
        }
        is(get($httpd, $_)->body, '', "$_: no bytes") for qw(/empty /chunked-empty);
        is(get($httpd, '/length')->framing, 'length', 'a known length stays known');
        is(get($httpd, '/close')->framing, 'chunked', 'an unknown one is chunked for an HTTP/1.1 client');
        is(get($httpd, $_)->status, substr($_, 1), "$_ comes through") for qw(/404 /500);
        is(get($httpd, $_)->body, 'hello', "$_ comes with the backend's own page") for qw(/404 /500);
        is(get($httpd, '/odd-status')->status, 299, 'an unregistered status comes through');
    };
    part 'messages without a body have none' => sub {
        my $client = client($httpd);
        for my $path (qw(/204 /304 /205)) {
            my $response = $client->get($path);
            is($response->status, substr($path, 1), "$path comes through");
            is($response->body, '', "$path has no body");
            is($response->field('Transfer-Encoding'), undef, "$path is not chunked");
        }
        is($client->get('/204')->field('Content-Length'), undef, '204 has no Content-Length');
        is($client->get('/304')->field('ETag'), '"a"', '304 keeps its fields');
        my $head = $client->head('/length');
        is($head->status, 200, 'HEAD is answered');
        is($head->field('Content-Length'), 5, 'with the length that GET would have');
        is($backend->last_request->method, 'HEAD', 'the backend saw HEAD');
        is($client->head('/chunked')->status, 200, 'HEAD of a chunked response');
        is($client->head('/close-1.0')->status, 200, 'HEAD of one until close');
        is($client->get('/length')->body, 'hello', 'and the connection is in step behind all of them');
    };
    part 'OPTIONS' => sub {
        $backend->forget;
        my $client = client($httpd);
        my $star = $client->request('OPTIONS', '*');
        is($star->status, 200, 'OPTIONS * is answered');
        is($_->target, '*', 'a backend sees OPTIONS * as such') for $backend->requests;
        is($client->request('OPTIONS', '/x')->json->{method}, 'OPTIONS',
            'OPTIONS of a resource is its backend\'s');
        is($client->request('OPTIONS', '/x', ['Max-Forwards' => 5])->echoed('Max-Forwards'), 4,
            'Max-Forwards is counted down');
        $backend->forget;
        is($client->request('OPTIONS', '/x', ['Max-Forwards' => 0])->status, 200,
            'Max-Forwards: 0 is answered here (RFC 9110 section 7.6.2)');
        is($backend->count, 0, 'and goes no further');
        is($client->request($_, '/x', [], 'abc')->json->{method}, $_, "$_ goes through")
            for qw(PUT PATCH DELETE PROPFIND FROBNICATE);
    };
    part 'a request body arrives in whatever framing the client chose' => sub {
        my $client = client($httpd);
        for my $body ('', 'x', 'y' x 8192, 'z' x 100_000) {
            my $length = length $body;
            is($client->post('/', $body)->json->{body_digest}, md5_hex($body),
                "$length bytes by Content-Length");
            my $chunked = join '', map { sprintf "%X;a=b\r\n%s\r\n", length, $_ } unpack '(a3000)*', $body;
            is($client->request('POST', '/', ['Transfer-Encoding' => 'chunked'],
                "${chunked}0\r\n\r\n")->json->{body_digest},
                md5_hex($body), "$length bytes chunked");
            is($client->post('/socket', $body)->json->{body_digest}, md5_hex($body),
                "$length bytes to a Unix socket");
        }
        is($client->get('/')->echoed('Content-Length'), undef, 'GET without a body gets no Content-Length');
        is($client->get('/')->echoed('Transfer-Encoding'), undef, 'and no Transfer-Encoding');
        is($client->request('GET', '/', [], 'odd')->json->{body_length}, 3,
            'GET with a body goes through with it');
        for my $request ($backend->requests) {
            ok(!(defined $request->field('Transfer-Encoding') && defined $request->field('Content-Length')),
                'no request had two lengths') or last;
        }
    };
    part '10 MiB go both ways unharmed' => sub {
        my $client = client($httpd);
        is(md5_hex($client->get('/large')->body), md5_hex($large), 'down, by Content-Length');
        is(md5_hex($client->get('/large-chunked')->body), md5_hex($large), 'down, chunked');
        is($client->post('/', $large)->json->{body_digest}, md5_hex($large), 'up, by Content-Length');
        my @pieces = unpack '(a65536)*', $large;
        my $response = HTTP::Tiny->new->request('POST', 'http://127.0.0.1:' . $httpd->port . '/',
            { content => sub { return shift @pieces } });
        like($response->{content}, qr/@{[md5_hex($large)]}/, 'up, chunked, by HTTP::Tiny');
    };
    part 'trailers go both ways' => sub {
        my $client = client($httpd);
        my $response = $client->get('/trailers', TE => 'trailers', Connection => 'TE');
        is($response->body, 'hello', 'the body is there');
        is($response->trailer('X-Sum'), '42', 'the response\'s trailer reaches the client');
        $client->send_request('GET', '/late-trailers', [TE => 'trailers', Connection => 'TE']);
        $response = $client->read_response_head;
        is($client->read_chunk, 'hello', 'a body whose trailers come later');
        $backend->signal('trailers');
        is($client->read_until(qr/\r\n\r\n/), "0\r\nX-Sum: 42\r\n\r\n", 'is followed by them');
        $backend->forget;
        $client->request('POST', '/', ['Transfer-Encoding' => 'chunked', Trailer => 'X-Up'],
            "2\r\nab\r\n0\r\nX-Up: 7\r\n\r\n");
        my ($request) = $backend->requests;
        is($request->body, 'ab', 'the request\'s body is there');
        is(($request->trailer('X-Up') || ''), '7', 'its trailer reaches the backend');
    };
    part 'informational responses are passed on' => sub {
        my $client = client($httpd);
        my $response = $client->get('/early-hints');
        is_deeply([map { $_->status } $response->informational], [103, 103], 'both 103');
        is(($response->informational)[1] && ($response->informational)[1]->field('Link'),
            '</b.css>; rel=preload', 'with their fields');
        is($response->field('Link'), undef, 'which do not leak into the final one');
        is($response->body, 'hello', 'and then the final response');
        is($client->get('/processing')->body, 'hello', 'a response behind 102');

        $client->send_request('GET', '/hints-then-wait');
        is($client->read_response_head->status, 103, '103 arrives while the backend still thinks');
        $backend->signal('the client has its hints');
        is($client->read_response->body, 'hello', 'the final one follows');

        my $old = client($httpd);
        $old->send("GET /early-hints HTTP/1.0\r\nHost: a\r\n\r\n");
        $response = $old->read_response;
        is(scalar $response->informational, 0, 'an HTTP/1.0 client gets none');
        is($response->body, 'hello', 'but its response');
    };
};

# Expect: 100-continue, byte by byte.
each_mpm {
    my $backend = backend(on_head => sub {
        my ($c, $request) = @_;
        if ($request->target eq '/refuse') {
            $c->respond($request, 413, [Connection => 'close'], 'too large');
            $c->wait_gone;
            return $c->close;
        }
        $c->send("HTTP/1.1 100 Continue\r\n\r\n") if $request->field('Expect');
        $c->read_request_body($request);
        echoes()->($c, $request);
    });
    my $httpd = httpd(config => pool(app => $backend) . "RProxyPass / app\n");

    part 'Expect: 100-continue' => sub {
        my $client = client($httpd);
        my @head = ('POST', '/accept', ['Content-Length' => 5, Expect => '100-continue']);
        $client->send_request(@head);
        is($client->read_response_head->status, 100, 'the client is told to go on');
        $client->send('hello');
        my $response = $client->read_response;
        is($response->status, 200, 'the response follows');
        is($response->json->{body_length}, 5, 'to the whole body');
        is(scalar $response->informational, 0, '100 came once');

        $client->send_request('POST', '/refuse', ['Content-Length' => 5, Expect => '100-continue']);
        $response = $client->read_response;
        is($response->status, 413, 'a final response that comes early is passed on before any body was sent');
        is($response->body, 'too large', 'with its body');
        is(scalar $response->informational, 0, 'without 100');

        is(client($httpd)->request('POST', '/accept', ['Content-Length' => 5, Expect => '100-continue'],
            'hello')->status, 200,
            'a client that does not wait is served too');
    };
    part 'an early final response to a body that the client is still sending arrives' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/refuse', ['Content-Length' => 100_000_000]);
        $client->send('x' x 100_000);
        is($client->read_response->status, 413, 'the client reads it');
    };
};

# Nothing is held back: neither in memory nor from the receiver.
each_mpm {
    my $size = 48 * $megabyte;
    my $backend = backend(on_head => sub {
        my ($c, $request) = @_;
        if ($request->target eq '/endless') {
            $c->send("HTTP/1.1 200 OK\r\nContent-Length: " . 64 * $size . "\r\n\r\n");
            my ($sent, $piece) = (0, 'x' x 65536);
            $c->socket->blocking(0);
            while ($sent < $size) {
                IO::Select->new($c->socket)->can_write(1) or last;
                $sent += syswrite($c->socket, $piece) || 0;
            }
            $c->note("sent $sent");
            return $c->close;
        } elsif ($request->target eq '/down') {
            $c->send("HTTP/1.1 200 OK\r\nContent-Length: $size\r\n\r\n");
            $c->send('x' x $megabyte) for 2 .. $size / $megabyte;
            $c->wait_signal('down');
            return $c->send('x' x $megabyte);
        } elsif ($request->target eq '/up') {
            $c->read_bytes($megabyte) for 2 .. $size / $megabyte;
            $c->note('nearly all is here');
            $c->read_bytes($megabyte);
            $request->{whole} = 1;
        }
        $c->respond($request, 200, [], 'ok');
    });
    my $httpd = httpd(children => 1, config => pool(app => $backend) . "RProxyPass / app\n");
    my $bound = 12 * $megabyte;

    part 'memory is bounded in both directions' => sub {
        my $client = client($httpd);
        is($client->get('/')->body, 'ok', 'it works');
        my $before = $httpd->memory;
        ok($before > $megabyte, 'memory can be measured');

        $client->send_request('GET', '/down');
        my $head = $client->read_response_head;
        $client->read_bytes($megabyte) for 2 .. $size / $megabyte;
        my $grown = $httpd->memory - $before;
        cmp_ok($grown, '<', $bound, 'a large response passes through') if !$httpd->sanitized;
        $backend->signal('down');
        is(length $client->read_bytes($megabyte), $megabyte, 'to its end');

        $client->send_request('POST', '/up', ['Content-Length' => $size]);
        $client->send('x' x $megabyte) for 2 .. $size / $megabyte;
        ok($backend->wait_note(qr/nearly all/), 'a large request body passes through');
        $grown = $httpd->memory - $before;
        cmp_ok($grown, '<', $bound, 'in bounded memory') if !$httpd->sanitized;
        $client->send('x' x $megabyte);
        is($client->read_response->body, 'ok', 'to its end');
    };
    part 'a client that does not read holds its backend back' => sub {
        my $client = client($httpd);
        $client->send_request('GET', '/endless');
        ok($backend->wait_note(qr/sent \d+/), 'the backend was stopped');
        my ($sent) = map { /sent (\d+)/ } $backend->notes;
        cmp_ok($sent, '<', $size, 'before it had sent everything');
    };
};

done_testing;
