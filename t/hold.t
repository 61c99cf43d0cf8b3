# Licensed under the Apache License, Version 2.0; see LICENSE.

# Under mpm_event a worker waits with a kept connection for the next request, and never at anybody's expense.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use List::Util qw(max);
use Time::HiRes qw(sleep time);

my $status = "<Location /server-status>\nSetHandler server-status\n</Location>\nProtocols h2c http/1.1\n";

sub served
{
    my ($wait, %more) = @_;
    my $config = delete $more{config} || '';
    my @modules = ('status', 'http2', @{ delete $more{modules} || [] });
    return httpd(children => 1, modules => \@modules,
        config => "${status}RProxyLanes off\nRProxyKeepAliveWait $wait\n$config", %more);
}

# What every thread does, as mod_status shows it: "K" waits with a kept connection, "W" answers us.
sub board
{
    my ($httpd) = @_;
    my ($threads) = get($httpd, '/server-status?auto', Connection => 'close')->body =~ /^Scoreboard: (\S+)/m;
    return $threads;
}

sub waiting { my $threads = board(@_); return $threads =~ tr/K// }

# Ask for a page so many times, at once, on one connection.
sub pipeline
{
    my ($client, $times) = @_;
    $client->send("GET /index.html HTTP/1.1\r\nHost: proxy.example\r\n\r\n" x $times);
    return join '', map { $client->read_response->body } 1 .. $times;
}

# Of each of these connections the longest time that it waited for a response, in rounds.
sub slowest
{
    my ($rounds, @clients) = @_;
    my $slowest = 0;
    for my $client ((@clients) x $rounds) {
        my $began = time;
        $client->get('/index.html')->body eq "static\n" or die "not served\n";
        $slowest = max($slowest, time - $began);
    }
    return $slowest;
}

each_mpm {
    my $backend = backend(responds(200, [], 'proxied'));
    my $httpd = httpd(children => 1, config => "RProxyKeepAliveWait 1s\n" . pool(app => $backend)
        . "RProxyPass /app app\n");

    part 'a kept connection is served, request by request and pipelined' => sub {
        my $client = client($httpd);
        is($client->get('/index.html')->body, "static\n", 'a request') for 1 .. 3;
        is($client->get('/app')->body, 'proxied', 'one that is proxied') for 1 .. 2;
        is(pipeline($client, 5), "static\n" x 5, 'five at once');
        is($client->post('/app', 'x' x 50_000)->body, 'proxied', 'a body');
        is($client->get('/index.html', Connection => 'close')->body, "static\n", 'the last');
        is($client->read_rest, '', 'which ends the connection');
        my @lines = $httpd->access_log =~ m{^.*" 200 .*}mg;
        is(scalar @lines, 12, 'each is in the log');
    };
    part 'a request that comes in pieces is served' => sub {
        my $client = client($httpd);
        is($client->get('/index.html')->status, 200, 'a request');
        for my $piece ("GET /index.html HT", "TP/1.1\r\nHost: proxy.", "example\r\n\r\n") {
            $client->send($piece);
            sleep 0.05;
        }
        is($client->read_response->body, "static\n", 'another, bit by bit');
    };
};

# The others have no listener that a connection could go back to.
exit if $ENV{RP_MPM} && $ENV{RP_MPM} ne 'event' && done_testing;

one_mpm {
    part 'a worker waits, and gives the connection back when nothing comes' => sub {
        my $httpd = served('1s');
        my $client = client($httpd);
        is($client->get('/index.html')->status, 200, 'a request');
        ok(eventually { waiting($httpd) == 1 }, 'a worker waits for the next');
        my @log = $httpd->access_log =~ m{"GET /index}g;
        is(scalar @log, 1, 'the response is in the log by then');
        is($client->get('/index.html')->status, 200, 'which comes');
        ok(eventually { waiting($httpd) == 1 }, 'it waits again');
        ok(eventually { waiting($httpd) == 0 }, 'and gives up');
        sleep 1.1;
        is($client->get('/index.html')->status, 200, 'the connection has gone to the MPM, which serves it');
        is(join(' ', map { waiting($httpd) } 1 .. 3), '0 0 0', 'nobody waits for a client that was slow');
        is($client->get('/index.html')->status, 200, 'a quick request');
        ok(eventually { waiting($httpd) == 1 }, 'and there is somebody again');
        $client->close;
        ok(eventually { waiting($httpd) == 0 }, 'a client that leaves is not waited for');
    };
    part 'off, for all and for a virtual host' => sub {
        my $httpd = served('off', ports => 2, config => <<'CONF');
<VirtualHost 127.0.0.1:@PORT1@>
    RProxyKeepAliveWait 1s
</VirtualHost>
CONF
        my $client = client($httpd);
        is($client->get('/index.html')->status, 200, 'a request');
        is(join(' ', map { waiting($httpd) } 1 .. 3), '0 0 0', 'nobody waits');
        my $other = client($httpd->port(1));
        is($other->get('/index.html')->status, 200, 'a request to the virtual host');
        ok(eventually { waiting($httpd) == 1 }, 'is waited for');
    };
    part 'KeepAliveTimeout and KeepAlive off bound the wait' => sub {
        my $httpd = served('1s', config => "KeepAliveTimeout 100ms\n");
        my $client = client($httpd);
        my $began = time;
        is($client->get('/index.html')->status, 200, 'a request');
        is($client->read_rest, '', 'and the end');
        cmp_ok(time - $began, '<', 0.9, 'before the wait would be over');
        $httpd = served('1s', config => "KeepAlive off\n");
        $client = client($httpd);
        my $response = $client->get('/index.html');
        like($response->field('Connection'), qr/close/, 'or each connection has one request');
        is($client->read_rest, '', 'and ends behind it');
    };
    part 'half of the threads stay free' => sub {
        my $httpd = served('1s', threads => 4);
        my @clients = map { client($httpd) } 1 .. 4;
        cmp_ok(slowest(5, @clients), '<', 1, 'nobody waits for a thread');
        my $most = 0;
        for (1 .. 20) {
            $_->get('/index.html') for @clients;
            $most = max($most, waiting($httpd));
        }
        cmp_ok($most, '<=', 2, 'two wait at most');
    };
    part 'nearly three times as many connections as threads are served' => sub {
        for my $wait ('off', '1s') {
            my $httpd = served($wait, threads => 16);
            my @clients = map { my $client = client($httpd); slowest(2, $client); $client } 1 .. 44;
            cmp_ok(slowest(4, @clients), '<', 1, "$wait: none waits for a second");
            my @quick = @clients[0 .. 9];
            slowest(5, @quick) for 1 .. 10;
            cmp_ok(slowest(1, client($httpd)), '<', 1, "$wait: nor does a new one, when some are busy");
        }
    };
    part 'a graceful restart does not wait' => sub {
        my $httpd = served('1s', children => 2);
        my $client = client($httpd);
        is($client->get('/index.html')->status, 200, 'a request');
        ok(eventually { waiting($httpd) == 1 }, 'a worker waits');
        my $began = time;
        $httpd->graceful;
        is($client->read_rest, '', 'the idle connection is closed');
        cmp_ok(time - $began, '<', 0.5, 'at once');
        is(get($httpd, '/index.html')->body, "static\n", 'the new child serves');
    };
    part 'stopping does not wait' => sub {
        my $httpd = served('1s');
        my @clients = map { client($httpd) } 1 .. 5;
        slowest(2, @clients);
        my $began = time;
        is(join('', $httpd->stop), '', 'it stops without a complaint');
        cmp_ok(time - $began, '<', $httpd->sanitized ? 4 : 2, 'soon');
    };
    part 'TLS' => sub {
        my $authority = RP::TLS->authority('Test CA');
        my $certificate = $authority->issue(name => 'proxy.example', san => 'DNS:proxy.example');
        my $httpd = served('1s', ports => 2, modules => ['ssl', 'reqtimeout'], config => <<CONF);
RequestReadTimeout handshake=5 header=5-10,MinRate=500 body=5,MinRate=500
<VirtualHost 127.0.0.1:\@PORT1\@>
    SSLEngine on
    SSLCertificateFile $certificate->{cert}
    SSLCertificateKeyFile $certificate->{key}
</VirtualHost>
CONF
        my $client = client($httpd->port(1), tls => { ca => $authority->cert, name => 'proxy.example' });
        is($client->get('/index.html')->body, "static\n", 'a request') for 1 .. 3;
        my $began = time;
        is(pipeline($client, 5), "static\n" x 5, 'five at once, in one record');
        cmp_ok(time - $began, '<', 1, 'without a wait');
        ok(eventually { waiting($httpd) == 1 }, 'a worker waits for more');
        is($client->get('/index.html')->body, "static\n", 'which comes');
    };
    part 'HTTP/2 is left to mod_http2' => sub {
        my $httpd = served('1s');
        my $client = client($httpd);
        # The preface, SETTINGS, and GET http://proxy.example/index.html as stream 1.
        my $fields = "\x82\x86\x85\x41" . chr(13) . 'proxy.example';
        $client->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\4\0\0\0\0\0",
            pack('xnCCN', length $fields, 1, 5, 1), $fields);
        like($client->read_until(qr/static\n/), qr/static/, 'a response');
        my @seen;
        my $alone = eventually { push @seen, board($httpd); $seen[-1] !~ /[KR]/ && $seen[-1] =~ tr/W// == 1 };
        ok($alone, 'no worker is with it');
        unlike("@seen", qr/K/, 'none has waited');
    };
    part 'what is no time is refused' => sub {
        for my $wrong ('20', '2s', 'soon') {
            my ($bad, $said) = RP::Httpd->new(config => "RProxyKeepAliveWait $wrong\n")->configtest;
            isnt($bad, 0, "$wrong is refused");
            like($said, qr/KeepAliveWait $wrong: write off, or a time from 1ms to 1s/, 'with advice');
        }
        for my $right ('1ms', '1s', 'Off') {
            my ($bad) = RP::Httpd->new(config => "RProxyKeepAliveWait $right\n")->configtest;
            is($bad, 0, "$right is good");
        }
    };
};

done_testing;
