# Licensed under the Apache License, Version 2.0; see LICENSE.

# With RProxyHedge, a request that is slower than most is sent to a second member, and the first answer counts.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Time::HiRes qw(time);

# The member that gets nearly all requests: quick, except where the target says otherwise.
sub first_one
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{(\w*)\z};
    if ($what eq 'hangs' || $what eq 'both') {
        $c->note('left') if $c->wait_gone;
        return $c->close;
    } elsif ($what eq 'hints') {
        $c->send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        $c->note('left') if $c->wait_gone;
        return $c->close;
    } elsif ($what eq 'late') {
        $c->silent_for(0.4);
    } elsif ($what =~ /waits/) {
        $c->wait_signal($what);
    } elsif ($what eq 'dies') {
        $c->wait_signal('die');
        return $c->reset;
    }
    return $c->respond($request, 200, [], 'first');
}

sub second_one
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{(\w*)\z};
    if ($what eq 'both') {
        $c->note('left') if $c->wait_gone;
        return $c->close;
    } elsif ($what eq 'hints') {
        $c->send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    } elsif ($what =~ /late|waits/) {
        return $c->respond($request, 503, [], 'too much');
    } elsif ($what eq 'dies') {
        $c->note('asked');
        $c->silent_for(0.3);
    }
    return $c->respond($request, 200, [], 'second');
}

each_mpm {
    my ($tls) = RP::TLS->authority;
    for my $scheme (qw(http https)) {
        my @tls = $scheme eq 'https' ? (tls => $tls->issue) : ();
        my $ca = @tls ? ' ca=' . $tls->cert : '';
        my $first = backend(on_request => \&first_one, @tls);
        my $second = backend(on_request => \&second_one, @tls);
        my $members = "RProxyMethod round-robin\nRProxyEject off\nRProxyMember @{[$first->url]} weight=200$ca\n"
            . "RProxyMember @{[$second->url]}$ca\n";
        my $httpd = httpd(children => 4, config => <<"CONF");
LogLevel rproxy:debug
RProxyTimeout first-byte=10s
<RProxyPool app>
$members RProxyHedge 95% min=50ms
</RProxyPool>
<RProxyPool poor>
$members RProxyHedge 95% min=50ms
RProxyRetryBudget 0% floor=0
</RProxyPool>
<RProxyPool narrow>
RProxyMethod round-robin
RProxyEject off
RProxyMember @{[$first->url]} weight=200 max=1$ca
RProxyMember @{[$second->url]} max=1$ca
RProxyHedge 95% min=50ms
RProxyQueue wait=10s
</RProxyPool>
<RProxyPool plain>
$members</RProxyPool>
RProxyPass / app
RProxyPass /poor poor
RProxyPass /plain plain
RProxyPass /narrow narrow
<Location /off>
    RProxyRetry off
</Location>
<Location /short>
    RProxyRetry try=200ms
</Location>
CONF
        my $warm = sub {
            my ($path) = @_;
            # So many that a busy machine makes fewer than a twentieth of them slow.
            my $client = client($httpd);
            $client->get($path) for 1 .. 60;
            # What is known of the latencies is a tenth of a second old at most.
            select undef, undef, undef, 0.15;
            $_->forget for $first, $second;
            $httpd->forget_logs;
        };

        part "nobody is asked twice while nothing is known ($scheme)" => sub {
            is(get($httpd, '/late')->body, 'first', 'the first one has its time');
            is($second->count, 0, 'the second one was not asked');
        };
        part "a second member answers for a slow one ($scheme)" => sub {
            $warm->('/');
            my $start = time;
            my $response = get($httpd, '/hangs');
            is($response->body, 'second', 'the client has its answer');
            cmp_ok(time - $start, '<', 8, 'in time');
            ok($first->wait_note(qr/left/), 'the slow one\'s connection is closed');
            like($httpd->wait_access(qr{/hangs }) || '', qr/member=\Q@{[$second->url]}\E error=- .*attempts=2/,
                'the notes name who answered');
            ok($httpd->wait_log(qr/RP0354/), 'the log tells of it');
            is(get($httpd, '/')->body, 'first', 'and all goes on');
        };
        part "early hints of both reach the client once ($scheme)" => sub {
            my $response = get($httpd, '/hints');
            is($response->body, 'second', 'it is answered');
            is_deeply([map { $_->field('Link') } $response->informational], ['</a.css>'], 'one 103');
        };
        # @return the body of the response, for which the first one waits until the second one has failed
        my $first_wins = sub {
            my ($path) = @_;
            $second->forget;
            $httpd->forget_logs;
            my $client = client($httpd);
            $client->send_request('GET', $path);
            ok($second->wait_requests(1), 'the second one is asked');
            ok($httpd->wait_log(qr/RP0355.*\Q@{[$second->url]}\E/), 'and fails, as the log tells');
            $first->signal($path =~ /(\w+)\z/);
            return $client->read_response->body;
        };
        part "an error of the second one does not win ($scheme)" => sub {
            is($first_wins->('/waits'), 'first', 'the first one\'s answer is waited for');
        };
        part "the first one may fail meanwhile ($scheme)" => sub {
            my $client = client($httpd);
            $client->send_request('GET', '/dies');
            ok($second->wait_note(qr/asked/), 'when the second one has been asked');
            $first->signal('die');
            is($client->read_response->body, 'second', 'that one answers');
        };
        part "a client that leaves ends both ($scheme)" => sub {
            $_->forget for $first, $second;
            my $client = client($httpd);
            $client->send_request('GET', '/both');
            ok($second->wait_requests(1), 'when both have been asked');
            $client->close;
            ok($_->wait_note(qr/left/), 'a connection is closed') for $first, $second;
            ok($httpd->wait_access(qr{/both .* 499 }), 'and it is logged as gone');
        };
        part "deadlines hold ($scheme)" => sub {
            my $response = get($httpd, '/short/both');
            is($response->status, 504, 'when neither answers');
            like($response->field('Proxy-Status'), qr/error=connection_read_timeout/, 'with the reason');
        };
        part "what may not be sent twice is not ($scheme)" => sub {
            $second->forget;
            is(post($httpd, '/late', 'x')->body, 'first', 'POST');
            is(request($httpd, 'QUERY', '/late', [], 'x')->body, 'first', 'what has content');
            is(get($httpd, '/off/late')->body, 'first', 'and where there are no retries');
            is($second->count, 0, 'the second one was not asked');
        };
        part "whoever loses a race leaves its place with the member ($scheme)" => sub {
            $warm->('/narrow/');
            for my $round (1 .. 2) {
                is(get($httpd, '/narrow/hangs')->body, 'second', 'the second one wins');
                is($first_wins->("/narrow/waits$round"), 'first', 'the first one wins');
            }
            is(get($httpd, '/narrow/')->status, 200, 'and there is a place for another');
        };
        part "hedging is within the budget, and off by default ($scheme)" => sub {
            for my $pool (qw(poor plain)) {
                $warm->("/$pool/");
                is(get($httpd, "/$pool/late")->body, 'first', $pool);
                is($second->count, 0, 'the second one was not asked');
            }
        };
    }
};

done_testing;
