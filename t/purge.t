# Licensed under the Apache License, Version 2.0; see LICENSE.

# PURGE requests, and Cache-Group-Invalidation: what they take, what they leave, and who may send them.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use JSON::PP ();

my @fresh = ('Cache-Control' => 'max-age=600');

sub respond
{
    my ($c, $request) = @_;
    my ($path) = $request->target =~ /\A([^?]*)/;
    my @fields = ('X-Number' => $request->number);
    return $c->respond($request, 200, [@fields, 'X-Method' => $request->method,
        'Cache-Group-Invalidation' => '"lists", "none"'], 'done') if $request->method !~ /\A(?:GET|HEAD)\z/;
    return $c->respond($request, 304, [@fields, ETag => '"v"', $path =~ /newer/ ? ('Surrogate-Key' => 'new') : ()])
        if defined $request->field('If-None-Match');
    $c->wait_signal($1) if $path =~ m{/wait/(\w+)};
    if ($path =~ m{/drip/(\w+)}) {
        $c->send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 9\r\n\r\nfirst");
        $c->wait_signal($1);
        return $c->send('last');
    }
    my $said = $request->target =~ /\?(.*)/ ? $1 : '';
    push @fields, 'Surrogate-Key' => "$1 page", 'Cache-Tag' => "$1-too,all of it" if $said =~ /tag=(\w+)/;
    push @fields, 'Cache-Groups' => qq("$1", "other") if $said =~ /group=(\w+)/;
    push @fields, Vary => 'X-Want' if $said =~ /vary/;
    push @fields, 'Cache-Control' => $said =~ /swr/ ? 'max-age=600, stale-while-revalidate=60' : 'max-age=600';
    push @fields, 'No-Vary-Search' => 'params=("utm")' if $said =~ /nvs/;
    push @fields, ETag => '"v"' if $said =~ /etag/;
    $c->respond($request, 200, \@fields, 'body ' . ($request->field('X-Want') // ''));
}

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(modules => [qw(authz_host authz_user authn_core authn_file auth_basic setenvif)], ports => 2,
        config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=8M
RProxyPass / app
RProxyCache on
RProxyCacheStatus full
RProxyTrust 127.0.0.2
<Location />
    Require all granted
</Location>
<If "%{REQUEST_METHOD} == 'PURGE'">
    RProxyPurge on
    Require expr "%{HTTP:X-Who} == 'operator'"
</If>
<Location /key>
    RProxyCacheKey drop=utm_* case=lower cookie=currency
</Location>
CONF
    my @operator = ('X-Who' => 'operator');
    my $json = JSON::PP->new;
    my $purge = sub {
        my ($target, @fields) = @_;
        return request($httpd, 'PURGE', $target, [@operator, @fields]);
    };
    # @return "N kind mode"
    my $purged = sub {
        my $response = $purge->(@_);
        my $said = eval { $json->decode($response->body) } || {};
        return $response->status == 200 ? "$said->{purged} $said->{kind} $said->{mode}" : $response->status . ' ' . $response->body;
    };
    my $fetch = sub { get($httpd, $_[0], @_[1 .. $#_])->status == 200 or die "no $_[0]" };
    my $is_stored = sub { (get($httpd, $_[0], 'Cache-Control' => 'only-if-cached', @_[1 .. $#_])->status || 0) == 200 };
    my $holds = sub {
        my ($expected, @targets) = @_;
        is($is_stored->($_) ? 1 : 0, $expected, "$_ is " . ($expected ? '' : 'not ') . 'stored') for @targets;
    };

    part 'a URL, and nothing else' => sub {
        $fetch->($_) for qw(/url /url/below /url?query);
        my $response = $purge->('/url');
        is($response->status, 200, 'it is done');
        is($response->field('Content-Type'), 'application/json', 'as JSON says,');
        is($response->field('Cache-Control'), 'no-store', 'which is not for caches');
        is_deeply($json->decode($response->body), { purged => 1, kind => 'url', mode => 'hard' }, 'with a count');
        $holds->(0, '/url');
        $holds->(1, qw(/url/below /url?query));
        is($purged->('/url'), '0 url hard', 'a second time there is nothing to do');
        is($purged->('/url/*'), '0 url hard', 'an asterisk is itself');
        $holds->(1, '/url/below');
        ok($httpd->wait_log(qr/RP0221: purged url \(hard\) of proxy\.example: \/url: 1 responses, for 127\.0\.0\.1/),
            'the log says who purged what');
    };
    part 'all its variants' => sub {
        $fetch->('/v?vary', 'X-Want' => $_) for qw(one two);
        ok($is_stored->('/v?vary', 'X-Want' => 'one'), 'one is there');
        is($purged->('/v?vary', 'RProxy-Purge' => 'url'), '2 url hard', 'both are counted');
        ok(!$is_stored->('/v?vary', 'X-Want' => $_), "$_ is gone") for qw(one two);
    };
    part 'under both schemes, whoever asks by which' => sub {
        my $secure = sub {
            my ($method, @fields) = @_;
            my $client = client($httpd, from => '127.0.0.2');
            return $client->request($method, '/schemes', ['X-Forwarded-Proto' => 'https', @fields]);
        };
        $secure->('GET');
        $fetch->('/schemes');
        like($secure->('GET')->field('Cache-Status'), qr/hit.*"https:/, 'https has one of its own');
        is($purged->('/schemes'), '2 url hard', 'both are gone');
        is($secure->('GET', 'Cache-Control' => 'only-if-cached')->status, 504, 'indeed');
    };
    part 'by the rules of RProxyCacheKey' => sub {
        $fetch->('/key/Page?utm_source=x&id=1', Cookie => "currency=$_") for qw(EUR USD);
        is($purged->('/key/page?id=1&utm_medium=y'), '2 url hard', 'the URL is the same, for every cookie');
        $fetch->('/key/Page?id=2');
        is($purged->('/key/PAGE', 'RProxy-Purge' => 'prefix'), '1 prefix hard', 'so is a prefix');
    };
    part 'by No-Vary-Search' => sub {
        $fetch->('/nvs?nvs&tag=nvs&utm=1');
        ok($is_stored->('/nvs?nvs&tag=nvs&utm=2'), 'one response for many URLs');
        is($purged->('/nvs?nvs&tag=nvs&utm=3'), '1 url hard', 'is purged by any of them');
        $holds->(0, map { "/nvs?nvs&tag=nvs&utm=$_" } 1 .. 3);
        $fetch->('/nvs?nvs&tag=nvs&utm=1');
        is($purged->('/', 'Surrogate-Key' => 'nvs'), '1 tag hard', 'and by its tag');
    };
    part 'not on another host' => sub {
        my @elsewhere = (Host => 'elsewhere.example');
        $fetch->('/host?tag=h&group=h', @elsewhere);
        $fetch->('/host?tag=h&group=h');
        is($purged->('/host?tag=h&group=h'), '1 url hard', 'a URL');
        is($purged->('/', 'Surrogate-Key' => 'h'), '0 tag hard', 'a tag');
        is($purged->('/', 'Cache-Groups' => '"h"'), '0 group hard', 'a group');
        is($purged->('/host', 'RProxy-Purge' => 'prefix'), '0 prefix hard', 'a prefix');
        $purged->('/', 'RProxy-Purge' => 'all');
        ok($is_stored->('/host?tag=h&group=h', @elsewhere), 'nor with all of it');
    };
    part 'a tag, over all URLs that carry it' => sub {
        $fetch->($_) for qw(/t/1?tag=red /t/2?tag=red&vary /t/3?tag=blue /t/4);
        is($purged->('/any', 'Surrogate-Key' => 'red'), '2 tag hard', 'of Surrogate-Key');
        $holds->(0, qw(/t/1?tag=red /t/2?tag=red&vary));
        $holds->(1, qw(/t/3?tag=blue /t/4));
        $fetch->('/t/5?tag=green');
        is($purged->('/any', 'Surrogate-Key' => 'Green'), '0 tag hard', 'case counts');
        is($purged->('/any', 'RProxy-Purge' => 'tag', 'Cache-Tag' => 'green-too, blue-too'), '2 tag hard', 'two of Cache-Tag');
        $holds->(0, qw(/t/5?tag=green /t/3?tag=blue));
        $fetch->('/t/5?tag=green');
        like($purged->('/any', 'Cache-Tag' => 'all of it'), qr/tag hard/, 'one with blanks');
        $holds->(0, '/t/5?tag=green');
    };
    part 'names to purge by are not for clients, but for trusted peers' => sub {
        for my $turn (qw(fetched stored)) {
            my $response = get($httpd, '/names?tag=n&group=n');
            is($response->field($_), undef, "$turn: no $_") for qw(Surrogate-Key Cache-Tag);
            is($response->field('Cache-Groups'), '"n", "other"', "$turn: Cache-Groups are for all caches");
        }
        my $peer = client($httpd, from => '127.0.0.2')->get('/names?tag=n&group=n');
        is($peer->field('Surrogate-Key'), 'n page', 'a trusted peer gets them');
    };
    part 'a 304 keeps the tags, or brings new ones' => sub {
        for (['/kept', 'old', '1 tag hard'], ['/newer', 'old', '0 tag hard'], ['/newer', 'new', '1 tag hard']) {
            my ($path, $tag, $expected) = @$_;
            $purged->('/', 'RProxy-Purge' => 'all');
            $fetch->("$path?tag=old&etag");
            get($httpd, "$path?tag=old&etag", 'Cache-Control' => 'no-cache');
            is($purged->('/', 'Surrogate-Key' => $tag), $expected, "$path, purging $tag");
        }
    };
    part 'groups are purged by the operator, and by responses to unsafe requests' => sub {
        for my $how (qw(PURGE POST GET)) {
            my %all = (PURGE => 0, POST => 0, GET => 1);
            $fetch->($_) for qw(/g/1?group=lists /g/2?group=lists /g/3?group=else);
            $how eq 'PURGE' ? is($purged->('/', 'Cache-Groups' => '"lists"'), '2 group hard', 'PURGE with Cache-Groups')
                : request($httpd, $how, '/change', [], $how eq 'POST' ? 'x' : undef);
            $holds->($all{$how}, qw(/g/1?group=lists /g/2?group=lists));
            $holds->(1, '/g/3?group=else');
        }
    };
    part 'a prefix, and all of the site' => sub {
        $purged->('/', 'RProxy-Purge' => 'all');
        $fetch->($_) for qw(/p/a /p/a/b?c /pa /p?x);
        is($purged->('/p/a', 'RProxy-Purge' => 'prefix'), '2 prefix hard', 'what begins so');
        $holds->(0, qw(/p/a /p/a/b?c));
        $holds->(1, qw(/pa /p?x));
        is($purged->('/whatever', 'RProxy-Purge' => 'all'), '2 all hard', 'and the rest');
        $holds->(0, qw(/pa /p?x));
        is($purge->('/' . 'p' x 4096, 'RProxy-Purge' => 'prefix')->status, 414, 'no prefix is longer than 4096 characters');
    };
    part 'softly: what is there stays, and is asked for again' => sub {
        for (['/soft/1?etag&tag=s', 'url'], ['/soft/2?etag&tag=s', 'tag', 'Surrogate-Key' => 's'],
            ['/soft/3?etag&tag=s', 'prefix'], ['/soft/4?etag&tag=s', 'all']) {
            my ($target, $kind, @names) = @$_;
            $fetch->($target);
            like($purged->($target, 'RProxy-Purge' => "$kind; soft", @names), qr/\A[1-9]\d* $kind soft\z/, "$kind, softly");
            $backend->forget;
            is(get($httpd, $target)->body, 'body ', 'the client gets it');
            my @asked = $backend->requests;
            is(@asked && $asked[0]->field('If-None-Match'), '"v"', 'after asking whether it still holds');
            like(get($httpd, $target)->field('Cache-Status'), qr/hit; ttl/, 'it is fresh again then');
        }
        $fetch->('/soft/swr?swr&etag');
        is($purged->('/soft/swr?swr&etag', 'RProxy-Purge' => 'url;soft'), '1 url soft', 'with stale-while-revalidate');
        $backend->forget;
        like(get($httpd, '/soft/swr?swr&etag')->field('Cache-Status'), qr/hit/, 'it is served at once');
        ok(eventually { $backend->count == 1 }, 'and revalidated behind it');
        ok(eventually { get($httpd, '/soft/swr?swr&etag')->field('Cache-Status') =~ /ttl=[1-9]/ }, 'so that it is fresh again');
    };
    part 'what is being fetched is older than the purge' => sub {
        for my $how ([race1 => 'url'], [race2 => 'prefix'], [race3 => 'all']) {
            my ($name, $kind) = @$how;
            my $early = client($httpd);
            $early->send_request('GET', "/wait/$name");
            ok(eventually { grep { $_->target eq "/wait/$name" } $backend->requests }, "$kind: a backend is asked");
            $purged->("/wait/$name", 'RProxy-Purge' => $kind);
            $backend->signal($name);
            is($early->read_response('GET')->status, 200, 'who asked before gets his answer');
            $holds->(0, "/wait/$name");
            is(get($httpd, "/wait/$name")->status, 200, 'and the next one a new one');
        }
        for my $mode ('url', 'url; soft') {
            my $name = $mode eq 'url' ? 'drip1' : 'drip2';
            my $early = client($httpd);
            $early->send_request('GET', "/drip/$name");
            ok($early->read_until(qr/first/), "$mode: the response has begun");
            $purged->("/drip/$name", 'RProxy-Purge' => $mode);
            my $late = client($httpd);
            $late->send_request('GET', "/drip/$name");
            ok(eventually { (grep { $_->target eq "/drip/$name" } $backend->requests) == 2 }, 'who comes later does not join it');
            $backend->signal($name);
            is($late->read_response('GET')->body, 'firstlast', 'but gets his own');
        }
    };
    part 'what is wrong is said' => sub {
        for (['everything'], ['url, tag'], ['"url"'], ['url; hard'], ['url; soft=1'], ['tag'], ['group'],
            ['group', 'Cache-Groups' => 'lists']) {
            my ($value, @names) = @$_;
            my $response = $purge->('/', 'RProxy-Purge' => $value, @names);
            is($response->status, 400, "$value @names");
            like($response->body, qr/\APURGE: .+\.\n\z/, 'with a sentence');
        }
        like($purge->('/', 'Surrogate-Key' => 'a', 'Cache-Groups' => '"a"')->body, qr/say with RProxy-Purge/, 'tags or groups?');
        like($purge->('/', 'Surrogate-Key' => join ' ', 1 .. 129)->body, qr/at most 128 tags/, 'too many at once');
    };
    part 'only who may' => sub {
        $fetch->('/may');
        my $response = request($httpd, 'PURGE', '/may', []);
        ok($response->status == 403 || $response->status == 401, 'Require decides') or diag($response->status);
        $holds->(1, '/may');
    };
};

one_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(modules => [qw(authz_host authz_user authn_core authn_file auth_basic)], ports => 1,
        config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=8M
RProxyPass / app
RProxyCache on
RProxyPurge on
<Location /address>
    <Limit PURGE>
        Require ip 127.0.0.1
    </Limit>
</Location>
<Location /user>
    <Limit PURGE>
        AuthType Basic
        AuthName purge
        AuthUserFile @ROOT@/users
        Require user bob
    </Limit>
</Location>
<Location /others>
    <Limit POST>
        Require ip 127.0.0.1
    </Limit>
</Location>
<Location /off>
    RProxyPurge off
</Location>
CONF
    RP::Place->write_file($httpd->root . '/users', "bob:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n");    # pass
    my $status = sub { my ($target, @fields) = @_; return request($httpd, 'PURGE', $target, \@fields)->status };

    part 'without a Require that applies nobody may' => sub {
        get($httpd, $_) for qw(/open /others);
        is($status->($_), 403, $_) for qw(/open /others);
        ok($httpd->wait_log(qr/RP0220: PURGE refused: no Require .*RProxyPurge on/), 'the log says what to write');
        is(get($httpd, $_, 'Cache-Control' => 'only-if-cached')->status, 200, "$_ is stored still") for qw(/open /others);
    };
    part 'Require for the method' => sub {
        is($status->('/address'), 200, 'by address');
        is(request($httpd, 'PURGE', '/address', ['Content-Length' => 4], 'body')->status, 200, 'a body is read and ignored');
        is($status->('/user'), 401, 'a user has to say who he is');
        is($status->('/user', Authorization => 'Basic Ym9iOnBhc3M='), 200, 'who is named may');
        ok($httpd->wait_log(qr/RP0221: .* for bob$/m), 'and is in the log');
        is(get($httpd, '/user')->status, 200, 'other methods ask for nobody');
    };
    part 'off: PURGE is a method like others' => sub {
        my $response = request($httpd, 'PURGE', '/off', []);
        is($response->field('X-Method'), 'PURGE', 'for the backend');
    };
    part 'without a store' => sub {
        my $none = httpd(modules => ['authz_host'], config => pool(app => $backend)
            . "RProxyPass / app\nRProxyPurge on\n<Location />\nRequire ip 127.0.0.1\n</Location>\n");
        is(request($none, 'PURGE', '/x', [])->status, 503, 'nothing can be purged');
    };
};
done_testing;
