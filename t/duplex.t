# Licensed under the Apache License, Version 2.0; see LICENSE.

# A backend that answers while it is still reading: its response reaches the client while the client is still sending.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);
use POSIX ();

my $megabyte = 1024 * 1024;
my $large = join '', map { pack 'N', ($_ * 2654435761) % 2**32 } 1 .. 12 * $megabyte / 4;
my $response_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

sub respond
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{\A/[a-z]+/([a-z]+)};
    if ($what eq 'echo') {
        $c->send($response_head);
        while (length(my $data = $c->read_chunk // return)) {
            $c->send_chunk($data);
        }
        $c->read_until(qr/\r\n/);
        $c->send_last_chunk;
    } elsif ($what eq 'lengths') {
        my $left = $request->field('Content-Length');
        $c->send("HTTP/1.1 200 OK\r\nContent-Length: $left\r\n\r\n");
        while ($left > 0) {
            my $data = $c->read_bytes($left < 100_000 ? $left : 100_000);
            return if !length $data;
            $left -= length $data;
            $c->send($data);
        }
    } elsif ($what eq 'both') {
        # Two processes: one that only writes, and one that only reads.
        $c->send("HTTP/1.1 200 OK\r\nContent-Length: " . 4 * $megabyte . "\r\n\r\n");
        my $pid = fork;
        if (!$pid) {
            $c->send(substr $large, 0, 4 * $megabyte);
            POSIX::_exit(0);
        }
        my $got = $c->read_bytes($request->field('Content-Length'));
        waitpid $pid, 0;
        $c->note('read ' . md5_hex($got));
    } elsif ($what eq 'first') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        $c->note('answered');
        my $got = $c->read_bytes($request->field('Content-Length'));
        $c->note('then read ' . length $got);
    } elsif ($what eq 'leaves') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        $c->read_bytes(10);
        return $c->close;
    } elsif ($what eq 'breaks') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello");
        $c->read_bytes(10);
        return $c->reset;
    } elsif ($what eq 'watches') {
        $c->send($response_head);
        $c->send_chunk('begun');
        $c->note(length $c->read_rest ? 'the client of the watcher is gone' : 'nothing came');
        return $c->close;
    } elsif ($what eq 'quiet') {
        $c->send($response_head);
        $c->send_chunk('begun');
        1 while length $c->read_chunk;
        $c->read_until(qr/\r\n/);
        $c->send_chunk('ended');
        $c->send_last_chunk;
    } else {
        $c->respond($request, 200, [], 'connection ' . $c->number);
    }
    $request->{whole} = 1;
}

# Send from a process of its own.
sub sends
{
    my ($client, $data) = @_;
    my $pid = fork;
    if (!$pid) {
        RP::Process->disown;
        $client->send($data);
        POSIX::_exit(0);
    }
    return $pid;
}

each_mpm {
    my $authority = RP::TLS->authority;
    my $plain = backend(on_head => \&respond);
    my $tls = backend(on_head => \&respond, tls => $authority->issue);
    my $httpd = httpd(children => $RP::Test::mpm eq 'prefork' ? 6 : 2, config => pool(plain => $plain)
        . pool(tls => $tls->url . ' ca=' . $authority->cert) . <<'CONF');
RProxyPass /plain plain
RProxyPass /tls tls
<Location /plain/quiet>
    RProxyTimeout idle=1s
</Location>
CONF

    for my $pool (qw(plain tls)) {
        my $backend = $pool eq 'tls' ? $tls : $plain;
        part "each piece is answered before the next is sent ($pool)" => sub {
            my $client = client($httpd);
            $client->send_request('POST', "/$pool/echo", ['Transfer-Encoding' => 'chunked']);
            $client->send_chunk('piece 1');
            is($client->read_response_head->status, 200, 'the head is there');
            is($client->read_chunk, 'piece 1', 'with the first piece');
            for my $n (2 .. 20) {
                $client->send_chunk("piece $n");
                my $data = $client->read_chunk;
                is($data, "piece $n", "piece $n") if $data ne "piece $n" || $n == 20;
            }
            $client->send_last_chunk;
            is($client->read_chunk, '', 'the response ends with the request');
            $client->read_until(qr/\r\n/);
            my ($connection) = $client->get("/$pool/x")->body =~ /(\d+)/;
            is($connection, $backend->request(0)->{connection}, 'both connections are used again');
        };
        part "more than anybody could hold goes both ways ($pool)" => sub {
            my $client = client($httpd);
            my $chunked = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } unpack '(a65000)*', $large;
            for (['echo', ['Transfer-Encoding' => 'chunked'], "${chunked}0\r\n\r\n"],
                ['lengths', ['Content-Length' => length $large], $large]) {
                my ($target, $fields, $body) = @$_;
                $client->send_request('POST', "/$pool/$target", $fields);
                my $sender = sends($client, $body);
                my $response = $client->read_response;
                waitpid $sender, 0;
                is($response->status, 200, "$target: it is answered");
                ok(!$response->broken, 'to the end');
                is(md5_hex($response->body), md5_hex($large), 'with the same bytes');
            }
        };
    }
    part 'a client that reads nothing before it has sent all is not waited for' => sub {
        my $client = client($httpd);
        my $body = substr $large, 0, 8 * $megabyte;
        $client->send_request('POST', '/plain/both', ['Content-Length' => length $body]);
        ok($client->send($body), 'it can send');
        my $response = $client->read_response;
        is(md5_hex($response->body), md5_hex(substr $large, 0, 4 * $megabyte), 'and has its response');
        ok($plain->wait_note(qr/read @{[md5_hex($body)]}/), 'as the backend has its request');
    };
    part 'a response that is whole before its request' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/plain/first', ['Content-Length' => 20], 'x' x 10);
        my $response = $client->read_response_head;
        is($client->read_bytes(2), 'ok', 'is there');
        $client->send('x' x 10);
        ok($plain->wait_note(qr/then read 20/), 'and the backend gets the rest all the same');
        is($client->get('/plain/x')->status, 200, 'the client goes on');
    };
    part 'a backend that has answered and closes' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/plain/leaves', ['Content-Length' => 1000], 'x' x 10);
        my $response = $client->read_response;
        is($response->body, 'ok', 'is believed');
        ok($client->ends_within($RP::Stream::PATIENCE), 'the connection on which more of the request might come ends');
    };
    part 'a response that breaks off' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/plain/breaks', ['Content-Length' => 1000], 'x' x 10);
        my $response = $client->read_response;
        ok($response->broken, 'is seen to');
        ok($client->ends_within($RP::Stream::PATIENCE), 'and the connection ends');
        is(get($httpd, '/plain/x')->status, 200, 'the next request is served');
    };
    part 'a client that leaves' => sub {
        for my $leave (qw(close reset)) {
            $plain->forget;
            my $client = client($httpd);
            $client->send_request('POST', '/plain/watches', ['Transfer-Encoding' => 'chunked']);
            $client->send_chunk('half');
            $client->read_response_head;
            is($client->read_chunk, 'begun', 'the response has begun');
            $client->$leave;
            ok($plain->wait_note(qr/watcher is gone/), "$leave: the backend learns of it");
        }
    };
    part 'a client that talks nonsense' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/plain/watches', ['Transfer-Encoding' => 'chunked']);
        $client->send_chunk('half');
        $client->read_response_head;
        $plain->forget;
        $client->send("zz\r\n");
        ok($plain->wait_note(qr/watcher is gone/), 'ends the exchange');
        ok($client->ends_within($RP::Stream::PATIENCE), 'and its connection');
    };
    part 'nothing is cut off while one side moves, and all is when none does' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/plain/quiet', ['Transfer-Encoding' => 'chunked']);
        $client->send_chunk('a');
        $client->read_response_head;
        is($client->read_chunk, 'begun', 'the response has begun');
        for (1 .. 5) {
            select undef, undef, undef, 0.4;
            $client->send_chunk('more');
        }
        $client->send_last_chunk;
        is($client->read_chunk, 'ended', 'it goes on behind twice the idle timeout, in which the client has sent');
        $client->close;

        $client = client($httpd);
        $client->send_request('POST', '/plain/quiet', ['Transfer-Encoding' => 'chunked']);
        $client->send_chunk('a');
        $client->read_response_head;
        $client->read_chunk;
        ok($client->ends_within($RP::Stream::PATIENCE), 'a silent one is');
        ok($httpd->wait_log(qr/RP0401.*idle=/), 'the log says so');
    };
};

# Behind TLS of the client; and behind HTTP/2, where all of the request goes first.
each_mpm {
    my ($mpm) = @_;
    my $authority = RP::TLS->authority;
    my $certificate = $authority->issue(name => 'proxy.example', san => 'DNS:proxy.example');
    my $backend = backend(on_head => \&respond);
    my @modules = ('socache_shmcb', 'ssl', $mpm eq 'prefork' ? () : 'http2');
    my $httpd = httpd(ports => 2, modules => \@modules, config => pool(app => $backend) . <<"CONF");
@{[$mpm eq 'prefork' ? '' : 'Protocols h2 http/1.1']}
RProxyPass / app
<VirtualHost 127.0.0.1:\@PORT1\@>
    ServerName proxy.example
    SSLEngine on
    SSLCertificateFile $certificate->{cert}
    SSLCertificateKeyFile $certificate->{key}
</VirtualHost>
CONF
    part 'the same by https' => sub {
        my $client = client($httpd->port(1), tls => { ca => $authority->cert, name => 'proxy.example' });
        $client->send_request('POST', '/app/echo', ['Transfer-Encoding' => 'chunked']);
        $client->send_chunk('piece 0');
        is($client->read_response_head->status, 200, 'the head is there');
        is($client->read_chunk, 'piece 0', 'with the first piece');
        for my $n (1 .. 5) {
            # More than a record, so that httpd has some of it in hand.
            my $piece = "piece $n " x 5000;
            $client->send_chunk($piece);
            my $came = '';
            $came .= $client->read_chunk // last while length $came < length $piece;
            is($came, $piece, "piece $n");
        }
        $client->send_last_chunk;
        is($client->read_chunk, '', 'the response ends with the request');
    };
    return if $mpm eq 'prefork';
    part 'by HTTP/2 the response comes when the request is out' => sub {
        RP::Place->write_file(my $file = RP::Place->folder . '/body', substr $large, 0, 300_000);
        my $site = 'proxy.example:' . $httpd->port(1);
        my ($status, $out) = command(['curl', '-sS', '--http2', '--cacert', $authority->cert, '--max-time', 30,
            '--data-binary', "\@$file", '-w', ' %{http_code} %{http_version}', '--resolve', "$site:127.0.0.1",
            "https://$site/app/lengths"]);
        is($status, 0, 'curl is content');
        is(md5_hex(substr $out, 0, 300_000), md5_hex(substr $large, 0, 300_000), 'with the same bytes');
        is(substr($out, 300_000), ' 200 2', 'by HTTP/2');
    };
};

done_testing;
