# Licensed under the Apache License, Version 2.0; see LICENSE.

# QUERY (RFC 10008): safe, idempotent, cacheable, and its content is part of the question.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

one_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my $body = $request->body // '';
        my $target = $request->target;
        my @fields = (ETag => '"' . length($body) . '"', 'Cache-Control' => $target =~ /stale/ ? 'max-age=0'
            : $target =~ /later/ ? 'max-age=0, stale-while-revalidate=60' : 'max-age=600');
        push @fields, 'No-Vary-Search' => 'params=("utm")' if $target =~ /equal/;
        $c->wait_signal('go') if $target =~ /slow/;
        return $c->respond($request, 304, \@fields) if defined $request->field('If-None-Match') && $target !~ /turn/;
        $c->respond($request, 200, \@fields, join ' ', $request->method, $request->number, length $body, substr $body, 0, 50);
    });
    my $httpd = httpd(children => 2, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
<Location /small>
    RProxyCacheQuery 100
</Location>
<Location /off>
    RProxyCacheQuery off
</Location>
CONF
    my @json = ('Content-Type' => 'application/json');
    my $query = sub { my ($target, $body, @fields) = @_; return request($httpd, 'QUERY', $target, [@fields ? @fields : @json], $body) };
    my $asked = sub {
        my ($do) = @_;
        my $before = $backend->count;
        $do->();
        return $backend->count - $before;
    };

    part 'the same question is asked once' => sub {
        my $first = $query->('/1', '{"a":1}');
        is($first->body, 'QUERY ' . $backend->last_request->number . ' 7 {"a":1}', 'the backend gets it as it was sent');
        like($first->field('Cache-Status'), qr/fwd=uri-miss.*stored/, 'the response is stored');
        my $second = $query->('/1', '{"a":1}');
        is($second->body, $first->body, 'and answers the next one');
        like($second->field('Cache-Status'), qr/hit/, 'as a hit');
        is($asked->(sub { request($httpd, 'QUERY', '/none', [@json], '') for 1 .. 2 }), 1, 'without content as well');
    };
    part 'another question is another one' => sub {
        is($asked->(sub { $query->('/2', '{"a":1}') for 1 .. 2 }), 1, 'once per URL');
        is($asked->(sub { $query->('/2', '{"a":2}') for 1 .. 2 }), 1, 'once per content');
        is($asked->(sub { $query->('/2', '{"a":1}', 'Content-Type' => 'text/plain') for 1 .. 2 }), 1, 'once per type');
        is($asked->(sub { $query->('/2', '{"a":1}', @json, 'Content-Encoding' => 'x') for 1 .. 2 }), 1, 'once per coding');
        is($asked->(sub { $query->('/2', '{"a":1}', @json, 'Content-Language' => 'de') for 1 .. 2 }), 1, 'once per language');
    };
    part 'a QUERY does not answer a GET, nor a GET a QUERY' => sub {
        $query->('/3', '');
        like(get($httpd, '/3')->body, qr/\AGET/, 'a GET gets its own');
        get($httpd, '/4');
        like($query->('/4', '')->body, qr/\AQUERY/, 'so does a QUERY');
    };
    part 'however the content comes' => sub {
        my $first = $query->('/5', 'x' x 20_000)->body;
        my $client = client($httpd);
        $client->send("QUERY /5 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        $client->send_chunk('x' x 12_000);
        $client->send_chunk('x' x 8000);
        $client->send_last_chunk;
        isnt($client->read_response->body, $first, 'of another host it is another one');
        is($asked->(sub { $query->('/5', 'x' x 20_000) }), 0, 'here it is a hit');
        is($asked->(sub { request($httpd, 'QUERY', '/5', [@json, Expect => '100-continue'], 'x' x 20_000) }), 0,
            'with Expect too');
    };
    part 'what is too large goes on as it comes' => sub {
        for my $length (101, 5000, 1_000_000) {
            my $response = $query->('/small', 'x' x $length);
            is((split / /, $response->body)[2], $length, "$length bytes arrive");
            like($response->field('Cache-Status'), qr/fwd=/, 'and the response does not come from the cache');
        }
        is($asked->(sub { $query->('/small', 'x' x 101) for 1 .. 2 }), 2, 'each time');
        is($asked->(sub { $query->('/small', 'x' x 100) for 1 .. 2 }), 1, 'what is not is stored');
        is($asked->(sub { $query->('/off', 'x') for 1 .. 2 }), 2, 'with off nothing is');
        my $client = client($httpd);
        $client->send("QUERY /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        $client->send_chunk('y' x 3000) for 1 .. 100;
        $client->send_last_chunk;
        is((split / /, $client->read_response->body)[2], 300_000, 'a body of unknown length arrives whole');
    };
    part 'what is stale is asked about with the content' => sub {
        my $first = $query->('/stale', 'question');
        my $second = $query->('/stale', 'question');
        is($second->body, $first->body, 'a 304 confirms it');
        is($backend->last_request->body, 'question', 'to the same question');
        is($backend->last_request->field('If-None-Match'), '"8"', 'with a condition');
        $query->('/later', 'question');
        my $before = $backend->count;
        like($query->('/later', 'question')->field('Cache-Status'), qr/rproxy; hit/, 'in the background, too');
        ok($backend->wait_requests($before + 1), 'the backend is asked');
        is($backend->last_request->body, 'question', 'the same question');
    };
    part 'conditions of clients are evaluated, ranges are the origin\'s' => sub {
        $query->('/6', 'abc');
        is($query->('/6', 'abc', @json, 'If-None-Match' => '"3"')->status, 304, 'a stored result is not modified');
        is($asked->(sub { $query->('/6', 'abc', @json, Range => 'bytes=0-1') }), 1, 'a range is asked for');
    };
    part 'unsafe requests invalidate the results of their URL' => sub {
        $query->('/7', $_) for qw(a b);
        is($asked->(sub { $query->('/7', $_) for qw(a b) }), 0, 'they are there');
        post($httpd, '/7', 'x');
        is($asked->(sub { $query->('/7', $_) for qw(a b) }), 2, 'and gone');
    };
    part 'No-Vary-Search holds for results' => sub {
        is($asked->(sub { $query->("/equal?utm=$_", 'a') for 1 .. 3 }), 1, 'of one question');
        is($asked->(sub { $query->('/equal?utm=1', 'b'); get($httpd, '/equal?utm=1') }), 2, 'not of others');
    };
    part 'many at one time ask once' => sub {
        $backend->forget;
        my @clients = map { client($httpd) } 1 .. 4;
        $clients[0]->send_request('QUERY', '/slow', [@json], 'same');
        ok($backend->wait_requests(1), 'the first asks');
        $_->send_request('QUERY', '/slow', [@json], 'same') for @clients[1 .. 3];
        $backend->signal('go');
        my %bodies = map { $_->read_response->body => 1 } @clients;
        is(scalar(keys %bodies), 1, 'all have one result');
    };
};

# What was read of the client can be sent again; QUERY is idempotent.
one_mpm {
    my $backend = backend(on_connection => sub {
        my ($c) = @_;
        for my $n (1 .. 100) {
            my $request = $c->read_request_head or return;
            $c->read_request_body($request);
            return $c->reset if $c->number == 1 && $n == 2;
            $c->respond($request, 200, ['Cache-Control' => 'max-age=600'], $c->number . ' ' . $request->body);
        }
    });
    my $httpd = httpd(children => 1, config => pool(app => $backend)
        . "RProxyCacheLocal \@ROOT\@/cache size=8M\nRProxyPass / app\nRProxyCache on\n");
    part 'a kept connection that is dead is no reason to fail' => sub {
        is(request($httpd, 'QUERY', '/', [], 'first')->body, '1 first', 'one request on the first connection');
        is(request($httpd, 'QUERY', '/', [], 'second')->body, '2 second', 'the other on another, with its content');
    };
};

done_testing;
