# Licensed under the Apache License, Version 2.0; see LICENSE.

# Requests are shared among a pool's members by weight, and go round those that do not take connections.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

sub named { my ($name) = @_; return sub { $_[0]->respond($_[1], 200, [], $name) } }

each_mpm {
    my ($a, $b, $c) = map { backend(named($_)) } qw(a b c);
    my $hung = RP::Place->refusing_port;
    my $httpd = httpd(children => 2, config => pool(even => $a, $b, $c)
        . pool(weighted => $a->url . ' weight=3', $b->url . ' weight=2', $c->url)
        . pool(one_down => "http://127.0.0.1:$hung retry=1m", $a, $b)
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

done_testing;
