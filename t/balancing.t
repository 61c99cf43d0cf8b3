# Licensed under the Apache License, Version 2.0; see LICENSE.

# Requests are shared among a pool's members by weight, and go round those that do not take connections.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use IO::Socket::INET;
use Time::HiRes qw(time);

sub named { my ($name) = @_; return sub { $_[0]->respond($_[1], 200, [], $name) } }

each_mpm {
    my ($a, $b, $c) = map { backend(named($_)) } qw(a b c);
    my $hung = RP::Place->refusing_port;
    my $httpd = httpd(children => 2, config => pool(even => 'RProxyMethod round-robin', $a, $b, $c)
        . pool(weighted => 'RProxyMethod round-robin', $a->url . ' weight=3', $b->url . ' weight=2', $c->url)
        . pool(one_down => 'RProxyMethod round-robin', "http://127.0.0.1:$hung retry=1m", $a, $b)
        . pool(heavy_down => "http://127.0.0.1:$hung weight=100 retry=200ms", $a)
        . pool(all_down => "http://127.0.0.1:$hung retry=30s", "http://localhost:$hung retry=20s") . <<'CONF');
RProxyPass /even even
RProxyPass /weighted weighted
RProxyPass /one_down one_down
RProxyPass /heavy_down heavy_down
RProxyPass /all_down all_down
CONF
    my $count = sub {
        my ($path, $requests) = @_;
        my %count;
        $count{ get($httpd, $path)->body }++ for 1 .. $requests;
        return \%count;
    };

    part 'equal members get equal shares, in every child together' => sub {
        is_deeply($count->('/even', 30), { a => 10, b => 10, c => 10 }, '30 requests');
    };
    part 'weights are shares' => sub {
        is_deeply($count->('/weighted', 36), { a => 18, b => 12, c => 6 }, '36 requests by 3, 2 and 1');
    };
    part 'and smooth: no member gets all its share in a row' => sub {
        my $order = join '', map { get($httpd, '/weighted')->body } 1 .. 12;
        unlike($order, qr/aaaa|bbb|cc/, $order);
    };
    part 'a member that refuses connections is passed over' => sub {
        my $shares = $count->('/one_down', 20);
        is($shares->{a} + $shares->{b}, 20, 'no request suffers');
        cmp_ok(abs($shares->{a} - $shares->{b}), '<=', 2, 'the others share');
        ok($httpd->wait_log(qr/RP\d+.*one_down.*127\.0\.0\.1:$hung/), 'the log names pool and member');
    };
    part 'POST too, for no byte of it was sent' => sub {
        is(post($httpd, '/heavy_down', 'body')->status, 200, 'it goes to the next member');
    };
    part 'no member left is a 503 with Retry-After' => sub {
        my $response = get($httpd, '/all_down');
        like($response->status, qr/\A50[23]\z/, 'when the first request finds out');
        for (1 .. 4) {
            $response = get($httpd, '/all_down');
        }
        is($response->status, 503, 'when it is known');
        like($response->field('Retry-After') || '', qr/\A[1-9]\d*\z/, 'with Retry-After');
        cmp_ok($response->field('Retry-After') || 0, '<=', 30, 'not longer than it takes');
        like($response->field('Proxy-Status') || '', qr/error=destination_unavailable/, 'and Proxy-Status');
        ok($httpd->wait_access(qr/all_down.* 503 .*error=destination_unavailable/),
            'and a note for the access log');
    };
};

each_mpm {
    part 'a member that comes back is used again' => sub {
        my $port = RP::Place->port;
        my $httpd = httpd(config => pool(app => "http://127.0.0.1:$port retry=100ms") . "RProxyPass / app\n");
        like(get($httpd, '/')->status, qr/\A50[23]\z/, 'while it is away');
        my $backend = backend(on_request => named('back'), port => $port);
        ok(eventually { get($httpd, '/')->status == 200 }, 'soon after it is back');
        $backend->stop;
        ok(eventually { get($httpd, '/')->status != 200 }, 'it goes');
        backend(on_request => named('again'), port => $port);
        ok(eventually { get($httpd, '/')->status == 200 }, 'and comes');
    };
};

# A member that takes no connection and refuses none: each try costs the whole connect timeout.
each_mpm {
    my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
    my @filling = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $deaf->sockport,
        Blocking => 0) } 1 .. 4;
    my $good = backend(named('good'));
    my $httpd = httpd(children => $RP::Test::mpm eq 'prefork' ? 12 : 2, config => pool(
        app => 'RProxyMethod round-robin', 'http://127.0.0.1:' . $deaf->sockport . ' retry=100ms', $good)
        . "RProxyTimeout connect=1s\nRProxyPass / app\n");

    part 'a member that is tried again costs one request the wait, others go elsewhere' => sub {
        # Whoever comes first finds out.
        is(get($httpd, '/')->body, 'good', 'it is passed over') for 1 .. 2;
        ok($httpd->wait_log(qr/RP\d+.*pool app.*connect/), 'and known to be down');
        for my $round (1, 2) {
            select undef, undef, undef, 0.15;
            my $start = time;
            my @clients = map { client($httpd) } 1 .. 10;
            $_->send_request('GET', '/') for @clients;
            is($_->read_response->body, 'good', 'every request is served') for @clients;
            my $logged = 2 + 10 * $round;
            ok(eventually { $logged == (() = $httpd->access_log =~ /attempts=/g) }, 'and logged');
            my @attempts = ($httpd->access_log =~ /attempts=(\d+)/g)[-10 .. -1];
            cmp_ok(scalar(grep { $_ > 1 } @attempts), '<=', 1, "round $round: at most one tried both");
            cmp_ok(time - $start, '<', 3, 'and waited once');
        }
    };
};

done_testing;
