# Licensed under the Apache License, Version 2.0; see LICENSE.

# RProxyCacheKey: what the cache knows a response by; and what an unsafe request does to it.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

each_mpm {
    # Every response says what was asked for, and is another one.
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my @vary = $request->target =~ /\bvary\b/ ? (Vary => 'X-Any') : ();
        $c->respond($request, 200, ['Cache-Control' => 'max-age=600', ETag => '"' . $request->number . '"', @vary],
            $request->target . ' ' . $request->number);
    });
    my $httpd = httpd(modules => ['setenvif'], children => 1, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
RProxyCacheStatus full
<Location /drop>
    RProxyCacheKey drop=utm_*,gclid
    RProxyCacheKey drop=fbclid
</Location>
<Location /drop/not>
    RProxyCacheKey drop=none
</Location>
<Location /only>
    RProxyCacheKey query=id,page sort
</Location>
<Location /none>
    RProxyCacheKey query=none
</Location>
<Location /case>
    RProxyCacheKey case=lower
</Location>
<Location /CASE>
    RProxyCacheKey case=lower
</Location>
<Location /host>
    RProxyCacheKey host=www.example.org
</Location>
<Location /own>
    RProxyCacheKey cookie=currency field=X-Device "expr=%{HTTP_USER_AGENT} =~ /Mobile/"
</Location>
<LocationMatch "^/own/early">
    RProxyCacheEarly on
</LocationMatch>
<Location /own/early/late>
    SetEnvIf X-Late yes late
    RProxyCacheKey "expr=-n reqenv('late')"
</Location>
CONF
    # Are these one for the cache? Each is a target, or [target, fields].
    my $same = sub {
        my (@requests) = map { ref $_ ? $_ : [$_] } @_;
        my %bodies = map { get($httpd, @$_)->body => 1 } @requests;
        return keys %bodies == 1;
    };
    my $differ = sub {
        my (@requests) = map { ref $_ ? $_ : [$_] } @_;
        my %bodies = map { get($httpd, @$_)->body => 1 } @requests, @requests;
        return keys %bodies == @requests;
    };

    part 'without a word of it the whole query counts' => sub {
        ok($differ->('/a?utm_a=1', '/a?utm_a=2', '/a?b=1&a=1', '/a?a=1&b=1', '/a', '/a?', '/A'), 'all differ');
    };
    part 'dropped parameters make no difference, but to the backend' => sub {
        $backend->forget;
        ok($same->('/drop/1?id=1&utm_source=a', '/drop/1?id=1', '/drop/1?utm_x=2&id=1&gclid=3&fbclid=4'), 'they are one');
        is($backend->count, 1, 'for one request');
        like(get($httpd, '/drop/1?id=1')->body, qr{^/drop/1\?id=1&utm_source=a }, 'which had the whole URL');
        ok($same->('/drop/2?utm_a=1', '/drop/2'), 'nor without any other');
        ok($differ->('/drop/3?id=1', '/drop/3?id=2', '/drop/3?ID=1', '/drop/3?utm_a=1;id=2', '/drop/3'),
            'all else makes one');
        ok($differ->('/drop/not?utm_a=1', '/drop/not?utm_a=2'), 'none takes it back further in');
        like(get($httpd, '/drop/1?utm_a=5&id=1')->field('Cache-Status'), qr{key="http://[^/]+/drop/1\?id=1"},
            'Cache-Status tells the key');
    };
    part 'with a list of parameters nothing else counts' => sub {
        ok($same->('/only/1?id=1&page=2&x=1', '/only/1?page=2&id=1', '/only/1?y&page=2&z=2&id=1'), 'in any order');
        ok($differ->('/only/2?id=1', '/only/2?id=2', '/only/2?%69d=1', '/only/2?id[]=1', '/only/2?x;id=1', '/only/2'),
            'whatever may be one of them does');
        ok($same->('/none/1?id=1', '/none/1?id=2', '/none/1'), 'with none the query does not');
    };
    part 'case and host' => sub {
        ok($same->('/case/A?x', '/CASE/a?x', '/case/a?x'), 'a path in any case');
        ok($differ->('/case/b?x', '/case/b?X'), 'but not the query');
        ok($same->(map { ['/host/1', Host => $_] } 'a.example', 'b.example', 'www.example.org'), 'one key for all hosts');
        ok($differ->(map { ['/other/1', Host => $_] } 'a.example', 'b.example'), 'elsewhere not');
    };
    for my $where ('/own', '/own/early') {
        part "cookies, fields and expressions become part of the key ($where)" => sub {
            my $target = "$where/1";
            ok($differ->([$target], [$target, Cookie => 'currency=EUR'], [$target, Cookie => 'currency=USD'],
                [$target, Cookie => 'currency='], [$target, 'X-Device' => 'tv'], [$target, 'User-Agent' => 'a Mobile b'],
                [$target, Cookie => 'currency=EUR', 'User-Agent' => 'Mobile']), 'those that are chosen');
            ok($same->([$target], [$target, Cookie => 'a=1; b=2'], [$target, 'X-Other' => 1],
                [$target, 'User-Agent' => 'desktop']), 'no others');
            my @variants = ([], ['X-Any' => 1], ['X-Any' => 2], [Cookie => 'currency=EUR'],
                [Cookie => 'currency=EUR', 'X-Any' => 1]);
            ok($differ->(map { ["$where/vary", @$_] } @variants), 'together with Vary');
        };
    }
    part 'in the quick handler only what is known there is looked at' => sub {
        ok($differ->(['/own/early/late/1'], ['/own/early/late/1', 'X-Late' => 'yes']), 'the rest goes the ordinary way');
    };
    part 'an unsafe request invalidates what all clients have of its URL' => sub {
        my @clients = ([], [Cookie => 'currency=EUR'], ['X-Device' => 'tv'], ['X-Any' => 1],
            [Cookie => 'currency=EUR', 'X-Any' => 2]);
        my %before = map { ("@$_" => get($httpd, '/own/vary/2', @$_)->body) } @clients;
        is(get($httpd, '/own/vary/2', @$_)->body, $before{"@$_"}, "'@$_' has a hit before it") for @clients;
        is(post($httpd, '/own/vary/2', 'x', Cookie => 'currency=GBP')->status, 200, 'a client with another cookie posts');
        isnt(get($httpd, '/own/vary/2', @$_)->body, $before{"@$_"}, "'@$_' has none behind it") for @clients;

        my $dropped = get($httpd, '/drop/4?id=1&utm_a=1')->body;
        post($httpd, '/drop/4?utm_b=2&id=1', 'x');
        isnt(get($httpd, '/drop/4?id=1&utm_a=1')->body, $dropped, 'so for a URL that is the same but for what is dropped');
    };
};

done_testing;
