# Licensed under the Apache License, Version 2.0; see LICENSE.

# What is stored, what is answered from the store, and what is said about it (RFC 9111, RFC 9211).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $unique = 0;

# A target that no test has asked for before.
sub fresh_target { return asking('/' . ++$unique, @_) }
sub cacheable { return fresh_target('Cache-Control' => 'max-age=600', @_) }

sub is_hit
{
    my ($response, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($response->field('Cache-Status') || '', qr/\Arproxy; ?hit\b/, $name);
}

sub is_forwarded
{
    my ($response, $why, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($response->field('Cache-Status') || '', qr/\Arproxy; ?(?:.*; ?)?fwd=(?:$why)(?:;|\z)/, $name);
}

each_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(children => 2, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
<Location /uncached>
    RProxyCache off
</Location>
<Location /with-authorization>
    RProxyCacheAllow authorization
</Location>
<Location /with-cookies>
    RProxyCacheAllow set-cookie
</Location>
<Location /anonymous>
    RProxyCacheAllow anonymous-cookie
</Location>
<Location /without-cookies>
    RProxyCacheAllow none
</Location>
<Location /guarded>
    Require expr "%{HTTP:X-Pass} == 'yes'"
</Location>
<Location /early>
    RProxyCacheEarly on
</Location>
CONF
    # Ask twice; the second response, and how many requests the backend saw.
    my $twice = sub {
        my ($target, @fields) = @_;
        $backend->forget;
        get($httpd, $target, @fields);
        my $response = get($httpd, $target, @fields);
        return ($response, $backend->count);
    };

    for my $where ('', '/early') {
        part 'a fresh response is answered from the store' . ($where && ' in the quick handler') => sub {
            my $target = $where . cacheable(ETag => '"v1"',
                'Last-Modified' => 'Mon, 01 Jan 2024 00:00:00 GMT', 'X-Extra' => 'kept',
                'Content-Type' => 'text/plain');
            $backend->forget;
            my $miss = get($httpd, $target);
            is_forwarded($miss, 'uri-miss', 'first it is fetched');
            like($miss->field('Cache-Status'), qr/; ?stored\b/, 'and stored');
            my $hit = get($httpd, $target);
            is_hit($hit, 'then it is a hit');
            is($hit->status, 200, 'with its status');
            is($hit->body, $miss->body, 'its body');
            is($hit->field($_), $miss->field($_), "its $_")
                for qw(ETag Last-Modified X-Extra Content-Type Date Content-Length);
            like($hit->field('Age') // '', qr/\A\d+\z/, 'and Age');
            is($miss->field('Age'), undef, 'which the first did not have');
            is($backend->count, 1, 'the backend saw one request');
            like($hit->field('Via') || '', qr/rproxy/, 'Via is there too');

            my $client = client($httpd);
            my $head = $client->head($target);
            is_hit($head, 'HEAD is answered from a stored GET');
            is($head->field('Content-Length'), length $hit->body, 'with the length of GET');
            is($head->body, '', 'and no body');
            my $matched = $client->get($target, 'If-None-Match' => '"v1"');
            is($matched->status, 304, 'If-None-Match is answered with 304');
            is_hit($matched, 'from the store');
            is($matched->field('ETag'), '"v1"', 'with its ETag');
            is($client->get($target, 'If-None-Match' => 'W/"v1"')->status, 304, 'by weak comparison');
            is($client->get($target, 'If-None-Match' => '"v0", "v1"')->status, 304, 'in a list');
            is($client->get($target, 'If-None-Match' => '*')->status, 304, 'for any');
            is($client->get($target, 'If-None-Match' => '"v2"')->status, 200, 'another tag gets the whole');
            is($client->get($target, 'If-Modified-Since' => 'Mon, 01 Jan 2024 00:00:00 GMT')->status, 304,
                'If-Modified-Since: not since');
            is($client->get($target, 'If-Modified-Since' => 'Sun, 31 Dec 2023 00:00:00 GMT')->status, 200,
                'If-Modified-Since: since');
            is($client->get($target, 'If-None-Match' => '"v2"',
                'If-Modified-Since' => 'Mon, 01 Jan 2024 00:00:00 GMT')->status, 200,
                'If-None-Match goes before If-Modified-Since');
            is($backend->count, 1, 'all without the backend');
            ok($httpd->wait_access(qr/\Q$target\E .*cache=\S*hit/), 'a note tells the access log of the hit');
        };
        part 'ranges are answered from the store' . ($where && ' in the quick handler') => sub {
            my $target = $where . cacheable(ETag => '"v1"', size => 1000);
            my $whole = get($httpd, $target)->body;
            $backend->forget;
            my $client = client($httpd);
            my $range = sub { $client->get($target, Range => @_) };
            my $part = $range->('bytes=10-19');
            is($part->status, 206, 'a range');
            is($part->body, substr($whole, 10, 10), 'its bytes');
            is($part->field('Content-Range'), 'bytes 10-19/1000', 'its place');
            is($part->field('Content-Length'), 10, 'its length');
            is($range->('bytes=990-')->body, substr($whole, 990), 'from a byte to the end');
            is($range->('bytes=-5')->body, substr($whole, -5), 'the last bytes');
            is($range->('bytes=0-0')->body, substr($whole, 0, 1), 'the first byte');
            is($range->('bytes=0-99999')->field('Content-Range'), 'bytes 0-999/1000', 'beyond the end');
            my $beyond = $range->('bytes=1000-');
            is($beyond->status, 416, 'behind the end');
            is($beyond->broken, '', 'with a whole page');
            is($range->('lines=1-2')->status, 200, 'an unknown unit is ignored');
            my $several = $range->('bytes=0-1,10-11');
            if ($several->status == 206) {
                like($several->field('Content-Type'), qr{\Amultipart/byteranges; *boundary=},
                    'several ranges are multipart');
            } else {
                is($several->body, $whole, 'several ranges may get the whole');
            }
            is($range->('bytes=0-9', 'If-Range' => '"v1"')->status, 206, 'If-Range that matches');
            is($range->('bytes=0-9', 'If-Range' => '"v0"')->status, 200, 'If-Range that does not');
            is($range->('bytes=0-9', 'If-Range' => 'W/"v1"')->status, 200, 'If-Range compares strongly');
            is($range->('bytes=0-9', 'If-None-Match' => '"v1"')->status, 304,
                'If-None-Match goes before Range');
            is($backend->count, 0, 'all without the backend');
        };
    }
    part 'Age goes on from what the backend said' => sub {
        my $target = cacheable(Age => 100);
        is(get($httpd, $target)->field('Age'), 100, 'as it came');
        cmp_ok(get($httpd, $target)->field('Age') || 0, '>=', 100, 'and on');
    };
    part 'the parts of a key' => sub {
        my $target = cacheable();
        my $first = get($httpd, $target, Host => 'one.example')->body;
        isnt(get($httpd, $target, Host => 'two.example')->body, $first, 'another host is another object');
        is(get($httpd, $target, Host => 'ONE.example')->body, $first, 'hosts ignore case');
        isnt(get($httpd, "$target&nothing=1", Host => 'one.example')->body, $first,
            'another query is another object');
        isnt(get($httpd, "$target&nothing=%31", Host => 'one.example')->body,
            get($httpd, "$target&nothing=1", Host => 'one.example')->body, 'a URL is taken as it came');
        is(get($httpd, "http://one.example$target", Host => 'one.example')->body, $first,
            'absolute form is the same URL');
    };
    part 'Vary selects among variants' => sub {
        my $target = cacheable(Vary => 'Accept-Language');
        my $german = get($httpd, $target, 'Accept-Language' => 'de')->body;
        my $other = get($httpd, $target, 'Accept-Language' => 'fr');
        is_forwarded($other, 'vary-miss', 'another value is another variant');
        isnt($other->body, $german, 'with a body of its own');
        my $none = get($httpd, $target);
        isnt($none->body, $german, 'none is another one still');
        is(get($httpd, $target, 'Accept-Language' => 'de')->body, $german, 'all are kept: the first');
        is(get($httpd, $target, 'Accept-Language' => 'fr')->body, $other->body, 'the second');
        is(get($httpd, $target)->body, $none->body, 'the third');
        is_hit(get($httpd, $target, 'Accept-Language' => 'de', 'X-Else' => 1), 'other fields do not matter');
        my ($response, $count) = $twice->(cacheable(Vary => '*'));
        is($count, 2, 'Vary: * never matches');
    };
    part 'a field in several lines is one list' => sub {
        for my $other ('no-cache', 'private', 'no-store') {
            my ($response, $count) = $twice->(fresh_target('Cache-Control' => 'max-age=60',
                'Cache-Control' => $other, ETag => '"v1"'));
            is($count, 2, "a response with max-age=60, and $other in another line");
        }
        my $target = cacheable(ETag => '"v1"');
        get($httpd, $target);
        is_forwarded(get($httpd, $target, 'Cache-Control' => 'max-age=60', 'Cache-Control' => 'no-cache'),
            'request|stale', 'a request with max-age=60, and no-cache in another line');
        $target = cacheable(Vary => 'Accept-Language', Vary => 'X-Tone');
        my $first = get($httpd, $target, 'X-Tone' => 'a')->body;
        isnt(get($httpd, $target, 'X-Tone' => 'b')->body, $first, 'Vary: the second line counts');
        is(get($httpd, $target, 'X-Tone' => 'a')->body, $first, 'for what it names');
    };
    part 'Cache-Status lists the backend\'s cache before this one (RFC 9211 section 2)' => sub {
        my $target = cacheable('Cache-Status' => 'origin; fwd=miss', 'Cache-Status' => 'inner; hit');
        my $inner = qr/\Aorigin; fwd=miss, ?inner; hit, ?rproxy; ?/;
        like(get($httpd, $target)->field('Cache-Status'), qr/${inner}fwd=uri-miss/, 'when it is fetched');
        like(get($httpd, $target)->field('Cache-Status'), qr/${inner}hit/, 'when it is a hit');
        like(post($httpd, $target, 'x')->field('Cache-Status'), qr/${inner}fwd=method/,
            'when it is not cached');
        $target = fresh_target('Cache-Control' => 'max-age=600', Age => 1000, ETag => '"v1"',
            revalidates => 1, 'Cache-Status' => 'inner; hit');
        get($httpd, $target);
        like(get($httpd, $target)->field('Cache-Status'), qr/\Ainner; hit, rproxy; ?fwd=stale/,
            'when it is revalidated');
    };
    part 'what must not be stored is not' => sub {
        my %never = (
            'no-store' => fresh_target('Cache-Control' => 'no-store, max-age=600'),
            'private' => fresh_target('Cache-Control' => 'private, max-age=600'),
            'Set-Cookie without explicit freshness' => fresh_target('Last-Modified' => 'Mon, 01 Jan 2024 00:00:00 GMT',
                'Set-Cookie' => 'a=b'),
            'nothing that says for how long' => fresh_target('X-A' => 'b'),
            'an Expires in the past without validator' => fresh_target(Expires => 'Mon, 01 Jan 2024 00:00:00 GMT'),
            'an invalid Expires' => fresh_target(Expires => '0'),
            'max-age=0 without validator' => fresh_target('Cache-Control' => 'max-age=0'),
            's-maxage=0 over max-age' => fresh_target('Cache-Control' => 'max-age=600, s-maxage=0'),
            'a partial response' => cacheable(status => 206, 'Content-Range' => 'bytes 0-8/9'),
        );
        for my $what (sort keys %never) {
            my ($response, $count) = $twice->($never{$what});
            is($count, 2, "$what: the backend is asked each time");
            unlike($response->field('Cache-Status') || 'stored', qr/; ?stored\b/,
                "$what: and Cache-Status does not say stored");
        }
        my @auth = (Authorization => 'Basic Zm9vOmJhcg==');
        my ($response, $count) = $twice->(cacheable(), @auth);
        is($count, 2, 'a response to Authorization');
        for my $allows (qw(public s-maxage=60 must-revalidate)) {
            ($response, $count) = $twice->(fresh_target('Cache-Control' => "max-age=600, $allows"), @auth);
            is($count, 1, "unless $allows allows it");
        }
        ($response, $count) = $twice->('/with-authorization' . cacheable(), @auth);
        is($count, 1, 'or RProxyCacheAllow authorization');
        my @sets = ('Set-Cookie' => 'a=b');
        ($response, $count) = $twice->(cacheable(@sets));
        is($count, 2, 'Set-Cookie, be it on a page with max-age that answers no Cookie');
        for my $shared (['Cache-Control' => 's-maxage=60'], ['Cache-Control' => 'max-age=60, public'],
            ['Cache-Control' => 'max-age=60', 'CDN-Cache-Control' => 'max-age=60']) {
            ($response, $count) = $twice->(fresh_target(@$shared, @sets), Cookie => 'a=c');
            is($count, 1, "unless @$shared speaks to shared caches");
            is($response->field('Set-Cookie'), 'a=b', 'and then it is shared as it is');
            ($response, $count) = $twice->('/without-cookies' . fresh_target(@$shared, @sets));
            is($count, 2, 'but with RProxyCacheAllow none');
        }
        ($response, $count) = $twice->(fresh_target('Cache-Control' => 'max-age=60, no-cache="Set-Cookie"', @sets));
        is($count, 1, 'a cookie that is kept back does not hinder');
        is($response->field('Set-Cookie'), undef, 'and is not stored');
        ($response, $count) = $twice->('/anonymous' . cacheable(@sets));
        is($count, 1, 'RProxyCacheAllow anonymous-cookie takes explicit freshness for leave');
        is($response->field('Set-Cookie'), 'a=b', 'with the cookie');
        ($response, $count) = $twice->('/anonymous' . cacheable(@sets), Cookie => 'a=c');
        is($count, 2, 'not when it answers a Cookie');
        ($response, $count) = $twice->('/with-cookies' . cacheable('Set-Cookie' => 'a=b'), Cookie => 'a=c');
        is($count, 1, 'RProxyCacheAllow set-cookie allows Set-Cookie');
        is($response->field('Set-Cookie'), 'a=b', 'and gives it to everybody');
        ($response, $count) = $twice->(cacheable(), 'Cache-Control' => 'no-store');
        is($count, 2, 'nor what the request forbids');
        ($response, $count) = $twice->('/uncached' . cacheable());
        is($count, 2, 'nor where RProxyCache is off');
    };
    part 'what may be stored is' => sub {
        my %may = (
            'max-age' => cacheable(),
            's-maxage' => fresh_target('Cache-Control' => 's-maxage=600'),
            's-maxage over max-age' => fresh_target('Cache-Control' => 'max-age=0, s-maxage=600'),
            'Expires' => fresh_target(Expires => 'Fri, 01 Jan 2100 00:00:00 GMT'),
            'max-age over Expires' => cacheable(Expires => 'Mon, 01 Jan 2024 00:00:00 GMT'),
            'Max-Age in capitals' => fresh_target('Cache-Control' => 'MAX-AGE=600'),
            'a 404' => cacheable(status => 404),
            'a 301' => cacheable(status => 301, Location => '/x'),
            'a 302 with max-age' => cacheable(status => 302, Location => '/x'),
            'an empty body' => cacheable(body => ''),
        );
        for my $what (sort keys %may) {
            my ($response, $count) = $twice->($may{$what});
            is($count, 1, "$what: the backend is asked once");
            is_hit($response, "$what: then it is a hit");
        }
    };
    part 'an expired response is revalidated' => sub {
        my $target = fresh_target('Cache-Control' => 'max-age=600', Age => 1000, ETag => '"v1"',
            revalidates => 1);
        $backend->forget;
        my $first = get($httpd, $target);
        my $second = get($httpd, $target);
        is(($backend->last_request->field('If-None-Match') // ''), '"v1"',
            'the backend is asked with If-None-Match');
        is($second->status, 200, 'its 304 makes a 200 for a client that asked for nothing else');
        is($second->body, $first->body, 'with the stored body');
        isnt($second->field('X-Number'), $first->field('X-Number'), 'and the new fields');
        is_forwarded($second, 'stale', 'Cache-Status says why');
        like($second->field('Cache-Status') || '', qr/fwd-status=304/, 'and what came of it');
        is(get($httpd, $target, 'If-None-Match' => '"v1"')->status, 304, 'a client that has it gets 304');

        $target = fresh_target('Cache-Control' => 'max-age=600', Age => 1000, ETag => '"v1"');
        $first = get($httpd, $target);
        isnt(get($httpd, $target)->body, $first->body, 'another representation replaces it');
        $target = fresh_target('Cache-Control' => 'no-cache', ETag => '"v1"', revalidates => 1);
        $first = get($httpd, $target);
        $backend->forget;
        is(get($httpd, $target)->body, $first->body, 'no-cache is stored');
        is($backend->count, 1, 'but never used without asking');
        is($backend->last_request->field('If-None-Match'), '"v1"', 'with its validator');
        $target = fresh_target('Cache-Control' => 'max-age=600', Age => 1000,
            'Last-Modified' => 'Mon, 01 Jan 2024 00:00:00 GMT');
        get($httpd, $target) for 1 .. 2;
        is($backend->last_request->field('If-Modified-Since'), 'Mon, 01 Jan 2024 00:00:00 GMT',
            'by Last-Modified where there is no ETag');
    };
    part 'what a 304 renews is fresh again' => sub {
        my $changing = backend(sub {
            my ($c, $request) = @_;
            my @fields = (ETag => '"v1"', 'Cache-Control' => $request->number == 1
                ? 'max-age=1' : 'max-age=600');
            $c->respond($request, $request->field('If-None-Match') ? 304 : 200, \@fields, 'body');
        });
        my $other = httpd(config => pool(app => $changing)
            . "RProxyCacheLocal \@ROOT\@/cache size=8M\nRProxyCache on\nRProxyPass / app\n");
        get($other, '/');
        is_hit(get($other, '/'), 'fresh');
        ok(eventually { get($other, '/'); $changing->count == 2 }, 'it expires and is revalidated once');
        is_hit(get($other, '/'), 'and then fresh again');
        is($changing->count, 2, 'without asking');
    };
    part 'a 304 has its say in what may be kept' => sub {
        # Stale at once, so that every request asks; for each kind of 304, what it says.
        my %says = (
            private => ['Cache-Control' => 'private, max-age=600'],
            nostore => ['Cache-Control' => 'no-store'],
            cookie => ['Cache-Control' => 'max-age=600', 'Set-Cookie' => 'user=alice'],
            field => ['Cache-Control' => 'max-age=600, private="X-User"', 'X-User' => 'alice'],
            unstored => ['Cache-Control' => 'max-age=600, no-cache="X-User"', 'X-User' => 'alice'],
        );
        my $strict = backend(sub {
            my ($c, $request) = @_;
            my ($kind) = $request->target =~ m{/(\w+)};
            return $c->respond($request, 304, [ETag => '"v1"', @{ $says{$kind} }])
                if $request->field('If-None-Match');
            $c->respond($request, 200, [ETag => '"v1"', 'Cache-Control' => 'max-age=600', Age => 1000],
                'body');
        });
        my $other = httpd(config => pool(app => $strict)
            . "RProxyCacheLocal \@ROOT\@/cache size=8M\nRProxyCache on\nRProxyPass / app\n");
        for my $kind (qw(private nostore)) {
            $strict->forget;
            get($other, "/$kind");
            is(get($other, "/$kind")->body, 'body', "$kind: who asked gets it");
            my $third = get($other, "/$kind");
            is_forwarded($third, 'uri-miss', "$kind: but then it is gone");
            is_deeply([map { $_->field('If-None-Match') } $strict->requests], [undef, '"v1"', undef],
                "$kind: the backend is asked for all of it");
        }
        get($other, '/cookie', Cookie => 'user=alice') for 1 .. 2;
        is(get($other, '/cookie')->field('Set-Cookie'), undef,
            'a cookie that comes with it for another is for nobody else');
        for my $kind (qw(field unstored)) {
            get($other, "/$kind") for 1 .. 2;
            my $hit = get($other, "/$kind");
            is_hit($hit, "$kind: what it allows is kept");
            is($hit->field('X-User'), undef, "$kind: without the field that it names");
        }
    };
    part 'what belongs to one connection, or to a proxy on the way, is not stored' => sub {
        my $target = cacheable(Connection => 'X-Hop', 'X-Hop' => 1, 'Keep-Alive' => 'timeout=5', 'X-End' => 1,
            'Proxy-Authenticate' => 'Basic', 'Proxy-Authentication-Info' => 'a=b');
        get($httpd, $target);
        my $hit = get($httpd, $target);
        is_hit($hit, 'stored');
        is($hit->field($_), undef, "without $_") for qw(X-Hop Keep-Alive Proxy-Authenticate Proxy-Authentication-Info);
        is($hit->field('X-End'), 1, 'with the rest');
    };
    part 'a field that Cache-Control keeps private is not for others' => sub {
        for my $name ('X-User', 'X-' . 'long' x 40) {
            my $target = fresh_target('Cache-Control' => "max-age=600, private=\"X-None, $name\"",
                $name => 'alice');
            is(get($httpd, $target)->field($name), 'alice', 'who asked gets it');
            my $hit = get($httpd, $target);
            is_hit($hit, 'another one gets the rest');
            is($hit->field($name), undef, 'without it');
        }
    };
    part 'what a request says counts' => sub {
        my $target = cacheable(ETag => '"v1"');
        get($httpd, $target);
        is_forwarded(get($httpd, $target, 'Cache-Control' => 'no-cache'), 'request|stale',
            'no-cache asks the backend');
        is_forwarded(get($httpd, $target, Pragma => 'no-cache'), 'request|stale', 'Pragma: no-cache too');
        is_forwarded(get($httpd, $target, 'Cache-Control' => 'max-age=0'), 'request|stale', 'max-age=0 too');
        is_hit(get($httpd, $target), 'others are still answered from the store');
        is(get($httpd, cacheable(), 'Cache-Control' => 'only-if-cached')->status, 504,
            'only-if-cached does not ask');
        is(get($httpd, $target, 'Cache-Control' => 'only-if-cached')->status, 200,
            'and is answered from the store');
        $target = fresh_target('Cache-Control' => 'max-age=600', Age => 700);
        get($httpd, $target);
        $backend->forget;
        get($httpd, $target, 'Cache-Control' => 'max-stale');
        is($backend->count, 0, 'max-stale takes an expired one');
        $target = cacheable(Age => 500);
        get($httpd, $target);
        $backend->forget;
        get($httpd, $target, 'Cache-Control' => 'min-fresh=300');
        is($backend->count, 1, 'min-fresh wants one that stays fresh');
    };
    part 'other methods' => sub {
        my $target = cacheable();
        get($httpd, $target);
        $backend->forget;
        my $post = post($httpd, $target, 'x');
        is_forwarded($post, 'method', 'POST goes to the backend');
        is($backend->count, 1, 'which sees it');
        get($httpd, $target);
        is($backend->count, 2, 'and what was stored under the URL is gone (RFC 9111 section 4.4)');
        $backend->forget;
        $target = cacheable();
        is(head($httpd, $target)->status, 200, 'HEAD goes to the backend when nothing is stored');
        is(get($httpd, $target)->body, 'answer ' . $backend->last_request->number,
            'and does not stand in for GET');
    };
    part 'a hit goes through access control' => sub {
        my $target = '/guarded' . cacheable();
        is(get($httpd, $target, 'X-Pass' => 'yes')->status, 200, 'stored by one who may');
        is_hit(get($httpd, $target, 'X-Pass' => 'yes'), 'who gets it from the store');
        is(get($httpd, $target)->status, 403, 'but nobody else');
    };
    part 'every response has Cache-Status' => sub {
        like(get($httpd, $_)->field('Cache-Status') || '', qr/\Arproxy; ?(?:hit|fwd=[\w-]+)/, $_)
            for cacheable(), fresh_target('Cache-Control' => 'no-store'), fresh_target(status => 500);
    };
};

# The same URL, for its Host is the same, from different places.
each_mpm {
    my %backends = map { my $name = $_; $name => backend(sub {
        $_[0]->respond($_[1], 200, ['Cache-Control' => 'max-age=600'], "$name " . $_[1]->target);
    }) } qw(one two);
    my $pools = join '', map { pool($_ => $backends{$_}) } qw(one two);
    my $httpd = httpd(ports => 3, config => $pools . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=8M
RProxyCache on
RProxyPass / one
<VirtualHost 127.0.0.1:@PORT1@>
    RProxyPass / two
</VirtualHost>
<VirtualHost 127.0.0.1:@PORT2@>
    RProxyPass / two/base
</VirtualHost>
<Location /early>
    RProxyCacheEarly on
</Location>
CONF
    for my $path ('/a', '/early/a') {
        part "virtual hosts on other ports never share what they store ($path)" => sub {
            my @expected = ("one $path", "two $path", "two /base$path");
            for my $round (1 .. 3) {
                for my $port (0 .. 2) {
                    my $response = request($httpd->port($port), 'GET', $path, [Host => 'shop.example']);
                    is($response->body, $expected[$port], "port $port, round $round");
                    is_hit($response, 'from the store') if $round > 1;
                }
            }
        };
    }
};

done_testing;
