# Licensed under the Apache License, Version 2.0; see LICENSE.

# The call at two in the morning: for each trouble the status page, the metrics, a line of the log and rproxyctl name the
# cause.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use JSON::PP ();
use RP::Redis;

my $json = JSON::PP->new;
my $program = "$FindBin::Bin/../ctl/rproxyctl";
my $handlers = <<'CONF';
RProxyPass / app
<Location /rproxy-status>
    SetHandler rproxy-status
</Location>
CONF

# What the three of them say, waited for: the page, the JSON's problem, rproxyctl verify.
sub all_name
{
    my ($httpd, $kind, $pattern, $stir) = @_;
    my ($text) = ('');
    $stir = $stir || sub { };
    ok(eventually {
        $stir->();
        my $d = $json->decode(get($httpd, '/rproxy-status?json')->body);
        ($text) = map { $_->{text} } grep { $_->{kind} eq $kind } @{ $d->{problems} };
        defined $text;
    }, "$kind is told") or return;
    like($text, $pattern, 'with its cause');
    ok(eventually { $stir->(); get($httpd, '/rproxy-status')->body =~ /<li class="(?:error|warning)">[^<]*$pattern/ }, 'on the page');
    my $out;
    ok(eventually {
        $stir->();
        (undef, $out) = command([$program, '--url', 'http://127.0.0.1:' . $httpd->port, 'verify']);
        $out =~ /^(?:error|warning): [^\n]*$pattern/m;
    }, 'by rproxyctl verify') or diag($out);
}

sub metric { my ($httpd, $pattern) = @_; return eventually { get($httpd, '/rproxy-status?openmetrics')->body =~ /^$pattern/m } }

one_mpm {
    part 'one member is slow' => sub {
        my $quick = backend(as_asked());
        my $slow = backend(on_connection => sub {
            my ($c) = @_;
            while (my $request = $c->read_request_head) {
                select undef, undef, undef, 1.2;
                $c->respond($request, 200, [], 'late');
            }
        });
        (my $pool = pool(app => $quick, $slow)) =~ s{(?=</)}{    RProxyMethod round-robin\n};
        my $httpd = httpd(config => $pool . $handlers . qq{LogFormat "member=%{rproxy-member}n upstream=%{rproxy-upstream}n" times\nCustomLog \@ROOT\@/times.log times\n});
        get($httpd, '/') for 1 .. 6;
        all_name($httpd, 'member-slow', qr/member \Q${\ $slow->url}\E is slow/);
        ok(metric($httpd, qr/rproxy_member_latency_seconds_bucket\{pool="app",member="\Q${\ $slow->url}\E",le="0\.25"\} 0$/m), 'metrics: none of its responses is quick');
        ok(eventually { RP::Place->read_file($httpd->root . '/times.log') =~ /^member=\Q${\ $slow->url}\E upstream=\d{7,}$/m }, 'log');
    };
    part 'a member\'s certificate has expired' => sub {
        my $authority = RP::TLS->authority;
        my $expired = backend(as_asked(), tls => $authority->issue(name => 'localhost', days => -1));
        my $httpd = httpd(config => pool(app => 'https://localhost:' . $expired->port . ' ca=' . $authority->cert) . $handlers);
        is(get($httpd, '/')->status, 502, 'requests fail');
        all_name($httpd, 'member-out', qr/certificate has expired/);
        ok(metric($httpd, qr/rproxy_errors_total\{kind="tls_certificate_error"\} [1-9]/), 'metrics');
        ok($httpd->wait_log(qr/RP0401: .*certificate has expired/), 'log');
    };
    part 'Redis is gone' => sub {
        plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;
        my $redis = RP::Redis->start;
        my $httpd = httpd(config => pool(app => backend(as_asked())) . $handlers . 'RProxyFarm ' . $redis->url
            . " name=night\nRProxyCacheLocal \@ROOT\@/cache\nRProxyCache on\n");
        get($httpd, asking('/a', 'Cache-Control' => 'max-age=60'));
        ok(metric($httpd, qr/rproxy_farm_up 1$/m), 'it was there');
        $redis->stop;
        # Redis is found to be away by those who call it.
        my $wanted = sub { is(get($httpd, asking('/b' . rand, 'Cache-Control' => 'max-age=60'))->status, 200, 'requests go on') };
        all_name($httpd, 'redis-away', qr/the farm's Redis does not answer|the farm&#39;s Redis does not answer/, $wanted);
        ok(eventually { $wanted->(); get($httpd, '/rproxy-status?openmetrics')->body =~ /^rproxy_farm_up 0$/m }, 'metrics');
        ok($httpd->wait_log(qr/RP07\d\d: /), 'log');
    };
    part 'the disk is full' => sub {
        plan(skip_all => 'only root can mount a small file system') if $> != 0;
        my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm, config => pool(app => backend(as_asked())) . $handlers
            . "RProxyCacheLocal \@ROOT\@/disk/cache size=64M\nRProxyCache on\n");
        my $disk = $httpd->root . '/disk';
        mkdir $disk;
        system("mount -t tmpfs -o size=8388608,mode=0755 none $disk 2>/dev/null") == 0 or plan(skip_all => 'a tmpfs cannot be mounted here');
        $httpd->begin;
        my $n = 0;
        ok(eventually {
            get($httpd, asking('/o' . $n++, 'Cache-Control' => 'max-age=600', size => 300_000)) for 1 .. 20;
            get($httpd, '/rproxy-status?json')->body =~ /"kind":"disk-full"/;
        }, 'nothing more can be stored');
        all_name($httpd, 'disk-full', qr/disk that the local store lies on is full/);
        ok(metric($httpd, qr/rproxy_cache_failures_total\{kind="disk-full"\} [1-9]/), 'metrics');
        ok($httpd->wait_log(qr/RP0203: .*the disk is full/), 'log') or diag($httpd->error_log);
        $httpd->stop;
        system 'umount', '-l', $disk;
    };
};

done_testing;
