# Licensed under the Apache License, Version 2.0; see LICENSE.

# Stale responses: while they are being revalidated, and instead of errors (RFC 5861, RFC 9111 section 4.2.4).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

sub is_stale { ($_[0]->field('Cache-Status') || '') =~ /\Arproxy; ?hit\b.*; ?ttl=-\d|\Arproxy; ?hit\b.*; ?ttl=0\z/ }
sub is_fresh { ($_[0]->field('Cache-Status') || '') =~ /\Arproxy; ?hit; ?ttl=[1-9]/ }

# The path says what is stored first: Age makes it stale at once.  Then comes what the test has signalled.
sub respond
{
    my ($c, $request) = @_;
    my ($kind, $what) = $request->target =~ m{/([\w-]+)/([\w-]+)\z};
    my %control = (
        swr => 'max-age=10, stale-while-revalidate=60',
        'swr-strict' => 'max-age=10, stale-while-revalidate=60, must-revalidate',
        'sie' => 'max-age=10, stale-if-error=60',
        'shared' => 'max-age=10, s-maxage=10',
        plain => 'max-age=10',
        doubted => 'max-age=600, stale-if-error=60, no-cache',
    );
    my @fields = ('Cache-Control' => $control{$kind}, ETag => '"v1"', 'X-Number' => $request->number);
    # What is asked again, with a validator, is the second request.
    if (!defined $request->field('If-None-Match')) {
        return $c->respond($request, 200, [@fields, Age => 20], 'first');
    }
    if ($kind eq 'swr' && $what =~ /\A(?:head|own)/) {
        return $c->respond($request, 200, ['Cache-Control' => 'max-age=600', 'Content-Length' => 0]) if $request->method eq 'HEAD';
        return $c->respond($request, 200, ['Cache-Control' => 'max-age=600'],
            'second for ' . ($request->field('X-Forwarded-For') || ''));
    } elsif ($what eq 'auth') {
        return $c->respond($request, 200, ['Cache-Control' => 'max-age=600'], 'second');
    } elsif ($what eq 'renewed') {
        $c->wait_signal("$kind-$what");
        $fields[3] = '"v2"';
        return $c->respond($request, 200, ['Cache-Control' => 'max-age=600', ETag => '"v2"'], 'second');
    } elsif ($what eq 'confirmed') {
        $c->wait_signal("$kind-$what");
        return $c->respond($request, 304, ['Cache-Control' => 'max-age=600', ETag => '"v1"']);
    } elsif ($what eq 'hanging' || $what eq 'halting') {
        $c->send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf") if $what eq 'halting';
        return $c->note("$what: " . ($c->wait_gone ? 'given up' : 'for nothing'));
    } elsif ($what eq 'gone') {
        return $c->respond($request, 200, ['Cache-Control' => 'no-store'], 'not for the cache');
    } elsif ($what eq 'error') {
        return $c->respond($request, 503, [], 'out of order');
    }
    return $c->close;
}

each_mpm {
    my $backend = backend(\&respond);
    my $dying = backend(\&respond);
    my $httpd = httpd(children => 3, modules => ['remoteip'], config => pool(app => $backend) . pool(dying => $dying) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyPass /dying dying
RProxyCache on
RemoteIPHeader X-Real-IP
RemoteIPInternalProxy 127.0.0.1
<Location /own>
    RProxyCacheKey "expr=-R '10.0.0.0/8'"
</Location>
<Location /configured>
    RProxyCacheRule stale-while-revalidate=1m stale-if-error=1m
</Location>
CONF

    for my $how (['confirmed', 'first'], ['renewed', 'second']) {
        my ($what, $body) = @$how;
        for my $kind ('swr', 'configured/plain') {
            part "$kind: a stale response is answered at once and $what in the background, once" => sub {
                my $target = "/$kind/$what";
                get($httpd, $target);
                $backend->forget;
                for (1 .. 4) {
                    my $response = get($httpd, $target);
                    is($response->body, 'first', 'the client has the stale one');
                    ok(is_stale($response), 'which says so') or diag($response->field('Cache-Status'));
                }
                ok($backend->wait_requests(1), 'the backend is asked meanwhile');
                is($backend->count, 1, 'once');
                is($backend->last_request->field('If-None-Match'), '"v1"', 'with the validator');
                $backend->signal(($kind =~ m{(\w+)\z})[0] . "-$what");
                my $fresh = eventually { my $r = get($httpd, $target); is_fresh($r) && $r };
                ok($fresh, 'and then it is fresh');
                is($fresh->body, $body, 'with what the backend said');
                is($backend->count, 1, 'after that one request');
            };
        }
    }

    part 'what the origin forbids to be used stale is not' => sub {
        get($httpd, '/swr-strict/error');
        is(get($httpd, '/swr-strict/error')->status, 503, 'must-revalidate: the backend is asked first');
        get($httpd, '/configured/shared/error');
        is(get($httpd, '/configured/shared/error')->status, 503, 's-maxage: configuration alone does not allow it');
        get($httpd, '/swr/reload');
        is(get($httpd, '/swr/reload', 'Cache-Control' => 'no-cache')->status, 502, 'nor what the client does not want');
    };

    part 'a response that is for the cache no longer ends the stale one' => sub {
        get($httpd, '/swr/gone');
        get($httpd, '/swr/gone');
        my $response = eventually { my $r = get($httpd, '/swr/gone'); $r->field('Cache-Status') =~ /uri-miss/ && $r };
        ok($response, 'it is forgotten');
    };

    part 'a HEAD has the whole response fetched in the background' => sub {
        get($httpd, '/swr/head');
        $backend->forget;
        is(head($httpd, '/swr/head')->status, 200, 'it is answered with what is stored');
        ok($backend->wait_requests(1), 'the backend is asked');
        is($backend->last_request->method, 'GET', 'with a GET');
        my $fresh = eventually { my $r = get($httpd, '/swr/head'); is_fresh($r) && $r };
        like($fresh && $fresh->body, qr/\Asecond/, 'which brings its body');
    };

    part 'what is fetched in the background is stored for those who asked, by RProxyCacheKey' => sub {
        my @inside = ('X-Real-IP' => '10.1.1.1');
        my @outside = ('X-Real-IP' => '192.0.2.1');
        get($httpd, '/own/swr/own', @inside);
        get($httpd, '/own/swr/own', @outside);
        $backend->forget;
        is(get($httpd, '/own/swr/own', @inside)->body, 'first', 'a client from inside has the stale one');
        ok($backend->wait_requests(1), 'the backend is asked');
        my $fresh = eventually { my $r = get($httpd, '/own/swr/own', @inside); is_fresh($r) && $r };
        is($fresh && $fresh->body, 'second for 10.1.1.1', 'for those inside');
        is(get($httpd, '/own/swr/own', @outside)->body, 'first', 'the others have theirs still');
    };

    part 'a request with credentials does not take the stale response from the others' => sub {
        get($httpd, '/swr/auth');
        $backend->forget;
        my @responses;
        # The second fetch begins when the first is over.
        ok(eventually {
                push @responses, get($httpd, '/swr/auth', Authorization => 'Basic eDp5');
                $backend->count > 1;
            }, 'the backend is asked each time');
        is(scalar(grep { !is_stale($_) } @responses), 0, 'what was stored stays');
        is(get($httpd, '/swr/auth')->body, 'first', 'for others as well');
        ok((eventually { is_fresh(get($httpd, '/swr/auth')) }), 'until one of them has it renewed');
    };

    for my $directive ('no-store', 'only-if-cached') {
        part "a request with $directive has nothing fetched for later" => sub {
            my $target = "/swr/headless-$directive";
            get($httpd, $target);
            $backend->forget;
            ok(is_stale(get($httpd, $target, 'Cache-Control' => $directive)), 'it gets what is stored');
            get($httpd, $target);
            ok($backend->wait_requests(1), 'the next one has it renewed');
            is($backend->request(0)->field('Cache-Control'), undef, 'and was the first to');
        };
    }

    part 'what may not be used without validation does not cover an error, fresh or not' => sub {
        is(get($httpd, "/doubted/$_")->status, 200, 'it is stored') for qw(close error);
        is(get($httpd, '/doubted/close')->status, 502, 'no answer is told');
        is(get($httpd, '/doubted/error')->status, 503, 'nor is an error covered');
    };

    part 'Pragma: no-cache does not want a stale response either' => sub {
        get($httpd, '/plain/pragma');
        is(get($httpd, '/plain/pragma', Pragma => 'no-cache')->status, 502, 'a failure is told');
    };

    part 'stale-if-error covers errors' => sub {
        for my $path ('/sie/error', '/configured/plain/error') {
            get($httpd, $path);
            my $response = get($httpd, $path);
            is($response->status, 200, "$path: a 503 does not reach the client");
            is($response->body, 'first', 'what was stored does');
            like($response->field('Cache-Status'), qr/fwd=stale; ?fwd-status=503/, 'and says why') if $path =~ /sie/;
        }
        get($httpd, '/plain/error');
        is(get($httpd, '/plain/error')->status, 503, 'an error is passed on when nobody allows that');
        is(get($httpd, '/plain/error', 'Cache-Control' => 'stale-if-error=600')->status, 200, 'unless the client does');
    };

    part 'without a backend what is stored is used, unless that is forbidden' => sub {
        for my $kind (qw(plain sie)) {
            get($httpd, "/$kind/closing");
            my $response = get($httpd, "/$kind/closing");
            is($response->status, 200, "$kind: the connection closes, the stored response is used");
            is($response->field('Retry-After'), undef, 'without a trace of the failure');
        }
        for my $kind (qw(shared swr-strict)) {
            get($httpd, "/$kind/closing");
            is(get($httpd, "/$kind/closing")->status, 502, "$kind: that is forbidden");
        }
        get($httpd, '/dying/plain/one');
        $dying->stop;
        my $response = get($httpd, '/dying/plain/one');
        is($response->status, 200, 'no connection can be made: the stored response is used');
        is($response->body, 'first', 'whole');
        is(get($httpd, '/dying/plain/two')->status, 503, 'what is not stored is an error') for 1;
    };
};

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 2, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
CONF
    part 'a refresh whose backend hangs does not hold up the end of the server' => sub {
        get($httpd, $_) for qw(/swr/hanging /swr/halting);
        $backend->forget;
        get($httpd, $_) for qw(/swr/hanging /swr/halting);
        ok($backend->wait_requests(2), 'one refresh hangs, another one in mid-body');
        my @old = $httpd->children;
        $httpd->graceful;
        ok($backend->wait_note(qr/$_: given up/), 'it is given up') for qw(hanging halting);
        ok(eventually { my %now = map { $_ => 1 } $httpd->children; !grep { $now{$_} } @old }, 'their processes end');
    };
};
done_testing;
