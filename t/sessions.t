# Licensed under the Apache License, Version 2.0; see LICENSE.

# Sticky sessions beside everything else: members that are managed or busy, TLS, upgrades, shared fetches, logs.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use JSON::PP ();

# A backend that tells its name; /hold/X is answered when the test signals X; ?set=VALUE sets a cookie.
sub named
{
    my ($name) = @_;
    return backend(sub {
        my ($c, $request) = @_;
        if ($request->target eq '/upgrade') {
            $c->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n$name");
            $c->wait_gone;
            return $c->close;
        }
        $c->wait_signal($1) if $request->target =~ m{/hold/(\w+)};
        return $c->respond($request, 503, [], 'ill') if $request->target eq '/status503';
        $c->respond($request, 200, [$request->target =~ /set=(\w+)/ ? ('Set-Cookie' => "SID=$1") : ()], $name);
    });
}

# One pool with a RProxySticky for everything.
sub served
{
    my ($sticky, @members) = @_;
    return pool(app => 'RProxyMethod round-robin', "RProxySticky $sticky", @members) . "RProxyPass / app\n";
}

sub cookie_of { return ($_[0]->field('Set-Cookie') // '') =~ /\A(\w+=[^;]*)/ ? $1 : undef }

# Cookies by the names of those who gave them.
sub cookies
{
    my ($httpd, $times) = @_;
    return map { my $r = get($httpd, '/'); ($r->body => cookie_of($r)) } 1 .. $times;
}

sub who
{
    my ($httpd, $times, $target, @fields) = @_;
    my %who;
    $who{ get($httpd, $target, @fields)->body }++ for 1 .. $times;
    return join ',', sort keys %who;
}

my $managed = <<'CONF';
<Location /rproxy-manage>
    SetHandler rproxy-manage
    Require all granted
</Location>
CONF

# A request to the management interface about a member of the pool.
sub manage
{
    my ($httpd, $method, $url, $content) = @_;
    my $path = '/rproxy-manage/pools/app';
    my $said = JSON::PP->new->decode(get($httpd, $path)->body);
    my ($member) = grep { defined $url && $_->{url} eq $url } @{ $said->{members} };
    $path .= '/members' . ($member ? "/$member->{id}" : '');
    return request($httpd, $method, $path, ['Content-Type' => 'application/json'],
        $content ? JSON::PP->new->encode($content) : ())->status;
}

each_mpm {
    my ($a, $b, $c, $d) = map { named($_) } qw(a b c d);
    my $httpd = httpd(children => $RP::Test::mpm eq 'prefork' ? 6 : 3,
        config => served('cookie=RPS', $a->url, $b->url) . $managed);
    my %cookie = cookies($httpd, 2);

    part 'a draining member keeps its sessions and gets no others' => sub {
        is(manage($httpd, PATCH => $a->url, { state => 'draining' }), 200, 'it drains');
        is(who($httpd, 6, '/', Cookie => $cookie{a}), 'a', 'with a session');
        is(who($httpd, 6, '/'), 'b', 'without');
        $httpd->graceful;
        is(who($httpd, 6, '/', Cookie => $cookie{a}), 'a', 'after a graceful restart as well');
    };
    part 'a disabled one loses them' => sub {
        is(manage($httpd, PATCH => $a->url, { state => 'disabled' }), 200, 'it is disabled');
        my $response = get($httpd, '/', Cookie => $cookie{a});
        is($response->body, 'b', 'to another');
        is(cookie_of($response), $cookie{b}, 'for good');
        is(manage($httpd, PATCH => $a->url, { state => 'enabled' }), 200, 'it is enabled again');
        is(who($httpd, 4, '/', Cookie => $cookie{a}), 'a', 'and cookies that are still there count again');
    };
    part 'one that was added while httpd runs has sessions' => sub {
        is(manage($httpd, POST => undef, { url => $c->url }), 201, 'it is added');
        my %new = cookies($httpd, 3);
        ok($new{c}, 'it gets requests');
        is(who($httpd, 9, '/', Cookie => $new{c}), 'c', 'and keeps their sessions, in all children');
        is(manage($httpd, DELETE => $c->url), 200, 'it is removed');
        is(who($httpd, 6, '/', Cookie => $new{c}), 'a,b', 'and its sessions go to others');
        is(manage($httpd, POST => undef, { url => $d->url }), 201, 'one that takes its place');
        is(who($httpd, 9, '/', Cookie => $new{c}), 'a,b,d', 'does not take its sessions');
        my %newer = cookies($httpd, 3);
        is(who($httpd, 9, '/', Cookie => $newer{d}), 'd', 'but has its own');
        isnt($newer{d}, $new{c}, 'by another cookie');
    };
};

one_mpm {
    my ($a, $b, $c) = map { named($_) } qw(a b c);
    part 'a member with a route may be added' => sub {
        my $httpd = httpd(config => served('route=SID', $a->url . ' route=n1', $b->url . ' route=n2') . $managed);
        my %options = (max => 9, route => 'n3');
        is(manage($httpd, POST => undef, { url => $c->url, options => \%options }), 201, 'it is added');
        is(who($httpd, 6, '/', Cookie => 'SID=0A.n3'), 'c', 'and gets its sessions');
    };
    part 'what was learned survives a change of size=' => sub {
        my $httpd = httpd(config => served('learn=SID size=1000', map { $_->url } $a, $b, $c));
        my %at = map { $_ => get($httpd, "/?set=$_")->body } 'a' .. 'f';
        $httpd->configure(served('learn=SID size=5000', map { $_->url } $c, $a, $b));
        $httpd->graceful;
        is(who($httpd, 3, '/', Cookie => "SID=$_"), $at{$_}, "session $_") for sort keys %at;
    };
};

# A member that has as many requests as it may.
each_mpm {
    my ($a, $b) = map { named($_) } qw(a b);
    my @members = map { $_->url . ' max=1' } $a, $b;
    my $children = $RP::Test::mpm eq 'prefork' ? 6 : 2;
    my $hold = sub {
        my ($httpd, $cookie, $name) = @_;
        my $before = $a->count;
        my $client = client($httpd);
        $client->send_request('GET', "/hold/$name", [Cookie => $cookie]);
        $a->wait_requests($before + 1) or die "the backend did not get the request\n";
        return $client;
    };

    part 'a session waits for its member while another one is free' => sub {
        my $httpd = httpd(children => $children, config => served('cookie=RPS', @members));
        my %cookie = cookies($httpd, 2);
        my $first = $hold->($httpd, $cookie{a}, 'one');
        my $second = client($httpd);
        $second->send_request('GET', '/', [Cookie => $cookie{a}]);
        ok($httpd->wait_log(qr/RP0342/), 'it waits');
        is(who($httpd, 3, '/', Cookie => $cookie{b}), 'b', 'other sessions go on');
        $a->signal('one');
        is($_->read_response->body, 'a', 'it is served there') for $first, $second;
    };
    part 'without a queue the request goes elsewhere, and the session stays' => sub {
        my $httpd = httpd(children => $children, config => served('cookie=RPS', @members, 'RProxyQueue off'));
        my %cookie = cookies($httpd, 2);
        my $first = $hold->($httpd, $cookie{a}, 'two');
        my $response = get($httpd, '/', Cookie => $cookie{a});
        is($response->body, 'b', 'to another member');
        is($response->field('Set-Cookie'), undef, 'with no other cookie');
        $a->signal('two');
        is($first->read_response->body, 'a', 'when there is room');
        is(who($httpd, 2, '/', Cookie => $cookie{a}), 'a', 'it is there again');
    };
    part 'with gone=refuse it does not' => sub {
        my $httpd = httpd(children => $children,
            config => served('cookie=RPS gone=refuse', @members, 'RProxyQueue off'));
        my %cookie = cookies($httpd, 2);
        my $first = $hold->($httpd, $cookie{a}, 'three');
        my $response = get($httpd, '/', Cookie => $cookie{a});
        is($response->status, 503, 'a 503');
        like($response->field('Retry-After') || '', qr/\A[1-9]\d*\z/, 'with Retry-After');
        $a->signal('three');
        is($first->read_response->body, 'a', 'the first one is served');
    };
};

# Checks that all members fail.
each_mpm {
    my ($a, $b) = map { named($_) } qw(a b);
    my $httpd = httpd(config => served('cookie=RPS', $a->url, $b->url,
        'RProxyCheck GET /status503 interval=200ms fall=2'));
    my %cookie = cookies($httpd, 2);

    part 'when all members are said to be ill, sessions stay where they are' => sub {
        ok(eventually { 2 == (() = $httpd->error_log =~ /RP0321/g) }, 'they are down');
        is(who($httpd, 6, '/', Cookie => $cookie{$_}), $_, "session $_") for qw(a b);
        is(post($httpd, '/', 'x', Cookie => $cookie{a})->body, 'a', 'for POST, too');
    };
};

# How the cookie gets to the client.
each_mpm {
    my ($a, $b) = map { named($_) } qw(a b);
    my $authority = RP::TLS->authority('Test CA');
    my $certificate = $authority->issue(name => 'proxy.example', san => 'DNS:proxy.example');
    my $httpd = httpd(ports => 2, modules => ['socache_shmcb', 'ssl'], children => $RP::Test::mpm eq 'prefork' ? 8 : 2,
        config => served('cookie=RPS samesite=none', $a->url, $b->url) . <<CONF);
CustomLog \@ROOT\@/sessions.log "%U session=%{rproxy-session}n"
RProxyCacheLocal \@ROOT\@/cache size=8M
<Location /hold>
    RProxyCache on
    RProxyCacheRule fresh=200:1m
</Location>
<VirtualHost 127.0.0.1:\@PORT1\@>
    ServerName proxy.example
    SSLEngine on
    SSLCertificateFile $certificate->{cert}
    SSLCertificateKeyFile $certificate->{key}
</VirtualHost>
CONF
    my %tls = (ca => $authority->cert, name => 'proxy.example');

    part 'by https it is Secure, by http it cannot be' => sub {
        like(client($httpd->port(1), tls => \%tls)->get('/')->field('Set-Cookie'),
            qr{; Path=/; HttpOnly; SameSite=None; Secure\z}, 'https');
        like(get($httpd, '/')->field('Set-Cookie'), qr{; Path=/; HttpOnly\z}, 'http');
    };
    part 'a tunnel begins with it' => sub {
        my $client = client($httpd);
        $client->send("GET /upgrade HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
        my $response = $client->read_response_head;
        is($response->status, 101, 'the protocol is switched');
        my $at = $client->read_bytes(1);
        is(get($httpd, '/', Cookie => cookie_of($response))->body, $at, 'the cookie is for this member');
    };
    part 'of several clients that wait for one response one gets a cookie, and the others none of its' => sub {
        my @clients = map { client($httpd) } 1 .. 3;
        my $before = $a->count + $b->count;
        $_->send_request('GET', '/hold/shared', []) for @clients;
        ok(eventually { $a->count + $b->count > $before }, 'one is asked');
        select undef, undef, undef, 0.3;
        $_->signal('shared') for $a, $b;
        my @responses = map { $_->read_response } @clients;
        is(scalar(grep { $_->status == 200 } @responses), 3, 'all are answered');
        is($a->count + $b->count, $before + 1, 'from one fetch');
        is(scalar(grep { defined $_->field('Set-Cookie') } @responses), 1, 'one gets the cookie');
    };
    part 'the access log can say what became of a session' => sub {
        my $cookie = cookie_of(get($httpd, '/new'));
        get($httpd, '/kept', Cookie => $cookie);
        my $log = $httpd->root . '/sessions.log';
        ok(eventually { RP::Place->read_file($log) =~ m{^/kept session=kept$}m }, 'kept');
        like(RP::Place->read_file($log), qr{^/new session=new$}m, 'new');
    };
};

done_testing;
