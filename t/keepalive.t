# Licensed under the Apache License, Version 2.0; see LICENSE.

# Connections to backends are kept and used again, and never at a request's expense.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

# A backend whose connections follow scripts: one for each connection, a list of acts, one for each request.
sub scripted
{
    my (@scripts) = @_;
    return backend(on_connection => sub {
        my ($c) = @_;
        my @acts = @{ $scripts[$c->number - 1] || [] };
        while (my $request = $c->read_request_head) {
            $c->read_request_body($request);
            my $act = @acts ? shift @acts : 'answer';
            if ($act eq 'answer' || $act eq 'answer and close') {
                $c->respond($request, 200, [], 'from connection ' . $c->number);
            } elsif ($act eq 'answer and say close') {
                $c->respond($request, 200, [Connection => 'close'], 'bye');
                $c->note($c->wait_gone ? 'the proxy left' : 'the proxy stayed');
            } elsif ($act eq 'answer as 1.0') {
                $c->send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
                $c->note($c->wait_gone ? 'the proxy left' : 'the proxy stayed');
            } elsif ($act eq 'answer too much') {
                $c->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            } elsif ($act eq 'begin and close') {
                $c->send("HTTP/1.1 200 O");
            }
            if ($act =~ /close\z/ && $act !~ /say/) {
                $c->close;
                $c->note('closed');
                return;
            } elsif ($act eq 'reset') {
                return $c->reset;
            }
        }
        $c->note('ended');
    });
}

sub served
{
    my ($backend, $options) = @_;
    return httpd(children => 1, config => pool(app => $backend->url . ' ' . ($options || ''))
        . "RProxyPass / app\n");
}

each_mpm {
    part 'a connection is used again' => sub {
        my $backend = scripted();
        my $httpd = served($backend);
        my $client = client($httpd);
        is($client->get('/')->body, 'from connection 1', 'a request') for 1 .. 3;
        is($client->head('/')->status, 200, 'HEAD');
        is($client->post('/', 'abc')->body, 'from connection 1', 'POST');
        is($backend->connections, 1, 'all on one connection');
        is($backend->last_request->version, '1.1', 'in HTTP/1.1');
        unlike($backend->last_request->field('Connection') || '', qr/close/i, 'not asking to close it');
    };
    part 'a client that leaves does not take the backend\'s connection with it' => sub {
        my $backend = scripted();
        my $httpd = served($backend);
        is(get($httpd, '/', Connection => 'close')->body, 'from connection 1', 'a client of its own')
            for 1 .. 3;
        is($backend->connections, 1, 'one connection for all clients');
    };
    part 'an idle connection that died is noticed before it is used' => sub {
        my $backend = scripted(['answer and close'], ['answer and close']);
        my $httpd = served($backend);
        my $client = client($httpd);
        is($client->post('/', 'x')->body, 'from connection 1', 'the first');
        $backend->wait_note(qr/closed/);
        is($client->post('/', 'x')->body, 'from connection 2',
            'POST, which may not be repeated, goes over a new one');
        is($backend->count, 2, 'and is sent once');
    };
    part 'GET is tried once more when a reused connection breaks before any byte came back' => sub {
        for my $end ('close', 'reset') {
            my $backend = scripted(['answer', $end], []);
            my $httpd = served($backend);
            my $client = client($httpd);
            $client->get('/first');
            my $response = $client->get('/second');
            is($response->status, 200, "$end: served");
            is($response->body, 'from connection 2', "$end: over a new connection");
            is_deeply([map { $_->target } $backend->requests], [qw(/first /second /second)],
                "$end: sent twice");
            ok($httpd->wait_access(qr{/second.*attempts=2}), "$end: the attempts are noted");
        }
    };
    part 'and only once' => sub {
        my $backend = scripted(['answer', 'close'], ['close'], ['close']);
        my $httpd = served($backend);
        my $client = client($httpd);
        $client->get('/first');
        is($client->get('/second')->status, 502, 'a second failure is the client\'s answer');
        is($backend->count, 3, 'no third try');
    };
    part 'not on a connection that was new' => sub {
        my $backend = scripted(['close']);
        my $httpd = served($backend);
        is(get($httpd, '/')->status, 502, 'the failure is the client\'s answer');
        is($backend->count, 1, 'one try');
    };
    part 'not when a byte had come back' => sub {
        my $backend = scripted(['answer', 'begin and close']);
        my $httpd = served($backend);
        my $client = client($httpd);
        $client->get('/first');
        is($client->get('/second')->status, 502, 'the failure is the client\'s answer');
        is($backend->count, 2, 'no second try');
    };
    part 'not for POST' => sub {
        my $backend = scripted(['answer', 'close']);
        my $httpd = served($backend);
        my $client = client($httpd);
        $client->get('/first');
        is($client->post('/second', 'x')->status, 502, 'the failure is the client\'s answer');
        is($backend->count, 2, 'no second try');
    };
    part 'a connection that the backend wants closed is closed' => sub {
        for my $act ('answer and say close', 'answer as 1.0') {
            my $backend = scripted([$act]);
            my $httpd = served($backend);
            my $client = client($httpd);
            $client->get('/');
            ok($backend->wait_note(qr/the proxy left/), "$act: the proxy closes it");
            is($client->get('/')->body, 'from connection 2', "$act: and opens another");
        }
    };
    part 'bytes behind a response are never the next one' => sub {
        my $backend = scripted(['answer too much']);
        my $httpd = served($backend);
        my $client = client($httpd);
        is($client->get('/')->body, 'ok', 'the first response');
        is($client->get('/')->body, 'from connection 2', 'the second comes over another connection');
    };
    part 'a connection that was idle for too long is not used' => sub {
        my $backend = scripted();
        my $httpd = served($backend, 'idle=100ms');
        my $client = client($httpd);
        is($client->get('/')->body, 'from connection 1', 'the first');
        select undef, undef, undef, 0.2;
        is($client->get('/')->body, 'from connection 2', 'a new one behind the limit');
    };
    part 'a connection that has lived for too long is not used' => sub {
        my $backend = scripted();
        my $httpd = served($backend, 'lifetime=100ms');
        my $client = client($httpd);
        is($client->get('/')->body, 'from connection 1', 'the first');
        select undef, undef, undef, 0.2;
        is($client->get('/')->body, 'from connection 2', 'a new one behind the limit');
    };
    part 'keep=0 keeps none' => sub {
        my $backend = scripted();
        my $httpd = served($backend, 'keep=0');
        my $client = client($httpd);
        $client->get('/') for 1 .. 2;
        is($backend->connections, 2, 'each request has its own');
    };
    part 'the connection that was used last is used first' => sub {
        plan(skip_all => 'a prefork child has one request at a time') if $RP::Test::mpm eq 'prefork';
        my $backend = backend(sub {
            my ($c, $request) = @_;
            if ($request->target =~ m{/wait-(\w+)}) {
                $c->note("waits for $1");
                $c->wait_signal($1);
            }
            $c->respond($request, 200, [], $c->number);
        });
        my $httpd = served($backend);
        my ($first, $second) = (client($httpd), client($httpd));
        $first->send_request('GET', '/wait-one');
        $backend->wait_note(qr/one/);
        $second->send_request('GET', '/wait-two');
        $backend->wait_note(qr/two/);
        $backend->signal('two');
        is($second->read_response->body, 2, 'the second connection is given back first');
        $backend->signal('one');
        is($first->read_response->body, 1, 'then the first');
        is($second->get('/')->body, 1, 'which is taken next') for 1 .. 3;
        is($backend->connections, 2, 'the other stays idle');
    };
};

done_testing;
