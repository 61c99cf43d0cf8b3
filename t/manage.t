# Licensed under the Apache License, Version 2.0; see LICENSE.

# Pools are seen and changed while httpd runs: by whom, how, and what comes of it in every child process.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use JSON::PP ();

my $json = JSON::PP->new->canonical;
my $place = '/rproxy-manage';

# What a backend does on a connection, under a name: at /wait/X it answers only when told to by the signal X.
sub named
{
    my ($name) = @_;
    return (on_connection => sub {
        my ($c) = @_;
        while (my $request = $c->read_request_head) {
            $c->wait_signal($1) if $request->target =~ m{\A/wait/(\w+)};
            $c->respond($request, 200, [], $name);
        }
        $c->note('closed');
    });
}

sub is_left { my ($backend) = @_; return eventually { $backend->connections == grep { $_ eq 'closed' } $backend->notes } }

sub said { my ($response) = @_; return eval { $json->decode($response->body) } || {} }

# A request to the interface; @return the response and what its JSON says.
sub ask
{
    my ($httpd, $method, $path, $content, @fields) = @_;
    my $response = request($httpd, $method, "$place$path", ['X-Who' => 'operator',
        $method =~ /GET|HEAD/ ? () : ('Content-Type' => 'application/json'), @fields],
        defined $content ? ref $content ? $json->encode($content) : $content : ());
    return ($response, said($response));
}

sub members
{
    my ($httpd, $pool) = @_;
    my (undef, $said) = ask($httpd, 'GET', "/pools/$pool");
    return map { $_->{url} => $_ } @{ $said->{members} };
}

# A member's path in the interface.
sub path_of
{
    my ($httpd, $pool, $url) = @_;
    my %members = members($httpd, $pool);
    return "/pools/$pool/members/" . ($members{$url} || { id => 'none' })->{id};
}

sub change { my ($httpd, $pool, $url, %change) = @_; return (ask($httpd, 'PATCH', path_of($httpd, $pool, $url), \%change))[0]->status }

# Who answers so many requests, each on a connection of its own.
sub shares
{
    my ($httpd, $requests, $target) = @_;
    my %count;
    $count{ get($httpd, $target || '/')->body }++ for 1 .. $requests;
    return \%count;
}

sub config
{
    my (@members) = @_;
    (my $pool = pool(app => @members)) =~ s{(?=</)}{    RProxyMethod round-robin\n};
    return $pool . <<'CONF';
RProxyPass / app
RProxyPass /open none
<Location /rproxy-manage>
    SetHandler rproxy-manage
    Require expr "%{HTTP:X-Who} == 'operator'"
</Location>
<Location /open>
    SetHandler rproxy-manage
</Location>
# As most distributions write it for their document root.
<Directory />
    Require all granted
</Directory>
<Location /outer>
    Require expr "%{HTTP:X-Who} == 'operator'"
</Location>
<Location /outer/manage>
    SetHandler rproxy-manage
</Location>
CONF
}

each_mpm {
    my ($a, $b, $c) = map { backend(named($_)) } qw(a b c);
    my $httpd = httpd(children => $RP::Test::mpm eq 'prefork' ? 10 : 4, config => config($a, $b->url . ' weight=2'));

    part 'everything is listed' => sub {
        shares($httpd, 6);
        my ($response, $all) = ask($httpd, 'GET', '');
        is($response->status, 200, 'at the place itself');
        is($response->field('Content-Type'), 'application/json', 'as JSON,');
        is($response->field('Cache-Control'), 'no-store', 'which is not for caches');
        is($all->{version}, 1, 'in a version');
        is(join(' ', map { $_->{name} } @{ $all->{pools} }), 'app', 'with all pools');
        my %members = members($httpd, 'app');
        my $member = $members{ $b->url };
        is("$member->{state} $member->{origin} $member->{weight} $member->{priority}", 'enabled configured 2 0', 'members,');
        ok($member->{health}{in}, 'their health');
        is($member->{requests}{picked}, 4, 'and counters');
        is($member->{requests}{ok}, 4, 'by what came of it');
        my (undef, $one) = ask($httpd, 'GET', path_of($httpd, 'app', $b->url));
        is($one->{url}, $b->url, 'or one of them');
        my ($head) = ask($httpd, 'HEAD', '/pools/app');
        is($head->status, 200, 'HEAD is as GET');
    };
    part 'a drained member finishes what it has, and gets no more' => sub {
        my @waiting = map { client($httpd) } 1 .. 6;
        $_->send_request('GET', '/wait/drained') for @waiting;
        ok(eventually { $b->count + $a->count >= 12 }, 'requests are under way');
        is(change($httpd, 'app', $b->url, state => 'draining'), 200, 'one is drained');
        is_deeply(shares($httpd, 12), { a => 12 }, 'every child knows');
        my %members = members($httpd, 'app');
        is("$members{ $b->url }{state} $members{ $b->url }{requests}{inflight}", 'draining 4', 'the list says so');
        $_->signal('drained') for $a, $b;
        my %count;
        $count{ $_->read_response->body }++ for @waiting;
        is_deeply(\%count, { a => 2, b => 4 }, 'what was under way is answered');
        ok($httpd->wait_log(qr/RP0370: pool app, member \Q${\ $b->url}\E is draining now, says 127\.0\.0\.1/), 'the log says who did it');
        is(change($httpd, 'app', $b->url, state => 'enabled'), 200, 'and back');
        is_deeply(shares($httpd, 6), { a => 2, b => 4 }, 'as before');
    };
    part 'a disabled one gets nothing, and its kept connections are closed' => sub {
        is(change($httpd, 'app', $a->url, state => 'disabled'), 200, 'so it is');
        is_deeply(shares($httpd, 6), { b => 6 }, 'every child knows');
        is(change($httpd, 'app', $b->url, state => 'disabled'), 200, 'the last one as well');
        is(get($httpd, '/')->status, 503, 'nobody is left');
        ok(is_left($_), 'no connection is kept') for $a, $b;
        is(change($httpd, 'app', $_, state => 'enabled'), 200, 'enabled') for $a->url, $b->url;
    };
    part 'weights' => sub {
        is(change($httpd, 'app', $b->url, weight => 3), 200, 'one more');
        is_deeply(shares($httpd, 8), { a => 2, b => 6 }, 'counts at once');
        is(change($httpd, 'app', $b->url, weight => 0, state => 'enabled'), 200, 'none');
        is_deeply(shares($httpd, 4), { a => 4 }, 'means no share');
        is(change($httpd, 'app', $b->url, weight => 1), 200, 'one');
    };
    my $path;
    part 'a member is added' => sub {
        my ($response, $member) = ask($httpd, 'POST', '/pools/app/members', { url => $c->url, options => { weight => 2, retry => '1m', keep => 8 } });
        is($response->status, 201, 'it is') or diag($response->body);
        $path = path_of($httpd, 'app', $c->url);
        is($response->field('Location'), "$place$path", 'and has a place');
        is("$member->{origin} $member->{weight}", 'added 2', 'the answer is the member');
        is_deeply(shares($httpd, 16), { a => 4, b => 4, c => 8 }, 'every child uses it');
        is((ask($httpd, 'POST', '/pools/app/members', { url => $c->url }))[0]->status, 409, 'not twice');
        ok($httpd->wait_log(qr/RP0372: pool app, member \Q${\ $c->url}\E was added/), 'the log says it');
    };
    part 'graceful restarts keep what was changed by hand' => sub {
        is(change($httpd, 'app', $a->url, state => 'draining'), 200, 'one drains,');
        is(change($httpd, 'app', $b->url, weight => 4), 200, 'one has another weight');
        $httpd->graceful_whole;
        is_deeply(shares($httpd, 12), { b => 8, c => 4 }, 'and one was added: so it stays');
        my %members = members($httpd, 'app');
        is($members{ $c->url }{options}, 'keep=8 retry=1m weight=2', 'with its options');
        is(change($httpd, 'app', $a->url, state => 'enabled'), 200, 'the first is back');
        is(change($httpd, 'app', $b->url, weight => 1), 200, 'as is the weight');
    };
    part 'a member is removed' => sub {
        my $client = client($httpd);
        is(change($httpd, 'app', $_, state => 'disabled'), 200, 'nobody else') for $a->url, $b->url;
        $client->send_request('GET', '/wait/removed');
        ok(eventually { my %m = members($httpd, 'app'); $m{ $c->url }{requests}{inflight} == 1 }, 'it has a request');
        my ($response, $said) = ask($httpd, 'DELETE', $path);
        is($response->status, 200, 'it is removed');
        is((ask($httpd, 'GET', $path))[0]->status, 404, 'and gone');
        is(get($httpd, '/')->status, 503, 'nobody is left');
        is(change($httpd, 'app', $_, state => 'enabled'), 200, 'others are back') for $a->url, $b->url;
        is_deeply(shares($httpd, 8), { a => 4, b => 4 }, 'which serve');
        $c->signal('removed');
        is($client->read_response->body, 'c', 'what was under way is answered');
        ok(is_left($c), 'its connections are closed');
        is((ask($httpd, 'DELETE', $path))[0]->status, 404, 'twice is once too often');
    };
    part 'a slot is used again, by another member' => sub {
        for my $round (1 .. 3) {
            is((ask($httpd, 'POST', '/pools/app/members', { url => $c->url . '/' }))[0]->status, 201, "added, $round");
            is(shares($httpd, 12)->{c}, 4, 'used');
            is((ask($httpd, 'DELETE', $path))[0]->status, 200, 'removed');
        }
        my @many = map { backend(named("m$_")) } 1 .. 2;
        is((ask($httpd, 'POST', '/pools/app/members', { url => $_->url }))[0]->status, 201, 'another') for @many;
        is_deeply(shares($httpd, 16), { a => 4, b => 4, m1 => 4, m2 => 4 }, 'each is who it is');
        is((ask($httpd, 'DELETE', path_of($httpd, 'app', $_->url)))[0]->status, 200, 'removed') for @many;
    };
    part 'a configured member is removed for good, and comes back as it is configured' => sub {
        my $path = path_of($httpd, 'app', $b->url);
        is((ask($httpd, 'DELETE', $path))[0]->status, 200, 'removed');
        is_deeply(shares($httpd, 4), { a => 4 }, 'it gets nothing');
        $httpd->graceful_whole;
        is_deeply(shares($httpd, 4), { a => 4 }, 'after a restart as well');
        is((ask($httpd, 'PATCH', $path, { state => 'enabled' }))[0]->status, 409, 'it has to be added');
        is((ask($httpd, 'POST', '/pools/app/members', { url => $b->url, options => { weight => 9 } }))[0]->status, 409, 'as it is configured');
        is((ask($httpd, 'POST', '/pools/app/members', { url => $b->url }))[0]->status, 201, 'then');
        is_deeply(shares($httpd, 4), { a => 2, b => 2 }, 'it is there');
    };
};

one_mpm {
    my $backend = backend(named('a'));
    my $member = $backend->url;
    my $httpd = httpd(children => 1, config => config($backend) . <<"CONF" . "RProxyRoom 1\n</RProxyPool>\n");
<RProxyPool small>
    RProxyMember $member
CONF
    my $path = path_of($httpd, 'app', $member);
    my $status = sub { my ($response, $said) = ask($httpd, @_); return $response->status . ' ' . ($said->{error} // '') };
    my $drain = '{"state": "draining"}';

    part 'who may' => sub {
        is(get($httpd, $place)->status, 403, 'is said by Require');
        is(get($httpd, '/open')->status, 403, 'and when nothing is said, nobody');
        ok($httpd->wait_log(qr/RP0602/), 'as the log explains');
        is((ask($httpd, 'GET', ''))[0]->status, 200, 'the operator may');
        is(get($httpd, '/outer/manage')->status, 403, 'a section around it may say so');
        is(get($httpd, '/outer/manage/pools', 'X-Who' => 'operator')->status, 200, 'for the operator');
    };
    part 'requests that other sites make a browser send change nothing' => sub {
        for my $fields (['Sec-Fetch-Site' => 'cross-site'], ['Sec-Fetch-Site' => 'same-site'], [Origin => 'https://evil.example'],
            [Origin => 'null'], [Origin => 'http://proxy.example:81']) {
            my ($response, $said) = ask($httpd, 'PATCH', $path, $drain, @$fields);
            is($response->status, 403, "@$fields");
            like($said->{error}, qr/another (?:site|origin)/, 'it says why');
        }
        # Somebody may let a name of his own lead to this host: then Origin and Host agree.
        for my $host ('evil.example', 'evil.example:80', 'proxy.example.evil.example') {
            my ($response, $said) = ask($httpd, 'PATCH', $path, $drain, Host => $host, Origin => "http://$host");
            is($response->status, 403, "Host: $host");
            like($said->{error}, qr/ServerAlias/, 'it says what to do if that was right');
        }
        for my $type ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', '') {
            my @fields = ('X-Who' => 'operator', length $type ? ('Content-Type' => $type) : ());
            for my $method (qw(PATCH POST DELETE)) {
                my $to = $method eq 'POST' ? '/pools/app/members' : $path;
                is(request($httpd, $method, "$place$to", \@fields, $drain)->status, 415, "$method as $type");
            }
        }
        my %members = members($httpd, 'app');
        is($members{$member}{state}, 'enabled', 'indeed');
        for my $fields (['Sec-Fetch-Site' => 'same-origin', Origin => 'https://proxy.example'], ['Sec-Fetch-Site' => 'none'], [],
            (map { [Host => $_, Origin => "http://$_"] } qw(127.0.0.1 127.0.0.1:8080 [::1] [::1]:8080 localhost LOCALHOST:80))) {
            like($status->('PATCH', $path, '{"state": "enabled"}', @$fields), qr/\A200/, "own: @$fields");
        }
    };
    part 'methods' => sub {
        my ($response) = ask($httpd, 'POST', $path, $drain);
        is($response->status, 405, 'not every one everywhere');
        is($response->field('Allow'), 'GET, HEAD, PATCH, DELETE', 'it says which');
        is((ask($httpd, 'DELETE', '/pools/app'))[0]->status, 405, 'pools stay');
        is((ask($httpd, 'PUT', '', '{}'))[0]->status, 405, 'as does everything');
        like($status->('GET', "$path?state=draining"), qr/\A200/, 'a query does nothing');
        is({ members($httpd, 'app') }->{$member}{state}, 'enabled', 'indeed');
    };
    part 'what is not there' => sub {
        like($status->('GET', '/pools/none'), qr/\A404 there is no pool none/, 'a pool');
        like($status->('GET', '/pools/app/members/0123'), qr/\A404 pool app has no member/, 'a member');
        like($status->('PATCH', '/pools/app/members/0123456789abcdef', $drain), qr/\A404/, 'nor to change');
        like($status->('GET', '/nothing'), qr/\A404 there is no such resource/, 'a resource');
    };
    part 'malformed changes' => sub {
        like($status->('PATCH', $path, $_->[0]), qr/\A400 .*$_->[1]/, $_->[0]) for
            ['', 'no JSON'], ['{', 'no JSON'], ['[]', 'no JSON object'], ['{}', 'nothing to change'],
            ['{"state": "off"}', 'state: write "enabled"'], ['{"state": 1}', 'state: write'], ['{"weight": 257}', '0 to 256'],
            ['{"weight": -1}', '0 to 256'], ['{"weight": "5"}', 'whole number'], ['{"wieght": 5}', 'wieght is not known'],
            ['{"weight": 5, "weight": 6}', 'no JSON'], ["{\"\xff\": 1}", 'no JSON'];
        like($status->('POST', '/pools/app/members', $_->[0]), qr/\A400 .*$_->[1]/, $_->[0]) for
            ['{}', 'url is missing'], ['{"url": 1}', 'url: write a string'], ['{"url": "ftp://x"}', "not a member's URL"],
            ['{"url": "http://127.0.0.1:1/base"}', 'more than scheme'], ['{"url": "http://127.0.0.1:1", "options": "weight=2"}', 'an object'],
            ['{"url": "http://127.0.0.1:1", "options": {"weight": 999}}', 'weight'], ['{"url": "http://127.0.0.1:1", "options": {"x": 1}}', 'x'],
            ['{"url": "http://127.0.0.1:1", "options": {"weight": 1.5}}', 'whole number'],
            ['{"url": "https://127.0.0.1:1", "options": {"ca": "/nowhere.pem"}}', '/nowhere.pem'],
            ['{"url": "http://127.0.0.1:1\n"}', 'control characters'],
            ['{"url": "http://no-such-name.invalid:1"}', 'cannot resolve'],
            ['{"url": "http://' . 'x' x 300 . '"}', 'too long'];
        like($status->('PATCH', $path, '{"state": "' . 'x' x 70000 . '"}'), qr/\A413 /, 'and what is too large');
    };
    part 'there is only so much room' => sub {
        like($status->('POST', '/pools/small/members', '{"url": "http://127.0.0.1:1"}'), qr/\A201/, 'for one');
        like($status->('POST', '/pools/small/members', '{"url": "http://127.0.0.1:2"}'), qr/\A409 .*no room.*RProxyRoom than 1/, 'not for two');
    };
};

done_testing;
