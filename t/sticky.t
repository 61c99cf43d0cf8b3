# Licensed under the Apache License, Version 2.0; see LICENSE.

# The requests of a session go to one member.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

# A backend that tells its name and the cookies it got, and says what the query asks for: set=VALUE for a SID cookie,
# cc=VALUE for Cache-Control.
sub named
{
    my ($name) = @_;
    return backend(sub {
        my ($c, $request) = @_;
        my $target = $request->target;
        my @fields = ('X-Cookie' => $request->field('Cookie') // 'none', 'X-Number' => $request->number);
        push @fields, 'Set-Cookie' => "SID=$1; Path=/; HttpOnly" if $target =~ /set=([^&]*)/;
        push @fields, 'Cache-Control' => $1 =~ s/\+/ /gr if $target =~ /cc=([^&]*)/;
        push @fields, 'Vary' => 'Cookie' if $target =~ /vary/;
        push @fields, 'ETag' => '"e"' if $target =~ /etag/;
        $c->respond($request, $target =~ /status=(\d+)/ ? $1 : 200, \@fields, $name);
    });
}

# A pool of members ("URL options") with a RProxySticky.
sub sticky_pool
{
    my ($name, $sticky, @members) = @_;
    return pool($name, 'RProxyMethod round-robin', "RProxySticky $sticky", @members);
}

# "NAME=VALUE" of the Set-Cookie in a response, or undef.
sub cookie_of { return ($_[0]->field('Set-Cookie') // '') =~ /\A(\w+=[^;]*)/ ? $1 : undef }

# The names of those who answer so many requests.
sub who
{
    my ($httpd, $times, $target, @fields) = @_;
    my %who;
    $who{ get($httpd, $target, @fields)->body }++ for 1 .. $times;
    return join ',', sort keys %who;
}

# A place where nobody listens.
sub nobody { return 'http://127.0.0.1:' . RP::Place->refusing_port }

each_mpm {
    my ($a, $b, $c) = map { named($_) } qw(a b c);
    my $httpd = httpd(children => 3, config => sticky_pool(own => 'cookie=RPS', map { $_->url } $a, $b, $c)
        . sticky_pool(lasting => 'cookie=RPS lifetime=1h path=/x domain=example samesite=strict secure=on',
            map { $_->url } $a, $b) . <<'CONF');
RProxyPass /own own
RProxyPass /lasting lasting
CONF
    my $first = get($httpd, '/own');
    my $cookie = cookie_of($first);

    part 'a cookie of our own keeps a session at its member, in all children' => sub {
        like($first->field('Set-Cookie'), qr{\ARPS=[\w-]{22}; Path=/; HttpOnly; SameSite=Lax\z}, 'the client gets one');
        is($first->field('Cache-Control'), 'private', 'in a response for nobody else');
        is(who($httpd, 12, '/own', Cookie => $cookie), $first->body, 'with it all requests go there');
        is(get($httpd, '/own', Cookie => $cookie)->field('Set-Cookie'), undef, 'it is not given again');
        is(who($httpd, 12, '/own'), 'a,b,c', 'without it to all');
    };
    part 'it stays between client and proxy' => sub {
        is(get($httpd, '/own', Cookie => $cookie)->field('X-Cookie'), 'none', 'alone');
        is(get($httpd, '/own', Cookie => "x=1;  $cookie;y=\"2 3\"; z")->field('X-Cookie'), 'x=1;y="2 3"; z',
            'others go on byte by byte');
    };
    part 'what was not given by us is not heeded' => sub {
        my $forged = $cookie =~ s/(?<=RPS=)(.)/$1 eq 'A' ? 'B' : 'A'/er;
        is(who($httpd, 12, '/own', Cookie => $forged), 'a,b,c', 'a forged one');
        like(cookie_of(get($httpd, '/own', Cookie => 'RPS=')) || '', qr/\ARPS=./, 'an empty one is replaced');
        is(who($httpd, 12, '/lasting', Cookie => $cookie), 'a,b', "another pool's");
        is(who($httpd, 6, '/own', Cookie => "$forged; $cookie"), $first->body, 'a right one beside it is');
    };
    part 'a lasting one is renewed when half of its lifetime is over' => sub {
        my $response = get($httpd, '/lasting');
        like($response->field('Set-Cookie'),
            qr{\ARPS=[\w-]{22}\.\d+; Path=/x; Domain=example; Max-Age=3600; HttpOnly; SameSite=Strict; Secure\z},
            'it says for how long it is good');
        my $lasting = cookie_of($response);
        is(get($httpd, '/lasting', Cookie => $lasting)->field('Set-Cookie'), undef, 'not at once');
        my $old = $lasting =~ s/\.(\d+)\z/'.' . ($1 - 1801)/er;
        my $renewed = get($httpd, '/lasting', Cookie => $old);
        is($renewed->body, $response->body, 'an older one is still good');
        my $token = $lasting =~ s/\.\d+\z//r;
        like(cookie_of($renewed) || '', qr/\A\Q$token\E\.\d+\z/, 'and renewed for the same member');
    };
    part 'sessions outlive a graceful restart' => sub {
        $httpd->graceful;
        is(who($httpd, 9, '/own', Cookie => $cookie), $first->body, 'the cookie is good still');
        $httpd->configure($httpd->{config} = sticky_pool(own => 'cookie=RPS', map { $_->url } $c, $b, $a)
            . "RProxyPass /own own\n");
        $httpd->graceful;
        is(who($httpd, 9, '/own', Cookie => $cookie), $first->body, 'also with members in another order');
    };
};

# Members that are gone, or on their way.
each_mpm {
    my ($a, $b, $old) = map { named($_) } qw(a b old);
    my $place = nobody();
    my $secret = RP::Place->folder . '/secret';
    RP::Place->write_file($secret, 'x' x 32);
    chmod 0600, $secret;
    my $config = sub {
        my ($gone, @more) = @_;
        return sticky_pool(own => "cookie=RPS secret=$secret gone=$gone", $a->url . ' retry=30s', $b->url, @more)
            . "RProxyPass / own\n";
    };
    my $httpd = httpd(config => $config->('rebalance', $old->url));
    my %cookie = map { my $r = get($httpd, '/'); ($r->body => cookie_of($r)) } 1 .. 6;
    is(join(',', sort keys %cookie), 'a,b,old', 'all have sessions');

    part 'a member without weight keeps its sessions and gets no others' => sub {
        $httpd->configure($config->('rebalance', $old->url . ' weight=0'));
        $httpd->graceful;
        is(who($httpd, 6, '/', Cookie => $cookie{old}), 'old', 'with a session');
        is(who($httpd, 6, '/'), 'a,b', 'without');
    };
    part 'the session of a member that takes no connections moves' => sub {
        $a->stop;
        my $response;
        # Requests on connections that were kept may have been under way.
        ok(eventually { ($response = get($httpd, '/', Cookie => $cookie{a}))->body eq 'b' }, 'to another');
        is(cookie_of($response), $cookie{b}, 'and its cookie says so');
        is(get($httpd, '/', Cookie => $cookie{a})->body, 'b', 'the old one is of no more use');
    };
    part 'when its member is back, a session goes there with whatever method it comes' => sub {
        my $later = RP::Place->port;
        $httpd->configure(sticky_pool(own => "cookie=RPS secret=$secret", "http://127.0.0.1:$later retry=200ms",
            $b->url) . "RProxyPass / own\n");
        my $backend = backend(on_request => sub { $_[0]->respond($_[1], 200, [], 'later') }, port => $later);
        $httpd->graceful;
        my %new = map { my $r = get($httpd, '/'); ($r->body => cookie_of($r)) } 1 .. 3;
        $backend->stop;
        # Somebody else finds out that it is gone.
        ok(eventually { get($httpd, '/'); $httpd->error_log =~ /RP0305: pool own, member \S+:$later\b/ }, 'it goes');
        $backend = backend(on_request => sub { $_[0]->respond($_[1], 200, [], 'later') }, port => $later);
        my $response;
        ok(eventually { ($response = post($httpd, '/', 'x', Cookie => $new{later}))->body eq 'later' }, 'and comes');
        is($response->field('Set-Cookie'), undef, 'the session is there');
    };
    part 'or is refused, where the operator wants that' => sub {
        $httpd->configure($config->('refuse'));
        $httpd->stop;
        $httpd->begin;
        for (1 .. 2) {
            my $response = get($httpd, '/', Cookie => $cookie{a});
            is($response->status, 503, 'a 503');
            like($response->field('Retry-After') || '', qr/\A[1-9]\d*\z/, 'with Retry-After');
            is($response->field('Set-Cookie'), undef, 'and the cookie stays');
        }
        is(get($httpd, '/', Cookie => $cookie{b})->body, 'b', 
            'other sessions go on, also after a stop: by the file of the secret');
        my $moved = get($httpd, '/', Cookie => $cookie{old});
        is($moved->body, 'b', 'that of a member which is no more in the configuration moves');
        is(cookie_of($moved), $cookie{b}, 'for good');
        $a = named('unused');
        ok($httpd->wait_log(qr/gone=refuse/), 'the log says why');
    };
    part 'a failure of a request moves no session' => sub {
        my $response = get($httpd, '/?status=500', Cookie => $cookie{b});
        is($response->status, 500, 'the response comes through');
        is($response->field('Set-Cookie'), undef, 'without a cookie');
    };
};

# What an application says of its sessions.
each_mpm {
    my ($a, $b, $c) = map { named($_) } qw(a b c);
    my $httpd = httpd(children => 3, config => sticky_pool(routes => 'route=JSESSIONID param=jsessionid',
            $a->url . ' route=n1', $b->url . ' route=n2', $c->url)
        . sticky_pool(learning => 'learn=SID param=sid', map { $_->url } $a, $b, $c)
        . sticky_pool(short => 'learn=SID lifetime=1s', map { $_->url } $a, $b)
        . sticky_pool(dying => 'learn=SID', $a->url, nobody(), $b->url) . <<'CONF');
RProxyPass /routes routes
RProxyPass /learning learning
RProxyPass /short short
RProxyPass /dying dying
CONF

    part 'the end of a session id is a route' => sub {
        is(who($httpd, 6, '/routes', Cookie => 'x=1.n2; JSESSIONID=0A1B.n1'), 'a', 'in a cookie');
        is(who($httpd, 6, '/routes', Cookie => 'JSESSIONID="0.A.n2"'), 'b', 'in quotes');
        is(who($httpd, 6, '/routes/cart;jsessionid=0A1B.n2?x'), 'b', 'in the path');
        is(who($httpd, 6, '/routes?x=1&jsessionid=0A1B.n1'), 'a', 'in the query');
        is(who($httpd, 6, '/routes/;jsessionid=0A.n2', Cookie => 'JSESSIONID=0A1B.n1'), 'a', 'the cookie counts first');
        is(who($httpd, 12, '/routes', Cookie => 'jsessionid=0A1B.n1'), 'a,b,c', 'its name has a case');
        is(who($httpd, 12, '/routes', Cookie => 'JSESSIONID=0A1B.n9'), 'a,b,c', 'an unknown route is none');
        my $response = get($httpd, '/routes', Cookie => 'JSESSIONID=0A1B.n1');
        is($response->field('X-Cookie'), 'JSESSIONID=0A1B.n1', 'the backend gets its cookie');
        is($response->field('Set-Cookie'), undef, 'nobody gets one of ours');
    };
    part 'a session is with the member that has set its cookie' => sub {
        my %at = map { $_ => get($httpd, "/learning?set=$_")->body } qw(one two three);
        is(join(',', sort values %at), 'a,b,c', 'three sessions');
        for (1 .. 3) {
            is(get($httpd, '/learning', Cookie => "SID=$_")->body, $at{$_}, "session $_, by its cookie")
                for sort keys %at;
        }
        is(who($httpd, 4, '/learning?sid=two'), $at{two}, 'or by a parameter');
        is(who($httpd, 12, '/learning', Cookie => 'SID=four'), 'a,b,c', 'one that nobody has set is nowhere');
        is(get($httpd, '/learning?set=login', Cookie => 'SID=one')->body, $at{one}, 'a login gets another cookie');
        is(who($httpd, 4, '/learning', Cookie => 'SID=login'), $at{one}, 'with which the session stays');
        $httpd->graceful;
        is(who($httpd, 4, '/learning', Cookie => "SID=$_"), $at{$_}, "session $_ after a graceful restart")
            for sort keys %at;
        is(get($httpd, '/learning', Cookie => 'SID=one')->field('X-Cookie'), 'SID=one', 'the backend gets its cookie');
    };
    part 'a session that nobody uses is forgotten' => sub {
        get($httpd, '/short?set=one');
        is(who($httpd, 2, '/short', Cookie => 'SID=one') =~ tr/ab//, 1, 'it is known');
        select undef, undef, undef, 1.2;
        is(who($httpd, 6, '/short', Cookie => 'SID=one'), 'a,b', 'and then not');
    };
    part 'the session of a member that has gone is learned anew' => sub {
        my $at = get($httpd, '/dying?set=moving')->body;
        my $other = $at eq 'a' ? 'b' : 'a';
        ($at eq 'a' ? $a : $b)->stop;
        # Requests on connections that were kept may have been under way.
        ok(eventually { get($httpd, '/dying', Cookie => 'SID=moving')->body eq $other }, 'it goes to another');
        is(who($httpd, 4, '/dying', Cookie => 'SID=moving'), $other, 'and stays there');
    };
};

# The cache.
each_mpm {
    my ($a, $b) = map { named($_) } qw(a b);
    my $httpd = httpd(children => 2, config => sticky_pool(own => 'cookie=RPS', map { $_->url } $a, $b) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=8M
RProxyCache on
RProxyPass / own
<Location /anonymous>
    RProxyCacheAllow anonymous-cookie
</Location>
<Location /heuristic>
    RProxyCacheRule fresh=200:1m
</Location>
CONF
    my $count = sub { $a->count + $b->count };
    my $cookie = cookie_of(get($httpd, '/'));

    part 'no cookie on a response that other caches may keep' => sub {
        for my $cc ('max-age=60', 'public', 'public,+no-cache', 's-maxage=60') {
            is(get($httpd, "/?cc=$cc")->field('Set-Cookie'), undef, $cc);
        }
        like(get($httpd, "/?cc=$_")->field('Set-Cookie') || '', qr/\ARPS=/, "but with $_")
            for 'private,+max-age=60', 'no-store', 'no-cache';
        is(get($httpd, '/?cc=no-cache')->field('Cache-Control'), 'no-cache, private',
            'which others are told to leave alone');
    };
    part 'none is stored' => sub {
        my $first = get($httpd, '/heuristic');
        like($first->field('Set-Cookie') || '', qr/\ARPS=/, 'who asks first gets one');
        my $before = $count->();
        my $second = get($httpd, '/heuristic');
        is($second->field('Set-Cookie'), undef, 'who gets the stored response does not');
        is($second->field('Cache-Control'), undef, 'nor what was said for the first one alone');
        is(get($httpd, '/heuristic', Cookie => $cookie)->body, $first->body, "also one with another member's cookie");
        is($count->(), $before, 'from the cache, all of them');
    };
    part 'it makes no difference to the cache' => sub {
        get($httpd, '/vary?cc=max-age=60', Cookie => 'x=1');
        my $before = $count->();
        is(get($httpd, '/vary?cc=max-age=60', Cookie => "x=1; $cookie")->status, 200,
            'a response that varies by cookies');
        is($count->(), $before, 'is one for all who have the same others');
        get($httpd, '/vary?cc=max-age=60', Cookie => "x=2; $cookie");
        is($count->(), $before + 1, 'and another for those who have not');
        get($httpd, '/anonymous?set=1&cc=max-age=60', Cookie => $cookie);
        is(get($httpd, '/anonymous?set=1&cc=max-age=60')->field('Set-Cookie'), 'SID=1; Path=/; HttpOnly',
            'who has none but ours is anonymous');
        is($count->(), $before + 2, 'for the cache');
    };
    part 'revalidating asks anybody, and gives the client none' => sub {
        get($httpd, '/reval?etag&cc=max-age=60');
        my $response = get($httpd, '/reval?etag&cc=max-age=60', 'Cache-Control' => 'no-cache');
        is($response->field('Set-Cookie'), undef, 'it stays what it was');
    };
};

done_testing;
