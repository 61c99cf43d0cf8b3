# Licensed under the Apache License, Version 2.0; see LICENSE.

# WebSocket and other protocols behind Upgrade (RFC 9110 §7.8, RFC 6455) are tunnelled.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;
use Protocol::WebSocket::Handshake::Server;

sub respond
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{/([\w-]+)\z};
    return $c->respond($request, 426, [Upgrade => 'websocket', Connection => 'Upgrade'], 'refused')
        if $what eq 'refuse';
    return $c->respond($request, 200, [], 'plain') if $what eq 'ignore';
    return $c->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        if $what eq 'unasked';
    return echoes()->($c, $request) if $what eq 'echo';
    $c->note('upgrade: ' . ($request->field('Upgrade') || 'none') . ', connection: '
        . ($request->field('Connection') || 'none'));
    return websocket($c, $request) if $what eq 'websocket';

    # Any other: a protocol that says hello and then everything in capitals.
    $c->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout/1\r\nConnection: Upgrade\r\nX-Extra: kept\r\n\r\nHELLO\n");
    while (defined(my $line = $c->read_until(qr/\n/, 'line'))) {
        last if $line eq "bye\n";
        $c->send(uc $line);
    }
    $c->note('tunnel ended: ' . ($c->ended || 'by me'));
    $c->close;
}

sub websocket
{
    my ($c, $request) = @_;
    my $handshake = Protocol::WebSocket::Handshake::Server->new;
    $handshake->parse($request->raw_head) or die $handshake->error;
    $c->send($handshake->to_string);
    my $frame = Protocol::WebSocket::Frame->new(max_payload_size => 0);
    while (1) {
        $c->fill(time + $RP::Stream::PATIENCE) or last;
        $frame->append($c->{buffer});
        $c->{buffer} = '';
        while (defined(my $message = $frame->next_bytes)) {
            if ($frame->is_close) {
                $c->send(Protocol::WebSocket::Frame->new(type => 'close')->to_bytes);
                return $c->close;
            }
            $c->send(Protocol::WebSocket::Frame->new(type => 'text', buffer => "echo: $message",
                max_payload_size => 0)->to_bytes);
        }
    }
}

sub websocket_client
{
    my ($httpd, $path) = @_;
    my $client = client($httpd);
    my $handshake = Protocol::WebSocket::Handshake::Client->new(url => 'ws://proxy.example' . $path);
    $client->send($handshake->to_string);
    my $head = $client->read_response_head;
    is($head->status, 101, 'the protocol is switched');
    $handshake->parse($head->raw_head);
    ok($handshake->is_done, 'Protocol::WebSocket is satisfied with the handshake') or diag($handshake->error);
    my $frame = Protocol::WebSocket::Frame->new(max_payload_size => 0);
    return sub {
        my ($message) = @_;
        $client->send(Protocol::WebSocket::Frame->new(buffer => $message, masked => 1,
            max_payload_size => 0)->to_bytes);
        while (1) {
            $client->fill(time + $RP::Stream::PATIENCE) or die "no message came back\n";
            $frame->append($client->{buffer});
            $client->{buffer} = '';
            my $answer = $frame->next_bytes;
            return $answer if defined $answer;
        }
    }, $client;
}

my @upgrade = (Upgrade => 'shout/1', Connection => 'Upgrade');

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 4, config => pool(app => $backend) . <<'CONF');
RProxyPass / app
<Location /short>
    RProxyTimeout idle=300ms
</Location>
CONF

    part 'a WebSocket talks both ways' => sub {
        my ($talk, $client) = websocket_client($httpd, '/websocket');
        is($talk->('hello'), 'echo: hello', 'a message and its answer');
        is($talk->($_), "echo: $_", "message $_") for 1 .. 5;
        my $long = 'x' x 200_000;
        is($talk->($long), "echo: $long", 'a long one');
        $client->send(Protocol::WebSocket::Frame->new(type => 'close', masked => 1)->to_bytes);
        ok($client->ends_within(5), 'and is closed');
    };
    part 'another protocol is tunnelled as well' => sub {
        $backend->forget;
        my $client = client($httpd);
        $client->send_request('GET', '/shout', [@upgrade]);
        my $head = $client->read_response_head;
        is($head->status, 101, 'the protocol is switched');
        is($head->field('Upgrade'), 'shout/1', 'to the one that the backend names');
        like($head->field('Connection') || '', qr/\bupgrade\b/i, 'with Connection: Upgrade');
        is($head->field('X-Extra'), 'kept', 'and other fields');
        is($head->field('Transfer-Encoding'), undef, 'a 101 has no framing');
        is($head->field('Content-Length'), undef, 'of neither kind');
        is(($backend->notes)[0], 'upgrade: shout/1, connection: Upgrade', 'the backend was asked for it');
        is($client->read_until(qr/\n/), "HELLO\n", 'bytes right behind the 101 arrive');
        $client->send("abc\n");
        is($client->read_until(qr/\n/), "ABC\n", 'bytes go both ways');
        $client->send("bye\n");
        ok($client->ends_within(5), 'the backend\'s end is the client\'s');
    };
    part 'bytes that the client sends right behind its request arrive' => sub {
        my $client = client($httpd);
        $client->send("GET /shout HTTP/1.1\r\nHost: a\r\nUpgrade: shout/1\r\nConnection: Upgrade\r\n\r\nearly\n");
        is($client->read_response_head->status, 101, 'switched');
        is($client->read_until(qr/EARLY\n/), "HELLO\nEARLY\n", 'nothing is lost');
    };
    part 'a client that leaves ends the tunnel' => sub {
        $backend->forget;
        my $client = client($httpd);
        $client->send_request('GET', '/shout', [@upgrade]);
        $client->read_response_head;
        $client->read_until(qr/HELLO\n/);
        $client->close;
        ok($backend->wait_note(qr/tunnel ended: (?:closed|reset)/), 'for the backend');
    };
    part 'a half-closed tunnel still carries the other half' => sub {
        my $client = client($httpd);
        $client->send_request('GET', '/shout', [@upgrade]);
        $client->read_response_head;
        $client->send("last words\n");
        $client->finish_sending;
        like($client->read_until(qr/WORDS\n/) || '', qr/LAST WORDS\n\z/, 'the answer arrives');
        ok($client->ends_within(5), 'then the end');
    };
    part 'a tunnel where nobody speaks is closed' => sub {
        $backend->forget;
        my $client = client($httpd);
        $client->send_request('GET', '/short/shout', [@upgrade]);
        is($client->read_response_head->status, 101, 'switched');
        $client->read_until(qr/HELLO\n/);
        for (1 .. 3) {
            ok($client->silent_for(0.15), 'a pause below the limit');
            $client->send("abc\n");
            is($client->read_until(qr/\n/), "ABC\n", 'is no idleness');
        }
        ok($client->ends_within(5), 'behind the limit the client\'s side ends');
        ok($backend->wait_note(qr/tunnel ended/), 'and the backend\'s');
    };
    part 'a refused upgrade is an ordinary response' => sub {
        my $client = client($httpd);
        my $refused = $client->get('/refuse', @upgrade);
        is($refused->status, 426, 'refused with 426');
        is($refused->body, 'refused', 'and a body');
        is($client->get('/ignore', @upgrade)->body, 'plain', 'an ignored one, on the same connection');
        is($client->get('/ignore')->body, 'plain', 'which goes on');
    };
    part 'nothing is switched that was not asked for' => sub {
        is(get($httpd, '/unasked')->status, 502, 'a 101 out of the blue is an error');
        is(get($httpd, '/echo', Upgrade => 'shout/1')->echoed('Upgrade'), undef,
            'Upgrade without Connection: Upgrade is not passed on');
        is(get($httpd, '/echo', Connection => 'Upgrade')->echoed('Upgrade'), undef,
            'nor is Connection: Upgrade alone');
        is(get($httpd, '/shout', Upgrade => 'other/1', Connection => 'Upgrade')->status, 502,
            'nor is a 101 to another protocol passed on');
        my $client = client($httpd);
        $client->send("GET /echo HTTP/1.0\r\nHost: a\r\nUpgrade: shout/1\r\nConnection: Upgrade\r\n\r\n");
        is($client->read_response->echoed('Upgrade'), undef, 'nor what an HTTP/1.0 client says');
    };
    part 'another version of HTTP, or TLS, is nothing to switch to past this proxy' => sub {
        for my $protocol (qw(h2c H2C h2 TLS/1.2 HTTP/2.0)) {
            my @fields = (Upgrade => $protocol, Connection => 'Upgrade, HTTP2-Settings',
                'HTTP2-Settings' => 'AAMAAABk');
            my $response = get($httpd, '/echo', @fields);
            is($response->echoed('Upgrade'), undef, "$protocol is not passed on");
            is($response->echoed('HTTP2-Settings'), undef, "$protocol: nor are its settings");
        }
        is(get($httpd, '/echo', Upgrade => 'h2c, shout/1', Connection => 'Upgrade')->echoed('Upgrade'),
            'shout/1', 'others beside it are');
        is(get($httpd, '/h2c', Upgrade => 'h2c', Connection => 'Upgrade')->status, 502,
            'and a backend that switches all the same is an error');
    };
};

# Both sides write at once, and the backend does not read while it cannot write: whoever waits for one of them holds
# up both.
each_mpm {
    my $authority = RP::TLS->authority;
    my $echo = sub {
        my ($c, $request) = @_;
        $c->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo/1\r\nConnection: Upgrade\r\n\r\n");
        while ($c->fill(time + $RP::Stream::PATIENCE)) {
            $c->send(substr $c->{buffer}, 0, length $c->{buffer}, '');
        }
        $c->close;
    };
    my $plain = backend($echo);
    my $tls = backend(on_request => $echo, tls => $authority->issue);
    my $ca = 'ca=' . $authority->cert;
    my $httpd = httpd(config => pool(plain => $plain) . pool(tls => $tls->url . " $ca") . <<'CONF');
RProxyTimeout idle=5s
RProxyPass /plain plain
RProxyPass /tls tls
CONF
    my $size = 20 * 1024 * 1024;
    my $text = join '', map { pack 'N', ($_ * 2654435761) % 2**32 } 1 .. $size / 4;

    for my $pool (qw(plain tls)) {
        part "20 MiB go both ways at once ($pool)" => sub {
            my $client = client($httpd);
            $client->send_request('GET', "/$pool", [Upgrade => 'echo/1', Connection => 'Upgrade']);
            is($client->read_response_head->status, 101, 'switched');
            my $sender = RP::Process->spawn(sub {
                $client->send($text);
                $client->finish_sending;
            });
            my $came = $client->read_rest;
            is(length $came, $size, 'as much comes back');
            is(md5_hex($came), md5_hex($text), 'the same');
            RP::Process->stop($sender, 'KILL');
        };
    }
};

done_testing;
