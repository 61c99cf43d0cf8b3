# Licensed under the Apache License, Version 2.0; see LICENSE.

# What one side has sent, the other gets now; and when one side leaves, the other learns of it.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my %break = (
    'length' => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    'chunk' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this",
    'chunks' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    'last-chunk' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\n",
);

sub respond
{
    my ($c, $request) = @_;
    my ($what, $how) = $request->target =~ m{\A/([\w-]+)(?:/([\w-]+))?};
    if ($what eq 'events') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            . ($how eq 'chunked' ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"));
        for my $n (1 .. 3) {
            my $event = "data: $n\n\n";
            $how eq 'chunked' ? $c->send_chunk($event) : $c->send($event);
            $c->wait_signal("$how-$n");
        }
        return $how eq 'chunked' ? $c->send_last_chunk : $c->close;
    } elsif ($what eq 'head-first') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        $c->wait_signal('head');
        return $c->send('ok');
    } elsif ($what eq 'break' || $what eq 'reset') {
        $c->send($break{$how});
        return $what eq 'reset' ? $c->reset : $c->close;
    } elsif ($what eq 'whole') {
        $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk($_) for 'first, ', 'second';
        return $c->send_last_chunk;
    } elsif ($what eq 'think') {
        $c->note('thinking');
        return $c->note($c->wait_gone ? 'the client of the thinker is gone' : 'nobody left');
    } elsif ($what eq 'stream') {
        $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk('first');
        return $c->note($c->wait_gone ? 'the client of the stream is gone' : 'nobody left');
    } elsif ($what eq 'flood') {
        $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        1 while $c->send_chunk('x' x 10000);
        return $c->note('the flood is stopped');
    }
    $c->respond($request, 200, [], 'ok');
}

each_mpm {
    my $backend = backend(\&respond);
    my $uploads = backend(on_head => sub {
        my ($c, $request) = @_;
        my $got = $c->read_bytes(5);
        $c->note("got $got");
        $got = $c->read_bytes(5);
        $c->note($got eq 'world' ? 'got all' : "left after $got");
        $got eq 'world' ? $c->respond($request, 200, [], 'ok') : $c->close;
        $request->{whole} = 1;
    });
    my $httpd = httpd(children => 4, config => pool(app => $backend) . pool(up => $uploads) . <<'CONF');
RProxyPass / app
RProxyPass /up up
<Location /events>
    RProxyCompress gzip
</Location>
CONF

    part 'server-sent events arrive one by one' => sub {
        for my $how (qw(chunked close)) {
            my $client = client($httpd);
            $client->send_request('GET', "/events/$how");
            is($client->read_response_head->field('Content-Type'), 'text/event-stream',
                "$how: the head arrives");
            for my $n (1 .. 3) {
                is($client->read_chunk, "data: $n\n\n", "$how: event $n arrives before the next is sent");
                $backend->signal("$how-$n");
            }
            is($client->read_chunk, '', "$how: and the stream ends when the backend ends it");
        }
    };
    part 'a head arrives before its body' => sub {
        my $client = client($httpd);
        $client->send_request('GET', '/head-first');
        is($client->read_response_head->status, 200, 'the head is there');
        $backend->signal('head');
        is($client->read_bytes(2), 'ok', 'the body follows');
    };
    part 'a request body arrives while it is sent' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/up', ['Content-Length' => 10], 'hello');
        ok($uploads->wait_note(qr/got hello/), 'the first half is there');
        $client->send('world');
        ok($uploads->wait_note(qr/got all/), 'the second follows');
        is($client->read_response->body, 'ok', 'and is answered');
    };
    part 'a client that leaves ends the backend\'s work' => sub {
        for my $leave (qw(close reset)) {
            $backend->forget;
            my $client = client($httpd);
            $client->send_request('GET', '/think');
            $backend->wait_note(qr/thinking/);
            $client->$leave;
            ok($backend->wait_note(qr/client of the thinker is gone/), "$leave: before the response begins");

            $client = client($httpd);
            $client->send_request('GET', '/stream');
            $client->read_response_head;
            is($client->read_chunk, 'first', "$leave: a stream has begun");
            $client->$leave;
            ok($backend->wait_note(qr/client of the stream is gone/), "$leave: in the middle of a pause");

            $client = client($httpd);
            $client->send_request('GET', '/flood');
            $client->read_response_head;
            $client->read_chunk;
            $client->$leave;
            ok($backend->wait_note(qr/flood is stopped/), "$leave: in the middle of a flood");
        }
        my $client = client($httpd);
        $uploads->forget;
        $client->send_request('POST', '/up', ['Content-Length' => 10], 'hello');
        $uploads->wait_note(qr/got hello/);
        $client->close;
        ok($uploads->wait_note(qr/left after \z/), 'in the middle of a request body, which is never made whole');
    };
    part 'a response that breaks off reaches the client as broken' => sub {
        for my $way (qw(break reset)) {
            for my $how (sort keys %break) {
                my $client = client($httpd);
                my $response = eval { $client->get("/$way/$how") };
                if (!$response) {
                    like($@, qr/connection ended/, "$way in $how: at least no response");
                    next;
                }
                next if $response->status == 502 && pass("$way in $how: 502, for nothing had been passed on");
                ok($response->broken, "$way in $how: never complete");
                ok($client->ended || $client->ends_within(5), "$way in $how: and the connection ends");
            }
        }
        ok($httpd->wait_log(qr/RP\d+.*app.*\Q@{[$backend->authority]}\E/), 'the log names pool and member');
        is(get($httpd, '/x')->body, 'ok', 'the next request is served');
    };
    part 'an HTTP/1.0 client gets a streamed body until close' => sub {
        my $client = client($httpd);
        $client->send("GET /whole HTTP/1.0\r\nHost: a\r\n\r\n");
        my $response = $client->read_response;
        is($response->field('Transfer-Encoding'), undef, 'not chunked');
        is($response->body, 'first, second', 'as it is');
    };
};

done_testing;
