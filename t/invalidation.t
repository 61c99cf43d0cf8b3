# Licensed under the Apache License, Version 2.0; see LICENSE.

# What requests other than GET do to what is stored: they invalidate it (RFC 9111 4.4), freshen it (4.3.5), and a POST may
# even bring it (RFC 9110 9.3.3).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my @fresh = ('Cache-Control' => 'max-age=600');

# Fields of the response to what is not a GET, by path.
my %says = (
    '/list' => [Location => '/list/1', 'Content-Location' => 'list/2?x#top'],
    '/absolute' => [Location => 'http://@HOST@/list/1'],
    '/elsewhere' => [Location => 'http://other.example/list/1', 'Content-Location' => '//other.example/list/2?x'],
    '/form' => ['Content-Location' => '/form', @fresh, 'X-From' => 'post'],
    '/form-of-another' => ['Content-Location' => '/form', @fresh, 'X-From' => 'post'],
    '/form-without-freshness' => ['Content-Location' => '/form-without-freshness', ETag => '"p"'],
    '/head/same' => [@fresh, ETag => '"v1"', 'Content-Length' => 4, 'X-Said' => 'by HEAD'],
    '/head/length' => [@fresh, ETag => '"v1"', 'Content-Length' => 5],
    '/head/etag' => [@fresh, ETag => '"v2"', 'Content-Length' => 4],
);

one_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my ($path) = $request->target =~ /\A([^?]*)/;
        my $said = $request->method eq 'GET' ? undef : $says{$path};
        if ($request->method eq 'HEAD') {
            my @fields = @{ $said || [] };
            my $text = '';
            $text .= shift(@fields) . ': ' . shift(@fields) . "\r\n" while @fields;
            return $c->send("HTTP/1.1 200 OK\r\n$text\r\n");
        }
        my $status = $request->target =~ /fails/ ? 500 : 200;
        my $host = $request->field('Host');
        my @fields = map { s/\@HOST\@/$host/r } @{ $said || [] };
        return $c->respond($request, $status, \@fields, 'made') if $request->method ne 'GET';
        my $age = $path =~ m{/head/} ? 1000 : 0;
        $c->respond($request, 200, [@fresh, ETag => '"v1"', Age => $age], 'body');
    });
    my $httpd = httpd(config => pool(app => $backend)
        . "RProxyCacheLocal \@ROOT\@/cache size=8M\nRProxyPass / app\nRProxyCache on\n");
    my $is_stored = sub { (get($httpd, $_[0], 'Cache-Control' => 'only-if-cached')->status || 0) == 200 };

    part 'Location and Content-Location name what else is doubtful' => sub {
        get($httpd, $_) for qw(/list /list/1 /list/2?x);
        ok($is_stored->($_), "$_ is stored") for qw(/list /list/1 /list/2?x);
        post($httpd, '/list', 'x');
        ok(!$is_stored->($_), "$_ is no more") for qw(/list /list/1 /list/2?x);
        get($httpd, '/list/1');
        is(post($httpd, '/absolute', 'x')->status, 200, 'a POST elsewhere');
        ok(!$is_stored->('/list/1'), 'as a whole URL too');
    };
    part 'but not on other hosts, and not after a failure' => sub {
        get($httpd, $_) for qw(/list /list/1 /list/2?x);
        post($httpd, '/elsewhere', 'x');
        post($httpd, '/list?fails', 'x');
        ok($is_stored->($_), "$_ stays") for qw(/list/1 /list/2?x);
    };
    part 'a POST may bring what a GET would get' => sub {
        my $response = post($httpd, '/form', 'x');
        like($response->field('Cache-Status'), qr/fwd=method; ?stored/, 'Cache-Status says so');
        $backend->forget;
        is(get($httpd, '/form')->field('X-From'), 'post', 'the GET gets it');
        is($backend->count, 0, 'without asking');
        is(head($httpd, '/form')->field('X-From'), 'post', 'and HEAD');
        post($httpd, $_, 'x') for qw(/form-of-another /form-without-freshness);
        ok(!$is_stored->('/form-of-another'), 'not for another URL');
        ok(!$is_stored->('/form-without-freshness'), 'not without explicit freshness');
    };
    part 'a HEAD freshens what it speaks of' => sub {
        get($httpd, '/head/same');
        head($httpd, '/head/same', 'Cache-Control' => 'no-cache');
        $backend->forget;
        my $response = get($httpd, '/head/same');
        is($backend->count, 0, 'it is fresh again');
        is($response->body, 'body', 'with its body');
        is($response->field('X-Said'), 'by HEAD', 'and the new fields');
    };
    for my $differs (qw(length etag)) {
        part "a HEAD with another $differs makes it stale" => sub {
            get($httpd, "/head/$differs");
            head($httpd, "/head/$differs");
            $backend->forget;
            is(get($httpd, "/head/$differs")->body, 'body', 'the GET gets it');
            is($backend->count, 1, 'after asking');
        };
    }
};
done_testing;
