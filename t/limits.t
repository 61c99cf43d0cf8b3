# Licensed under the Apache License, Version 2.0; see LICENSE.

# A member gets no more requests at a time than its max= says, of all child processes together; others wait for their
# turn in the pool's queue (RProxyQueue).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use JSON::PP ();
use Time::HiRes qw(sleep time);

# /hold/NAME is answered when the test says so, /slow after a moment, /tunnel/ becomes one until the client leaves.
sub busy
{
    return backend(@_, on_request => sub {
        my ($c, $request) = @_;
        $c->note('in');
        if ($request->target eq '/tunnel') {
            $c->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
            $c->wait_gone;
            return $c->close;
        }
        $c->wait_signal($1) if $request->target =~ m{^/hold/(\w+)};
        sleep 0.02 if $request->target eq '/slow';
        $c->note('out');
        my @fields = $request->target eq '/stale' ? ('Cache-Control' => 'max-age=0, stale-while-revalidate=600') : ();
        $c->respond($request, 200, \@fields, 'served ' . $request->number);
        # Without a word of it before: the next request meets a dead connection.
        $c->close if $request->target =~ /close/;
    });
}

# The most requests that the backend had at a time.
sub at_once
{
    my ($backend) = @_;
    my ($now, $most) = (0, 0);
    for my $note ($backend->notes) {
        $now += $note eq 'in' ? 1 : $note eq 'out' ? -1 : 0;
        $most = $now if $now > $most;
    }
    return $most;
}

sub server
{
    my ($pool, %more) = @_;
    my $prefork = $RP::Test::mpm eq 'prefork';
    return httpd(children => $prefork ? 24 : 4, threads => 8, config => "$pool\nRProxyPass / app\n", %more);
}

sub limited
{
    my ($queue, @members) = @_;
    return pool('app', @members) =~ s{(?=</RProxyPool>)}{    $queue\n}r;
}

# A client whose request has been sent.
sub asks
{
    my ($httpd, $target, @fields) = @_;
    my $client = client($httpd);
    $client->send_request('GET', $target, \@fields);
    return $client;
}

sub queued { scalar(() = $_[0]->error_log =~ /RP0342/g) }

# The same, once it waits in the queue.
sub waits
{
    my ($httpd, $target) = @_;
    my $before = queued($httpd);
    my $client = ref $target ? $target : asks($httpd, $target);
    $client->send_request('GET', '/waited', []) if ref $target;
    ok(eventually { queued($httpd) > $before }, 'it waits');
    return $client;
}

# A client whose request the backend has and does not answer yet.
sub holds
{
    my ($httpd, $backend, $name) = @_;
    my $before = $backend->count;
    my $client = asks($httpd, "/hold/$name");
    $backend->wait_requests($before + 1) or die "the backend did not get the request\n";
    return $client;
}

# The child process that has the other end of the client's connection.
sub process_of
{
    my ($httpd, $client) = @_;
    my ($from, $to) = map { sprintf '%04X', $_ } $client->socket->sockport, $httpd->port;
    my ($inode) = RP::Place->read_file('/proc/net/tcp') =~ /^\s*\d+: \w+:$to \w+:$from \w+(?:\s+\S+){5}\s+(\d+)/m
        or return;
    for my $pid ($httpd->children) {
        return $pid if grep { (readlink $_ || '') eq "socket:[$inode]" } glob "/proc/$pid/fd/*";
    }
    return;
}

each_mpm {
    part 'no member gets more than its max=, and none is idle while requests wait' => sub {
        my @backends = (busy(), busy());
        my $httpd = server(limited('RProxyQueue wait=20s', $backends[0]->url . ' max=2', $backends[1]->url . ' max=1'));
        for my $round (1 .. 3) {
            my @clients = map { asks($httpd, '/slow') } 1 .. 16;
            my @statuses = map { $_->read_response->status } @clients;
            is("@statuses", join(' ', (200) x 16), 'everybody is served');
        }
        is(at_once($backends[0]), 2, 'the first has two at a time');
        is(at_once($backends[1]), 1, 'the second has one');
        my %pids = map { $_ => 1 } $httpd->error_log =~ /\[pid (\d+)[^\n]*RP0342/g;
        ok(keys %pids > 1, 'requests of several processes waited');
    };

    part 'who came first is served first' => sub {
        my $backend = busy();
        my $httpd = server(limited('', $backend->url . ' max=1'));
        my $first = holds($httpd, $backend, 'a');
        my @waiting = map { waits($httpd, "/number/$_") } 1 .. 6;
        my $began = time;
        $backend->signal('a');
        is($_->read_response->status, 200, 'served') for $first, @waiting;
        # Those who are not woken look after themselves once a second.
        ok(time - $began < 4, 'each is woken by the one before');
        is(join(' ', map { $_->target =~ m{/number/(\d)} ? $1 : () } $backend->requests), '1 2 3 4 5 6',
            'in the order in which they came');
        like($httpd->wait_access(qr{/number/6}), qr/ 200 /, 'and in the log');
    };

    part 'nobody waits for longer than wait=' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue wait=300ms', $backend->url . ' max=1'));
        my $first = holds($httpd, $backend, 'a');
        my $began = time;
        my $response = get($httpd, '/late');
        ok(time - $began >= 0.3, 'it waited');
        is($response->status, 503, 'in vain');
        like($response->field('Retry-After'), qr/\A[1-9]\d*\z/, 'it is told when to come back');
        like($response->field('Proxy-Status'), qr/; error=connection_limit_reached\z/, 'and why (RFC 9209)');
        like($httpd->wait_log(qr/RP0341/), qr/pool app: .* 1 waited longer than RProxyQueue wait=300ms/,
            'so does the log');
        like($httpd->wait_access(qr{/late}), qr/ 503 .*error=connection_limit_reached/, 'and the access log');
        is(get($httpd, '/late')->status, 503, 'once more');
        is(scalar(() = $httpd->error_log =~ /RP0341/g), 1, 'the error log does not repeat it');
        $backend->signal('a');
        is($first->read_response->status, 200, 'the one before is served');
        is(get($httpd, '/')->status, 200, 'and so are those that come later');
    };

    part 'no more wait than length=' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue length=1 wait=20s', $backend->url . ' max=1')
            . "<Location /rproxy-manage>\nSetHandler rproxy-manage\nRequire all granted\n</Location>\n");
        my $first = holds($httpd, $backend, 'a');
        my $second = waits($httpd, '/second');
        my $began = time;
        my $response = get($httpd, '/third');
        my $queue = JSON::PP->new->decode(get($httpd, '/rproxy-manage/pools/app')->body)->{queue};
        is_deeply([@$queue{qw(waiting length waited refused timed_out clients_gone)}], [1, 1, 1, 1, 0, 0],
            'the management interface tells it') or diag(explain($queue));
        is($response->status, 503, 'the third is refused');
        ok(time - $began < 5, 'at once');
        ok($response->field('Retry-After'), 'and told when to come back');
        $backend->signal('a');
        is($_->read_response->status, 200, 'the others are served') for $first, $second;
    };

    part 'what the cache refreshes in the background does not wait' => sub {
        my $backend = busy();
        my $httpd = server(limited('', $backend->url . ' max=1')
            . "RProxyCacheLocal \@ROOT\@/cache size=16M\nRProxyCache on\n");
        is(get($httpd, '/stale')->body, 'served 1', 'it is fetched and stored');
        my $first = holds($httpd, $backend, 'a');
        is(get($httpd, '/stale')->body, 'served 1', 'what is stale is served') for 1 .. 3;
        $backend->signal('a');
        $first->read_response;
        is(queued($httpd), 0, 'nothing has waited');
        unlike($httpd->error_log, qr/RP0341/, 'and the log does not say that anybody was refused');
        ok(eventually { get($httpd, '/stale')->body ne 'served 1' }, 'later it is refreshed');
    };

    part 'without a queue nobody waits' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue off', $backend->url . ' max=1'));
        my $first = holds($httpd, $backend, 'a');
        is(get($httpd, '/second')->status, 503, 'the second is refused');
        $backend->signal('a');
        is($first->read_response->status, 200, 'the first is served');
    };

    part 'a client that goes away leaves the queue at once' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue length=1 wait=20s', $backend->url . ' max=1'));
        my $first = holds($httpd, $backend, 'a');
        waits($httpd, '/gone')->close;
        like($httpd->wait_access(qr{/gone}), qr/ 499 .*error=client-gone/, 'it is logged as gone');
        my $second = waits($httpd, '/second');
        $backend->signal('a');
        is($_->read_response->status, 200, 'the others are served') for $first, $second;
        is(scalar(grep { $_->target eq '/gone' } $backend->requests), 0, 'the backend knows nothing of it');
    };

    part 'a killed process gives its places back, and its requests do not block the queue' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue wait=60s', $backend->url . ' max=1') . "KeepAliveTimeout 60\n",
            expect_kills => 1);
        my (@clients, %at);
        # Each has had an answer, so that one of the processes has it.
        for (1 .. 5) {
            my @more = map { asks($httpd, '/slow') } 1 .. 8;
            for my $client (@more) {
                $client->read_response;
                $at{$client} = process_of($httpd, $client) or die "nobody has the connection\n";
            }
            push @clients, @more;
            last if grep { $at{$_} != $at{$clients[0]} } @clients;
        }
        my $before = $backend->count;
        my $holder = shift @clients;
        my ($other) = grep { $at{$_} != $at{$holder} } @clients;
        # Of the process that is killed as well, if there are others in it.
        my ($dead) = grep { $_ != $other && $at{$_} == $at{$holder} } @clients;
        ($dead) = grep { $at{$_} != $at{$other} } @clients if !$dead;
        my @dead = $dead || ();

        $holder->send_request('GET', '/hold/never', []);
        $backend->wait_requests($before + 1) or die "the backend did not get the request\n";
        waits($httpd, $_) for @dead, $other;
        kill KILL => map { $at{$_} } $holder, @dead;
        my $response = $other->read_response;
        is($response->status, 200, 'who waited behind is served');
        is(get($httpd, '/')->status, 200, 'and others are as well');
        $backend->signal('never');
    };

    part 'a tunnel counts until it ends' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue wait=20s', $backend->url . ' max=1'));
        my $tunnel = asks($httpd, '/tunnel', Connection => 'Upgrade', Upgrade => 'x');
        is($tunnel->read_response->status, 101, 'a tunnel is there');
        my $second = waits($httpd, '/second');
        $tunnel->close;
        is($second->read_response->status, 200, 'with its end the next request is served');
    };

    part 'a member that is back takes those who wait' => sub {
        my ($backend, $other) = (busy(), busy());
        my $port = $other->port;
        $other->stop;
        my $httpd = server(limited('RProxyQueue wait=20s', $backend->url . ' max=1', $other->url . ' max=1 retry=2s'));
        get($httpd, '/') for 1 .. 2;
        ok($httpd->wait_log(qr/RP0305/), 'one is down');
        my $first = holds($httpd, $backend, 'a');
        my $second = waits($httpd, '/second');
        $other = busy(port => $port);
        is($second->read_response->status, 200, 'it is served though the first is still busy');
        is($other->count, 1, 'by the other');
        $backend->signal('a');
        $first->read_response;
    };

    part 'a kept connection that turns out to be dead costs nobody a turn' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue wait=20s', $backend->url . ' max=1'));
        for my $round (1 .. 4) {
            my @clients = map { asks($httpd, '/close') } 1 .. 8;
            my @statuses = map { $_->read_response->status } @clients;
            is("@statuses", join(' ', (200) x 8), 'everybody is served');
        }
        is(at_once($backend), 1, 'one after the other');
    };

    part 'a restart loses nobody who waits' => sub {
        my $backend = busy();
        my $httpd = server(limited('RProxyQueue wait=20s', $backend->url . ' max=1'));
        my $first = holds($httpd, $backend, 'a');
        my @waiting = map { waits($httpd, "/number/$_") } 1 .. 3;
        $httpd->graceful;
        $backend->signal('a');
        is($_->read_response->status, 200, 'served') for $first, @waiting;
        is(get($httpd, '/')->status, 200, 'and others are by the new processes');
    };
};

# Under mpm_event alone: mod_http2 does not run under prefork.
part 'the end of an HTTP/2 stream ends its waiting' => sub {
    local $RP::Test::mpm = 'event';
    my $backend = busy();
    my $httpd = server(limited('RProxyQueue length=1 wait=20s', $backend->url . ' max=1') . "Protocols h2c http/1.1\n",
        modules => ['http2']);
    my $first = holds($httpd, $backend, 'a');
    my $second = RP::Process->run(['curl', '-sS', '--http2-prior-knowledge', '--max-time', 20,
        'http://127.0.0.1:' . $httpd->port . '/gone']);
    ok(eventually { queued($httpd) == 1 }, 'it waits');
    RP::Process->stop($second, 'KILL');
    my $response = eventually {
        my $third = asks($httpd, '/third');
        eventually { queued($httpd) == 2 || $third->fill(time) };
        queued($httpd) == 2 && $third;
    };
    ok($response, 'another one finds room in the queue');
    $backend->signal('a');
    is($response->read_response->status, 200, 'and is served') if $response;
    $first->read_response;
    is(scalar(grep { $_->target eq '/gone' } $backend->requests), 0, 'the backend knows nothing of the other');
    $httpd->stop;
    $backend->stop;
};

done_testing;
