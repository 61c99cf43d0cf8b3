# Licensed under the Apache License, Version 2.0; see LICENSE.

# No-Vary-Search: a response says which differences between queries make none.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

one_mpm {
    # What a path's responses say, when the request does not.
    my %says = (
        '/params' => 'params=("utm" "b c")',
        '/except' => 'except=("id")',
        '/order' => 'key-order',
        '/all' => 'except=()',
        '/wrong' => 'params=utm',
        '/ignored' => 'except=()',
        '/own' => 'except=()',
        '/vary' => 'except=()',
        '/cut' => 'except=("id")',
    );
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my ($path) = $request->target =~ m{\A(/[a-z]*)};
        my $say = $request->field('X-Say') // $says{$path};
        my @fields = ('Cache-Control' => $request->target =~ /short/ ? 'max-age=0' : 'max-age=600', ETag => '"1"');
        push @fields, 'No-Vary-Search' => $say if defined $say;
        push @fields, Vary => 'X-Any' if $path eq '/vary';
        return $c->respond($request, 304, \@fields) if ($request->field('If-None-Match') // '') eq '"1"';
        $c->respond($request, 200, \@fields, $request->target . ' ' . $request->number);
    });
    my $httpd = httpd(children => 1, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
<Location /ignored>
    RProxyCacheRule ignore=no-vary-search
</Location>
<Location /own>
    RProxyCacheKey cookie=user
</Location>
<Location /cut>
    RProxyCacheKey drop=gclid
</Location>
<Location /params/early>
    RProxyCacheEarly on
</Location>
CONF
    # How often was the backend asked for these? Each is a target, or [target, fields].
    my $asked = sub {
        my @requests = map { ref $_ ? $_ : [$_] } @_;
        my $before = $backend->count;
        get($httpd, @$_) for @requests;
        return $backend->count - $before;
    };

    part 'URLs that differ in what is declared irrelevant are one' => sub {
        is($asked->('/params/1?a=1&utm=x', '/params/1?utm=y&a=1', '/params/1?a=1', '/params/1?b+c=1&a=1&utm'), 1,
            'parameters that are named');
        is($asked->('/params/1?a=2', '/params/1?a=2&utm'), 1, 'others make a difference, once per value');
        is($asked->('/params/1?a=1&a=2', '/params/1?a=2&a=1'), 2, 'and so does their order');
        is($asked->('/params/2?utm=1', '/params/2', '/params/2?', '/params/2?utm=2'), 1, 'no query is like an empty one');
        is($asked->('/params/3', '/params/3?utm=1'), 1, 'whichever came first');
        is($asked->('/except/1?id=1&a=1', '/except/1?b=2&id=1', '/except/1?id=1', '/except/1?%69d=1'), 1,
            'all but those that are named');
        is($asked->('/except/1?id=2', '/except/1'), 2, 'which do make one');
        is($asked->('/order/1?a=1&b=2', '/order/1?b=2&a=1'), 1, 'the order of names');
        is($asked->('/all/1?a', '/all/1?b', '/all/1'), 1, 'everything');
        is($asked->('/all/2', '/all/3?a'), 2, 'but never the path');
    };
    part 'in the quick handler as well' => sub {
        is($asked->('/params/early/1?a=1&utm=x', '/params/early/1?utm=y&a=1', '/params/early/1?a=1'), 1, 'one request');
    };
    part 'what is not valid, or not heeded, changes nothing' => sub {
        is($asked->('/wrong/1?utm=1', '/wrong/1?utm=2'), 2, 'an invalid field');
        is($asked->('/ignored/1?utm=1', '/ignored/1?utm=2', '/ignored/1?utm=1'), 2, 'a field that a rule ignores');
        is($asked->('/plain/1?utm=1', '/plain/1?utm=2', '/plain/1?utm=2'), 2, 'no field');
    };
    part 'Vary and RProxyCacheKey keep what they tell apart' => sub {
        is($asked->(['/vary/1?a', 'X-Any' => 1], ['/vary/1?b', 'X-Any' => 2], ['/vary/1?c', 'X-Any' => 1],
            ['/vary/1?d', 'X-Any' => 2]), 2, 'each variant is one');
        is($asked->(['/own/1?a', Cookie => 'user=1'], ['/own/1?b', Cookie => 'user=2'], ['/own/1?c', Cookie => 'user=1'],
            ['/own/1?d', Cookie => 'user=2']), 2, 'each user has his own');
        is($asked->('/cut/1?id=1&gclid=1', '/cut/1?gclid=2&b=1&id=1', '/cut/1?id=1&b=2'), 1, 'operators drop before it');
    };
    part 'an unsafe request reaches what answers its URL' => sub {
        for my $path ('/params/purge', '/own/purge', '/vary/purge') {
            get($httpd, "$path?utm=1");
            is($asked->("$path?utm=2"), 0, "$path?utm=2 has a hit");
            is(post($httpd, "$path?utm=2", 'x', Cookie => 'user=3')->status, 200, 'somebody posts to it');
            is($asked->("$path?utm=2", "$path?utm=1"), 1, 'there is no hit for it any more, nor for its equal');
        }
        get($httpd, '/params/purge?utm=1');
        post($httpd, '/params/purge?a=1', 'x');
        is($asked->('/params/purge?utm=1'), 0, 'what is not equivalent stays');
    };
    part 'a response is validated and freshened as others are' => sub {
        is(get($httpd, '/params/short?utm=1')->body, get($httpd, '/params/short?utm=2')->body, 'a 304 confirms it');
        like(get($httpd, '/params/short?utm=3')->field('Cache-Status'), qr/fwd=stale; fwd-status=304/, 'it says so');
    };
    part 'the newest rules count, and each response is known by its own' => sub {
        get($httpd, '/change/1?a=1&b=1');
        is($asked->('/change/1?a=2&b=1'), 1, 'at first there are none');
        my ($say_a, $say_b) = map { ['X-Say' => "params=(\"$_\")"] } qw(a b);
        is($asked->(map { ["/change/2?$_", @$say_a] } 'a=1&b=1', 'a=2&b=1', 'a=1&b=2'), 2, 'then a makes no difference');
        is($asked->(map { ["/change/2?$_", @$say_b] } 'a=3&b=3', 'a=3&b=4'), 1, 'then b');
        is($asked->('/change/2?a=1&b=1'), 0, 'a response of before answers the URL that it was fetched for');
        is($asked->('/change/2?a=1&b=5', '/change/2?a=2&b=5'), 2, 'no other rules apply to it');
        is($asked->('/change/2?a=9&b=9', '/change/2?a=9&b=8', '/change/2?a=9&b=9'), 2, 'then there are none any more');
    };
    part 'rules that change with a 304 leave nothing behind that does not follow them' => sub {
        get($httpd, '/turn/short?a=1', 'X-Say' => 'params=("a")');
        is(get($httpd, '/turn/short?a=2', 'X-Say' => 'params=("b")')->status, 200, 'the 304 is an answer');
        is(get($httpd, '/turn/short?a=2', 'Cache-Control' => 'max-stale, only-if-cached')->status, 504, 'but the last one');
    };
};

one_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        $c->wait_signal('go') if $request->target =~ /slow/;
        $c->respond($request, 200, ['Cache-Control' => 'max-age=600', 'No-Vary-Search' => 'params=("utm")'], 'body');
    });
    my $httpd = httpd(children => 4, config => pool(app => $backend)
        . "RProxyCacheLocal \@ROOT\@/cache size=8M\nRProxyPass / app\nRProxyCache on\n");
    # Send the first of these; when the backend has it, all others; let the backend go on.
    my $together = sub {
        my ($first, @others) = @_;
        $backend->forget;
        my @clients = map { client($httpd) } @_;
        $clients[0]->send_request('GET', $first, []);
        ok($backend->wait_requests(1), 'the first asks the backend');
        $clients[$_]->send_request('GET', $others[$_ - 1], []) for 1 .. @others;
        is($backend->count, 1, 'the others do not');
        $backend->signal('go');
        is(scalar(grep { $_->read_response->body eq 'body' } @clients), @clients, 'all have the response');
        is($backend->count, 1, 'of one request');
    };

    part 'requests at one time make one fetch' => sub {
        $together->(('/slow?a=1') x 4);
        $together->('/slow?a=2&utm=1', '/slow?a=2&utm=2', '/slow?a=2');
    };
    part 'what is stored survives a restart' => sub {
        get($httpd, '/p?a=1&utm=1');
        $httpd->graceful;
        $backend->forget;
        get($httpd, '/p?utm=2&a=1');
        is($backend->count, 0, 'with the rules that lead to it');
    };
};

done_testing;
