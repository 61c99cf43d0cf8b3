# Licensed under the Apache License, Version 2.0; see LICENSE.

# TLS towards backends, which are verified; and behind mod_ssl and mod_http2 towards clients.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $authority = RP::TLS->authority('Test CA');
my $stranger = RP::TLS->authority('Other CA');
my $good = $authority->issue(name => 'localhost', san => 'DNS:localhost,IP:127.0.0.1');

# A backend that also tells the server name (SNI) and protocol version it was reached by.
sub tls_backend
{
    my ($certificate, %tls) = @_;
    return backend(on_request => sub {
        my ($c, $request) = @_;
        $c->respond($request, 200, [map { ('X-SNI', $_) } grep { defined $_ } $c->socket->get_servername],
            $c->socket->get_sslversion);
    }, tls => { %$certificate, %tls });
}

# A member's URL by a name rather than an address.
sub by_name { my ($backend, $options) = @_; return 'https://localhost:' . $backend->port . ' ' . $options }

each_mpm {
    my $ca = 'ca=' . $authority->cert;
    my $trusted = tls_backend($good);
    my $old = tls_backend($good, version => 'TLSv1_2');
    my $wrong_name = tls_backend($authority->issue(name => 'other.example', san => 'DNS:other.example'));
    my $expired = tls_backend($authority->issue(name => 'localhost', days => -1));
    my $plain = backend(on_connection => sub { $_[0]->send("HTTP/1.1 400 Bad Request\r\n\r\n"); $_[0]->wait_gone });
    my $httpd = httpd(config => pool(trusted => by_name($trusted, $ca))
        . pool(address => $trusted->url . " $ca")
        . pool(stranger => by_name($trusted, 'ca=' . $stranger->cert)) . pool(system => by_name($trusted, ''))
        . pool(unverified => by_name($trusted, 'verify=off')) . pool(wrong_name => by_name($wrong_name, $ca))
        . pool(expired => by_name($expired, $ca)) . pool(old => by_name($old, $ca))
        . pool(plain => 'https://127.0.0.1:' . $plain->port . " $ca") . <<'CONF');
RProxyTimeout first-byte=3s connect=3s
RProxyPass /trusted trusted
RProxyPass /address address
RProxyPass /stranger stranger
RProxyPass /system system
RProxyPass /unverified unverified
RProxyPass /wrong_name wrong_name
RProxyPass /expired expired
RProxyPass /old old
RProxyPass /plain plain
CONF

    part 'a member whose certificate verifies is used' => sub {
        my $client = client($httpd);
        my $response = $client->get('/trusted');
        is($response->status, 200, 'by name');
        is($response->field('X-SNI'), 'localhost', 'which is sent as SNI');
        like($response->body, qr/TLSv1_[23]/, 'over TLS 1.2 or later');
        $response = $client->get('/address');
        is($response->status, 200, 'by address');
        is($response->field('X-SNI'), undef, 'which is not sent as SNI (RFC 6066 section 3)');
        is($client->get('/old')->body, 'TLSv1_2', 'TLS 1.2 still does');
        is($client->get('/unverified')->status, 200, 'verify=off asks for nothing');
        my $before = $trusted->connections;
        $client->get('/trusted') for 1 .. 3;
        is($trusted->connections, $before, 'connections are kept');
    };
    my %refused = (
        stranger => qr/self.signed|unable to get (?:local )?issuer|unknown ca|certificate/i,
        system => qr/self.signed|unable to get (?:local )?issuer|certificate/i,
        wrong_name => qr/host ?name|name/i,
        expired => qr/expired/i,
        plain => qr/TLS|SSL|wrong version|record/i,
    );
    for my $pool (sort keys %refused) {
        part "$pool is a 502" => sub {
            $httpd->forget_logs;
            my $response = get($httpd, "/$pool");
            is($response->status, 502, 'for the client');
            my $error = $pool eq 'plain' ? 'tls_protocol_error|tls_alert_received|\w+' : 'tls_certificate_error';
            like($response->field('Proxy-Status') || '', qr/error=(?:$error)\b/, 'with Proxy-Status');
            like($httpd->wait_log(qr/RP\d+.*pool $pool/) || '', $refused{$pool},
                'and a log line that says why');
            is($plain->count, 0, 'and the backend gets no request') if $pool eq 'plain';
        };
    }
};

# Towards the client.
each_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        return $c->respond($request, 200, ['X-Large' => 1], 'x' x 3_000_000) if $request->target =~ /large/;
        if ($request->target =~ /chunks/) {
            $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            $c->send_chunk($_) for qw(one two three);
            return $c->send_last_chunk;
        }
        if ($request->target =~ /broken/) {
            $c->send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
            return $c->close;
        }
        echoes()->($c, $request);
    });
    my $certificate = $authority->issue(name => 'proxy.example', san => 'DNS:proxy.example');
    my $somebody = $authority->issue(name => 'somebody');
    my @modules = $RP::Test::mpm eq 'prefork' ? ('ssl') : ('ssl', 'http2');
    my $httpd = httpd(ports => 2, modules => ['socache_shmcb', @modules], config => pool(app => $backend) . <<CONF);
@{[@modules == 2 ? 'Protocols h2 http/1.1' : '']}
RProxyPass / app
RProxyCacheLocal \@ROOT\@/cache size=8M
<VirtualHost 127.0.0.1:\@PORT1\@>
    ServerName proxy.example
    SSLEngine on
    SSLCertificateFile $certificate->{cert}
    SSLCertificateKeyFile $certificate->{key}
    SSLCACertificateFile @{[$authority->cert]}
    SSLVerifyClient optional
    SSLOptions +ExportCertData
    <Location /certificate>
        RProxyClientCert on
    </Location>
    <Location /chain>
        RProxyClientCert chain
    </Location>
</VirtualHost>
CONF
    my $port = $httpd->port(1);
    my %tls = (ca => $authority->cert, name => 'proxy.example');

    part 'a client behind TLS' => sub {
        my $client = client($port, tls => \%tls);
        my $response = $client->get('/');
        is($response->status, 200, 'is served');
        is($response->echoed('X-Forwarded-Proto'), 'https', 'X-Forwarded-Proto says https');
        like($response->echoed('Forwarded'), qr/proto=https/i, 'so does Forwarded');
        is($client->post('/', 'x' x 100_000)->json->{body_length}, 100_000, 'sends bodies');
        is(length $client->get('/large')->body, 3_000_000, 'gets large ones');
        my $broken = client($port, tls => \%tls)->get('/broken');
        ok($broken->broken, 'and sees when one breaks off');
    };
    part 'its certificate reaches backends as RFC 9440 says' => sub {
        my $client = client($port, tls => { %tls, %$somebody });
        my $expected = RP::TLS->as_byte_sequence($somebody->{cert});
        my $response = $client->get('/certificate', 'Client-Cert' => ':AAAA:');
        is($response->echoed('Client-Cert'), $expected, 'Client-Cert is the certificate, and only that');
        is($response->echoed('Client-Cert-Chain'), undef, 'without its chain');
        is($client->get('/chain')->echoed('Client-Cert'), $expected, 'chain: Client-Cert as well');
        is($client->get('/', 'Client-Cert' => ':AAAA:')->echoed('Client-Cert'), undef,
            'nothing where it was not asked for');
        my $anonymous = client($port, tls => \%tls);
        is($anonymous->get('/certificate', 'Client-Cert' => ':AAAA:',
            'Client-Cert-Chain' => ':BBBB:')->echoed($_), undef,
            "$_ of a client without certificate is removed") for qw(Client-Cert Client-Cert-Chain);
    };
    part 'HTTP/2 by mod_http2' => sub {
        plan(skip_all => 'mod_http2 does not run under prefork') if $RP::Test::mpm eq 'prefork';
        my $curl = sub {
            my ($path, @more) = @_;
            return command(['curl', '-sS', '--http2', '--max-time', 10, '--cacert', $authority->cert,
                '--resolve',
                "proxy.example:$port:127.0.0.1", @more, "https://proxy.example:$port$path"]);
        };
        my ($status, $output) = $curl->('/x?y', '-w', '\n%{http_version} %{http_code}');
        is($status, 0, 'curl is content');
        like($output, qr/\n2 200\z/, 'it spoke HTTP/2');
        like($output, qr{"target":"/x\?y"}, 'the backend got the request');
        like($output, qr/\["Host","proxy\.example:$port"\]/, 'with its Host');
        unlike($output, qr/\["(?:Connection|Upgrade|HTTP2-Settings)","[^"]*[Uu]pgrade/, 'in plain HTTP/1.1');
        is(length +($curl->('/large'))[1], 3_000_000, 'a large response');
        is(($curl->('/chunks'))[1], 'onetwothree', 'a chunked one');
        like(($curl->('/', '--data-binary', 'x' x 50_000))[1], qr/"body_length":50000/, 'a request body');
        like(($curl->('/', '-T', '-', '-X', 'POST'))[1], qr/"method":"POST"/, 'one without a length');
        isnt(($curl->('/broken'))[0], 0, 'a response that breaks off is an error');
        like(($curl->('/', '-I', '-w', '%{http_code}'))[1], qr/200\z/, 'HEAD');
        ($status, $output) = command(['curl', '-sS', '--http2', '-Z', '--max-time', 10, '--cacert',
            $authority->cert, '--resolve',
            "proxy.example:$port:127.0.0.1", '-w', "%{http_code}\n", '-o', '/dev/null',
                "https://proxy.example:$port/p/[1-20]"]);
        is(scalar(() = $output =~ /^200$/mg), 20, 'twenty streams at once');
    };
};

done_testing;
