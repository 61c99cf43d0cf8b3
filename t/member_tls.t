# Licensed under the Apache License, Version 2.0; see LICENSE.

# Whom a member must be, as whom it is spoken to, which sessions are resumed; and for whom a connection is.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $authority = RP::TLS->authority('Test CA');
my $good = $authority->issue(name => 'localhost', san => 'DNS:localhost,IP:127.0.0.1');
my $inner = $authority->issue(name => 'inner.example', san => 'DNS:inner.example');
my $clients = RP::TLS->authority('Clients CA');
my $us = $clients->issue(name => 'the proxy');
my $stranger = $authority->issue(name => 'a stranger');
my $ca = 'ca=' . $authority->cert;
my $pin = RP::TLS->pin($good->{cert});
my $other_pin = RP::TLS->pin($inner->{cert});

# A backend that tells what it knows of the connection.
sub telling
{
    my ($certificate, %tls) = @_;
    my $what = sub {
        my ($c, $request) = @_;
        my $cn = $c->socket->peer_certificate('cn');
        $c->respond($request, 200, [Connection => 'close', 'X-SNI' => $c->socket->get_servername || 'none',
            'X-Version' => $c->socket->get_sslversion, 'X-Client' => defined $cn ? $cn : 'none',
            'X-Resumed' => $c->resumed]);
    };
    return backend(on_request => $what, tls => { %$certificate, %tls });
}

# A request that is to fail with error, for a cause that the log tells.
sub refused
{
    my ($httpd, $path, $error, $cause, $why) = @_;
    $httpd->forget_logs;
    my $response = get($httpd, $path);
    is($response->status, 502, "$why is a 502");
    like($response->field('Proxy-Status') || '', qr/error=(?:$error)\b/, 'with its error');
    ok($httpd->wait_log(qr/RP0\d+: pool .*$cause/), 'and its cause in the log') or diag($httpd->error_log);
}

sub routes { return join '', map { "RProxyPass /$_ $_\n" } @_ }

one_mpm {
    my $backend = telling($good);
    my $old = telling($good, version => 'TLSv1_2');
    my $renamed = telling($inner);
    my $url = $backend->url;
    my %pools = (
        pinned => "$url $ca pin=$pin", second => "$url $ca pin=$other_pin,$pin", unverified => "$url verify=off pin=$pin",
        mismatch => "$url $ca pin=$other_pin", unverified_mismatch => "$url verify=off pin=$other_pin",
        untrusted => "$url pin=$pin",
        sni => $renamed->url . " $ca sni=inner.example", not_sni => "$url $ca sni=inner.example",
        new => "$url $ca tls-min=1.3", old => $old->url . " $ca", too_old => $old->url . " $ca tls-min=1.3");
    my $httpd = httpd(config => join '', (map { pool($_ => $pools{$_}) } sort keys %pools), routes(sort keys %pools));

    part 'a pinned key is accepted' => sub {
        is(get($httpd, "/$_")->status, 200, $_) for qw(pinned second unverified);
    };
    part 'a key that is not pinned is refused, and its pin told' => sub {
        refused($httpd, "/$_", 'tls_certificate_error', qr/phase tls: .*pin=; it is \Q$pin\E /, $_)
            for qw(mismatch unverified_mismatch);
    };
    part 'a pin does not stand in for the trust store' => sub {
        refused($httpd, '/untrusted', 'tls_certificate_error', qr/certificate not accepted/, 'an unknown authority');
    };
    part 'sni= is the name that is asked for and verified' => sub {
        my $response = get($httpd, '/sni');
        is($response->status, 200, 'the certificate is for it');
        is($response->field('X-SNI'), 'inner.example', 'and it is sent');
        refused($httpd, '/not_sni', 'tls_certificate_error', qr/mismatch|match/i, 'a certificate for the address alone');
    };
    part 'tls-min= is the least version' => sub {
        is(get($httpd, '/new')->field('X-Version'), 'TLSv1_3', '1.3 with who can');
        is(get($httpd, '/old')->field('X-Version'), 'TLSv1_2', '1.2 without tls-min=');
        refused($httpd, '/too_old', 'tls_alert_received|tls_protocol_error', qr/version|handshake failure/i, 'less');
    };
};

one_mpm {
    my %tls = (ca => $clients->cert, required => 1);
    my $strict = telling($good, %tls);
    my $old = telling($good, %tls, version => 'TLSv1_2');
    my $lax = telling($good, ca => $clients->cert);
    my $both = RP::Place->write_file(RP::Place->folder . '/both.pem', join '', map { RP::Place->read_file($us->{$_}) }
        qw(cert key));
    my $known = "$ca cert=$us->{cert} key=$us->{key}";
    my $httpd = httpd(config => pool(known => $strict->url . " $known") . pool(both => $strict->url . " $ca cert=$both")
        . pool(known_old => $old->url . " $known") . pool(nobody => $strict->url . " $ca")
        . pool(nobody_old => $old->url . " $ca") . pool(lax => $lax->url . " $ca")
        . pool(stranger => $old->url . " $ca cert=$stranger->{cert} key=$stranger->{key}")
        . routes(qw(known both known_old nobody nobody_old lax stranger)));

    part 'a member that asks for our certificate gets it' => sub {
        is(get($httpd, "/$_")->field('X-Client'), 'the proxy', $_) for qw(known both known_old);
        is(get($httpd, '/lax')->field('X-Client'), 'none', 'and none where none is named');
    };
    part 'a member that is not content with it' => sub {
        refused($httpd, '/nobody_old', 'tls_alert_received', qr/phase tls: .*alert/, 'none, with TLS 1.2,');
        refused($httpd, '/stranger', 'tls_alert_received', qr/phase tls: .*alert/, 'one of a stranger');
        # With TLS 1.3 the client has finished by then; the backend's reset may overtake its alert.
        refused($httpd, '/nobody', 'tls_alert_received|connection_terminated', qr/alert|reset|pipe|closed/i, 'none, with TLS 1.3,');
    };
};

each_mpm {
    my $new = telling($good);
    my $old = telling($good, version => 'TLSv1_2');
    my $failing = telling($good, ca => $clients->cert, fails_resuming => 1);
    my $pinned = $new->url . " $ca pin=$pin";
    my $httpd = httpd(children => 1, config => pool(new => $new->url . " $ca keep=0") . pool(pinned => $pinned)
        . pool(old => $old->url . " $ca") . pool(failing => $failing->url . " $ca")
        . routes(qw(new old pinned failing)));
    my $resumed = sub {
        my ($path, $times) = @_;
        return join '', map { my $response = get($httpd, $path); $response->status == 200 ? $response->field('X-Resumed') : '?' }
            1 .. $times;
    };

    part 'new connections resume sessions' => sub {
        is($resumed->('/new', 10), '0111111111', 'by tickets of TLS 1.3');
        is($new->connections, 10, 'each on a connection of its own');
        is($resumed->('/old', 10), '0111111111', 'with TLS 1.2');
    };
    part 'a session stays with the member whose settings it was made under' => sub {
        is($resumed->('/pinned', 2), '01', 'another member of the same URL begins with its own');
        $httpd->graceful;
        is($resumed->('/pinned', 2), '01', 'and a restart anew');
    };
    part 'a member that fails at resuming does not fail' => sub {
        is($resumed->('/failing', 4), '0000', 'it is asked without');
        is($failing->connections, 5, 'after one attempt');
    };
};

one_mpm {
    my $ending = telling($authority->issue(name => 'localhost', days => 3));
    my $ended = telling($authority->issue(name => 'localhost', days => -1));
    my $lasting = telling($authority->issue(name => 'localhost', days => 30));
    my $httpd = httpd(children => 1, config => pool(ending => $ending->url . " $ca")
        . pool(ended => $ended->url . ' verify=off') . pool(lasting => $lasting->url . " $ca")
        . routes(qw(ending ended lasting)));

    part 'a certificate that ends soon is told of' => sub {
        is(get($httpd, "/$_")->status, 200, "$_ is used") for qw(lasting ending ending ended ended);
        my $date = qr/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/;
        my ($one, $two) = map { $_->url } $ending, $ended;
        ok($httpd->wait_log(qr/RP0420: member \Q$one\E: its certificate ends on $date/), 'one that ends');
        ok($httpd->wait_log(qr/RP0420: member \Q$two\E: its certificate ended on $date/), 'one that ended');
        is(scalar(() = $httpd->error_log =~ /RP0420/g), 2, 'once each, and not of others');
    };
};

# For whom: the PROXY protocol.
sub announced
{
    my (%more) = @_;
    return backend(proxy => 1, %more, on_request => sub {
        my ($c, $request) = @_;
        $c->note($request->target . ' ' . $c->proxy);
        $c->respond($request, 200, ['X-Proxy' => $c->proxy, 'Cache-Control' => 'max-age=1, stale-while-revalidate=60',
            Age => 10]);
    });
}

each_mpm {
    my $plain = announced();
    my $secure = announced(tls => $good);
    my $unix = announced(unix => RP::Place->folder . '/socket');
    my $httpd = httpd(modules => ['remoteip'], config => pool(plain => $plain->url . ' proxy-protocol=on')
        . pool(secure => $secure->url . " $ca proxy-protocol=on") . pool(unix => $unix->url . ' proxy-protocol')
        . routes(qw(plain secure unix)) . <<'CONF');
Listen [::1]:@PORT@
RProxyCacheLocal @ROOT@/cache size=8M
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
<Location /plain/cached>
    RProxyCache on
</Location>
CONF
    my $expected = sub {
        my ($client, $kind) = @_;
        return join ' ', $kind, map { $client->socket->$_ } qw(sockhost peerhost sockport peerport);
    };

    part 'a connection begins with its client' => sub {
        for my $path (qw(/plain /secure /unix)) {
            my $client = client($httpd);
            is($client->get($path)->field('X-Proxy'), $expected->($client, 'TCP4'), "$path: by IPv4");
            $client = client($httpd, at => '::1');
            is($client->get($path)->field('X-Proxy'), $expected->($client, 'TCP6'), "$path: by IPv6");
        }
    };
    part 'a client that another proxy told of is the client' => sub {
        my $port = $httpd->port;
        is(get($httpd, '/plain', 'X-Forwarded-For' => '192.0.2.7')->field('X-Proxy'), "TCP4 192.0.2.7 127.0.0.1 0 $port",
            'by IPv4, from a port that is not known');
        is(get($httpd, '/plain', 'X-Forwarded-For' => '2001:db8::7')->field('X-Proxy'),
            "TCP6 2001:db8::7 ::ffff:127.0.0.1 0 $port", 'by IPv6 through IPv4');
    };
    part 'no connection serves two clients' => sub {
        my @clients = map { client($httpd) } 1 .. 2;
        my $before = $secure->connections;
        for my $client (@clients, @clients) {
            is($client->get('/secure')->field('X-Proxy'), $expected->($client, 'TCP4'), 'each request comes as its own');
        }
        is($secure->connections, $before + 4, 'on a connection of its own');
    };
    part 'what the proxy does for itself is for nobody' => sub {
        like(get($httpd, '/plain/cached')->field('X-Proxy'), qr/^TCP4 /, 'the first request is a client\'s');
        like(get($httpd, '/plain/cached')->field('X-Proxy'), qr/^TCP4 /, 'the second is answered by what is stale');
        ok($plain->wait_note(qr{^/plain/cached LOCAL$}), 'which is fetched anew by ourselves');
    };
};

done_testing;
