# Licensed under the Apache License, Version 2.0; see LICENSE.

# When a member fails before it has answered, another one is asked: if the request may be sent twice, if there is
# somebody to ask, and if the pool's budget allows it.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);
use Time::HiRes qw(time);

# What the last part of the target says.
sub misbehave
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{(\w+)\z};
    if ($what eq 'leaves') {
        return $c->close;
    } elsif ($what eq 'resets') {
        return $c->reset;
    } elsif ($what eq 'midhead') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Le");
        return $c->reset;
    } elsif ($what eq 'babbles') {
        $c->send("220 mail.example ESMTP\r\n\r\n");
    } elsif ($what eq 'silent') {
        $c->note('left') if $c->wait_gone;
        return $c->close;
    } elsif ($what eq 'late') {
        $c->silent_for(0.6);
        return $c->respond($request, 200, [], 'late');
    } elsif ($what eq 'hints') {
        $c->send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        return $c->reset;
    } elsif ($what eq 'breaks') {
        $c->send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return $c->reset;
    } elsif ($what eq 'chunked') {
        return $c->send("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
    } elsif ($what eq 'endless') {
        $c->send("HTTP/1.1 503 No\r\nContent-Length: 100000\r\n\r\n");
        return $c->note('left') if $c->wait_gone;
    }
    return $c->respond($request, $what, ['X-By' => 'bad'], "a $what of its own");
}

sub good
{
    my ($c, $request) = @_;
    $c->send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n") if $request->target =~ /hints/;
    return $c->respond($request, 200, ['X-By' => 'good'], 'good');
}

each_mpm {
    my $bad = backend(\&misbehave);
    my $good = backend(\&good);
    my $refusing = 'http://127.0.0.1:' . RP::Place->refusing_port;
    my ($pools, $passes) = ('', "LogLevel rproxy:info\nRProxyTimeout first-byte=2s\n");
    # A pool for each path, so that what is known of a member from one test makes no difference to another: the first
    # request goes to the bad member.
    my $path = sub {
        my ($path, $config, @members) = @_;
        my $name = $path =~ s{/}{-}gr;
        @members = ($bad->url . ' weight=100', $good->url) if !@members;
        $pools .= pool("p$name" => 'RProxyMethod round-robin', @members);
        $passes .= "<Location /$path>\nRProxyPass p$name\n" . ($config || '') . "\n</Location>\n";
    };
    my @kinds = qw(leaves resets midhead babbles silent 502 503 504 chunked endless);
    $path->("get/$_") for @kinds, qw(500 404 hints breaks);
    $path->("other/$_") for qw(503 resets);
    $path->("post/$_") for qw(resets 503);
    $path->("put/$_") for qw(resets 503);
    $path->("unsafe/$_", 'RProxyRetry unsafe') for qw(503 resets length chunked trailers early);
    $path->('large/503', 'RProxyRetry unsafe body=10K');
    $path->('query/503');
    $path->('pertry/silent', 'RProxyRetry try=200ms');
    $path->('pertry/late', 'RProxyRetry try=200ms');
    $path->('offtry/late', "RProxyRetry try=200ms\nRProxyRetry off");
    $path->('alone/503', '', $bad->url);
    $path->('off/503', 'RProxyRetry off');
    $path->('off/refused', 'RProxyRetry off', "$refusing weight=100", $good->url);
    $path->('inner/500', 'RProxyRetry on=500-599');
    $path->('inner/503', 'RProxyRetry on=reset');
    $path->("narrow/$_", '', 'RProxyEject off', $bad->url . ' weight=100 max=1', $good->url . ' max=1') for qw(503 resets endless);
    $path->('last/503', '', $bad->url, "$refusing weight=100");
    $path->('many/503', 'RProxyRetry attempts=2', (map { "http://127.0.0.$_:" . $bad->port } 1), $bad->url
        =~ s/127\.0\.0\.1/localhost/r, $good->url . ' weight=1');
    my $httpd = httpd(children => 4, config => $pools . $passes);
    my $forget = sub { $_->forget for $bad, $good; $httpd->forget_logs };

    for my $kind (@kinds) {
        part "GET, of a member that is so: $kind" => sub {
            $forget->();
            my $response = get($httpd, "/get/$kind");
            is($response->status, 200, 'is answered');
            is($response->body, 'good', 'by another');
            is($bad->count, 1, 'the bad one was asked once');
            like($httpd->wait_access(qr{/get/$kind }) || '', qr/member=\Q@{[$good->url]}\E error=- .*attempts=2/,
                'notes tell it');
            like($httpd->wait_log(qr/RP035[23]/) || '', qr/pool p\S+, member \Q@{[$bad->url]}\E.*\Q@{[$good->url]}/,
                'a log line too');
        };
    }
    part 'a status that is not listed is the answer' => sub {
        is(get($httpd, "/get/$_")->body, "a $_ of its own", "as a $_ is") for 500, 404;
    };
    part 'nor is there another try behind the first byte of a response' => sub {
        $forget->();
        ok(get($httpd, '/get/breaks')->broken, 'the client sees it break off');
        is($good->count, 0, 'nobody else was asked');
    };
    part 'early hints of both tries reach the client once' => sub {
        my $response = get($httpd, '/get/hints');
        is($response->body, 'good', 'it is answered');
        is_deeply([map { $_->field('Link') } $response->informational], ['</a.css>'], 'one 103');
    };
    part 'HEAD and OPTIONS are safe, too' => sub {
        is(request($httpd, 'HEAD', '/other/503')->status, 200, 'HEAD');
        is(request($httpd, 'OPTIONS', '/other/resets')->status, 200, 'OPTIONS');
    };
    part 'unsafe methods are not sent again' => sub {
        $forget->();
        is(request($httpd, 'POST', '/post/503', [], 'x')->body, 'a 503 of its own', 'a status is passed on');
        is(request($httpd, 'PUT', '/put/503', [], 'x')->status, 503, 'for PUT as well');
        is(request($httpd, 'POST', '/post/resets', [], 'x')->status, 502, 'a reset is a 502');
        is(request($httpd, 'PUT', '/put/resets', [], 'x')->status, 502, 'for PUT as well');
        is($good->count, 0, 'nobody else was asked');
    };
    part 'a content that is whole is sent again with it' => sub {
        $forget->();
        my $response = request($httpd, 'QUERY', '/query/503', ['Content-Type' => 'text/plain'], 'which');
        is($response->body, 'good', 'QUERY is safe');
        is($good->last_request->body, 'which', 'its content comes');
    };

    my $body = join '', map { pack 'N', ($_ * 2654435761) % 2**32 } 1 .. 10_000;
    part 'with unsafe, POST is sent again, to the last byte' => sub {
        $forget->();
        is(request($httpd, 'POST', '/unsafe/503', [], $body)->body, 'good', 'behind a status');
        is($_->last_request->body_digest, md5_hex($body), 'the same content') for $bad, $good;
        is($good->last_request->field('Content-Length'), length $body, 'of the same length');
        is(request($httpd, 'POST', '/unsafe/resets', [], 'short')->body, 'good', 'behind a reset');
        is($good->last_request->body, 'short', 'as well');
    };
    part 'chunked, with trailers' => sub {
        $forget->();
        my $client = client($httpd);
        $client->send_request('POST', '/unsafe/503', ['Transfer-Encoding' => 'chunked', 'Trailer' => 'X-Sum']);
        $client->send_chunk($_) for unpack '(a3000)*', $body;
        $client->send("0\r\nX-Sum: 42\r\n\r\n");
        is($client->read_response->body, 'good', 'it is answered') or return;
        for ($bad, $good) {
            is($_->last_request->body_digest, md5_hex($body), 'the same content');
            is($_->last_request->trailer('X-Sum'), 42, 'and trailers');
        }
    };
    part 'what is too large to be kept is not sent again' => sub {
        $forget->();
        is(request($httpd, 'POST', '/large/503', [], 'x' x 10_241)->body, 'a 503 of its own', 'by length');
        my $client = client($httpd);
        $client->send_request('POST', '/large/503', ['Transfer-Encoding' => 'chunked']);
        $client->send_chunk('x' x 5000) for 1 .. 3;
        $client->send_last_chunk;
        is($client->read_response->body, 'a 503 of its own', 'by chunks');
        is($bad->last_request->body_length, 15_000, 'all of it came');
        is($good->count, 0, 'nobody else was asked');
        is(request($httpd, 'POST', '/large/503', [], 'x' x 10_240)->body, 'good', 'what just fits is');
    };
    part 'a deadline of its own for each try' => sub {
        my $start = time;
        is(get($httpd, '/pertry/silent')->body, 'good', 'another one answers');
        cmp_ok(time - $start, '<', 1.5, 'long before the other deadline');
        ok($httpd->wait_log(qr/RProxyRetry try=/), 'the log says which it was');
        is(get($httpd, '/pertry/late')->body, 'good', 'it is the same for a late answer');
        is(post($httpd, '/pertry/late', 'x')->body, 'late', 'which is waited for when there is no other try');
        is(get($httpd, '/offtry/late')->body, 'late', 'and with retries off');
    };
    part 'the last answer is passed on' => sub {
        is(get($httpd, '/alone/503')->body, 'a 503 of its own', 'of the only member');
        is(get($httpd, '/last/503')->body, 'a 503 of its own', 'of the only one that takes connections');
        is(get($httpd, '/last/503')->body, 'a 503 of its own', 'however often');
    };
    part 'those that failed leave their places with the members' => sub {
        for my $kind (qw(503 resets endless)) {
            is(get($httpd, "/narrow/$kind")->body, 'good', "$kind, however often") for 1 .. 4;
        }
    };
    part 'no more tries than asked for' => sub {
        $forget->();
        my @answers = map { get($httpd, '/many/503')->status } 1 .. 3;
        ok((grep { $_ == 503 } @answers), 'two bad ones in a row are the end of it');
    };
    part 'off' => sub {
        is(get($httpd, '/off/503')->body, 'a 503 of its own', 'a status is passed on');
        is(get($httpd, '/off/refused')->status, 502, 'a failed connect is the end');
    };
    part 'conditions are as the section says' => sub {
        is(get($httpd, '/inner/500')->body, 'good', 'a listed range');
        is(get($httpd, '/inner/503')->body, 'a 503 of its own', 'and nothing else');
    };
};

# Uploads that are under way when the first member gives up.
each_mpm {
    my $hasty = backend(on_head => sub {
        my ($c, $request) = @_;
        $c->read_bytes(1000);
        $c->send("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        $c->note('refused');
        return $c->close;
    });
    my $strict = backend(on_head => sub {
        my ($c, $request) = @_;
        $c->send("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return $c->close;
    });
    my $good = backend(\&good);
    my $silent = backend(sub { $_[0]->note('left') if $_[0]->wait_gone; $_[0]->close });
    my $httpd = httpd(config => pool(hasty => 'RProxyMethod round-robin', $hasty->url . ' weight=100', $good)
        . pool(strict => 'RProxyMethod round-robin', $strict->url . ' weight=100', $good)
        . pool(patient => $good) . pool(leave => 'RProxyMethod round-robin', $strict->url . ' weight=100', $silent)
        . <<'CONF');
RProxyRetry unsafe
RProxyPass /hasty hasty
RProxyPass /strict strict
RProxyPass /patient patient
RProxyPass /leave leave
<Location /patient>
    RProxyRetry try=500ms
</Location>
CONF
    part 'a member that gives up in the middle of the content' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/hasty', ['Content-Length' => 3000]);
        $client->send('a' x 1500);
        ok($hasty->wait_note(qr/refused/), 'has had its beginning');
        $client->send('b' x 1500);
        is($client->read_response->body, 'good', 'another one gets it');
        is($good->last_request->body, 'a' x 1500 . 'b' x 1500, 'all of it');
        is($client->get('/strict')->status, 200, 'the client goes on');
    };
    part 'a client that takes its time does not use up the time of a try' => sub {
        $_->forget for $strict, $good;
        my $client = client($httpd);
        $client->send_request('POST', '/patient', ['Content-Length' => 2000]);
        $client->send('a' x 1000);
        ok($good->wait_requests(1), 'the member has its head');
        select undef, undef, undef, 0.8;
        $client->send('b' x 1000);
        is($client->read_response->body, 'good', 'it is answered');
        is($good->count, 1, 'with one try');
    };
    part 'a client that leaves during another try ends it' => sub {
        my $client = client($httpd);
        $client->send_request('GET', '/leave');
        ok($silent->wait_requests(1), 'when the second member has been asked');
        $client->close;
        ok($silent->wait_note(qr/left/), 'its connection is closed');
        ok($httpd->wait_access(qr{/leave .* 499 .*attempts=2}), 'and it is logged as gone');
    };
    part 'a member that does not want the content at all' => sub {
        my $client = client($httpd);
        $client->send_request('POST', '/strict', ['Content-Length' => 3000, 'Expect' => '100-continue']);
        is($client->read_response_head->status, 100, 'another one does');
        $client->send('c' x 3000);
        is($client->read_response->body, 'good', 'it answers');
        is($good->last_request->body, 'c' x 3000, 'to all of it');
    };
};

# A backend that closes a kept connection just when something comes on it.
each_mpm {
    my $fickle = backend(on_connection => sub {
        my ($c) = @_;
        my $request = $c->read_request_head or return;
        $c->read_request_body($request);
        $c->respond($request, 200, [], 'connection ' . $c->number);
        $c->note('closes') if $c->read_request_head;
        $c->close;
    });
    my $httpd = httpd(children => 1, config => pool(app => $fickle) . "RProxyPass / app\n");
    part 'a kept connection that is dead is no end of an idempotent request' => sub {
        get($httpd, '/');
        my $response = request($httpd, 'PUT', '/', [], 'its content');
        is($response->body, 'connection 2', 'it goes over a new one');
        is($fickle->last_request->body, 'its content', 'with all of its content');
        ok($fickle->wait_note(qr/closes/), 'though it had been sent before');
    };
    part 'but of others' => sub {
        is(post($httpd, '/', 'x')->status, 502, 'POST might be acted upon twice');
    };
};

# When everybody fails, retries are a share of the requests.
one_mpm {
    my @bad = map { backend(responds(503, [], 'no')) } 1 .. 3;
    my $httpd = httpd(children => 3, config => pool(app => 'RProxyRetryBudget 20% floor=1', @bad) . <<'CONF');
RProxyPass / app
RProxyPass /manage none
<Location /manage>
    SetHandler rproxy-manage
    Require all granted
</Location>
CONF
    part 'a pool in trouble does not get many times the requests' => sub {
        my $began = time;
        my @statuses = map { get($httpd, '/')->status } 1 .. 200;
        my $took = time - $began;
        is(scalar(grep { $_ == 503 } @statuses), 200, 'failures reach the clients');
        my $seen = 0;
        $seen += $_->count for @bad;
        cmp_ok($seen, '>', 200, 'some were tried again');
        cmp_ok($seen, '<=', 200 * 1.2 + 10 + $took, 'a fifth of the requests, and the floor of ten seconds');
        my @lines = $httpd->error_log =~ /RP0351/g;
        ok(scalar @lines, 'the log says that the budget is used up');
        my $retries = get($httpd, '/manage/pools/app')->json->{retries};
        is($retries->{granted}, $seen - 200, 'the figures of the pool count them');
        cmp_ok($retries->{denied}, '>=', 100, 'and those that were not allowed');
        cmp_ok(scalar @lines, '<=', 3, 'but not each time');
    };
};

# Streams of HTTP/2 have no socket of their own.
each_mpm {
    return pass('mod_http2 does not run under prefork') if $RP::Test::mpm eq 'prefork';
    my $bad = backend(\&misbehave);
    my $good = backend(\&good);
    my $httpd = httpd(modules => ['http2'], config => pool(app => 'RProxyMethod round-robin', $bad->url . ' weight=100', $good)
        . "Protocols h2c http/1.1\nRProxyRetry unsafe\nRProxyPass / app\n");
    part 'a client of HTTP/2 has its requests sent again as well' => sub {
        my @curl = ('curl', '-sS', '--http2-prior-knowledge', '--max-time', 10);
        my $site = 'http://127.0.0.1:' . $httpd->port;
        for my $what ('/503', '/resets') {
            my ($status, $output) = command([@curl, $site . $what]);
            is($output, 'good', "GET $what");
            my $body = "$what again " x 3000;
            ($status, $output) = command([@curl, '--data-binary', $body, $site . $what]);
            is($output, 'good', "POST $what");
            is($good->last_request->body, $body, 'with its content');
        }
    };
};

# Without a client, and for many clients at once.
one_mpm {
    my $bad = backend(sub { $_[0]->respond($_[1], 503, [], 'no') });
    my $good = backend(responds(200, ['Cache-Control' => 'max-age=1, stale-while-revalidate=600'], 'good'));
    my $httpd = httpd(config => pool(app => 'RProxyMethod round-robin', $bad->url . ' weight=100', $good)
        . "RProxyCacheLocal \@ROOT\@/cache size=8M\nRProxyCache on\nRProxyPass / app\n");
    part 'a refresh in the background is tried again as well' => sub {
        is(get($httpd, '/a')->body, 'good', 'the first one is fetched');
        ok(eventually { get($httpd, '/a'); $good->count >= 2 }, 'and refreshed by another member');
    };
    part 'those who wait for one fetch get what the second try brings' => sub {
        my @clients = map { client($httpd) } 1 .. 5;
        $_->send_request('GET', '/b') for @clients;
        is($_->read_response->body, 'good', 'a client') for @clients;
    };
};

done_testing;
