# Licensed under the Apache License, Version 2.0; see LICENSE.

# When a backend fails, everybody learns of it: the client by status and Proxy-Status (RFC 9209), the operator by a
# log line and a note.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use IO::Socket::INET;
use Time::HiRes qw(time);

each_mpm {
    # Accepts connections by its backlog only, until that is full: connecting takes for ever.
    my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
    my @filling = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $deaf->sockport,
        Blocking => 0) } 1 .. 4;
    # And one that does so at any address of this host.
    my $deafer = IO::Socket::INET->new(LocalAddr => '0.0.0.0', Listen => 1) or die;
    push @filling, map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $deafer->sockport,
        Blocking => 0) } 1 .. 4;
    my $refusing = RP::Place->refusing_port;
    my $backend = backend(on_connection => sub {
        my ($c) = @_;
        while (my $request = $c->read_request_head) {
            $c->read_request_body($request);
            my ($what) = $request->target =~ m{\A/app/(\w*)};
            if ($what eq 'silent') {
                $c->note('the proxy hung up') if $c->wait_gone;
                return;
            } elsif ($what eq 'leaves') {
                return $c->close;
            } elsif ($what eq 'resets') {
                return $c->reset;
            } elsif ($what eq 'babbles') {
                $c->send("220 mail.example ESMTP\r\n");
                $c->wait_gone;
                return;
            } elsif ($what eq 'stalls') {
                $c->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
                $c->note('the proxy hung up in mid-body') if $c->wait_gone;
                return;
            } elsif ($what eq 'slow') {
                $c->send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
                for (split //, 'hello') {
                    $c->silent_for(0.15);
                    $c->send($_);
                }
            } else {
                $c->respond($request, 200, [], 'ok');
            }
        }
    });
    my @deafer = map { "http://127.0.0.$_:" . $deafer->sockport } 2 .. 31;
    my $httpd = httpd(children => 4, config => pool(app => $backend) . pool(farm => @deafer)
        . pool(rest => @deafer[0 .. 3], $backend->url . ' backup')
        . pool(refusing => "http://127.0.0.1:$refusing")
        . pool(deaf => 'http://127.0.0.1:' . $deaf->sockport) . pool(nameless => 'http://nowhere.invalid:80')
        . pool(gone => 'unix:/nonexistent/socket') . <<'CONF');
RProxyTimeout connect=400ms first-byte=400ms idle=400ms
RProxyPass /app app
RProxyPass /refusing refusing
RProxyPass /deaf deaf
RProxyPass /farm farm
RProxyPass /app/rest rest
RProxyPass /nameless nameless
RProxyPass /gone gone
CONF

    # target, status, error of Proxy-Status, pool, phase
    my @failures = (
        ['/refusing', 502, 'connection_refused', 'refusing', 'connect'],
        ['/gone', 502, '\w+', 'gone', 'connect'],
        ['/nameless', 502, 'dns_error', 'nameless', '\w+'],
        ['/deaf', 504, 'connection_timeout', 'deaf', 'connect'],
        ['/app/silent', 504, 'http_response_timeout|connection_read_timeout', 'app', '[\w-]+'],
        ['/app/leaves', 502, 'connection_terminated|http_response_incomplete', 'app', '[\w-]+'],
        ['/app/resets', 502, 'connection_terminated|http_response_incomplete', 'app', '[\w-]+'],
        ['/app/babbles', 502, 'http_protocol_error', 'app', '[\w-]+'],
    );
    for my $failure (@failures) {
        my ($target, $status, $error, $pool, $phase) = @$failure;
        part "$target" => sub {
            $httpd->forget_logs;
            my $response = get($httpd, $target);
            is($response->status, $status, "is a $status");
            like($response->field('Proxy-Status') || '', qr/\Arproxy; ?error=(?:$error)\b/,
                'with Proxy-Status');
            like($httpd->wait_log(qr/RP\d+.*pool $pool/) || '', qr/pool $pool, member \S+, phase $phase: \S/,
                'a log line with pool, member, phase and cause');
            like($httpd->wait_access(qr/\Q$target\E /) || '', qr/member=(?:http|unix)\S* error=(?:$error)/,
                'and notes');
            ok(length $response->body, 'and a page');
        };
    }
    part 'a deadline frees the backend' => sub {
        ok($backend->wait_note(qr/the proxy hung up\z/), 'its connection is closed');
    };
    part 'a body that stalls is broken off' => sub {
        my $client = client($httpd);
        my $response = $client->get('/app/stalls');
        ok($response->broken, 'the client sees that it is not complete');
        ok($backend->wait_note(qr/in mid-body/), 'the backend is left');
        ok($httpd->wait_log(qr/RP\d+.*pool app.*phase \w+.*idle|timed? ?out/i), 'and it is logged');
    };
    part 'members that let it wait for a connection share three times connect=' => sub {
        my $began = time;
        is(get($httpd, '/farm')->status, 504, 'of thirty members');
        my $took = time - $began;
        cmp_ok($took, '>', 0.9, 'several are tried');
        cmp_ok($took, '<', 5, "and not for twelve seconds, but $took");
        is(get($httpd, '/app/rest')->status, 200, 'after four of them, there is time for one that answers');
    };
    part 'a slow body that keeps moving is none of that' => sub {
        is(get($httpd, '/app/slow')->body, 'hello', 'no deadline for the whole');
    };
    part 'a good response has no Proxy-Status error and a note of its member' => sub {
        my $response = get($httpd, '/app/');
        unlike($response->field('Proxy-Status') || '', qr/error/, 'no error');
        like($httpd->wait_access(qr{/app/ }) || '', qr/member=\Q@{[$backend->url]}\E error=- .*attempts=1/,
            'member and attempts');
    };
};

# A name may begin with a digit; a token of Structured Fields (RFC 9651) may not, so it is quoted there.
one_mpm {
    my $backend = backend(responds(200, ['Cache-Control' => 'max-age=60'], 'ok'));
    my $httpd = httpd(config => pool(app => $backend) . pool(down => 'unix:/nonexistent/socket retry=1m') . <<'CONF');
RProxyName 1edge
RProxyCacheLocal @ROOT@/cache size=8M
RProxyCache on
RProxyPass /down down
RProxyPass / app
CONF
    part 'a name that is no token of Structured Fields is a string there' => sub {
        my $response = get($httpd, '/');
        like($response->field('Cache-Status'), qr/\A"1edge"; fwd=uri-miss/, 'in Cache-Status');
        like($response->field('Via'), qr/ 1edge\z/, 'as it is in Via');
        like(get($httpd, '/down')->field('Proxy-Status'), qr/\A"1edge"; error=/, 'in Proxy-Status');
    };
    part 'a pool without anybody to ask does not fill the log' => sub {
        is(get($httpd, '/down')->status, 503, 'refused') for 1 .. 5;
        my @lines = grep { /RP0401.*phase pick/ } split /\n/, $httpd->error_log;
        is(scalar(grep { /rproxy:error\]/ } @lines), 1, 'it says so');
        is(scalar(grep { !/rproxy:(?:error|info)\]/ } @lines), 0, 'and the rest to those who want to hear everything');
    };
};

done_testing;
