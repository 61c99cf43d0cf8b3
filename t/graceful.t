# Licensed under the Apache License, Version 2.0; see LICENSE.

# A graceful restart under load loses no request.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Time::HiRes qw(time);

# A client of its own process that asks on and on until the file "stop" is there; writes what went wrong to the file.
sub load
{
    my ($httpd, $folder, $n, $keep) = @_;
    return RP::Process->spawn(sub {
        my ($asked, @wrong, $client) = (0);
        until (-e "$folder/stop") {
            $asked++;
            # What HTTP lets any server do is no loss: to end an idle connection (RFC 9112 section 9.5).
            my $reused = !!$client;
            my $response = eval {
                $client ||= RP::Client->connect($httpd);
                $client->get("/$n/$asked");
            };
            my $error = $@;
            if (!$response && $reused) {
                undef $client;
                $response = eval { ($client = RP::Client->connect($httpd))->get("/$n/$asked") };
                $error = $@;
            }
            push @wrong, $response ? $response->status : $error
                if !$response || $response->status != 200 || $response->broken || $response->body ne 'x' x 5000;
            undef $client if !$keep || !$response || $client->ended || ($response->field('Connection') || '') =~ /close/i;
        }
        RP::Place->write_file("$folder/result-$n", join "\n", $asked, @wrong);
    });
}

each_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        if ($request->target eq '/long') {
            $c->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            $c->wait_signal('restarted');
            return $c->send('world');
        }
        $c->respond($request, 200, [], 'x' x 5000);
    });
    my $httpd = httpd(children => 4, config => pool(app => $backend) . <<'CONF');
RProxyPass / app
RProxyCacheLocal @ROOT@/cache size=8M
CONF
    my $folder = RP::Place->folder;
    my @clients = map { load($httpd, $folder, $_, $_ % 2) } 1 .. 3;
    my $long = client($httpd);
    $long->send_request('GET', '/long');
    is($long->read_response_head->status, 200, 'a long response has begun');

    for (1 .. 3) {
        my $before = $backend->count;
        ok(eventually { $backend->count > $before + 20 }, 'requests flow');
        $httpd->graceful;
    }
    my $before = $backend->count;
    ok(eventually { $backend->count > $before + 20 }, 'requests still flow');
    $backend->signal('restarted');
    is($long->read_bytes(10), 'helloworld', 'the long response ends as it should');

    RP::Place->write_file("$folder/stop", '');
    ok(eventually { 3 == grep { -s $_ } glob "$folder/result-*" }, 'the clients are done');
    for my $n (1 .. 3) {
        my ($asked, @wrong) = split /\n/, RP::Place->read_file("$folder/result-$n");
        is_deeply(\@wrong, [], "client $n: all of $asked requests were answered");
    }
};

done_testing;
