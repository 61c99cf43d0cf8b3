# Licensed under the Apache License, Version 2.0; see LICENSE.

# What happens to header fields on their way, in both directions.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

each_mpm {
    my $backend = backend(as_asked());
    my $member = $backend->authority;
    my @modules = qw(remoteip headers);
    my $httpd = httpd(ports => 3, modules => \@modules, config => pool(app => $backend) . <<'CONF');
RProxyPass / app
RProxyPass /shop app/store
RProxyPass /root app/
RProxyName edge
<Location /member-host>
    RProxyPreserveHost off
</Location>
<Location /user>
    RequestHeader set X-Remote-User alice
</Location>
<VirtualHost 127.0.0.1:@PORT1@>
    RProxyTrust 127.0.0.0/8
</VirtualHost>
<VirtualHost 127.0.0.1:@PORT2@>
    RemoteIPHeader X-Client-IP
    RemoteIPInternalProxy 127.0.0.1
</VirtualHost>
CONF
    my $here = 'proxy.example';

    part 'end-to-end fields of a request go on, the hop\'s own do not' => sub {
        my $response = get($httpd, '/', 'X-One' => 'a', 'X-One' => 'b', Accept => 'text/html;q=0.5, */*',
            Cookie => 'a=b; c=d', Connection => 'X-Private, x-other , keep-alive', 'X-Private' => 'secret',
                'X-Other' => 'secret',
            'Keep-Alive' => 'timeout=5', 'Proxy-Connection' => 'keep-alive',
                'Proxy-Authorization' => 'Basic Zm9v',
            TE => 'trailers', Proxy => 'http://evil.example/', 'X-Empty' => '', Authorization => 'Bearer x');
        is($response->echoed('X-One'), 'a, b', 'repeated ones keep their values and order');
        is($response->echoed('Accept'), 'text/html;q=0.5, */*', 'Accept');
        is($response->echoed('Cookie'), 'a=b; c=d', 'Cookie');
        is($response->echoed('Authorization'), 'Bearer x', 'Authorization');
        is($response->echoed('X-Empty'), '', 'an empty one');
        is($response->echoed($_), undef, "$_ stays here")
            for qw(X-Private X-Other Keep-Alive Proxy-Connection Proxy-Authorization Proxy Trailer Transfer-Encoding);
        unlike($response->echoed('Connection') || '', qr/private|other/i, 'Connection is our own');
    };
    part 'Connection cannot take away what others rely on' => sub {
        my $response = get($httpd, '/', Connection => 'X-Forwarded-For, Forwarded, Host, Cookie, Authorization, Via',
            Cookie => 'a=b', Authorization => 'Bearer x');
        is($response->status, 200, 'the request goes on');
        is($response->echoed('Host'), $here, 'with Host');
        is($response->echoed('X-Forwarded-For'), '127.0.0.1', 'with X-Forwarded-For');
        is($response->echoed('Authorization'), 'Bearer x', 'with Authorization');
    };
    part 'nor what the configuration adds' => sub {
        for my $named ('x-remote-user', 'close, X-Remote-User') {
            my $response = get($httpd, '/user', Connection => $named, 'X-Remote-User' => 'mallory');
            is($response->echoed('X-Remote-User'), 'alice', "Connection: $named");
        }
    };
    part 'end-to-end fields of a response come through, the hop\'s own do not' => sub {
        my $response = get($httpd, asking('/', 'X-One' => 'a', 'X-One' => 'b', Connection => 'X-Private',
            'X-Private' => 'secret', 'Keep-Alive' => 'timeout=5', 'Proxy-Connection' => 'x', Upgrade => 'h2c',
            'Set-Cookie' => 'a=1', 'Set-Cookie' => 'b=2', Date => 'Mon, 01 Jan 2024 00:00:00 GMT',
            'Content-Type' => 'text/x-odd;charset=utf-8', 'WWW-Authenticate' => 'Basic realm=x',
                'Content-Language' => 'de',
            'X-Bytes' => "\xC3\xBC"));
        is_deeply([$response->fields('X-One')], [qw(a b)], 'repeated ones keep their values and order');
        is_deeply([$response->fields('Set-Cookie')], ['a=1', 'b=2'], 'cookies are not joined');
        is($response->field('Content-Type'), 'text/x-odd;charset=utf-8', 'Content-Type as it came');
        is($response->field('Content-Language'), 'de', 'Content-Language');
        is($response->field('WWW-Authenticate'), 'Basic realm=x', 'WWW-Authenticate');
        is($response->field('Date'), 'Mon, 01 Jan 2024 00:00:00 GMT', 'Date is the origin\'s');
        is($response->field('X-Bytes'), "\xC3\xBC", 'bytes beyond ASCII');
        is($response->field($_), undef, "$_ stays behind") for qw(X-Private Proxy-Connection Upgrade);
        unlike($response->field('Keep-Alive') || '', qr/timeout=5\z/, 'Keep-Alive is httpd\'s own');
    };
    part 'a response without Content-Type gets none' => sub {
        is(get($httpd, asking('/', 'X-A' => 'b'))->field('Content-Type'), undef, 'httpd does not invent one');
    };
    part 'Via tells both' => sub {
        my $response = get($httpd, '/');
        is($response->echoed('Via'), '1.1 edge', 'towards the backend');
        like($response->field('Via') || '', qr/\A1\.1 edge\b/, 'towards the client');
        is(get($httpd, '/', Via => '1.0 first')->echoed('Via'), '1.0 first, 1.1 edge',
            'added behind those before');
        like(get($httpd, asking('/', Via => '1.1 inner'))->field('Via'), qr/\A1\.1 inner, 1\.1 edge/,
            'in both directions');
    };
    part 'Forwarded and its relatives name the client' => sub {
        my $response = get($httpd, '/', Host => 'shop.example:81');
        is($response->echoed('X-Forwarded-For'), '127.0.0.1', 'X-Forwarded-For');
        is($response->echoed('X-Forwarded-Proto'), 'http', 'X-Forwarded-Proto');
        is($response->echoed('X-Forwarded-Host'), 'shop.example:81', 'X-Forwarded-Host');
        my $forwarded = $response->echoed('Forwarded');
        like($forwarded, qr/(?:\A|;)for="?127\.0\.0\.1"?(?:;|\z)/i, 'Forwarded for=');
        like($forwarded, qr/(?:\A|;)proto=http(?:;|\z)/i, 'Forwarded proto=');
        like($forwarded, qr/(?:\A|;)host="shop\.example:81"(?:;|\z)/i,
            'Forwarded host=, quoted for its colon');
    };
    my @claims = (Forwarded => 'for=192.0.2.1;proto=https', 'X-Forwarded-For' => '192.0.2.1',
        'X-Forwarded-Proto' => 'https',
        'X-Forwarded-Host' => 'evil.example');
    part 'what a stranger claims in them is not believed' => sub {
        my $response = get($httpd, '/', @claims);
        is($response->echoed('X-Forwarded-For'), '127.0.0.1', 'X-Forwarded-For');
        is($response->echoed('X-Forwarded-Proto'), 'http', 'X-Forwarded-Proto');
        is($response->echoed('X-Forwarded-Host'), $here, 'X-Forwarded-Host');
        unlike($response->echoed('Forwarded'), qr/192\.0\.2\.1|https/, 'Forwarded');
    };
    part 'what a trusted peer claims is kept and added to' => sub {
        my $response = request($httpd->port(1), 'GET', '/', \@claims);
        is($response->echoed('X-Forwarded-For'), '192.0.2.1, 127.0.0.1', 'X-Forwarded-For');
        is($response->echoed('X-Forwarded-Proto'), 'https', 'X-Forwarded-Proto');
        is($response->echoed('X-Forwarded-Host'), 'evil.example', 'X-Forwarded-Host');
        like($response->echoed('Forwarded'), qr/\Afor=192\.0\.2\.1;proto=https, ?for="?127\.0\.0\.1/i,
            'Forwarded');
    };
    part 'nor in what a backend may take for them' => sub {
        my @names = qw(Client_Cert Client-Cert_Chain client_cert_chain X_Forwarded_For X-Forwarded_For
            x_forwarded-proto X_FORWARDED_HOST);
        for my $port ($httpd->port, $httpd->port(1)) {
            my $response = request($port, 'GET', '/', [map { $_ => '192.0.2.1' } @names]);
            is($response->status, 200, 'the request goes on');
            is($response->echoed($_), undef, "$_ does not") for @names;
        }
        is(get($httpd, '/', X_Other => 'a')->echoed('X_Other'), 'a', 'other fields with underscores do');
    };
    part 'mod_remoteip\'s client is the client' => sub {
        my $response = request($httpd->port(2), 'GET', '/', ['X-Client-IP' => '203.0.113.9']);
        like($response->echoed('X-Forwarded-For'), qr/\A203\.0\.113\.9\b/, 'X-Forwarded-For');
        like($response->echoed('Forwarded'), qr/for="?203\.0\.113\.9/i, 'Forwarded');
        $response = request($httpd->port(2), 'GET', '/', ['X-Client-IP' => '2001:db8::7']);
        like($response->echoed('Forwarded'), qr/for="\[2001:db8::7\]"/i,
            'an IPv6 address is bracketed and quoted');
    };
    part 'a client certificate is never what a client says it is' => sub {
        my $response = get($httpd, '/', 'Client-Cert' => ':AAAA:', 'client-cert-chain' => ':BBBB:',
            'Client_Cert' => ':CCCC:');
        is($response->echoed($_), undef, "$_ is removed") for qw(Client-Cert Client-Cert-Chain Client_Cert);
    };

    # Public target, field as the backend sends it, as the client gets it.
    my @maps = (
        ['/', 'Location', "http://$member/a?b#c", "http://$here/a?b#c", 'the member\'s own name'],
        ['/', 'Location', "http://$here/a", "http://$here/a", 'the public name, which the backend was told'],
        ['/', 'Location', '/a', '/a', 'a path'],
        ['/', 'Location', 'a/b?c', 'a/b?c', 'a relative one'],
        ['/', 'Location', 'https://other.example/a', 'https://other.example/a', 'another host'],
        ['/', 'Location', "http://$member.evil.example/", "http://$member.evil.example/",
            'a host that begins alike'],
        ['/', 'Location', "//$member/a", qr{\A(?:http:)?//\Q$here\E/a\z}, 'a network path'],
        ['/shop/x', 'Location', "http://$member/store/a?b", "http://$here/shop/a?b", 'name and base path'],
        ['/shop/x', 'Location', "http://$here/store/a", "http://$here/shop/a",
            'the public name and base path'],
        ['/shop/x', 'Location', '/store/a', '/shop/a', 'a path under the base'],
        ['/shop/x', 'Location', '/store', '/shop', 'the base itself'],
        ['/shop/x', 'Location', '/storehouse', '/storehouse', 'a path that begins alike'],
        ['/shop/x', 'Location', '/other', '/other', 'a path beside the base'],
        ['/shop/x', 'Location', '../a', '../a', 'a relative one'],
        ['/root/x', 'Location', '/a', '/root/a', 'a path under the root for a base'],
        ['/shop/x', 'Content-Location', '/store/a', '/shop/a', 'a path'],
        ['/shop/x', 'Content-Location', "http://$member/store/a", "http://$here/shop/a", 'an absolute one'],
        ['/shop/x', 'Refresh', "5; url=http://$member/store/a", "5; url=http://$here/shop/a",
            'an absolute one'],
        ['/shop/x', 'Refresh', '0;URL=/store/a', '0;URL=/shop/a', 'a path'],
        ['/shop/x', 'Refresh', '5', '5', 'no URL'],
        ['/shop/x', 'Set-Cookie', 'a=b; Path=/store; HttpOnly', 'a=b; Path=/shop; HttpOnly',
            'Path is the base'],
        ['/shop/x', 'Set-Cookie', 'a=b; path=/store/deep', qr{\Aa=b; path=/shop/deep\z}i,
            'Path under the base'],
        ['/shop/x', 'Set-Cookie', 'a=b; Path=/; Secure', 'a=b; Path=/; Secure', 'Path above the base'],
        ['/shop/x', 'Set-Cookie', 'a=b', 'a=b', 'no Path'],
        ['/', 'Set-Cookie', 'a=b; Domain=127.0.0.1; Secure', 'a=b; Secure', 'Domain is the member\'s'],
        ['/', 'Set-Cookie', 'a=b; Domain=other.example', 'a=b; Domain=other.example', 'Domain is another'],
        ['/', 'Set-Cookie', 'a="b; Path=/store"; Path=/store', 'a="b; Path=/store"; Path=/store',
            'untouched where paths are equal'],
        ['/member-host/', 'Location', "http://$member/a", "http://$here/a",
            'the member\'s name with its own Host'],
    );
    for my $map (@maps) {
        my ($target, $name, $sent, $expected, $what) = @$map;
        part "$name: $what" => sub {
            my $response = get($httpd, asking($target, $name => $sent));
            ref $expected ? like($response->field($name), $expected, $what) : is($response->field($name),
                $expected, $what);
        };
    }
};

done_testing;
