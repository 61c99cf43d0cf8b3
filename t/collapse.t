# Licensed under the Apache License, Version 2.0; see LICENSE.

# Of many requests for one response one asks a backend; the others get what it gets, when it gets it.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $store = "Cache-Control: max-age=600\r\n";

sub respond
{
    my ($c, $request) = @_;
    my ($what, $n) = $request->target =~ m{/(\w+)/?(\w*)\z};
    my $name = "$what-$n";
    if ($what eq 'slow') {
        $c->wait_signal($name);
        return $c->respond($request, 200, ['Cache-Control' => 'max-age=600'], "answer $name");
    } elsif ($what eq 'drip') {
        my $bulk = $n eq 'large' ? 'x' x 200_000 : '';
        $c->send("HTTP/1.1 200 OK\r\n${store}Transfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk("first$bulk");
        $c->wait_signal("$name-1");
        $c->send_chunk("second");
        $c->wait_signal("$name-2");
        $c->send_chunk("third");
        return $c->send_last_chunk;
    } elsif ($what eq 'private') {
        $c->wait_signal($name);
        return $c->respond($request, 200, ['Cache-Control' => 'private'], 'for ' . $request->field('X-Who'));
    } elsif ($what eq 'stall') {
        $c->wait_signal($name) if !$request->field('X-Second');
        return $c->respond($request, 200, ['Cache-Control' => 'max-age=600'], 'answer');
    } elsif ($what eq 'break') {
        $c->send("HTTP/1.1 200 OK\r\n${store}Content-Length: 100\r\n\r\nonly this");
        $c->wait_signal($name);
        return $c->close;
    } elsif ($what eq 'refuse') {
        $c->wait_signal($name);
        return $c->close;
    } elsif ($what eq 'vary') {
        $c->wait_signal($name);
        return $c->respond($request, 200, ['Cache-Control' => 'max-age=600', Vary => 'X-Who'],
            'for ' . $request->field('X-Who'));
    } elsif ($what eq 'download') {
        $c->send("HTTP/1.1 200 OK\r\n${store}Content-Length: 200000\r\n\r\n" . 'x' x ($n eq 'most' ? 150_000 : 50_000));
        $c->wait_signal($name);
        my $sent = eval { $c->send('x' x ($n eq 'most' ? 50_000 : 150_000)); 1 };
        return $c->note("$name " . ($c->wait_gone ? 'was given up' : 'went on'));
    }
    $c->respond($request, 200, [], 'ok');
}

# Which of these processes has a connection to this port?
sub who_is_connected
{
    my ($port, @pids) = @_;
    my $hex = sprintf ':%04X', $port;
    my %inode = map { $_ => 1 } map { my @f = split ' '; $f[2] =~ /$hex\z/ && $f[3] eq '01' ? $f[9] : () }
        split /\n/, RP::Place->read_file('/proc/net/tcp');
    return grep { my $pid = $_; grep { (readlink($_) || '') =~ /\Asocket:\[(\d+)\]/ && $inode{$1} } glob "/proc/$pid/fd/*" }
        @pids;
}

# Send a request on each of several connections.
sub ask
{
    my ($httpd, $count, $target, @fields) = @_;
    my @clients = map { client($httpd) } 1 .. $count;
    $_->send_request('GET', $target, [@fields]) for @clients;
    return @clients;
}

sub is_collapsed { ($_[0]->field('Cache-Status') || '') =~ /\Arproxy; ?fwd=\S+; ?collapsed/ }

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 8, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
RProxyCacheCollapse stall=1m wait=2m
<Location /impatient>
    RProxyCacheCollapse wait=100ms
</Location>
<Location /quick>
    RProxyCacheCollapse stall=100ms
</Location>
<Location /alone>
    RProxyCacheCollapse off
</Location>
CONF

    part 'many requests for a missing response make one fetch, over all child processes' => sub {
        my $target = '/slow/many';
        my @clients = ask($httpd, 1, $target);
        ok($backend->wait_requests(1), 'the first asks the backend');
        push @clients, ask($httpd, 6, $target);
        is($backend->count, 1, 'the others do not');
        $backend->signal('slow-many');
        my @responses = map { $_->read_response } @clients;
        is(scalar(grep { $_->status == 200 && $_->body eq 'answer slow-many' } @responses), 7, 'all have the response');
        is($backend->count, 1, 'of one request');
        ok((grep { is_collapsed($_) } @responses) > 0, 'and those who waited say so in Cache-Status');
    };

    for my $size ('small', 'large') {
        part "a $size response is followed while it comes in" => sub {
            $backend->forget;
            my $target = "/drip/$size";
            my $first = $size eq 'large' ? 'first' . 'x' x 200_000 : 'first';
            my ($leader) = ask($httpd, 1, $target);
            $leader->read_response_head;
            is($leader->read_bytes(3) ne '', 1, 'the first has its beginning');
            my @followers = ask($httpd, 2, $target);
            for my $follower (@followers) {
                my $head = $follower->read_response_head;
                is($head->status, 200, 'a follower has the head');
                ok(is_collapsed($head), 'as a collapsed request');
            }
            my @got = map { my $got = ''; $got .= $_->read_chunk // die 'no chunk' while length $got < length $first; $got }
                @followers;
            is($got[0] eq $first && $got[1] eq $first, 1, 'followers have what the backend has sent');
            $backend->signal("drip-$size-1");
            is($_->read_chunk, 'second', 'and each piece as it comes') for @followers;
            $backend->signal("drip-$size-2");
            is($_->read_chunk, 'third', 'up to the last one') for @followers;
            is($_->read_chunk, '', 'and the end') for @followers;
            is($backend->count, 1, 'the backend saw one request');
            my $stored = get($httpd, $target);
            like($stored->field('Cache-Status'), qr/\Arproxy; ?hit; ?ttl/, 'then it is stored');
            is($stored->body eq "${first}secondthird", 1, 'whole');
        };
    }

    part 'responses that are not for sharing hold nobody up, and are nobody else\'s' => sub {
        $backend->forget;
        my @first = map { ask($httpd, 1, '/private/one', 'X-Who' => $_) } 1 .. 3;
        $backend->wait_requests(1);
        $backend->signal('private-one');
        my @bodies = map { $_->read_response->body } @first;
        is("@bodies", 'for 1 for 2 for 3', 'each has his own');
        is($backend->count, 3, 'from the backend');
        $backend->forget;
        my @second = map { ask($httpd, 1, '/private/one', 'X-Who' => $_) } 4 .. 6;
        ok($backend->wait_requests(3), 'from then on nobody waits for another');
        is(join(' ', map { $_->read_response->body } @second), 'for 4 for 5 for 6', 'and all are served');
    };

    part 'variants are not mixed up' => sub {
        $backend->forget;
        my @clients = map { ask($httpd, 1, '/vary/one', 'X-Who' => $_) } qw(a b a b);
        $backend->wait_requests(1);
        $backend->signal('vary-one');
        is(join(' ', map { $_->read_response->body } @clients), 'for a for b for a for b', 'each has its own');
    };

    part 'when nobody answers, those who waited get the same error' => sub {
        $backend->forget;
        my @clients = ask($httpd, 1, '/refuse/one');
        $backend->wait_requests(1);
        push @clients, ask($httpd, 4, '/refuse/one');
        # They wait when they are neither answered nor at the backend.
        ok($_->silent_for(0.1), 'they wait') for @clients[1 .. 4];
        $backend->signal('refuse-one');
        is(join(' ', map { $_->read_response->status } @clients), '502 502 502 502 502', 'all have 502');
        ok($backend->count < 5, 'without each asking');
    };

    part 'a body that breaks off is broken for those who follow it' => sub {
        my @clients = ask($httpd, 1, '/break/one');
        $clients[0]->read_response_head;
        $clients[0]->read_bytes(9);
        my ($follower) = ask($httpd, 1, '/break/one');
        $follower->read_response_head;
        is($follower->read_bytes(9), 'only this', 'the follower has the beginning');
        $backend->signal('break-one');
        $follower->read_rest;
        ok($follower->ended, 'and then its connection ends');
    };


    part 'nobody waits longer than RProxyCacheCollapse says' => sub {
        $backend->forget;
        my ($leader) = ask($httpd, 1, '/impatient/stall/one');
        $backend->wait_requests(1);
        is(get($httpd, '/impatient/stall/one', 'X-Second' => 'yes')->body, 'answer', 'wait= is over: it asks for itself');
        is($backend->count, 2, 'with a request of its own');
        $backend->signal('stall-one');
        is($leader->read_response->status, 200, 'the first has its own in the end');

        $backend->forget;
        ($leader) = ask($httpd, 1, '/quick/stall/two');
        $backend->wait_requests(1);
        is(get($httpd, '/quick/stall/two', 'X-Second' => 'yes')->body, 'answer', 'stall= is over: it takes over');
        is(get($httpd, '/quick/stall/two')->body, 'answer', 'and what it got is stored');
        is($backend->count, 2, 'for all');
        $backend->signal('stall-two');
        is($leader->read_response->status, 200, 'the first has its own in the end');

        $backend->forget;
        my @clients = ask($httpd, 2, '/alone/slow/three');
        ok($backend->wait_requests(2), 'off: both ask');
        $backend->signal('slow-three');
        is($_->read_response->status, 200, 'and both have it') for @clients;
    };

    part 'a download that its client gives up is finished when most of it is there' => sub {
        $backend->forget;
        my ($client) = ask($httpd, 1, '/download/most');
        $client->read_response_head;
        $client->read_bytes(150_000);
        $client->reset;
        $backend->signal('download-most');
        my $hit = eventually { my $r = get($httpd, '/download/most'); $r->field('Cache-Status') =~ /\Arproxy; ?hit/ && $r };
        ok($hit, 'it comes to be stored');
        is(length $hit->body, 200_000, 'whole');
        is($backend->count, 1, 'the backend saw one request');

        ($client) = ask($httpd, 1, '/download/little');
        $client->read_response_head;
        $client->read_bytes(50_000);
        $client->reset;
        ok($httpd->wait_log(qr/RP0404|the client went away/) || 1, 'noticed');
        $backend->signal('download-little');
        ok($backend->wait_note(qr/download-little was given up/), 'otherwise it is given up');
    };
};

each_mpm {
    my $body = join '', map { sprintf "%09d\n", $_ } 1 .. 1_200_000;
    my $backend = backend(sub { $_[0]->respond($_[1], 200, ['Cache-Control' => 'max-age=600'], $body) });
    my $httpd = httpd(children => 3, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=256M
RProxyPass / app
RProxyCache on
RProxyTimeout idle=4s
CONF
    part 'a client that does not read holds nobody up, and has all of it in the end' => sub {
        my ($slow) = ask($httpd, 1, '/large');
        ok($backend->wait_requests(1), 'it asks first');
        my ($follower) = ask($httpd, 1, '/large');
        my $response = $follower->read_response;
        ok($response->body eq $body, 'who follows has the whole body');
        ok(is_collapsed($response), 'as a collapsed request');
        is($backend->count, 1, 'the backend saw one request');
        ok($slow->read_response->body eq $body, 'and so has the first, when it reads at last');
    };
};

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 6, expect_kills => 1, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
CONF
    part 'a fetcher that is killed hands over at once' => sub {
        my ($leader) = ask($httpd, 1, '/slow/killed');
        ok($backend->wait_requests(1), 'one fetches');
        my @waiters = ask($httpd, 3, '/slow/killed');
        ok($waiters[0]->silent_for(0.2), 'others wait');
        my ($fetcher, @more) = who_is_connected($backend->port, $httpd->children);
        ok($fetcher && !@more, 'the fetching process is found') or return;
        kill KILL => $fetcher;
        if ($httpd->mpm eq 'prefork') {
            ok($backend->wait_requests(2), 'one of those who waited asks');
            $backend->signal('slow-killed');
            is($_->read_response->body, 'answer slow-killed', 'and all have the answer') for @waiters;
            is($backend->count, 2, 'after one more request');
        } else {
            # Those of its own process are gone with it; the next one takes the place.
            $backend->signal('slow-killed');
            is(get($httpd, '/slow/killed')->body, 'answer slow-killed', 'whoever comes next has the answer');
        }
    };
};

one_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 3, threads => 100, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
RProxyCacheCollapse stall=1m wait=2m
CONF
    part 'hundreds of simultaneous requests make one fetch' => sub {
        my @clients = ask($httpd, 250, '/slow/hundreds');
        ok($backend->wait_requests(1), 'the backend is asked');
        $backend->signal('slow-hundreds');
        my %bodies;
        $bodies{$_->read_response->body}++ for @clients;
        is_deeply(\%bodies, { 'answer slow-hundreds' => 250 }, 'all have the answer');
        is($backend->count, 1, 'of one request');
        # mpm_event's own threads race for the sockets when it is to stop while hundreds of connections end.
        $_->close for @clients;
        my $hex = sprintf ':%04X', $httpd->port;
        ok((eventually { !grep { my @f = split ' '; $f[1] =~ /$hex\z/ && $f[3] =~ /\A0[18]\z/ }
                    split /\n/, RP::Place->read_file('/proc/net/tcp') }), 'and all connections end');
    };
};
done_testing;
