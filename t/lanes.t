# Licensed under the Apache License, Version 2.0; see LICENSE.

# Lanes: connections and requests that keep no thread, and what httpd promises all the same.  RP_MPM=lanes runs the
# other files with them as well.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Time::HiRes qw(sleep time);

plan(skip_all => 'lanes are for mpm_event') if ($ENV{RP_MPM} || 'event') !~ /\A(?:event|lanes)\z/;

# Few threads: whatever needs one for long is found out.
sub laned
{
    my ($config, %more) = @_;
    return httpd(children => 1, threads => 4, config => "RProxyLanes 2\nAsyncRequestWorkerFactor 200\n$config", %more);
}

sub start_of { my ($client, $text) = @_; $client->send($text); return $client }

one_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my $target = $request->target;
        $c->wait_signal('go') if $target eq '/slow';
        if ($target eq '/long') {
            $c->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            $c->wait_signal('restarted');
            return $c->send('world');
        }
        $c->respond($request, 200, [], $target eq '/big' ? join '', map { sprintf '%07d ', $_ } 1 .. 300_000
            : $request->body ne '' ? $request->body : "it is $target");
    });
    my $pass = pool(app => $backend) . "RProxyPass /index.html none\nRProxyPass / app\n";

    part 'more requests than threads wait for a backend, and a quick one does not wait with them' => sub {
        my $httpd = laned($pass);
        my @slow = map { my $c = client($httpd); $c->send_request('GET', '/slow'); $c } 1 .. 24;
        ok($backend->wait_requests(24), 'all of them are with the backend');
        is(get($httpd, '/quick')->body, 'it is /quick', 'a quick one is answered meanwhile');
        $backend->signal('go');
        is(scalar(grep { $_->read_response->body eq 'it is /slow' } @slow), 24, 'and all of the others then');
        my $client = $slow[0];
        is($client->get("/again/$_")->body, "it is /again/$_", 'their connections go on') for 1 .. 3;
    };

    part 'clients that send slowly hold up nobody' => sub {
        my $httpd = laned($pass . "RequestReadTimeout header=3 body=60\n", modules => ['reqtimeout']);
        my @heads = map { start_of(client($httpd), "GET /head$_ HTTP/1.1\r\nHo") } 1 .. 12;
        my @lines = map { start_of(client($httpd), "GET /li") } 1 .. 12;
        my $chunks = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trai";
        my @trailers = map { start_of(client($httpd), $chunks) } 1 .. 12;
        my $began = time;
        is(get($httpd, "/quick$_")->body, "it is /quick$_", 'a quick one is answered') for 1 .. 5;
        $_->send("st: a\r\n\r\n") for @heads[0 .. 5];
        is(scalar(grep { $_->read_response->status == 200 } @heads[0 .. 5]), 6, 'a head whole in time is served');
        $_->send("ler: x\r\n\r\n") for @trailers;
        is(scalar(grep { $_->read_response->body eq 'hello' } @trailers), 12, 'trailers may come late');
        is(scalar(grep { $_->read_response->status == 408 } @heads[6 .. 11]), 6,
            'the others are told when mod_reqtimeout has had enough');
        is(scalar(grep { $_->ends_within($RP::Stream::PATIENCE) } @lines), 12, 'and not even a line gets no answer');
    };

    part 'clients that read slowly hold up nobody, and get all of it' => sub {
        my $httpd = laned($pass);
        my @slow = map { my $c = client($httpd); $c->send_request('GET', '/big'); $c } 1 .. 8;
        ok(eventually { $backend->count >= 8 }, 'they have asked');
        is(get($httpd, "/quick$_")->body, "it is /quick$_", 'a quick one is answered') for 1 .. 5;
        my @bodies = map { $_->read_response->body } @slow;
        is(scalar(grep { length == 2_400_000 && /\A0000001 .*0300000 \z/s } @bodies), 8, 'the bodies are whole');
    };

    part 'a client that reads nothing is left after Timeout' => sub {
        my $httpd = laned($pass . "Timeout 1\n");
        my $client = client($httpd);
        $client->send_request('GET', '/big');
        ok($httpd->wait_access(qr{/big}), 'its request ends');
        is(get($httpd, '/quick')->body, 'it is /quick', 'others are served');
    };

    part 'requests that are not for a backend, on the same connection' => sub {
        my $httpd = laned(<<"CONF" . $pass, modules => [qw(auth_basic authn_core authn_file authz_user alias)]);
<Location "/secret">
    AuthType Basic
    AuthName secret
    AuthUserFile \@ROOT\@/users
    Require valid-user
</Location>
ErrorDocument 401 /index.html
CONF
        RP::Place->write_file($httpd->root . '/users', "me:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n"); # admin
        my $client = client($httpd);
        for (1 .. 3) {
            is($client->get('/index.html')->body, "static\n", 'a file');
            is($client->get('/app')->body, 'it is /app', 'a backend');
            my $refused = $client->get('/secret');
            is($refused->status, 401, 'a backend behind a password, without it');
            is($refused->body, "static\n", 'with a file as its error document');
            is($client->get('/secret', Authorization => 'Basic bWU6YWRtaW4=')->body, 'it is /secret', 'and with it');
        }
        is($client->post('/index.html', 'x' x 100_000)->body, "static\n", 'content that nobody reads');
        is($client->get('/app')->body, 'it is /app', 'and on it goes');
    };

    part 'pipelined requests are answered in order' => sub {
        my $httpd = laned($pass);
        my $client = client($httpd);
        $client->send(join '', map
            { "GET " . ($_ % 5 ? "/p$_" : '/index.html') . " HTTP/1.1\r\nHost: a\r\n\r\n" } 1 .. 40);
        is(join('|', map { $client->read_response->body } 1 .. 40),
            join('|', map { $_ % 5 ? "it is /p$_" : "static\n" } 1 .. 40), 'all forty');
    };

    part 'KeepAliveTimeout and MaxKeepAliveRequests' => sub {
        my $httpd = laned($pass . "KeepAliveTimeout 1\nMaxKeepAliveRequests 3\n");
        my $idle = client($httpd);
        is($idle->get('/a')->body, 'it is /a', 'a request');
        my $began = time;
        ok($idle->ends_within($RP::Stream::PATIENCE), 'an idle connection is closed');
        cmp_ok(time - $began, '>', 0.9, 'not before its time');
        my $client = client($httpd);
        my @said = map { $client->get("/$_")->field('Connection') || '' } 1 .. 4;
        is(join(',', @said), ',,,close', 'the first one and three more are served');
        ok($client->ends_within($RP::Stream::PATIENCE), 'and the connection ends');
    };

    part 'TLS' => sub {
        my $authority = RP::TLS->authority('Test CA');
        my $certificate = $authority->issue(name => 'proxy.example', san => 'DNS:proxy.example');
        my $httpd = laned($pass . <<"CONF", ports => 2, modules => ['ssl', 'reqtimeout']);
RequestReadTimeout handshake=5 header=5-10,MinRate=500 body=5,MinRate=500
<VirtualHost 127.0.0.1:\@PORT1\@>
    SSLEngine on
    SSLCertificateFile $certificate->{cert}
    SSLCertificateKeyFile $certificate->{key}
</VirtualHost>
CONF
        my %tls = (ca => $authority->cert, name => 'proxy.example');
        my @clients = map { client($httpd->port(1), tls => \%tls) } 1 .. 10;
        for my $round (1 .. 3) {
            is(scalar(grep { $_->get("/$round")->body eq "it is /$round" } @clients), 10, 'more clients than threads');
        }
        is($clients[0]->get('/index.html')->body, "static\n", 'a file by a worker');
        is(length $clients[1]->get('/big')->body, 2_400_000, 'a long response');
        is($clients[1]->post('/echo', 'y' x 300_000)->body, 'y' x 300_000, 'long content');
        $clients[2]->send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHo");
        is($clients[2]->read_response->body, 'it is /1', 'a request and a half');
        $clients[2]->send("st: a\r\n\r\n");
        is($clients[2]->read_response->body, 'it is /2', 'and the other half');
    };

    part 'what an idle connection costs' => sub {
        my $n = 400;
        my $httpd = laned($pass);
        is(get($httpd, '/warm')->status, 200, 'it serves') for 1 .. 20;
        my $before = $httpd->memory;
        my @clients = map { client($httpd) } 1 .. $n;
        is(scalar(grep { $_->get('/x')->status == 200 } @clients), $n, 'all have asked once');
        my $each = 1000;
        my $most = $httpd->sanitized ? 100 : 20;
        # It gives back what its requests needed a second later.
        eventually { ($each = ($httpd->memory - $before) / $n / 1024) < $most };
        diag(sprintf '%.1f KiB for each idle connection%s', $each, $httpd->sanitized ? ' (with sanitizers)' : '');
        cmp_ok($each, '<', $most, 'it is little');
    };

    part 'a graceful restart ends what is idle, and finishes what is under way' => sub {
        my $httpd = laned($pass);
        my ($idle, $busy) = map { client($httpd) } 1 .. 2;
        is($idle->get('/a')->body, 'it is /a', 'a connection that is idle then');
        $busy->send_request('GET', '/long');
        my $response = $busy->read_response_head;
        is($response->status, 200, 'a response that has begun');
        $httpd->graceful;
        ok($idle->ends_within($RP::Stream::PATIENCE), 'the idle one is closed');
        $backend->signal('restarted');
        is($busy->read_body($response)->body, 'helloworld', 'the response comes to its end');
        ok($busy->ends_within($RP::Stream::PATIENCE), 'and its connection as well');
        $_->close for $idle, $busy;
        is(get($httpd, '/b')->body, 'it is /b', 'the new child serves');
    };

    part 'a child that is killed' => sub {
        my $httpd = laned($pass, expect_kills => 1);
        my $client = client($httpd);
        is($client->get('/a')->body, 'it is /a', 'before');
        kill KILL => $httpd->children;
        ok($client->ends_within($RP::Stream::PATIENCE), 'its connections end');
        ok(eventually { my $r = eval { get($httpd, '/b') }; $r && $r->body eq 'it is /b' }, 'another one serves');
    };

    part 'an ungraceful stop does not wait for clients or backends' => sub {
        my $httpd = laned($pass);
        my @slow = map { my $c = client($httpd); $c->send_request('GET', '/slow'); $c } 1 .. 6;
        my $reader = start_of(client($httpd), "POST /index.html HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
        is(get($httpd, '/a')->body, 'it is /a', 'it serves');
        is(join('', $httpd->stop), '', 'it stops without a complaint');
    };

    part 'what is wrong with a number of lanes' => sub {
        for my $wrong ('0', '65', 'many', '2x', '-1') {
            my ($bad, $said) = RP::Httpd->new(config => "RProxyLanes $wrong\n")->configtest;
            ok($bad, "$wrong is refused");
            like($said, qr/RProxyLanes $wrong: write auto, off, or a number from 1 to 64/, 'with advice');
        }
        for my $right ('1', '64', 'auto', 'off') {
            my ($bad) = RP::Httpd->new(config => "RProxyLanes $right\nRProxyLaneStack 64K\n")->configtest;
            ok(!$bad, "$right is taken");
        }
    };
};
done_testing;
