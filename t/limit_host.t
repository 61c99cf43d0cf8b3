# Licensed under the Apache License, Version 2.0; see LICENSE.

# RProxyLimit on one host: who is counted by what, when a request is refused, and what is given back.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Time::HiRes qw(sleep time);

# One request on a connection of its own, from an address of its own.
sub from
{
    my ($address, $httpd, $target, @fields) = @_;
    my $client = client($httpd, from => $address);
    my $response = $client->get($target, @fields);
    $client->close;
    return $response;
}

# The statuses of so many requests, in order.
sub statuses
{
    my ($n, @how) = @_;
    return join ' ', map { from(@how)->status } 1 .. $n;
}

# A hit costs nothing of a backend, and counts all the same.
sub respond
{
    my ($c, $request) = @_;
    $c->respond($request, 200, ['Cache-Control' => 'max-age=600'], 'here');
}

one_mpm {
    my $backend = backend(\&respond);
    my $conf = pool(app => $backend) . <<'CONF';
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyPass /first none
RProxyPass /static none
RProxyCache on
LogFormat "%U %>s limit=%<{rproxy-limit}n" limits
CustomLog @ROOT@/limits.log limits
ErrorDocument 429 /sorry
Action again /redirected virtual

RProxyLimit rate=1000000/s key=none name=all
<Location /burst>
    RProxyLimit rate=1/m burst=3 name=slow
</Location>
<Location /early>
    RProxyCacheEarly on
    RProxyLimit rate=1/m burst=5 name=early
</Location>
<Location /late>
    RProxyCacheEarly on
    RProxyLimit rate=1/m burst=2 "expr=%{REMOTE_USER} == ''"
</Location>
<Location /header>
    RProxyLimit rate=1/m burst=1 key=header:X-Key
</Location>
<Location /cookie>
    RProxyLimit rate=1/m burst=1 key=cookie:id
</Location>
<Location /expr>
    RProxyLimit rate=1/m burst=1 "key=expr:%{req:X-Plan}"
</Location>
<Location /together>
    RProxyLimit rate=1/m burst=2 key=none
</Location>
<Location /posts>
    RProxyLimit rate=1/m burst=1 "expr=%{REQUEST_METHOD} == 'POST'"
</Location>
<Location /two>
    RProxyLimit rate=1/m burst=4 name=minute
    RProxyLimit rate=1/h burst=5 name=hour
</Location>
<Location /two/off>
    RProxyLimit off
</Location>
<Location /two/other>
    RProxyLimit off
    RProxyLimit rate=1/m burst=1
</Location>
<Location /shared/a>
    RProxyLimit rate=1/m burst=2 name=shared
</Location>
<Location /shared/b>
    RProxyLimit rate=1/m burst=2 name=shared
</Location>
<LocationMatch "^/(first|redirected)">
    RProxyLimit rate=1/m burst=2 name=redirects
</LocationMatch>
<Location /first>
    SetHandler again
</Location>
<Location /static>
    RProxyLimit rate=1/m burst=1
</Location>
<Location /dry>
    RProxyLimit rate=1/m burst=1 dry-run name=trial
    RProxyLimit rate=1/m burst=4
</Location>
<Location /quick>
    RProxyLimit rate=2/s burst=1
</Location>
CONF
    my $httpd = httpd(children => 3, modules => ['actions', 'remoteip'], config => $conf);
    my $limits = sub { RP::Place->read_file($httpd->root . '/limits.log') };

    part 'a burst passes, then no more' => sub {
        is(statuses(8, '127.0.0.1', $httpd, '/burst'), '200 200 200 429 429 429 429 429',
            'in all child processes together');
        my $response = from('127.0.0.1', $httpd, '/burst/other');
        is($response->status, 429, 'for the whole place');
        like($response->field('Retry-After'), qr/\A(?:60|[45]\d)\z/, 'it says when to come again');
        is($response->body, 'here', 'an error document is not limited');
        is(statuses(1, '127.0.0.1', $httpd, '/elsewhere'), '200', 'another place is');
        is(statuses(4, '127.0.0.2', $httpd, '/burst'), '200 200 200 429', 'another client has its own');
        ok((eventually { $limits->() =~ m{^/burst 429 limit=slow$}m }), 'a note names the limit');
        ok($httpd->wait_log(qr/RP0801: limit slow: 1 request more refused with 429/), 'the log tells it');
        is((() = $httpd->error_log =~ /RP0801: limit slow/g), 1, 'once');
    };

    part 'hits count' => sub {
        is(statuses(7, '127.0.0.1', $httpd, '/early'), '200 200 200 200 200 429 429', 'early ones, and a miss once');
        is(scalar(grep { $_->target eq '/early' } $backend->requests), 1, 'the backend was asked once');
        is(statuses(3, '127.0.0.1', $httpd, '/late'), '200 200 429', 'also where an expression needs later phases');
    };

    part 'what requests are counted by' => sub {
        is(statuses(2, '127.0.0.1', $httpd, '/header', 'X-Key' => 'a'), '200 429', 'a field');
        is(statuses(2, '127.0.0.2', $httpd, '/header', 'X-Key' => 'b'), '200 429', 'each value for itself');
        is(statuses(1, '127.0.0.3', $httpd, '/header', 'X-Key' => 'a'), '429', 'from wherever');
        is(statuses(2, '127.0.0.1', $httpd, '/header'), '200 429', 'without it, the address');
        is(statuses(1, '127.0.0.2', $httpd, '/header'), '200', 'of each client');
        is(statuses(2, '127.0.0.1', $httpd, '/cookie', Cookie => 'a=b; id=1; id=2'), '200 429', 'a cookie');
        is(statuses(1, '127.0.0.1', $httpd, '/cookie', Cookie => 'id=2'), '200', 'by its value');
        is(statuses(2, '127.0.0.1', $httpd, '/expr', 'X-Plan' => 'free'), '200 429', 'what an expression makes');
        is(statuses(3, '127.0.0.1', $httpd, '/expr'), '200 200 200', 'when that is nothing, nothing is counted');
        is(statuses(2, '127.0.0.1', $httpd, '/together') . ' ' . statuses(1, '127.0.0.2', $httpd, '/together'),
            '200 200 429', 'all together');
    };

    part 'when it is counted' => sub {
        is(statuses(3, '127.0.0.1', $httpd, '/posts'), '200 200 200', 'not where a condition does not hold');
        is(join(' ', map { post($httpd, '/posts', 'x')->status } 1, 2), '200 429', 'but where it does');
        is(statuses(5, '127.0.0.1', $httpd, '/two'), '200 200 200 200 429', 'the narrower of two limits counts');
        ok((eventually { $limits->() =~ m{^/two 429 limit=minute$}m }), 'and is named');
        is(statuses(3, '127.0.0.1', $httpd, '/two/off'), '200 200 200', 'a place may have none');
        is(statuses(2, '127.0.0.1', $httpd, '/two/other'), '200 429', 'or others');
        is(statuses(1, '127.0.0.1', $httpd, '/shared/a') . ' ' . statuses(2, '127.0.0.1', $httpd, '/shared/b'),
            '200 200 429', 'places whose limits have one name count together');
        is(statuses(3, '127.0.0.1', $httpd, '/first'), '200 200 429', 'a redirect within the server is one request');
        is(statuses(2, '127.0.0.1', $httpd, '/static'), '404 429', 'what httpd answers itself counts as well');
    };

    part 'a dry run' => sub {
        is(statuses(5, '127.0.0.1', $httpd, '/dry'), '200 200 200 200 429', 'refuses nobody, and other limits hold');
        ok((eventually { $limits->() =~ m{^/dry 200 limit=trial \(dry run\)$}m }), 'a note says who would have been');
        ok($httpd->wait_log(qr/RP0802: limit trial, dry run: 1 request more would have been refused/),
            'the log tells it');
        is((() = $httpd->error_log =~ /RP0802/g), 1, 'once, not line by line');
    };

    part 'a rate comes back' => sub {
        my $response;
        ok((eventually { ($response = from('127.0.0.1', $httpd, '/quick'))->status == 429 }), 'a request too many');
        is($response->field('Retry-After'), 1, 'is to come again in a second');
        ok((eventually { from('127.0.0.1', $httpd, '/quick')->status == 200 }), 'when there is room');
    };

    part 'a graceful restart' => sub {
        $httpd->graceful_whole;
        is(statuses(1, '127.0.0.1', $httpd, '/burst'), '429', 'forgets nothing');
        $httpd->configure($conf =~ s/burst=3 name=slow/burst=4 name=slow/r);
        $httpd->graceful_whole;
        is(statuses(1, '127.0.0.3', $httpd, '/burst'), '200', 'a limit may be another then');
    };
};

# Holds each request until the test says go, or its connection ends.
sub hold_on
{
    my ($c, $request) = @_;
    $c->note('begun');
    $c->wait_signal('go');
    $c->respond($request, 200, [], 'done');
}

each_mpm {
    my $backend = backend(\&hold_on);
    my $config = "RProxyPass / app\nRProxyPass /static none\nRProxyLimit concurrent=4 name=four\n";
    my $httpd = httpd(children => $RP::Test::mpm eq 'prefork' ? 8 : 3, expect_kills => 1,
        config => pool(app => $backend) . $config);
    my @clients;
    my $begin = sub {
        my $client = client($httpd);
        $client->send_request('GET', '/');
        push @clients, $client;
    };
    my $begun = sub { scalar grep { $_ eq 'begun' } $backend->notes };

    part 'so many at a time' => sub {
        $begin->() for 1 .. 4;
        ok((eventually { $begun->() == 4 }), 'as many as there may be are under way');
        my $response = get($httpd, '/');
        is($response->status, 429, 'one more is refused');
        is($response->field('Retry-After'), 1, 'for a moment');
        is(from('127.0.0.2', $httpd, '/static')->status, 404, 'another client has its own');
        is($begun->(), 4, 'the backend has seen no more');
    };

    part 'what ends makes room' => sub {
        $backend->signal('go');
        is(join(' ', map { $_->read_response->status } splice @clients), '200 200 200 200', 'they get their responses');
        ok((eventually { get($httpd, '/static')->status == 404 }), 'and there is room again');
    };

    part 'clients that go away make room' => sub {
        my $part = client($httpd);
        $part->send_request('GET', '/static');
        is($part->read_response->status, 404, 'a kept connection');
        ok((eventually {
            my @all = map { get($httpd, '/static')->status } 1 .. 6;
            return "@all" eq '404 404 404 404 404 404';
        }), 'counts for nothing between requests');
    };

    part 'a child that is killed makes room' => sub {
        my $new = backend(sub { my ($c, $request) = @_; $c->note('begun'); $c->wait_gone });
        $httpd->configure(pool(app => $new) . $config);
        $httpd->graceful_whole;
        for (1 .. 4) {
            my $client = client($httpd);
            $client->send_request('GET', '/');
            push @clients, $client;
        }
        ok((eventually { 4 == grep { $_ eq 'begun' } $new->notes }), 'all places are taken');
        is(get($httpd, '/static')->status, 429, 'so that there is none');
        kill KILL => $httpd->children;
        ok((eventually { (eval { get($httpd, '/static')->status } || 0) == 404 }), 'and then there are');
        is(join(' ', map { get($httpd, '/static')->status } 1 .. 4), '404 404 404 404', 'all of them');
    };
};

done_testing;
