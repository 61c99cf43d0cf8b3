# Licensed under the Apache License, Version 2.0; see LICENSE.

# What one exchange leaves on a connection is never part of another one.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

# TLS: the last record holds the response's end, which fills the proxy's buffer of 32 KiB to its last byte,
# and then some.
sub overfull
{
    my ($body) = @_;
    my $head = "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\n";
    my $left = 32768 - length("$head\r\n$body");
    while ($left > 1100) {
        $head .= 'X-Fill: ' . 'x' x 990 . "\r\n";
        $left -= 1000;
    }
    $head .= 'X-Fill: ' . 'x' x ($left - 10) . "\r\n\r\n";
    return $head . $body;
}

each_mpm {
    my $authority = RP::TLS->authority;
    my $ca = 'ca=' . $authority->cert;

    part 'a head that did not go out whole leaves no connection behind' => sub {
        my $backend = backend(unix => RP::Place->folder . '/socket', on_connection => sub {
            my ($c) = @_;
            if ($c->number > 1) {
                while (my $request = $c->read_request_head) {
                    $c->respond($request, 200, [], 'from connection ' . $c->number);
                }
                return;
            }
            # It has read enough, and will not read more before it has answered.
            $c->read_bytes(1000);
            $c->send("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 8\r\n\r\ntoo much");
            $c->note('left') if $c->ends_within($RP::Stream::PATIENCE);
            $c->note('it saw the next one') if $c->{buffer} =~ m{GET /next};
        });
        my $httpd = httpd(children => 1, config => pool(app => $backend)
            . "LimitRequestFieldSize 4000000\nRProxyTimeout idle=5s\nRProxyPass / app\n");
        my $response = get($httpd, '/huge', 'X-Huge' => 'x' x 3_000_000);
        is($response->status, 431, 'the backend\'s answer comes');
        is($response->body, 'too much', 'with its body');
        is(get($httpd, '/next')->body, 'from connection 2', 'the next request has another connection');
        ok($backend->wait_note(qr/left/), 'the first is closed');
        is_deeply([grep { /next/ } $backend->notes], [], 'and never saw the next request');
    };
    # A connection of its own for each path: the first answers too much, the others are honest.
    my %responses = (
        '/short' => ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 'ok'],
        map { '/full-' . length, [overfull($_), $_] } '', 'ok', 'x' x 20_000);
    my $talkative = sub {
        my ($path) = @_;
        return backend(tls => $authority->issue, on_request => sub {
            my ($c, $request) = @_;
            return $c->respond($request, 200, [], 'fine') if $c->number > 1;
            # A record each; the last one has the response's end and what is none of it.
            my @records = unpack '(a16000)*', $responses{$path}[0];
            $records[-1] .= $evil;
            $c->send($_) for @records;
        });
    };
    my @paths = sort keys %responses;
    my $httpd = httpd(children => 1, config => join '', map {
        my $name = substr $_, 1;
        pool($name => $talkative->($_)->url . " $ca") . "RProxyPass $_ $name\n";
    } @paths);
    part 'bytes behind a response in the same TLS record are never the next one' => sub {
        for my $path (@paths) {
            is(get($httpd, $path)->body, $responses{$path}[1], "$path comes as it is");
            is(get($httpd, $path)->body, 'fine', 'the next response is its own');
        }
    };
    part 'a connection whose request the client left half-sent is not used again' => sub {
        my $backend = backend(on_connection => sub {
            my ($c) = @_;
            while (my $request = $c->read_request_head) {
                if ($request->target eq '/half') {
                    $c->note('begun');
                    $c->note('left') if $c->ends_within($RP::Stream::PATIENCE);
                    $c->note('it saw the next one') if $c->{buffer} =~ m{GET /next};
                    return;
                }
                $c->respond($request, 200, [], 'from connection ' . $c->number);
            }
        });
        my $httpd = httpd(children => 1, config => pool(app => $backend) . "RProxyPass / app\n");
        my $client = client($httpd);
        $client->send_request('POST', '/half', ['Content-Length' => 1000]);
        $client->send('x' x 100);
        ok($backend->wait_note(qr/begun/), 'an upload has begun');
        $client->close;
        ok($backend->wait_note(qr/left/), 'its connection ends with its client');
        is(get($httpd, '/next')->body, 'from connection 2', 'and the next request has another');
        is_deeply([grep { /next/ } $backend->notes], [], 'none of it went over the first');
    };
    part 'idle connections are closed in time, also when nobody asks for anything' => sub {
        my $kept = sub {
            my ($c) = @_;
            while (my $request = $c->read_request_head) {
                $c->respond($request, 200, [], 'ok');
                return $c->close if $request->target =~ /ends/;
                return $c->note('left') if $c->wait_gone;
            }
        };
        my %backend = map { $_ => backend(on_connection => $kept) } qw(short long ended);
        my $httpd = httpd(children => 1, config => join '', map {
            pool($_ => $backend{$_}->url . ($_ eq 'short' ? ' idle=1s' : ' idle=1h')) . "RProxyPass /$_ $_\n"
        } sort keys %backend);
        is(get($httpd, $_)->status, 200, $_) for qw(/short /long /ended/ends);
        ok($backend{short}->wait_note(qr/left/), 'when idle= is over');
        # 08 is CLOSE_WAIT: the other side has gone, this one has not yet.
        my $port = sprintf '%04X', $backend{ended}->port;
        ok(eventually { RP::Place->read_file('/proc/net/tcp') !~ /^\s*\d+: \w+:\w+ \w+:$port 08/m },
            'and those that their backend has ended');
        is_deeply([$backend{long}->notes], [], 'others stay');
    };
};

done_testing;
