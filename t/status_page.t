# Licensed under the Apache License, Version 2.0; see LICENSE.

# The status page in a browser, under load.  With RP_SCREENSHOTS=FOLDER it leaves pictures there, to be looked at.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use RP::Browser;

my @kept = ('Cache-Control' => 'max-age=60', 'Content-Type' => 'text/html');

# A number on the page, whatever stands around it.
sub figure { my ($text) = @_; return defined $text && $text =~ /([\d.]+)/ ? $1 : 0 }

one_mpm {
    my $authority = RP::TLS->authority;
    my @backends = (backend(as_asked()), backend(as_asked()), backend(as_asked(), tls => $authority->issue(name => 'localhost')));
    my $pools = pool(app => @backends[0, 1])
        . pool(api => 'https://localhost:' . $backends[2]->port . ' ca=' . $authority->cert, 'http://127.0.0.1:' . RP::Place->refusing_port);
    my $httpd = httpd(modules => ['headers', 'authz_host'], config => $pools . <<'CONF');
RProxyPass / app
RProxyPass /api api
RProxyCache on
RProxyCacheLocal @ROOT@/cache size=16M
RProxyCompress gzip
<Location /rproxy-status>
    SetHandler rproxy-status
    Require ip 127.0.0.1
</Location>
<Location /rproxy-manage>
    SetHandler rproxy-manage
    Require ip 127.0.0.1
</Location>
CONF
    my $turn = 0;
    my $load = sub {
        my ($n) = @_;
        for (1 .. $n) {
            $turn++;
            get($httpd, asking("/page" . $turn % 7, @kept, size => 20000), 'Accept-Encoding' => 'gzip');
            get($httpd, asking('/api/x', 'Cache-Control' => 'private')) if $turn % 5 == 0;
            get($httpd, asking('/missing', status => 404)) if $turn % 9 == 0;
        }
    };
    $load->(30);

    my $browser = RP::Browser->start;
    my $place = 'http://127.0.0.1:' . $httpd->port;
    my $tile = sub { figure($browser->say("document.querySelectorAll('.tile b')[$_[0]].textContent")) };
    my $picture = sub {
        my ($name, $width, $height, $mobile) = @_;
        $browser->resize($width, $height, $mobile);
        $browser->screenshot("$ENV{RP_SCREENSHOTS}/$name.png") if $ENV{RP_SCREENSHOTS};
    };

    part 'it draws what the server tells' => sub {
        $browser->resize(1280, 900);
        $browser->open("$place/rproxy-status");
        ok(eventually { $browser->say('!document.getElementById("live").hidden') }, 'it comes to life');
        ok($browser->say('document.getElementById("plain").hidden'), 'instead of the tables');
        is($browser->say('[...document.querySelectorAll("#live h2")].map(e => e.textContent).join()'),
            'Hit ratio,Requests per second,Traffic per second,Saved per second,Pool api,Pool app,Cache,Why backends were asked,Why it was not stored,Failures,Purge',
            'with all its parts');
        like($browser->say('document.querySelector(".problems").textContent'), qr/member http:\S+ is left out: it takes no connections/,
            'it says what is wrong');
        like($browser->say('document.title'), qr/\A\(\d+\) mod_rproxy/, 'in its title as well');
    };
    part 'a member is drained by a button, with a question before' => sub {
        my $row = "[...document.querySelectorAll('.members tr')].find(r => r.textContent.includes('" . $backends[1]->url . "'))";
        my $state = sub { $browser->say("$row.querySelector('.chip').textContent") };
        is($state->(), 'serving', 'it serves');
        $browser->click("js:$row.querySelector('button')");
        ok(eventually { $browser->say('document.getElementById("ask").open') }, 'a question comes');
        like($browser->say('document.getElementById("question").textContent'), qr/\ADrain \Q${\ $backends[1]->url}\E\?/, 'which names it');
        $browser->click('#ask button[value=no]');
        ok(eventually { !$browser->say('document.getElementById("ask").open') }, 'no is an answer');
        is($state->(), 'serving', 'after which it serves as before');
        $browser->click("js:$row.querySelector('button')");
        ok(eventually { $browser->say('document.getElementById("ask").open') }, 'asked again');
        $browser->click('#ask button[value=yes]');
        ok(eventually { $state->() eq 'draining' }, 'it is draining');
        ok($httpd->wait_log(qr/RP0370: pool app, member \Q${\ $backends[1]->url}\E is draining now/), 'says the log as well');
        $browser->click("js:$row.querySelector('button')");
        ok(eventually { $state->() eq 'serving' }, 'and is back without a question');
    };
    part 'a page is purged by a form' => sub {
        my $page = asking('/to-purge', @kept);
        get($httpd, $page) for 1 .. 2;
        $browser->click('#purge-text');
        $browser->type("http://proxy.example$page");
        $browser->click('#purge button.strong');
        ok(eventually { $browser->say('document.getElementById("ask").open') }, 'a question comes');
        $browser->click('#ask button[value=yes]');
        ok(eventually { $browser->say('document.getElementById("outcome").textContent') =~ /\A1 responses purged/ }, 'one is gone')
            or diag($browser->say('document.getElementById("outcome").textContent'));
        like(get($httpd, $page)->field('Cache-Status'), qr/fwd=uri-miss/, 'and asked for again');
        $browser->say('document.getElementById("purge-text").value = "nonsense"');
        $browser->click('#purge button.strong');
        ok(eventually { $browser->say('document.getElementById("ask").open') }, 'asked again');
        $browser->click('#ask button[value=yes]');
        ok(eventually { $browser->say('document.getElementById("outcome").textContent') =~ /\Aurl: write all of it/ }, 'a mistake is explained');
    };
    part 'figures change under load, and plots draw' => sub {
        my $before = $tile->(5);
        $load->(40);
        ok(eventually { $tile->(5) > $before }, 'requests grow without a reload');
        # A line needs three samples, which are ten seconds apart.
        my $drawn = sub { eventually { $load->(2); $browser->say('document.querySelectorAll("path.stroke:not(.lone)").length') >= 6 } };
        ok($drawn->() || $drawn->() || $drawn->(), 'lines are drawn');
        like($browser->say('document.querySelector("path.stroke:not(.lone)").getAttribute("d")'), qr/\AM[\d.]+,[\d.]+ L[\d.]+,/, 'from sample to sample');
        unlike($browser->say('[...document.querySelectorAll("path")].map(e => e.getAttribute("d")).join()'), qr/NaN|undefined/, 'of numbers');
        cmp_ok($tile->(2), '>', 40, 'the share of hits is a percentage');
    };
    part 'it is looked at in light, dark, and on a phone' => sub {
        $browser->prefer('light');
        $picture->('light', 1280, 900);
        my $light = $browser->say('getComputedStyle(document.body).backgroundColor');
        $browser->prefer('dark');
        $picture->('dark', 1280, 900);
        isnt($browser->say('getComputedStyle(document.body).backgroundColor'), $light, 'it follows the browser\'s scheme');
        $browser->prefer('light');
        $picture->('phone', 390, 844, 1);
        is($browser->say('document.documentElement.scrollWidth'), 390, 'nothing is wider than a phone');
        $browser->resize(1280, 900);
    };
    part 'it asked for nothing but its own server\'s, and had no complaints' => sub {
        my @complaints = grep { !/400 \(Bad Request\)/ } $browser->complaints;
        is("@complaints", '', 'no errors on the console');
        is(join(' ', grep { !m{\A\Q$place\E/|\Adata:|\Aabout:} } $browser->requests), '', 'no other server was asked');
    };
    part 'without JavaScript there are tables' => sub {
        $browser->call('Emulation.setScriptExecutionDisabled', value => JSON::PP::true);
        $browser->open("$place/rproxy-status");
        ok(eventually { $browser->say('document.querySelectorAll("#plain table").length') == 4 }, 'of traffic, pools and cache');
        like($browser->say('document.querySelector("#plain").textContent'), qr/is left out: it takes no connections/, 'and what is wrong');
        $picture->('plain', 1280, 900);
    };
    $browser->stop;
};

done_testing;
