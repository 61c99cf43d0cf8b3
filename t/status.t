# Licensed under the Apache License, Version 2.0; see LICENSE.

# What is counted of requests, and the forms in which operators and their programs get it.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use JSON::PP ();

my $json = JSON::PP->new;

sub status_of { my ($httpd) = @_; return $json->decode(get($httpd, '/rproxy-status?json')->body) }

# Figures are complete only when a request has been logged, which is a moment after its last byte.
sub counted
{
    my ($httpd, $condition) = @_;
    my $status;
    eventually { $status = status_of($httpd); $condition->($status) };
    return $status;
}

sub config
{
    my ($pools, $more) = @_;
    return $pools . <<"CONF";
RProxyPass / app
RProxyCache on
RProxyCacheLocal \@ROOT\@/cache size=8M
RProxyCompress gzip
RProxyCompressStored off
RProxyCompressMin 256
$more
<Location /rproxy-status>
    SetHandler rproxy-status
</Location>
<Location /server-status>
    SetHandler server-status
</Location>
CONF
}

my @kept = ('Cache-Control' => 'max-age=60', 'Content-Type' => 'text/plain');

each_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(config => config(pool(app => $backend), ''), modules => ['status', 'headers'],
        children => $RP::Test::mpm eq 'prefork' ? 8 : 2);

    part 'requests are counted by what the cache did, over all processes' => sub {
        my $page = asking('/page', @kept, size => 4096);
        get($httpd, $page) for 1 .. 9;
        get($httpd, $page, 'Accept-Encoding' => 'gzip') for 1 .. 2;
        get($httpd, asking('/none', status => 404, 'Cache-Control' => 'no-store'));
        post($httpd, asking('/post'), 'content');
        my $status = counted($httpd, sub { my $n = $_[0]{counters}{requests}; 13 <= $n->{hit} + $n->{miss} + $n->{bypass} });
        my $n = $status->{counters};
        is("@{ $n->{requests} }{qw(hit miss bypass none stale)}", '10 2 1 0 0', 'by result');
        is("@{ $n->{cache_forwards} }{qw(uri-miss method)}", '2 1', 'by why a backend was asked');
        is($n->{cache_not_stored}{'no-store'}, 1, 'by why it was not stored');
        is("@{ $n->{responses} }{qw(2xx 4xx)}", '12 1', 'by status');
        cmp_ok($n->{sent_bytes}{cache}, '>=', 8 * 4096, 'bytes from the cache');
        cmp_ok($n->{sent_bytes}{cache}, '<', 9 * 4096, 'as they went out');
        cmp_ok($n->{sent_bytes}{backend}, '>=', 4096, 'and from backends');
        cmp_ok($n->{backend_received_bytes}, '>', 4096, 'bytes that backends sent');
        cmp_ok($n->{backend_sent_bytes}, '>', 100, 'and got');
        is($n->{encoded_in_bytes}{gzip}, 8192, 'content before compression');
        cmp_ok($n->{encoded_out_bytes}{gzip}, '<', 1000, 'and behind it');
        is($status->{cache}{objects}, 1, 'what is stored');
        is($status->{traffic}{ever}{requests}, 13, 'all together');
        is($status->{traffic}{ever}{hit_ratio}, 0.8333, 'the share of those that the cache was asked for');
    };
    part 'members have their figures' => sub {
        my ($pool) = @{ status_of($httpd)->{pools} };
        my ($member) = @{ $pool->{members} };
        is($member->{requests}{ok}, 3, 'requests');
        cmp_ok($member->{requests}{last_minute_ms}{p99}, '>', 0, 'latency');
        is("$member->{error_share} $pool->{usable}", '0 1', 'and its share of errors');
    };
    part 'failures are counted by kind, and told of' => sub {
        $backend->stop;
        my $failed = get($httpd, '/gone');
        is($failed->status, 502, 'nobody is there');
        my ($type) = $failed->field('Proxy-Status') =~ /error=(\w+)/;
        my $status = counted($httpd, sub { $_[0]{counters}{responses}{'5xx'} });
        is($status->{counters}{errors}{$type}, 1, "as $type, which Proxy-Status says");
        my ($problem) = @{ $status->{problems} };
        is("$problem->{severity} $problem->{kind}", 'error pool-down', 'the worst is told first');
        like($status->{problems}[1]{text}, qr/\Apool app, member http\S+ is left out: it takes no connections, the last time because of: Connection refused\z/, 'then what led to it');
    };
    part 'a graceful restart loses nothing' => sub {
        my $before = status_of($httpd);
        $httpd->graceful_whole;
        my $after = status_of($httpd);
        is_deeply($after->{counters}, $before->{counters}, 'counters');
        is($after->{since}, $before->{since}, 'since when they count');
        is($after->{pools}[0]{members}[0]{requests}{ok}, 3, 'and members\' own');
    };
    part 'mod_status has a block' => sub {
        my $auto = get($httpd, '/server-status?auto')->body;
        like($auto, qr/^RProxyRequests: 14\nRProxyCached: 10\nRProxyCacheAsked: 13\nRProxyFailed: 1\n/m, 'lines for programs');
        like($auto, qr/^RProxyMembersUsable: 0$/m, 'with members');
        like(get($httpd, '/server-status')->body, qr{<h2>mod_rproxy</h2>.*0 of 1 members get requests}s, 'and for eyes');
    };
    part 'only GET and HEAD are answered' => sub {
        is(head($httpd, '/rproxy-status')->status, 200, 'HEAD');
        my $refused = post($httpd, '/rproxy-status', 'x');
        is($refused->status, 405, 'not POST');
        like($refused->field('Allow'), qr/\bGET\b/, 'which says what is');
    };
};

one_mpm {
    my $authority = RP::TLS->authority;
    my $certificate = $authority->issue(name => 'localhost');
    my $backend = backend(as_asked(), tls => $certificate);
    my $manage = <<'CONF';
<Location /rproxy-manage>
    SetHandler rproxy-manage
    Require expr "%{HTTP:X-Who} == 'operator'"
</Location>
CONF
    my $pools = pool(app => 'https://localhost:' . $backend->port . ' ca=' . $authority->cert);
    my $httpd = httpd(config => config($pools, $manage), modules => ['headers']);
    get($httpd, asking('/page', @kept)) for 1 .. 3;
    get($httpd, asking('/page', @kept, size => 70000));
    counted($httpd, sub { $_[0]{traffic}{ever}{requests} == 4 });

    part 'the page needs nothing else, and is safe' => sub {
        my $page = get($httpd, '/rproxy-status');
        is($page->status . ' ' . $page->field('Content-Type'), '200 text/html; charset=utf-8', 'it comes');
        is($page->field('Cache-Control'), 'no-store', 'and is not kept');
        my ($nonce) = $page->field('Content-Security-Policy') =~ /script-src 'nonce-([0-9a-f]{32})'/;
        ok($nonce, 'it runs no script but its own');
        is(() = $page->body =~ /nonce="\Q$nonce\E"/g, 2, 'by a number');
        unlike(get($httpd, '/rproxy-status')->body, qr/\Q$nonce\E/, 'that is used once');
        unlike($page->body, qr/(?:src|href)=["']?(?:https?:)?\/\//, 'nothing is loaded from elsewhere');
        unlike($page->body, qr/\@[A-Z]+\@/, 'all its places are filled');
        like($page->body, qr{<td class="url">https://localhost:\d+</td><td>serving</td>.*<td class="num">\d{4}-\d\d-\d\d</td>}, 'members are in a table');
        like($page->body, qr{<tr><td>Since the start</td><td class="num">4</td><td class="num">50 %</td>}, 'so is the traffic');
    };
    part 'the place of the management interface is told to those who may use it' => sub {
        is(status_of($httpd)->{manage}, undef, 'not to others');
        my $said = get($httpd, '/rproxy-status?json', 'X-Who' => 'operator');
        is($json->decode($said->body)->{manage}, '/rproxy-manage', 'to them it is');
    };
    part 'certificates that end soon are told of' => sub {
        my $status = status_of($httpd);
        my ($member) = @{ $status->{pools}[0]{members} };
        cmp_ok($member->{tls}{certificate_ends}, '>', time, 'until when it holds');
        my $soon = grep { $_->{kind} eq 'certificate-ends' } @{ $status->{problems} };
        is($soon, $member->{tls}{certificate_ends} < time + 14 * 86400 ? 1 : 0, 'within 14 days');
    };
    part 'OpenMetrics says the same' => sub {
        my $page = get($httpd, '/rproxy-status?openmetrics');
        is($page->field('Content-Type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8', 'as its type');
        my $text = $page->body;
        like($text, qr/\n# EOF\n\z/, 'to its end');
        like($text, qr/^# TYPE rproxy_requests counter\n# HELP rproxy_requests \S.*\nrproxy_requests_total\{cache="hit"\} 2\n/m, 'counters');
        my $member = 'pool="app",member="https://localhost:' . $backend->port . '"';
        like($text, qr/^rproxy_member_latency_seconds_bucket\{\Q$member\E,le="\+Inf"\} 2\nrproxy_member_latency_seconds_count\{\Q$member\E\} 2$/m, 'histograms');
        like($text, qr/^rproxy_member_state\{\Q$member\E,rproxy_member_state="enabled"\} 1$/m, 'states');
        like($text, qr/^rproxy_member_certificate_end_timestamp_seconds\{\Q$member\E\} \d{10}$/m, 'certificates');
        my @buckets = $text =~ /^rproxy_request_duration_seconds_bucket\{cache="miss",le="[^"]+"\} (\d+)$/mg;
        is_deeply(\@buckets, [sort { $a <=> $b } @buckets], 'buckets grow');
        my ($status, $said, $errors) = command(['promtool', 'check', 'metrics'], get($httpd, '/rproxy-status?prometheus')->body);
        is("$status $said$errors", '0 ', 'promtool has nothing to say against the older format');
    };
    part 'a Prometheus reads it' => sub {
        my ($place, $port) = (RP::Place->folder, RP::Place->port);
        my $target = '127.0.0.1:' . $httpd->port;
        RP::Place->write_file("$place/prometheus.yml", <<"YAML");
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: rproxy
    metrics_path: /rproxy-status
    params: { openmetrics: [''] }
    static_configs: [{ targets: ['$target'] }]
YAML
        my $pid = RP::Process->run(['prometheus', "--config.file=$place/prometheus.yml", "--storage.tsdb.path=$place/data",
            "--web.listen-address=127.0.0.1:$port"], output => "$place/log");
        my $asked = sub {
            my $said = eval { $json->decode(get($port, "/api/v1/query?query=$_[0]")->body) } or return '';
            return join ' ', map { $_->{value}[1] } @{ $said->{data}{result} };
        };
        ok(eventually { $asked->('up') eq '1' }, 'it is up') or diag(RP::Place->read_file("$place/log"));
        ok(eventually { $asked->('rproxy_requests_total%7Bcache=%22hit%22%7D') eq '2' }, 'with its counters');
        is($asked->('rproxy_member_usable'), '1', 'and members');
        RP::Process->stop($pid);
    };
};

one_mpm {
    my $backend = backend(on_connection => sub {
        my ($c) = @_;
        while (my $request = $c->read_request_head) {
            $c->wait_signal('go') if $request->target =~ /slow/;
            $c->respond($request, 200, ['Cache-Control' => 'max-age=60', 'Content-Type' => 'text/plain'], 'x' x 1000);
        }
    });
    my $more = <<'CONF';
LogFormat "cache=%{rproxy-cache}n age=%{rproxy-age}n coding=%{rproxy-encoding}n connect=%{rproxy-connect}n first=%{rproxy-first-byte}n whole=%{rproxy-upstream}n" times
CustomLog @ROOT@/times.log times
LogFormat "%^RP" json
CustomLog @ROOT@/json.log json
CONF
    my $httpd = httpd(config => config(pool(app => $backend), $more), children => 1);
    my $logged = sub {
        my ($pattern) = @_;
        return eventually { RP::Place->read_file($httpd->root . '/times.log') =~ $pattern };
    };
    part 'notes for CustomLog tell how long a backend took' => sub {
        get($httpd, '/a');
        ok($logged->(qr/^cache=miss age=- coding=- connect=\d+ first=\d+ whole=\d+$/m), 'of a request that it answered');
        get($httpd, '/a', 'Accept-Encoding' => 'gzip');
        ok($logged->(qr/^cache=hit age=\d+ coding=gzip connect=- first=- whole=-$/m), 'of a hit its age and coding');
        get($httpd, '/b');
        ok($logged->(qr/^cache=miss age=- coding=- connect=0 first=\d+ whole=\d+$/m), 'a kept connection costs no time');
    };
    part 'as JSON, whatever a client writes' => sub {
        get($httpd, '/c?q=%22\\x"', 'User-Agent' => "odd \xff \"agent\" \\n");
        my @lines;
        ok(eventually { @lines = split /\n/, RP::Place->read_file($httpd->root . '/json.log'); $lines[-1] =~ m{/c\?} }, 'it is logged');
        my @said = map { eval { $json->decode($_) } } @lines;
        is(scalar @said, scalar @lines, 'each line is JSON');
        my ($miss, $hit, $odd) = grep { $_->{url} =~ m{\A/[abc]\b} } @said[0, 1, -1];
        is("$miss->{method} $miss->{url} $miss->{status} $miss->{cache} $miss->{attempts}", 'GET /a 200 miss 1', 'a miss');
        cmp_ok($miss->{upstream_us}, '>=', $miss->{first_byte_us}, 'with its times');
        like($miss->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/, 'and when it came');
        is("$hit->{cache} $hit->{encoding} " . (exists $hit->{member} ? 1 : 0), 'hit gzip 0', 'a hit has no member');
        is($odd->{url}, '/c?q=%22\\x"', 'what is odd is as it came');
        like($odd->{agent}, qr/\Aodd \? "agent" \\n\z/, 'but for what is no UTF-8');
    };
    part 'a request is counted for as long as it took' => sub {
        my $slow = sub {
            my %n = get($httpd, '/rproxy-status?openmetrics')->body =~ /^rproxy_request_duration_seconds_bucket\{cache="miss",le="(0\.5|\+Inf)"\} (\d+)$/mg;
            return $n{'+Inf'} - $n{'0.5'};
        };
        my $before = $slow->();
        my $client = client($httpd);
        $client->send_request('GET', '/slow');
        ok(eventually { grep { /slow/ } map { $_->target } $backend->last_request }, 'it waits');
        select undef, undef, undef, 0.6;
        $backend->signal('go');
        is($client->read_response->status, 200, 'and is answered');
        ok(eventually { $slow->() == $before + 1 }, 'more than half a second');
    };
};

one_mpm {
    my $backend = backend(as_asked());
    my $manage = <<'CONF';
<Location /rproxy-manage>
    SetHandler rproxy-manage
    Require expr "%{HTTP:X-Who} == 'operator'"
</Location>
RProxyPass /other app/base
<Location /lower>
    RProxyCacheKey case=lower
</Location>
CONF
    my $httpd = httpd(config => config(pool(app => $backend), $manage));
    my $purge = sub {
        my (%wish) = @_;
        my $response = request($httpd, 'POST', '/rproxy-manage/purge', ['X-Who' => 'operator', 'Content-Type' => 'application/json'],
            $json->encode(\%wish));
        return ($response->status, $json->decode($response->body));
    };
    my $asked = sub { $backend->forget; get($httpd, @$_) for @_; return $backend->count };
    my $site = 'http://proxy.example';
    my @pages = map { asking($_, @kept, 'Surrogate-Key' => 'all page' . (length) ) } '/a', '/a/b', '/other/a', '/LOWER/Aa';

    part 'the management interface purges' => sub {
        my @all = map { [$_] } @pages;
        is($asked->(@all, @all), 4, 'pages are kept');
        is_deeply([$purge->(what => 'url', url => "$site$pages[0]")], [200, { version => 1, purged => 1 }], 'one URL');
        is($asked->(@all), 1, 'is asked for again, and no other');
        is(($purge->(what => 'url', url => "$site$pages[2]"))[1]{purged}, 1, 'one with a base,');
        is(($purge->(what => 'url', url => "https://proxy.example$pages[3]"))[1]{purged}, 1, 'by either scheme');
        is($asked->(@all), 2, 'these are asked for');
        is(($purge->(what => 'prefix', url => "$site/a/"))[1]{purged}, 1, 'what begins so');
        is($asked->(@all), 1, 'is asked for');
        is(($purge->(what => 'tag', host => 'proxy.example', tags => ['page2', 'page4']))[1]{purged}, 2, 'by tags of a host');
        is(($purge->(what => 'tag', host => 'other.example', tags => ['all']))[1]{purged}, 0, 'not of another');
        is($asked->(@all), 2, 'these are asked for');
        is(($purge->(what => 'all'))[0], 200, 'everything');
        is($asked->(@all), 4, 'is asked for');
        is(($purge->(what => 'url', url => "$site$pages[0]", soft => JSON::PP::true))[1]{purged}, 1, 'softly');
        ok($httpd->wait_log(qr/RP0222: purged \(soft\) \Q$site\E\S+: 1 responses, for 127\.0\.0\.1/), 'the log says who did it');
        cmp_ok(status_of($httpd)->{counters}{purges}, '>=', 8, 'it is counted');
    };
    part 'what is malformed is refused with a sentence' => sub {
        for ([{ what => 'url' }, qr/^url: write all of it/], [{ what => 'url', url => '/a' }, qr/^url: write all of it/],
            [{ url => "$site/a" }, qr/^what is missing/], [{ what => 'tag', tags => ['a'] }, qr/^host and tags/],
            [{ what => 'tag', host => 'a', tags => [1] }, qr/^tags: write a list/], [{ what => 'some' }, qr/^what: write/],
            [{ what => 'all', soft => 1 }, qr/^soft: write/], [{ what => 'all', more => 1 }, qr/^more is not known/],
            [{ what => 'url', url => "$site/rproxy-status/%00" }, qr/^url: no RProxyPass/]) {
            my ($status, $said) = $purge->(%{ $_->[0] });
            is($status, 400, $json->canonical->encode($_->[0]));
            like($said->{error}, $_->[1], 'says what to write');
        }
        my $open = request($httpd, 'POST', '/rproxy-manage/purge', ['Content-Type' => 'application/json'], '{"what":"all"}');
        is($open->status, 403, 'nobody else may');
        my $form = request($httpd, 'POST', '/rproxy-manage/purge', ['X-Who' => 'operator', 'Content-Type' => 'text/plain'], '{"what":"all"}');
        is($form->status, 415, 'nor a form of another site');
        is(get($httpd, '/rproxy-manage/purge', 'X-Who' => 'operator')->status, 405, 'GET does nothing');
    };
};

done_testing;
