# Licensed under the Apache License, Version 2.0; see LICENSE.

# Responses of backends inside of others: pages of ErrorDocument, parts of mod_include.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

sub respond
{
    my ($c, $request) = @_;
    my ($path) = $request->target =~ m{\A([^?]*)};
    if ($path =~ m{/drops\z}) {
        return $c->close;
    } elsif ($path =~ m{/missing-page\z}) {
        return $c->respond($request, 404, [], 'not even this');
    } elsif ($path =~ m{/part\z}) {
        my @fields = (ETag => '"v1"', 'Content-Type' => 'text/plain', 'Cache-Control' => 'max-age=60');
        my $match = $request->field('If-None-Match');
        return $c->respond($request, 304, \@fields) if defined $match;
        return $c->respond($request, 206, [@fields, 'Content-Range' => 'bytes 0-1/8'], 'wh')
            if $request->field('Range');
        return $c->respond($request, 200, \@fields, 'the part');
    }
    return $c->respond($request, 200, ['Content-Type' => 'text/plain', 'X-Page' => 'yes'],
        'page of ' . $request->method . " $path");
}

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(modules => ['include', 'mime'], config => pool(app => $backend) . <<'CONF');
RProxyPass /app app
RProxyCacheLocal @ROOT@/cache size=8M
ErrorDocument 502 /app/error/502
ErrorDocument 403 /app/error/403
ErrorDocument 404 /app/missing-page
<Location /forbidden>
    Require all denied
</Location>
<Location /app/cached>
    RProxyCache on
</Location>
TypesConfig /dev/null
<Directory @ROOT@/htdocs>
    Options +Includes
    Require all granted
    AddType text/html .shtml
    AddOutputFilter INCLUDES .shtml
</Directory>
CONF
    for my $part (qw(part cached/part)) {
        RP::Place->write_file($httpd->root . '/htdocs/' . ($part =~ s{/}{-}r) . '.shtml',
            "[<!--#include virtual=\"/app/$part\" -->]\n");
    }

    part 'a backend\'s page for an error has the error\'s status' => sub {
        my $response = get($httpd, '/forbidden');
        is($response->status, 403, 'httpd\'s own error');
        is($response->body, 'page of GET /app/error/403', 'the page');
        is($response->field('X-Page'), 'yes', 'with its fields');
        ok($httpd->wait_access(qr{/forbidden.*" 403 }), 'it is logged so');
        $response = get($httpd, '/app/drops');
        is($response->status, 502, 'an error of the proxy');
        is($response->body, 'page of GET /app/error/502', 'the page');
        like($response->field('Proxy-Status') || '', qr/\Arproxy; ?error=connection_terminated/,
            'Proxy-Status tells what happened');
        is(head($httpd, '/forbidden')->status, 403, 'to HEAD too');
    };
    part 'it is asked for by GET and without a body, whatever the request was' => sub {
        for my $framing (['Content-Length' => 5], ['Transfer-Encoding' => 'chunked']) {
            $backend->forget;
            my $client = client($httpd);
            my $response = $client->request('POST', '/app/drops', $framing,
                $framing->[1] eq 'chunked' ? "5\r\nhello\r\n0\r\n\r\n" : 'hello');
            is($response->status, 502, "$framing->[0]: the error");
            is($response->body, 'page of GET /app/error/502', 'the page');
            my ($post, $page) = $backend->requests;
            is($post->method, 'POST', 'the backend saw the request');
            is($page->method, 'GET', 'and that for the page');
            is($page->field($_), undef, "without $_") for qw(Content-Length Transfer-Encoding);
            is($backend->count, 2, 'no more');
        }
    };
    part 'conditions and ranges of the request are not about it' => sub {
        $backend->forget;
        my $response = get($httpd, '/forbidden', 'If-None-Match' => '"v1"', Range => 'bytes=0-1',
            'If-Modified-Since' => 'Mon, 01 Jan 2024 00:00:00 GMT');
        is($response->status, 403, 'the error');
        is($response->body, 'page of GET /app/error/403', 'the whole page');
        is($backend->last_request->field($_), undef, "the backend saw no $_")
            for qw(If-None-Match If-Modified-Since Range);
    };
    part 'a page that fails itself leaves the error as it was' => sub {
        is(get($httpd, '/nowhere')->status, 404, 'a page that is missing');
    };
    for my $page (qw(part cached-part)) {
        my $whole = "[the part]\n";
        part "$page is included whole" => sub {
            is(get($httpd, "/$page.shtml")->body, $whole, 'without conditions') for 1 .. 2;
            is(get($httpd, "/$page.shtml", 'If-None-Match' => $_)->body, $whole, "If-None-Match: $_")
                for '"v1"', '*';
            is(get($httpd, "/$page.shtml", 'If-Modified-Since' => 'Fri, 01 Jan 2100 00:00:00 GMT')->body,
                $whole, 'If-Modified-Since');
            my $response = get($httpd, "/$page.shtml", Range => 'bytes=1-3');
            like($response->body, $response->status == 206 ? qr/\Athe\z/ : qr/\A\Q$whole\E\z/,
                'a range is of the whole');
            is($_->field('Range') // $_->field('If-None-Match'), undef, 'the backend was asked for no less')
                for $backend->requests;
            get($httpd, '/app/' . $page =~ s/-/\//r);
            is(get($httpd, "/$page.shtml", 'If-None-Match' => '"v1"')->body, $whole,
                'when it is in the store by itself');
        };
    }
};

done_testing;
