# Licensed under the Apache License, Version 2.0; see LICENSE.

# RProxyCacheRule: what the cache does otherwise than backends say, and under which conditions.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $unique = 0;
sub fresh_target { my ($where, @fields) = @_; return asking("$where/" . ++$unique, @fields) }

each_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(modules => ['setenvif'], children => 1, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
<Location /bypass>
    RProxyCacheRule bypass "expr=%{HTTP_COOKIE} =~ /(^|; )session=/"
</Location>
<Location /no-store>
    RProxyCacheRule no-store "expr=%{resp:Content-Type} =~ m#^video/#"
    RProxyCacheRule no-store "expr=%{REQUEST_STATUS} == 404"
</Location>
<Location /fresh>
    RProxyCacheRule fresh=1h fresh=404,410:1m fresh=500-502:1m
    RProxyCacheRule fresh=203:0
</Location>
<Location /fresh/inner>
    RProxyCacheRule fresh=off no-store=off
</Location>
<Location /default>
    RProxyCacheRule default-fresh=1h default-fresh=404:1m
</Location>
<Location /ignore>
    RProxyCacheRule ignore=cache-control,vary fresh=1h
</Location>
<Location /strip>
    RProxyCacheRule strip=Set-Cookie
</Location>
<Location /age>
    RProxyCacheRule strict-age
</Location>
<Location /age/fresh>
    RProxyCacheRule fresh=1h
</Location>
<Location /largest>
    RProxyCacheRule largest=1K
</Location>
<Location /keep>
    RProxyCacheRule keep=0
</Location>
<Location /early>
    RProxyCacheEarly on
    RProxyCacheRule bypass "expr=%{HTTP:X-Pass} == 'yes'"
</Location>
<Location /early/late>
    SetEnvIf X-Late yes late
    RProxyCacheRule bypass "expr=-n reqenv('late')"
</Location>
CONF
    # Ask for the same twice; how many requests the backend saw.
    my $seen = sub {
        my ($target, $first, $second) = @_;
        $backend->forget;
        get($httpd, $target, @{ $first || [] });
        get($httpd, $target, @{ $second || $first || [] });
        return $backend->count;
    };
    my @ok = ('Cache-Control' => 'max-age=600');

    part 'bypass neither looks up nor stores, where its condition is true' => sub {
        my $target = fresh_target('/bypass', @ok);
        my @session = (Cookie => 'a=b; session=1');
        is($seen->($target, [@session]), 2, 'two requests with the cookie are two requests to the backend');
        my $bypassed = get($httpd, $target, @session);
        like($bypassed->field('Cache-Status'), qr/; ?fwd=bypass/, 'Cache-Status says so');
        is($seen->($target, [Cookie => 'a=b']), 1, 'nothing had been stored; without the cookie it is');
        is($seen->($target, [@session]), 2, 'nor is what is stored looked up');
    };
    part 'no-store is decided by the response' => sub {
        is($seen->(fresh_target('/no-store', @ok, 'Content-Type' => 'text/plain')), 1, 'what is no video is stored');
        is($seen->(fresh_target('/no-store', @ok, 'Content-Type' => 'video/mp4')), 2, 'a video is not');
        is($seen->(fresh_target('/no-store', @ok, status => 404)), 2, 'nor is a 404');
        is($seen->(fresh_target('/no-store', @ok, status => 410)), 1, 'but a 410');
    };
    part 'fresh sets lifetimes by status' => sub {
        is($seen->(fresh_target('/fresh', 'Cache-Control' => 'max-age=0')), 1, 'over max-age');
        is($seen->(fresh_target('/fresh', 'Cache-Control' => 's-maxage=0')), 1, 'over s-maxage');
        is($seen->(fresh_target('/fresh', Expires => 'Mon, 01 Jan 2024 00:00:00 GMT')), 1, 'over Expires');
        is($seen->(fresh_target('/fresh', Age => 7200)), 1, 'counted from the arrival');
        is($seen->(fresh_target('/fresh', status => $_)), 1, "for the $_ that it names") for 404, 410, 500, 502;
        is($seen->(fresh_target('/fresh', status => $_)), 2, "not for a $_, which it does not") for 503, 302;
        is($seen->(fresh_target('/fresh', status => 203, @ok)), 2, '0 is stale at once');
        is($seen->(fresh_target('/fresh', 'Cache-Control' => $_)), 2, "$_ goes on to count")
            for qw(no-store private no-cache);
        is($seen->(fresh_target('/fresh/inner', 'Cache-Control' => 'max-age=0')), 2, 'off takes it back further in');
        my $hit = do { my $t = fresh_target('/fresh', Age => 100); get($httpd, $t); get($httpd, $t) };
        my ($ttl) = $hit->field('Cache-Status') =~ /ttl=(\d+)/;
        cmp_ok($ttl, '>', 3590, 'Cache-Status tells the time that is left');
        cmp_ok($ttl, '<=', 3600, 'of an hour');
        cmp_ok($hit->field('Age'), '>=', 100, 'Age stays what it is');
    };
    part 'a lifetime of the operator\'s says nothing of cookies' => sub {
        for my $where ('/fresh', '/default') {
            is($seen->(fresh_target($where, 'Set-Cookie' => 'session=1')), 2, "$where: a cookie that the backend does not call shared is not stored");
        }
        is($seen->(fresh_target('/fresh', 'Set-Cookie' => 'lang=de', 'Cache-Control' => 's-maxage=0')), 1,
            'a cookie that the backend calls shared is');
    };
    part 'default-fresh counts where the backend says nothing' => sub {
        is($seen->(fresh_target('/default', 'X-Any' => 1)), 1, 'nothing said: fresh');
        is($seen->(fresh_target('/default', status => 404)), 1, 'a 404 as it is named');
        is($seen->(fresh_target('/default', 'Cache-Control' => 'max-age=0')), 2, 'said: it counts');
        is($seen->(fresh_target('/default', status => 500)), 2, 'an error that is not named is not stored');
    };
    part 'ignore lets the cache go without a field that clients get' => sub {
        for my $says ('no-store', 'private', 'no-cache', 'max-age=0, must-revalidate') {
            my $target = fresh_target('/ignore', 'Cache-Control' => $says);
            is($seen->($target), 1, "$says is not heeded");
            is(get($httpd, $target)->field('Cache-Control'), $says, 'but passed on');
        }
        my $target = fresh_target('/ignore', Vary => 'X-Any');
        is($seen->($target, ['X-Any' => 1], ['X-Any' => 2]), 1, 'Vary does not make variants');
        is(get($httpd, $target)->field('Vary'), 'X-Any', 'but is passed on');
    };
    part 'strip stores without a field, and delivers without it' => sub {
        my $target = fresh_target('/strip', @ok, 'Set-Cookie' => 'id=1');
        $backend->forget;
        my $miss = get($httpd, $target);
        like($miss->field('Cache-Status'), qr/stored/, 'a response with a cookie is stored');
        is($miss->field('Set-Cookie'), undef, 'the first client does not get the cookie');
        is(get($httpd, $target)->field('Set-Cookie'), undef, 'nor does the next');
        is($backend->count, 1, 'which is answered from the store');
        is(get($httpd, fresh_target('/strip', 'Cache-Control' => 'private', 'Set-Cookie' => 'id=1'))->field('Set-Cookie'),
            'id=1', 'what is not stored keeps its cookie');
    };
    part 'strict-age ends the freshness of what does not say clearly how old it is' => sub {
        for my $age ('abc', '-1', '0, 0', '7.0', '') {
            is($seen->(fresh_target('/age', @ok, Age => $age)), 2, "with Age: $age it is asked for again");
            is($seen->(fresh_target('/else', @ok, Age => $age)), 1, 'elsewhere not');
            is($seen->(fresh_target('/age/fresh', @ok, Age => $age)), 1, 'nor under a lifetime of the operator\'s');
        }
        is($seen->(fresh_target('/age', @ok, Age => 0)), 1, 'a number says it clearly');
        my $target = fresh_target('/age', 'Cache-Control' => 'max-age=600, stale-if-error=600', Age => 'abc', ETag => '"v"');
        get($httpd, $target);
        my $stale = get($httpd, $target, 'Cache-Control' => 'only-if-cached, max-stale=60');
        is($stale->field('Age'), 600, 'it is as old as it may be, and stale by no more than has passed since');
    };
    part 'largest keeps longer bodies out' => sub {
        is($seen->(fresh_target('/largest', @ok, size => 1024)), 1, 'what is just as long is stored');
        is($seen->(fresh_target('/largest', @ok, size => 1040)), 2, 'what is longer is not');
        my $response = get($httpd, fresh_target('/largest', @ok, size => 1040));
        is(length $response->body, 1040, 'but comes whole');
        unlike($response->field('Cache-Status'), qr/stored/, 'and is not said to be stored');
    };
    part 'keep says how long what is stale is kept to be validated' => sub {
        my @stale = (ETag => '"v"', 'Cache-Control' => 'max-age=0');
        my @if_kept = ('Cache-Control' => 'only-if-cached, max-stale');
        my ($short, $long) = map { fresh_target($_, @stale) } '/keep', '/else';
        get($httpd, $_) for $short, $long;
        is(get($httpd, $long, @if_kept)->status, 200, 'one that is kept');
        ok(eventually { get($httpd, $short, @if_kept)->status == 504 }, 'keep=0 lets it go with the next sweep');
        is(get($httpd, $long, @if_kept)->status, 200, 'and no other');
    };
    part 'with RProxyCacheEarly conditions count too' => sub {
        my $target = fresh_target('/early', @ok);
        is($seen->($target), 1, 'a hit');
        is($seen->($target, ['X-Pass' => 'yes']), 2, 'bypass is looked at before it');
        $target = fresh_target('/early/late', @ok);
        is($seen->($target), 1, 'a hit');
        is($seen->($target, ['X-Late' => 'yes']), 2, 'also when it rests on what only later phases know');
    };
};

# Bodies whose length nobody knows before.
one_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my ($size) = $request->target =~ /(\d+)$/;
        $c->send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send(sprintf "%x\r\n%s\r\n", $_, 'x' x $_) for 500, $size - 500;
        $c->send("0\r\n\r\n");
    });
    my $httpd = httpd(config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
RProxyCacheRule largest=1K
CONF
    part 'largest holds for bodies of unknown length' => sub {
        for my $case ([1024, 1], [1025, 2]) {
            my ($size, $seen) = @$case;
            $backend->forget;
            is(length get($httpd, "/$size")->body, $size, "$size bytes come whole") for 1, 2;
            is($backend->count, $seen, $seen == 1 ? 'and are stored' : 'and are not stored');
        }
    };
};

# Responses to POST that are what a GET would get.
one_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my @says = $request->target =~ /says/ ? ('Cache-Control' => 'max-age=60') : ();
        $c->respond($request, 200, ['Content-Location' => $request->target, @says], 'hello');
    });
    my $httpd = httpd(config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
RProxyCacheRule fresh=1h
CONF
    part 'a lifetime of the operator\'s does not make a GET\'s answer of a POST\'s' => sub {
        for my $case (['/says', 0], ['/nothing', 1]) {
            my ($target, $asked) = @$case;
            post($httpd, $target, 'x');
            $backend->forget;
            get($httpd, $target);
            is($backend->count, $asked, $asked ? 'the GET goes to the backend' : 'but the backend\'s own does');
        }
    };
};

done_testing;
