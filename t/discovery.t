# Licensed under the Apache License, Version 2.0; see LICENSE.

# Names that move: what a name server says is followed while httpd runs, and nothing that it does delays a request.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use JSON::PP ();
use RP::NameServer;
use Time::HiRes qw(time);

# So many backends on 127.0.0.1, 127.0.0.2, ... with one port; each answers its number, and at /wait/X when X is signalled.
sub backends
{
    my ($count) = @_;
    my ($first, @others) = map {
        my $number = $_;
        sub {
            my ($c, $request) = @_;
            $c->wait_signal($1) if $request->target =~ m{\A/wait/(\w+)};
            $c->respond($request, 200, ['X-Host' => $request->field('Host')], $number);
        }
    } 1 .. $count;
    my @all = backend($first);
    push @all, backend(on_request => $_, address => '127.0.0.' . (@all + 1), port => $all[0]->port) for @others;
    return @all;
}

sub config
{
    my ($names, @pools) = @_;
    return 'RProxyResolver ' . $names->authority . "\nRProxyPreserveHost off\n"
        . join('', map { s{(?=</)}{    RProxyMethod round-robin\n}r } @pools)
        . "<Location /rproxy-manage>\n    SetHandler rproxy-manage\n    Require all granted\n</Location>\n";
}

sub members
{
    my ($httpd, $pool) = @_;
    return map { $_->{url} => $_ } @{ JSON::PP::decode_json(get($httpd, "/rproxy-manage/pools/$pool")->body)->{members} };
}

# Who answers so many requests, which all must be answered.
sub shares
{
    my ($httpd, $requests, $target) = @_;
    my %count;
    for (1 .. $requests) {
        my $response = get($httpd, $target || '/');
        $count{ $response->status == 200 ? $response->body : 'status ' . $response->status }++;
    }
    return \%count;
}

# Ask until all answers come from those and nobody else; any error on the way makes it false.
sub comes_to
{
    my ($httpd, $wanted, $target) = @_;
    my $bad = '';
    my $ok = eventually {
        my @who = sort keys %{ shares($httpd, 8, $target) };
        $bad ||= join ' ', grep { /status/ } @who;
        $bad || "@who" eq $wanted;
    };
    return $ok && !$bad;
}

each_mpm {
    my ($one, $two) = backends(2);
    my $port = $one->port;
    my $names = RP::NameServer->start('app.test' => { A => ['127.0.0.1'] }, 'ttl.test' => { A => ['127.0.0.1'], ttl => 1 });
    my $httpd = httpd(config => config($names, pool(app => "http://app.test:$port resolve=1s"),
        pool(short => "http://ttl.test:$port resolve=1h"), pool(fixed => "http://app.test:$port"),
        pool(late => "http://late.test:$port"), pool(added => "http://127.0.0.9:$port weight=0")) . join '', map { "RProxyPass /$_ $_\n" } qw(app short fixed late added));

    part 'a name that leads elsewhere is followed' => sub {
        is_deeply(shares($httpd, 4, '/app/'), { 1 => 4 }, 'the first address is asked');
        $names->set('app.test' => { A => ['127.0.0.2'] });
        ok(comes_to($httpd, '2', '/app/'), 'then the other, by every child, on new connections, and without an error between');
        is(get($httpd, '/app/')->field('X-Host'), "app.test:$port", 'the Host field is that of the name');
        ok($httpd->wait_log(qr/RP0386: pool app, member \S+ has other addresses now \(1\)/), 'the log tells of it');
        is_deeply(shares($httpd, 4, '/fixed/'), { 1 => 4 }, 'a member without resolve= stays where it was');
    };
    part 'a name server may say for how long it holds' => sub {
        is_deeply(shares($httpd, 4, '/short/'), { 1 => 4 }, 'with resolve=1h');
        $names->set('ttl.test' => { A => ['127.0.0.2'], ttl => 1 });
        ok(comes_to($httpd, '2', '/short/'), 'a TTL of a second is heeded');
    };
    part 'a member that is added at run time' => sub {
        $names->set('new.test' => { A => ['127.0.0.1'] });
        my $response = request($httpd, 'POST', '/rproxy-manage/pools/added/members', ['Content-Type' => 'application/json'],
            JSON::PP::encode_json({ url => "http://new.test:$port", options => { resolve => '1s' } }));
        is($response->status, 201, 'may have a name that moves');
        ok(comes_to($httpd, '1', '/added/'), 'gets requests');
        $names->set('new.test' => { A => ['127.0.0.2'] });
        ok(comes_to($httpd, '2', '/added/'), 'and is followed');
    };
    part 'a name server that is silent' => sub {
        $names->silence;
        ok($httpd->wait_log(qr/RP0381: pool app, RProxyMember \S+: cannot resolve app\.test: no answer .* what was known of it stays/),
            'is told of in the log');
        my $began = time;
        is_deeply(shares($httpd, 8, '/app/'), { 2 => 8 }, 'takes nothing away');
        is(get($httpd, '/late/')->status, 502, 'nor is there a request to a name that is not known');
        cmp_ok(time - $began, '<', 1.5, 'that waits for it');
        $names->set('app.test' => { A => ['127.0.0.1'] }, 'late.test' => { A => ['127.0.0.1'] });
        ok(comes_to($httpd, '1', '/app/'), 'and is heard again');
        ok($httpd->wait_log(qr/RP0382: pool app/), 'as the log says');
        ok((eventually { get($httpd, '/late/')->status == 200 }), 'a name that was not known when httpd started is known then');
    };
    $names->stop;
};

one_mpm {
    my ($one, $two, $three) = backends(3);
    my $port = $one->port;
    my $names = RP::NameServer->start('app.test' => { A => ['127.0.0.1'] });
    my $httpd = httpd(config => config($names, pool(app => 'RProxyRoom 2', "http://app.test:$port expand resolve=1s"))
        . "RProxyPass / app\n");
    my $url = sub { "http://127.0.0.$_[0]:$port" };

    part 'each address of a name is a member' => sub {
        is_deeply(shares($httpd, 4), { 1 => 4 }, 'from the start');
        $names->set('app.test' => { A => ['127.0.0.1', '127.0.0.2'] });
        ok(comes_to($httpd, '1 2'), 'one that is added gets requests');
        is_deeply(shares($httpd, 8), { 1 => 4, 2 => 4 }, 'as many as the other');
        is(get($httpd, '/')->field('X-Host'), "app.test:$port", 'under the name');
        my %members = members($httpd, 'app');
        is_deeply({ map { $_ => $members{$_}{origin} } keys %members },
            { map { $url->($_) => 'discovered' } 1, 2 }, 'they are listed, and the name is not');
    };
    part 'more than there is room for' => sub {
        $names->set('app.test' => { A => ['127.0.0.1', '127.0.0.2', '127.0.0.3'] });
        ok($httpd->wait_log(qr/RP0385: pool app: \S+ leads to 1 more than there is room for: write a larger RProxyRoom than 2/),
            'is told of, with what to write');
        is_deeply(shares($httpd, 8), { 1 => 4, 2 => 4 }, 'the others stay');
    };
    part 'one that is gone' => sub {
        my @waiting = map { client($httpd) } 1 .. 2;
        $_->send_request('GET', '/wait/gone') for @waiting;
        ok((eventually { 2 == grep { $_->target eq '/wait/gone' } $one->requests, $two->requests }), 'has something under way');
        $names->set('app.test' => { A => ['127.0.0.2'] });
        ok(comes_to($httpd, '2'), 'gets nothing new');
        my %members = members($httpd, 'app');
        is($members{ $url->(1) }{state}, 'draining', 'it drains');
        $_->signal('gone') for $one, $two;
        is(join(' ', sort map { $_->read_response->body } @waiting), '1 2', 'what it had is answered');
        ok((eventually { my %m = members($httpd, 'app'); !$m{ $url->(1) } }), 'then its place is free');
        $names->set('app.test' => { A => ['127.0.0.2', '127.0.0.3'] });
        ok(comes_to($httpd, '2 3'), 'for another');
    };
    part 'a graceful restart without a name server' => sub {
        $names->silence;
        $httpd->graceful;
        is_deeply(shares($httpd, 8), { 2 => 4, 3 => 4 }, 'keeps what is known');
    };
    part 'members that were found can be drained but not removed' => sub {
        my %members = members($httpd, 'app');
        my $response = request($httpd, 'DELETE', "/rproxy-manage/pools/app/members/$members{ $url->(2) }{id}",
            ['Content-Type' => 'application/json']);
        is($response->status, 409, 'as they would be found again');
        like($response->body, qr/found by a name/, 'the answer says');
    };
    $names->stop;
};

one_mpm {
    my ($one, $two, $three) = backends(3);
    my $port = $one->port;
    my %hosts = map { ("n$_.test" => { A => ["127.0.0.$_"] }) } 1 .. 3;
    my $names = RP::NameServer->start(%hosts,
        '_http._tcp.app.test' => { SRV => [[10, 30000, $port, 'n1.test'], [10, 10000, $port, 'n2.test'],
                                           [20, 1, $port, 'n3.test']] });
    my $httpd = httpd(config => config($names, pool(app => 'srv+http://_http._tcp.app.test resolve=1s')) . "RProxyPass / app\n");

    part 'SRV records' => sub {
        is_deeply(shares($httpd, 16), { 1 => 12, 2 => 4 }, 'say who gets how much');
        my %members = members($httpd, 'app');
        is(join(' ', map { "$members{$_}{priority}" } sort keys %members), '0 0 1', 'and who comes first');
        is(get($httpd, '/')->field('X-Host'), 'app.test', 'the Host field is the domain');
        $names->set('_http._tcp.app.test' => { SRV => [[10, 1, $port, 'n2.test'], [20, 1, $port, 'n3.test']] });
        ok(comes_to($httpd, '2'), 'a target that is gone gets nothing more');
        $names->set('_http._tcp.app.test' => { SRV => [[10, 1, $port, 'n3.test'], [20, 1, $port, 'n2.test']] });
        ok(comes_to($httpd, '3'), 'priorities change');
        $names->set('n3.test' => { A => ['127.0.0.1'] });
        ok(comes_to($httpd, '1'), 'and so do addresses of targets');
    };
    $names->stop;
};

one_mpm {
    my ($one, $two) = backends(2);
    my $port = $one->port;
    my $authority = RP::TLS->authority;
    my $secret = backend(on_request => responds(200, [], 'secret'),
        tls => $authority->issue(name => 'tls.test', san => 'DNS:tls.test'));
    my $names = RP::NameServer->start('app.test' => { A => ['127.0.0.1'] }, 'tls.test' => { A => ['127.0.0.1'] },
        '_https._tcp.tls.test' => { SRV => [[0, 0, $secret->port, 'n1.test']] }, 'n1.test' => { A => ['127.0.0.1'] },
        'other.test' => { A => ['127.0.0.1'] });
    my $ca = $authority->cert;
    my $httpd = httpd(config => config($names,
        pool(app => 'RProxySticky cookie=RPS', "http://app.test:$port expand resolve=1s"),
        pool(tls => 'https://tls.test:' . $secret->port . " expand ca=$ca"),
        pool(other => 'https://other.test:' . $secret->port . " expand ca=$ca"),
        pool(service => "srv+https://_https._tcp.tls.test ca=$ca"))
        . join '', map { "RProxyPass /$_ $_\n" } qw(app tls other service));

    part 'TLS' => sub {
        is(get($httpd, '/tls/')->body, 'secret', 'certificates are those of the name, not of its addresses');
        is(get($httpd, '/service/')->body, 'secret', 'or of the domain of a service, not of its targets');
        is(get($httpd, '/other/')->status, 502, 'others are not good');
    };
    part 'sessions' => sub {
        my ($cookie) = get($httpd, '/app/')->field('Set-Cookie') =~ /\A([^;]+)/;
        $names->set('app.test' => { A => ['127.0.0.2'] });
        ok(comes_to($httpd, '2', '/app/'), 'when an address is gone, new ones begin elsewhere');
        is(get($httpd, '/app/', Cookie => $cookie)->body, '1', 'and those that are there end where they began');
    };
    part 'one that is gone from the name, and configured by itself from now on' => sub {
        $httpd->configure(config($names, pool(app => "http://127.0.0.1:$port")) . "RProxyPass /app app\n");
        $httpd->graceful_whole;
        is_deeply(shares($httpd, 4, '/app/'), { 1 => 4 }, 'gets requests again');
    };
    $names->stop;
};

done_testing;
