# Licensed under the Apache License, Version 2.0; see LICENSE.

# Members are asked from time to time how they are; those that do not answer well get no requests until they do again.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(sleep time);

# A pool with a check.
sub checked { my ($name, $check, @members) = @_; return pool($name, @members, "RProxyCheck $check") }

# A backend that says its name, and is ill as long as there is the file in {ill}.
sub patient
{
    my ($name) = @_;
    my $ill = RP::Place->folder . '/ill';
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my $status = $request->target eq '/healthz' && -e $ill ? 500 : 200;
        $c->respond($request, $status, [], $name);
    });
    $backend->{ill} = $ill;
    return $backend;
}

sub fall_ill { RP::Place->write_file($_[0]{ill}, '') }
sub get_well { unlink $_[0]{ill} }

# Requests that are no checks.
sub visits { return grep { $_->target ne '/healthz' } $_[0]->requests }
sub checks { return grep { $_->target eq '/healthz' } $_[0]->requests }

sub lines { my ($httpd, $pattern) = @_; return scalar grep { $_ =~ $pattern } split /\n/, $httpd->error_log }

# Where nobody answers: a socket whose queue of connections is full, at every address of this host.
sub deaf
{
    my $socket = IO::Socket::INET->new(LocalAddr => '0.0.0.0', Listen => 1) or die "$!";
    my @filling = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $socket->sockport,
        Blocking => 0) } 1 .. 4;
    return ($socket->sockport, $socket, @filling);
}

each_mpm {
    my ($a, $b) = map { patient($_) } qw(a b);
    my $httpd = httpd(config => checked(app => 'GET /healthz interval=100ms jitter=0% timeout=1s rise=2 fall=3',
        'RProxyMethod round-robin', 'RProxyEject panic=0', $a, $b) . "RProxyPass / app\n");
    my $shares = sub {
        my %count;
        $count{ get($httpd, '/')->body }++ for 1 .. 8;
        return \%count;
    };

    part 'members are asked as RProxyCheck says' => sub {
        ok($a->wait_requests(2) && $b->wait_requests(2), 'all of them, again and again');
        my $request = ($a->requests)[0];
        is($request->method . ' ' . $request->target, 'GET /healthz', 'method and path');
        is($request->field('Host'), $a->authority, 'Host is the member\'s own');
        like($request->field('User-Agent'), qr{\Amod_rproxy/}, 'and User-Agent tells who asks');
        is_deeply($shares->(), { a => 4, b => 4 }, 'who answers well is used');
    };
    part 'a member that says that it is ill gets no requests' => sub {
        fall_ill($a);
        my $line = $httpd->wait_log(qr/RP\d+: .*pool app, member @{[$a->url]} is down/);
        like($line, qr{GET /healthz said 500, expected 200-399}, 'the log tells why');
        is_deeply($shares->(), { b => 8 }, 'the others get them');
        my $count = checks($a);
        ok(eventually { checks($a) > $count + 5 }, 'it is asked further on');
        is(lines($httpd, qr/is down/), 1, 'which the log has not a line for');
    };
    part 'and gets them again when it is well' => sub {
        get_well($a);
        ok($httpd->wait_log(qr/RP\d+: .*pool app, member @{[$a->url]} is up again/), 'the log tells');
        is_deeply($shares->(), { a => 4, b => 4 }, 'it has its share');
    };
    part 'one that hangs is noticed, too' => sub {
        $httpd->forget_logs;
        kill STOP => -$a->{pid};
        my $line = $httpd->wait_log(qr/member @{[$a->url]} is down/);
        like($line, qr{no answer within 1s}, 'by its silence');
        is_deeply($shares->(), { b => 8 }, 'the others get its requests');
        kill CONT => -$a->{pid};
        ok($httpd->wait_log(qr/member @{[$a->url]} is up again/), 'and when it goes on');
    };
    part 'without a member that is well there is a 503, with panic=0' => sub {
        fall_ill($_) for $a, $b;
        ok($httpd->wait_log(qr/member @{[$_->url]} is down.*said 500/), 'all are ill') for $a, $b;
        my $visits = visits($a) + visits($b);
        my $response = get($httpd, '/');
        is($response->status, 503, 'which the client is told');
        like($response->field('Proxy-Status') || '', qr/error=destination_unavailable/, 'with Proxy-Status');
        is(visits($a) + visits($b), $visits, 'and nobody was asked');
    };
    part 'a graceful restart changes nothing of it' => sub {
        $httpd->graceful;
        is(get($httpd, '/')->status, 503, 'who was down is still down') for 1 .. 4;
        get_well($b);
        ok(eventually { get($httpd, '/')->status == 200 }, 'and is asked further on');
    };
};

one_mpm {
    part 'while all of a pool are down, requests go to them all the same' => sub {
        my $backend = patient('a');
        fall_ill($backend);
        my $httpd = httpd(config => checked(app => '/healthz interval=100ms fall=1', $backend) . "RProxyPass / app\n");
        ok($httpd->wait_log(qr/is down by its checks/), 'the only one is');
        is(get($httpd, '/')->body, 'a', 'and asked for want of another');
    };
    part 'a pool that is not checked any more has nobody down by its checks' => sub {
        my ($a, $b) = map { patient($_) } qw(a b);
        fall_ill($a);
        my $httpd = httpd(config => checked(app => '/healthz interval=100ms fall=1', $a, $b) . "RProxyPass / app\n");
        ok($httpd->wait_log(qr/member @{[$a->url]} is down/), 'one is');
        $httpd->configure(pool(app => $a, $b) . "RProxyPass / app\n");
        $httpd->graceful;
        ok(eventually { get($httpd, '/')->body eq 'a' }, 'and is used after RProxyCheck was removed');
    };
};

one_mpm {
    part 'rise and fall are counted in a row' => sub {
        my @answers = map { ($_->[0]) x $_->[1] }
            [500, 2], [200, 2], [500, 2], [200, 2], [500, 3], [200, 1], [500, 3], [200, 2];
        my $backend = backend(sub {
            my ($c, $request) = @_;
            $c->respond($request, $answers[$request->number - 1] || 200);
        });
        my $httpd = httpd(config => checked(app => '/ interval=100ms jitter=0% timeout=10s rise=2 fall=3', $backend));
        ok($backend->wait_requests(@answers + 3), 'after ups and downs');
        is(lines($httpd, qr/is down/), 1, 'it went down once, after three in a row');
        is(lines($httpd, qr/is up again/), 1, 'and came back once, after two in a row');
    };
};

one_mpm {
    my $authority = RP::TLS->authority;
    my $stranger = RP::TLS->authority('Other CA');
    my $certificate = $authority->issue(name => 'localhost', san => 'IP:127.0.0.1');
    my $ca = 'ca=' . $authority->cert;
    my $socket = RP::Place->folder . '/backend.sock';
    chmod 0755, RP::Place->folder;
    my $ok = sub { my ($c, $request) = @_; $c->respond($request, 200, [], '{"status":  "ok"}') };
    my $tls = backend(on_request => $ok, tls => $certificate);
    my $plain = backend($ok);
    my $says = sub { my (@bytes) = @_; return backend(sub { $_[0]->send(@bytes); $_[0]->close }) };
    my $silent = backend(on_connection => sub { $_[0]->wait_gone });
    my $rude = backend(on_connection => sub { $_[0]->send("HTTP/1.1 400 Bad Request\r\n\r\n"); $_[0]->wait_gone });
    my ($deaf, @kept) = deaf();
    my $announced = backend(on_connection => sub {
        my ($c) = @_;
        my $header = $c->read_bytes(16);
        $c->note(unpack 'H*', $header);
        $c->respond($c->read_request_head, 200);
    });
    my $refused = RP::Place->refusing_port;
    my $ok_body = '"body=\"status\": *\"ok\""';

    my %well = (
        body => ["/h $ok_body", $plain],
        chunks => ["/h $ok_body", backend(sub {
            my ($c) = @_;
            $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            $c->send_chunk($_) for 'x' x 30_000, '{"sta', 'tus": "o', 'k"}';
            $c->send_last_chunk;
        })],
        until_close => ["/h $ok_body", $says->("HTTP/1.0 200 OK\r\n\r\n{\"status\": \"ok\"}")],
        interim => ['/h', $says->("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 None\r\n\r\n")],
        expected => ['GET /h expect=204,400-401', $says->("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")],
        head => ['HEAD /h', $says->("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")],
        post => ['POST /h', $plain],
        large => ['/h', backend(sub {
            my ($c) = @_;
            $c->send("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", 'x' x 200_000);
            $c->wait_gone;
        })],
        https => ["/h $ok_body", $tls->url . " $ca"],
        https_tcp => ['tcp', $tls->url . " $ca"],
        tcp => ['tcp', $silent],
        unix => ["/h $ok_body", backend(on_request => $ok, unix => $socket)],
        port => ['/h port=' . $plain->port, "http://127.0.0.1:$refused"],
        announced => ['/h', $announced->url . ' proxy-protocol'],
        host => ['/h host=www.example.org', my $hosted = backend($ok)],
    );
    my %ill = (
        status => ['GET /h expect=200', $says->("HTTP/1.1 204 None\r\n\r\n"), qr{GET /h said 204, expected 200}],
        content => ['/h "body=\"status\": *\"well\""', $plain, qr{does not match body="status": \*"well"}],
        content_late => ['/h body=end', backend(sub { $_[0]->respond($_[1], 200, [], 'x' x 70_000 . 'end') }),
            qr{does not match body=end}],
        silence => ['/h', $silent, qr{no answer within 250ms}],
        unfinished => ['/h', backend(sub {
            $_[0]->send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab");
            $_[0]->wait_gone;
        }), qr{the response did not end within 3s}],
        cut => ['/h', $says->("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab"), qr{GET /h: .*closed before the end}],
        nonsense => ['/h', $says->("SSH-2.0-OpenSSH_9.2\r\n\r\n"), qr{GET /h: \S}],
        refused => ['/h', "http://127.0.0.1:$refused", qr{cannot connect: Connection refused}],
        refused_tcp => ['tcp', "http://127.0.0.1:$refused", qr{cannot connect: Connection refused}],
        unknown => ['/h', 'http://nobody.invalid', qr{cannot resolve nobody.invalid: \S}],
        deaf => ['/h', "http://127.0.0.1:$deaf", qr{no connection within 250ms}],
        strange => ['/h', $tls->url . ' ca=' . $stranger->cert, qr{TLS handshake failed: certificate not accepted}],
        strange_tcp => ['tcp', $tls->url . ' ca=' . $stranger->cert, qr{TLS handshake failed: certificate not}],
        unpinned => ['/h', $tls->url . " $ca pin=sha256//" . 'A' x 43 . '=', qr{TLS handshake failed: .*\bpin}],
        silent_tls => ['tcp', 'https://127.0.0.1:' . $silent->port . " $ca", qr{no TLS handshake within 250ms}],
        no_tls => ['/h', 'https://127.0.0.1:' . $rude->port . " $ca", qr{TLS handshake failed: .*SSL}],
        unix_gone => ['/h', "unix:$socket.not", qr{cannot connect: No such file}],
        backtracking => ['/h "body=(x+x+)+y"', backend(sub { $_[0]->respond($_[1], 200, [], 'x' x 60_000) }),
            qr{does not match}],
    );
    my %timeout = (map({ ($_ => '10s') } keys %well, keys %ill), map({ ($_ => '250ms') } qw(silence deaf silent_tls)),
        unfinished => '3s');
    my %all = (%well, %ill);
    my $httpd = httpd(config => join '', map {
        checked($_ => "$all{$_}[0] interval=300ms timeout=$timeout{$_} fall=1", $all{$_}[1])
    } sort keys %all);

    for my $name (sort keys %ill) {
        part "$name takes a member out" => sub {
            my $line = $httpd->wait_log(qr/RP\d+: pool $name, member \S+ is down/) || 'no line';
            like($line, $ill{$name}[2], 'and the log says why');
        };
    }
    part 'what is well stays in' => sub {
        ok($hosted->wait_requests(5), 'for several checks');
        is(lines($httpd, qr/pool $_, .* is down/), 0, $_) for sort keys %well;
        my $local = unpack 'H*', "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        is(($announced->notes)[0], $local, 'a PROXY header names nobody (LOCAL)');
        is($hosted->last_request->field('Host'), 'www.example.org', 'host= is what Host says');
    };
};

one_mpm {
    my $well = patient('well');
    my ($deaf, @kept) = deaf();
    my @dead = map { my $n = $_; map { "http://127.0.$n.$_:$deaf" } 1 .. 100 } 1 .. 3;
    my $httpd = httpd(config => checked(app => 'GET /healthz interval=200ms timeout=2s fall=2',
        @dead[0 .. 149], $well, @dead[150 .. 299]) . "RProxyPass / app\n");
    part 'three hundred dead members hold up nobody\'s check' => sub {
        my $start = time;
        ok(eventually { lines($httpd, qr/is down.*no connection within 2s/) == 300 }, 'all are found out');
        my $took = time - $start;
        cmp_ok($took, '<', 20, 'at the same time');
        cmp_ok(scalar(checks($well)), '>', $took / 0.2 / 3, 'while the one that is well is asked as often as ever');
        is(lines($httpd, qr/member @{[$well->url]} is down/), 0, 'and stays in');
        is(get($httpd, '/')->body, 'well', 'to serve') for 1 .. 3;
    };
};

each_mpm {
    my $backend = patient('a');
    my $httpd = httpd(children => 3, expect_kills => 1, config => checked(app =>
        'GET /healthz interval=200ms jitter=0%', $backend));
    part 'members are asked once for the whole host' => sub {
        ok($backend->wait_requests(1), 'by one of its processes');
        my ($before, $start) = (scalar($backend->requests), time);
        ok($backend->wait_requests($before + 10), 'again and again');
        my $made = $backend->count - $before;
        cmp_ok($made, '<=', (time - $start) / 0.2 + 2, 'and by no other');
    };
    part 'another one goes on when that one dies' => sub {
        kill KILL => $httpd->children;
        my $before = $backend->count;
        ok($backend->wait_requests($before + 5), 'with the checks');
    };
};

each_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        $c->wait_signal('go on') if $request->target eq '/slow';
        $c->respond($request, 200);
    });
    my $httpd = httpd(children => 4,
        config => checked(app => 'GET /healthz interval=200ms jitter=0%', $backend) . "RProxyPass / app\n");
    part 'after a graceful restart the old processes ask no more' => sub {
        my @clients = map { client($httpd) } 1 .. 2;
        $_->send_request('GET', '/slow') for @clients;
        ok(eventually { visits($backend) == 2 }, 'while they are busy with their last requests');
        $httpd->graceful;
        my $start = time;
        my $before = checks($backend);
        ok(eventually { checks($backend) >= $before + 8 }, 'the new ones ask');
        cmp_ok(scalar(checks($backend)) - $before, '<=', (time - $start) / 0.2 + 3, 'and no others');
        $backend->signal('go on');
        is($_->read_response->status, 200, 'those requests end well') for @clients;
    };
};

one_mpm {
    my ($a, $b) = map { patient($_) } qw(a b);
    my $httpd = httpd(config => checked(app => 'GET /healthz interval=100ms jitter=0% fall=2', 'RProxyMethod round-robin', $a)
        . "RProxyPass / app\n<Location /manage>\n    SetHandler rproxy-manage\n"
        . "    Require expr true\n</Location>\n");
    my $manage = sub {
        my ($method, $path, $what) = @_;
        my $response = request($httpd, $method, "/manage/pools/app/members$path", ['Content-Type' => 'application/json'],
            $what ? JSON::PP->new->encode($what) : ());
        return $response->body ? JSON::PP->new->decode($response->body) : {};
    };
    my $id;
    part 'a member that is added at run time is checked' => sub {
        $id = $manage->(POST => '', { url => $b->url })->{id};
        ok($b->wait_requests(1), 'it is asked');
        fall_ill($b);
        ok($httpd->wait_log(qr/RP0321: .*member @{[$b->url]} is down/), 'and judged');
        is(get($httpd, '/')->body, 'a', 'so that it gets no requests') for 1 .. 4;
        my $response = get($httpd, "/manage/pools/app/members/$id");
        my $health = JSON::PP->new->decode($response->body)->{health};
        is($health->{check}, 'down', 'which is told to whoever asks');
        like($health->{check_failed}, qr/said 500, expected 200-399/, 'with the cause');
    };
    part 'one that is drained as well' => sub {
        $manage->(PATCH => "/$id", { state => 'draining' });
        get_well($b);
        ok($httpd->wait_log(qr/RP0322: .*member @{[$b->url]} is up again/), 'it comes back');
    };
    part 'not one that is disabled' => sub {
        $manage->(PATCH => "/$id", { state => 'disabled' });
        my ($before, $others) = (0, 0);
        # A check may have been under way.
        ok(eventually {
            return 1 if $others && checks($a) >= $others + 5;
            ($before, $others) = (scalar(checks($b)), scalar(checks($a))) if !$others || checks($b) > $before;
            return 0;
        }, 'others are asked, and it is not');
        $manage->(PATCH => "/$id", { state => 'enabled' });
        ok(eventually { checks($b) > $before }, 'until it is enabled');
    };
    part 'and not one that is removed' => sub {
        $manage->(DELETE => "/$id");
        my ($before, $others) = (0, 0);
        ok(eventually {
            return 1 if $others && checks($a) >= $others + 5;
            ($before, $others) = (scalar(checks($b)), scalar(checks($a))) if !$others || checks($b) > $before;
            return 0;
        }, 'others are asked, and it is not');
    };
};

each_mpm {
    my $silent = backend(on_connection => sub { $_[0]->note('here'); $_[0]->wait_gone });
    my $httpd = httpd(config => checked(app => '/ timeout=10m', $silent));
    part 'httpd ends without waiting for a check' => sub {
        ok($silent->wait_note(qr/here/), 'that is under way');
        my $start = time;
        is(join(' ', $httpd->stop), '', 'in order');
        cmp_ok(time - $start, '<', 6, 'and soon');
    };
};

done_testing;
