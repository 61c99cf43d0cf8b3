# Licensed under the Apache License, Version 2.0; see LICENSE.

# A backend's 103 (Early Hints, RFC 8297) is remembered for the next browser that has to wait for the same URL.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

# The request says what the backend does: X-Hint: a Link of a 103; X-Wait: a signal to wait for before the final
# response; X-Status, X-Field: its status, and a field of it ("Name: value").
sub respond
{
    my ($c, $request) = @_;
    my @hints = map { split /, / } $request->fields('X-Hint');
    $c->send("HTTP/1.1 103 Early Hints\r\nServer: backend\r\n", (map { "Link: $_\r\n" } @hints), "\r\n") if @hints;
    $c->wait_signal($request->field('X-Wait')) if $request->field('X-Wait');
    my @fields = map { split /: /, $_, 2 } map { split /, (?=[A-Z])/ } $request->fields('X-Field');
    $c->respond($request, $request->field('X-Status') || 200, \@fields, 'page');
}

my @navigates = ('Sec-Fetch-Mode' => 'navigate');
my @css = ('X-Hint' => '</a.css>; rel=preload; as=style');

# What a browser is told ahead of the final response: the Link of each 103.
sub hinted { map { $_->field('Link') } get(@_)->informational }

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 2, modules => ['authz_host'], config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
LogFormat "%U hints=%{rproxy-hints}n" hints
CustomLog @ROOT@/hints.log hints
<If "%{REQUEST_METHOD} == 'PURGE'">
    RProxyPurge on
    Require ip 127.0.0.1
</If>
<Location /off>
    RProxyCacheHints off
</Location>
CONF

    part 'the next browser gets them before the backend has answered' => sub {
        get($httpd, '/page', @css);
        my $client = client($httpd);
        $client->send_request('GET', '/page', [@navigates, @css, 'X-Wait' => 'answer']);
        my $early = $client->read_response_head;
        is($early->status, 103, 'a 103');
        is($early->field('Link'), $css[1], 'with the link');
        is($early->field('Server'), undef, 'and with nothing else');
        $backend->signal('answer');
        my $response = $client->read_response;
        is($response->status, 200, 'then comes the response');
        is_deeply([$response->informational], [], 'and not the same 103 from the backend');
        is($response->body, 'page', 'which is whole');
        is($response->field('Link'), undef, 'the link is not in it');
        ok(eventually { RP::Place->read_file($httpd->root . '/hints.log') =~ m{/page hints=stored} }, 'the log tells of it');
    };
    part 'also those that another request fetches for' => sub {
        get($httpd, '/shared', @css);
        my @clients = map { client($httpd) } 1 .. 2;
        for my $client (@clients) {
            $client->send_request('GET', '/shared', [@navigates, 'X-Wait' => 'shared', 'X-Field' => 'Cache-Control: max-age=60']);
            is($client->read_response_head->status, 103, 'each has its hints while it waits');
        }
        $backend->signal('shared');
        is($_->read_response->body, 'page', 'and then the page') for @clients;
    };
    part 'new hints of the backend are passed on and take the place of the old ones' => sub {
        my @new = ('X-Hint' => '</b.css>; rel=preload; as=style');
        get($httpd, '/new', @css);
        is_deeply([hinted($httpd, '/new', @navigates, @new)], [$css[1], $new[1]], 'both reach the client that comes upon it');
        ok(eventually { my @of = hinted($httpd, '/new', @navigates, @new); @of == 1 && $of[0] eq $new[1] },
            'then only the new ones');
        my @both = (@css, @new);
        my ($first, $second) = get($httpd, '/both', @both)->informational;
        is_deeply([$first->fields('Link')], [$css[1], $new[1]], 'a 103 may have several');
        my @early = get($httpd, '/both', @navigates, @css)->informational;
        is_deeply([map { $_->fields('Link') } @early], [$css[1], $new[1]], 'which are sent; part of them does not come again');
    };
    part 'what the backend does not hint at any more is forgotten' => sub {
        get($httpd, '/gone', @css);
        get($httpd, '/gone');
        is(scalar(hinted($httpd, '/gone', @navigates)), 1, 'not by those who would not be told');
        is(scalar(hinted($httpd, '/gone', @navigates)), 0, 'but by the first browser that hears nothing of it');
    };
    part 'a hit needs none, a revalidation has them' => sub {
        my @stored = (@css, 'X-Field' => 'Cache-Control: max-age=60', 'X-Field' => 'ETag: "1"');
        get($httpd, '/stored', @stored);
        is(scalar(hinted($httpd, '/stored', @navigates)), 0, 'a hit');
        is(scalar(hinted($httpd, '/stored', @navigates, @css, 'Cache-Control' => 'no-cache')), 1, 'a reload');
        my @again = ('X-Status' => 304, 'X-Field' => 'ETag: "2"');
        get($httpd, '/again', 'X-Field' => 'ETag: "2"');
        like(get($httpd, '/again', @again, @css)->field('Cache-Status'), qr/fwd-status=304/, 'a 304 teaches as well');
        my $response = get($httpd, '/again', @again, @navigates);
        is(scalar($response->informational), 1, 'what precedes the next one');
        is($response->body, 'page', 'and what it confirms');
        is(scalar(hinted($httpd, '/again', @again, @navigates)), 1, 'which does not take hints back by saying none');
    };
    part 'nobody else is told' => sub {
        get($httpd, '/who', @css);
        is(scalar(hinted($httpd, '/who', @$_)), 0, "@$_") for [], ['Sec-Fetch-Mode' => 'no-cors'],
            [@navigates, Range => 'bytes=0-1'];
        is(scalar(head($httpd, '/who', @navigates)->informational), 0, 'HEAD');
        my $old = client($httpd);
        $old->send("GET /who HTTP/1.0\r\nHost: 127.0.0.1:" . $httpd->port . "\r\nSec-Fetch-Mode: navigate\r\n\r\n");
        is(scalar($old->read_response->informational), 0, 'HTTP/1.0');
        is(scalar(hinted($httpd, '/who?other', @navigates)), 0, 'nor who asks for another URL');
    };
    part 'nothing is learned from what may be somebody\'s own' => sub {
        my %case = (
            'Authorization' => [Authorization => 'Basic YTpi', 'X-Field' => 'Cache-Control: public'],
            'a Cookie' => [Cookie => 'session=1'],
            'a private response' => ['X-Field' => 'Cache-Control: private'],
            'one with no-store' => ['X-Field' => 'Cache-Control: no-store'],
            'one with Set-Cookie' => ['X-Field' => 'Set-Cookie: session=1'],
            'one with Vary: *' => ['X-Field' => 'Vary: *'],
            'a request with no-store' => ['Cache-Control' => 'no-store'],
        );
        for my $what (sort keys %case) {
            my $target = '/own?' . $what =~ s/\W//gr;
            get($httpd, $target, @css, @{ $case{$what} });
            is(scalar(hinted($httpd, $target, @navigates)), 0, $what);
        }
        get($httpd, '/learned', @css, 'X-Field' => 'Cache-Control: no-cache');
        is(scalar(hinted($httpd, '/learned', @navigates, @css, Cookie => 'session=1')), 1,
            'what is learned from others is told to everybody');
        get($httpd, '/learned', @navigates, @css, 'X-Field' => 'Cache-Control: private');
        is(scalar(hinted($httpd, '/learned', @navigates)), 0, 'until the page has become private');
    };
    part 'they are told to whom the response would have been given' => sub {
        my @en = ('Accept-Language' => 'en');
        my @by = ('X-Field' => 'Vary: Accept-Language', @css);
        get($httpd, '/vary', @en, @by);
        is(scalar(hinted($httpd, '/vary', @navigates, 'Accept-Language' => 'de')), 0, 'not with another value of what Vary names');
        is(scalar(hinted($httpd, '/vary', @navigates, @en, @by)), 1, 'with the same');
    };
    part 'they end with what is stored for the URL' => sub {
        my %by = (
            'a POST' => sub { post($httpd, $_[0], 'x') },
            'a PURGE' => sub { request($httpd, 'PURGE', $_[0], []) },
            'a soft one' => sub { request($httpd, 'PURGE', $_[0], ['RProxy-Purge' => 'url; soft']) },
            'one of a tag' => sub { request($httpd, 'PURGE', '/', ['Surrogate-Key' => 'shop']) },
            'one of a prefix' => sub { request($httpd, 'PURGE', '/ended/', ['RProxy-Purge' => 'prefix']) },
        );
        for my $what (sort keys %by) {
            my $target = '/ended/by' . $what =~ s/\W//gr;
            get($httpd, $target, @css, 'X-Field' => 'Surrogate-Key: shop');
            is(scalar(hinted($httpd, $target, @navigates, @css)), 1, "$what: they were there");
            like($by{$what}->($target)->status, qr/\A2/, "$what comes");
            is(scalar(hinted($httpd, $target, @navigates)), 0, "$what: they are gone");
        }
    };
    part 'too many are not kept' => sub {
        get($httpd, '/many', map { ('X-Hint' => "</$_.css>; rel=preload") } 1 .. 33);
        is(scalar(hinted($httpd, '/many', @navigates)), 0, 'as there are more than 32');
        get($httpd, '/long', 'X-Hint' => '</' . 'a' x 5000 . '>; rel=preload');
        is(scalar(hinted($httpd, '/long', @navigates)), 0, 'or too long');
    };
    part 'RProxyCacheHints off keeps none' => sub {
        get($httpd, '/off/page', @css);
        is(scalar(hinted($httpd, '/off/page', @navigates)), 0, 'no 103 is made');
        is(scalar(hinted($httpd, '/off/page', @navigates, @css)), 1, 'the backend\'s own are passed on');
    };
};

# Over HTTP/2 mod_http2 has the last word.
each_mpm {
    return pass('mod_http2 does not run under prefork') if $RP::Test::mpm eq 'prefork';
    my $backend = backend(\&respond);
    my $httpd = httpd(modules => ['http2'], config => pool(app => $backend) . <<'CONF');
Protocols h2c http/1.1
H2EarlyHints on
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
CONF
    part 'a client of HTTP/2 gets them without further words' => sub {
        get($httpd, '/page', @css, Host => '127.0.0.1:' . $httpd->port);
        my ($status, $output) = command(['curl', '-sS', '-i', '--http2-prior-knowledge', '--max-time', 10,
            'http://127.0.0.1:' . $httpd->port . '/page']);
        is($status, 0, 'curl is content') or diag($output);
        like($output, qr{\AHTTP/2 103 ?\r\nlink: </a\.css>.*?\r\n\r\nHTTP/2 200 ?\r\n}s, 'a 103 before the 200');
    };
};
done_testing;
