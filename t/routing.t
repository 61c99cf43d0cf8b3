# Licensed under the Apache License, Version 2.0; see LICENSE.

# Which backend a URL goes to, and as what.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

each_mpm {
    my %backend = map { $_ => backend(echoes('X-Backend' => $_)) } qw(a b c);
    my $httpd = httpd(ports => 2, modules => [qw(status rewrite)], config => <<"CONF");
@{[map { pool($_ => $backend{$_}) } sort keys %backend]}
HttpProtocolOptions Unsafe
AllowEncodedSlashes NoDecode
RProxyPass / a
RProxyPass /app b
RProxyPass /app/deep c
RProxyPass /moved b/base
RProxyPass /stripped c/
RProxyPass /htdocs none
<Location /section>
    RProxyPass b
</Location>
<Location /section/based>
    RProxyPass c/base/path
</Location>
<LocationMatch "^/match/[0-9]+\$">
    RProxyPass c
</LocationMatch>
<Location /status>
    SetHandler server-status
</Location>
<Location /hostname>
    RProxyPreserveHost off
</Location>
RewriteEngine on
RewriteRule ^/old/(.*)\$ /app/new/\$1 [PT]
Listen 127.0.0.1:@{[my $third = RP::Place->port]}
<VirtualHost 127.0.0.1:\@PORT1\@>
    ServerName one.example
    RProxyPass / b
</VirtualHost>
<VirtualHost 127.0.0.1:\@PORT1\@>
    ServerName two.example
    RProxyPass /app c/two
</VirtualHost>
CONF
    mkdir $httpd->root . '/htdocs/htdocs';
    RP::Place->write_file($httpd->root . '/htdocs/htdocs/page', 'from a file');

    # Where a target goes, and what stands in the backend's request line.
    my $goes = sub {
        my ($target, $backend, $as, $why) = @_;
        my $response = get($httpd, $target);
        is($response->field('X-Backend'), $backend, "$why: $target goes to $backend")
            or return diag('status ' . $response->status);
        is($response->json->{target}, $as, "$why: as $as");
    };
    # A target that no backend gets to see.
    my $refused = sub {
        my ($target, $why) = @_;
        $_->forget for values %backend;
        my $response = get($httpd, $target);
        like($response->status, qr/\A4\d\d\z/, "$why is refused");
        is_deeply([map { $_->target } map { $_->requests } values %backend], [], "$why reaches no backend");
    };

    part 'the longest prefix wins, and ends at a slash' => sub {
        $goes->('/', 'a', '/', 'the root');
        $goes->('/x', 'a', '/x', 'under the root');
        $goes->('/app', 'b', '/app', 'a prefix itself');
        $goes->('/app/', 'b', '/app/', 'a prefix with its slash');
        $goes->('/app/x', 'b', '/app/x', 'under a prefix');
        $goes->('/application', 'a', '/application', 'a longer word is no longer prefix');
        $goes->('/app/deep/x', 'c', '/app/deep/x', 'a longer prefix');
        $goes->('/section/x', 'b', '/section/x', 'in a Location');
        $goes->('/match/12', 'c', '/match/12', 'in a LocationMatch');
        $goes->('/match/x', 'a', '/match/x', 'beside a LocationMatch');
    };
    part 'a base path replaces the prefix' => sub {
        $goes->('/moved/x?q=1', 'b', '/base/x?q=1', 'with a base');
        $goes->('/moved', 'b', '/base', 'with nothing behind it');
        $goes->('/moved/', 'b', '/base/', 'with a slash behind it');
        $goes->('/stripped/x', 'c', '/x', 'with the root for a base');
        $goes->('/stripped', 'c', '/', 'the prefix alone');
        $goes->('/stripped?q', 'c', '/?q', 'the prefix alone with a query');
        $goes->('/section/based/x', 'c', '/base/path/x', 'in a Location');
    };
    part 'none and SetHandler take a path out of a route' => sub {
        is(get($httpd, '/htdocs/page')->body, 'from a file', 'none leaves it to httpd');
        like(get($httpd, '/status')->body, qr/Apache (?:Server )?Status/i, 'SetHandler wins');
    };
    part 'mod_rewrite has its say before' => sub {
        $goes->('/old/x', 'b', '/app/new/x', 'a rewritten path');
    };
    part 'virtual hosts have routes of their own' => sub {
        my $at = sub { request($httpd->port(1), 'GET', $_[1], [Host => $_[0]]) };
        is($at->('one.example', '/app/deep/x')->field('X-Backend'), 'c',
            'the main server\'s longer prefixes go on');
        is($at->('one.example', '/x')->field('X-Backend'), 'b', 'its own root');
        my $two = $at->('two.example', '/app/x');
        is($two->field('X-Backend'), 'c', 'its own prefix');
        is($two->json->{target}, '/two/x', 'with its own base');
        is($at->('two.example', '/x')->field('X-Backend'), 'a', 'and the main server\'s routes besides');
    };
    part 'a URL goes on as it came' => sub {
        $goes->($_, 'a', $_, 'raw') for '/%41%7e~', '/a%2Fb', '/a%2fb', '/x;p=1,2', '/x?',
            '/x?a=%20b&c=%zz+d', '/%C3%BC',
            "/!\$&'()*+,-.:=@_", '/x?a=/../b', '/%25%32%46';
        $goes->('/a//b', 'a', '/a//b', 'raw');
        $goes->('/moved/a%2Fb%20c?d%2F', 'b', '/base/a%2Fb%20c?d%2F', 'raw behind a base');
        $goes->('/%61pp/x', 'b', '/%61pp/x', 'a prefix in disguise');
        $goes->('http://proxy.example/app/x?y', 'b', '/app/x?y', 'absolute form');
    };
    part 'dot segments go no further' => sub {
        $goes->('/app/../x', 'a', '/x', 'normalised');
        $goes->('/app/%2e%2e/x', 'a', '/x', 'normalised');
        $goes->('/app/./x', 'b', '/app/x', 'normalised');
        $goes->('/moved/y/../x', 'b', '/base/x', 'normalised behind a base');
        $refused->('/../x', 'climbing above the root');
        $refused->('/app/..%2fx', 'climbing behind an encoded slash');
        $refused->('/moved/..%2f..%2fetc', 'climbing out of a base');
        $refused->('/moved/..%5cx', 'climbing behind an encoded backslash');
    };
    part 'what cannot be sent safely is refused' => sub {
        $refused->('/a%00b', 'an encoded NUL');
        $refused->('/a%zzb', 'an invalid encoding');
        $refused->('/a%2', 'half an encoding');
        $refused->('/a\\b', 'a backslash');
        $refused->("/a\x01b", 'a control byte');
        $refused->("/a\x7fb", 'DEL');
        $refused->("/a\xffb", 'a byte beyond ASCII');
        $refused->('/a#b', 'a fragment');
        $refused->("/a\tb", 'a tab');
    };
    part 'Host is the client\'s, or the member\'s' => sub {
        is(get($httpd, '/x', Host => 'shop.example')->echoed('Host'), 'shop.example', 'preserved by default');
        is(get($httpd, '/x', Host => 'shop.example:81')->echoed('Host'), 'shop.example:81', 'with its port');
        is(get($httpd, '/hostname', Host => 'shop.example')->echoed('Host'), $backend{a}->authority,
            'RProxyPreserveHost off');
        my $client = client($httpd);
        $client->send("GET /x HTTP/1.0\r\n\r\n");
        my $response = $client->read_response;
        is($response->status, 200, 'HTTP/1.0 without Host is served');
        is(scalar(grep { lc $_->[0] eq 'host' } @{ $response->json->{fields} }), 1,
            'and the backend gets one Host');
    };
};

done_testing;
