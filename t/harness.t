# Licensed under the Apache License, Version 2.0; see LICENSE.

# That the harness itself can be believed: an httpd without the module, in front of nothing or of mod_proxy.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

each_mpm {
    my $backend = backend(echoes());
    my $httpd = httpd(module => 0, modules => [qw(proxy proxy_http)],
        config => 'ProxyPass / http://' . $backend->authority . "/\n");

    part 'client and backend understand each other through a proxy' => sub {
        my $response = get($httpd, '/x?y', 'X-A' => 'b');
        is($response->status, 200, 'the response arrives');
        is($response->json->{target}, '/x?y', 'with the target that the backend saw');
        is($response->echoed('X-A'), 'b', 'and a field of the request');
        is($backend->count, 1, 'one request was recorded');
        is($backend->last_request->field('x-a'), 'b', 'with its fields');
    };
    part 'bodies are counted, chunked or not' => sub {
        my $client = client($httpd);
        is($client->post('/', 'x' x 300_000)->json->{body_length}, 300_000, 'with Content-Length');
        my $chunked = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        is($client->request('POST', '/', ['Transfer-Encoding' => 'chunked'], $chunked)->json->{body_length},
            5, 'chunked');
        is($client->head('/')->body, '', 'HEAD has none');
    };
    part 'restarts and logs' => sub {
        ok(eventually { $httpd->children == 2 }, 'the children are known');
        $httpd->graceful;
        is(get($httpd, '/')->status, 200, 'a graceful restart is waited for');
        ok($httpd->wait_access(qr{POST /}), 'the access log is read');
    };
    is_deeply([$httpd->stop], [], 'a clean life has no complaints');
};

each_mpm {
    my $httpd = httpd(module => 0);
    my ($child) = $httpd->children;
    kill SEGV => $child;
    $httpd->wait_log(qr/AH0005[12]/);
    like(join("\n", $httpd->stop), qr/exit signal Segmentation fault/, 'a child that dies is complained of');
};

one_mpm {
    my $httpd = RP::Httpd->new(module => 0, config => "Nonsense on\n");
    my ($status, $output) = $httpd->configtest;
    isnt($status, 0, 'configtest fails for a wrong line');
    like($output, qr/Nonsense/, 'and shows its complaint');
    ok(!eval { $httpd->begin; 1 }, 'and such a server does not start');
};

done_testing;
