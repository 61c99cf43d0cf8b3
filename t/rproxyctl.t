# Licensed under the Apache License, Version 2.0; see LICENSE.

# rproxyctl, against a server that runs: over TCP and a Unix socket.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use IO::Socket::UNIX;
use JSON::PP ();

my $json = JSON::PP->new;
my $program = "$FindBin::Bin/../ctl/rproxyctl";

my @kept = ('Cache-Control' => 'max-age=60', 'Content-Type' => 'text/plain');

one_mpm {
    my @backends = map { backend(as_asked()) } 1 .. 2;
    my $dead = 'http://127.0.0.1:' . RP::Place->refusing_port;
    my $httpd = httpd(modules => ['authz_host'], config => pool(app => @backends) . pool(api => $backends[0]) . <<'CONF');
RProxyPass / app
RProxyCache on
RProxyCacheLocal @ROOT@/cache size=8M
<Location /rproxy-status>
    SetHandler rproxy-status
</Location>
<Location /rproxy-manage>
    SetHandler rproxy-manage
    Require ip 127.0.0.1
</Location>
CONF
    my @to = ('--url', 'http://127.0.0.1:' . $httpd->port);
    my $ctl = sub { my ($status, $out, $err) = command([$program, @to, @_]); return ($status >> 8, $out, $err) };
    my ($first, $second) = map { $_->url } @backends;
    get($httpd, asking('/page', @kept)) for 1 .. 3;

    part 'status, once' => sub {
        my ($status, $out) = $ctl->('status');
        is($status, 0, 'when it does not go to a terminal');
        like($out, qr/\AAll is well\.\n/, 'what is wrong comes first');
        like($out, qr/^Cache: 1 objects, /m, 'then the cache');
        like($out, qr/^Pool app\nMEMBER +STATE +WEIGHT .*\n\Q$first\E +serving +1 /m, 'and members');
        my (undef, $said) = $ctl->('--json', 'status');
        is($json->decode($said)->{version}, 1, 'as JSON it is what the server says');
    };
    part 'members are drained, enabled and weighted' => sub {
        my ($status, $out) = $ctl->('drain', $second);
        is("$status $out", "0 pool app, member $second: draining, weight 1, 0 requests under way\n", 'by URL');
        like(($ctl->('members', 'app'))[1], qr/^app +[0-9a-f]{16} +\Q$second\E +draining/m, 'as the list has it');
        is(($ctl->('--json', 'enable', $second))[0], 0, 'and back');
        like(($ctl->('weight', "app/$first", 5))[1], qr/weight 5/, 'by pool and URL');
        ($status, $out, my $err) = $ctl->('drain', $first);
        is("$status $err", "1 rproxyctl: $first is a member of several pools: write api/$first or app/$first\n", 'never by half');
        like(($ctl->('disable', 'http://nobody'))[2], qr/no pool has a member/, 'nor what is not there');
        like(($ctl->('weight', "app/$first", 1000))[2], qr/weight: write a whole number from 0 to 256/, 'the server explains');
        is(($ctl->('members', '--names'))[1], "$first\n$first\n$second\n", 'names for completion');
    };
    part 'members are added and removed' => sub {
        like(($ctl->('add', 'app', $dead, 'weight=2'))[1], qr/was added; its id is [0-9a-f]{16}$/, 'added');
        my ($status, $out) = $ctl->('verify');
        is($status, 1, 'verify finds it');
        like($out, qr/^error: pool app, member \Q$dead\E: no connection from here: .*refused/m, 'to be dead');
        like($out, qr/^2 pools, 4 members, cache in use, Redis not configured: 1 errors$/m, 'and counts');
        my $found = $json->decode(($ctl->('--json', 'verify'))[1]);
        ok(!$found->{ok}, 'in JSON as well');
        like(($ctl->('remove', $dead))[1], qr/was removed$/, 'removed');
        is(($ctl->('verify'))[0], 0, 'and well again');
    };
    part 'purges count' => sub {
        my $site = 'http://proxy.example';
        my $tagged = asking('/tagged', @kept, 'Surrogate-Key' => 'one two');
        get($httpd, $_) for $tagged, asking('/news/a', @kept), asking('/news/b', @kept);
        is(($ctl->('purge', 'url', $site . asking('/page', @kept)))[1], "1 responses purged\n", 'a URL');
        is(($ctl->('purge', 'tag', 'proxy.example', 'two'))[1], "1 responses purged\n", 'a tag');
        is(($ctl->('--json', 'purge', 'prefix', "$site/news/"))[1] =~ s/\s+//gr, '{"purged":2}', 'a prefix');
        my ($status, undef, $err) = $ctl->('purge', 'all');
        is("$status $err", "1 rproxyctl: say --yes to purge everything\n", 'all but by mistake');
        is(($ctl->('purge', '--yes', 'all'))[0], 0, 'all');
        is(($ctl->('purge', 'url'))[0], 1, 'nothing is no purge');
    };
    part 'warm fetches lists and sitemaps' => sub {
        my $place = RP::Place->folder;
        my @via = ('--via', '127.0.0.1:' . $httpd->port);
        my @urls = map { 'http://proxy.example' . asking("/warm/$_", @kept) } 1 .. 9;
        RP::Place->write_file("$place/list", join "\n", '# pages', @urls, '');
        is(($ctl->(@via, 'warm', "$place/list"))[1], "9 stored\n", 'a list');
        is(($ctl->(@via, 'warm', "$place/list"))[1], "9 there already\n", 'once');
        my $map = '<urlset>' . join('', map { "<url><loc>" . s/&/&amp;/gr . "</loc></url>" } @urls[0, 1],
            'http://proxy.example' . asking('/warm/none', status => 404)) . '</urlset>';
        my $index = '<sitemapindex><sitemap><loc>http://proxy.example'
            . asking('/map.xml', body => $map) =~ s/&/&amp;/gr . '</loc></sitemap></sitemapindex>';
        my ($status, $out, $err) = $ctl->(@via, 'warm', 'http://proxy.example' . asking('/index.xml', body => $index));
        is("$status $out", "1 1 status 404, 2 there already\n", 'a sitemap of sitemaps');
        like($err, qr{^http://proxy\.example/warm/none\S+: status 404}m, 'what failed is named');
        my $said = $json->decode(($ctl->('--json', @via, 'warm', "$place/list"))[1]);
        is_deeply($said, { urls => 9, results => { 'there already' => 9 }, failed => [] }, 'in JSON');
    };
    part 'it speaks through a Unix socket' => sub {
        my $place = RP::Place->folder;
        my $listen = IO::Socket::UNIX->new(Local => "$place/socket", Listen => 5) or die "listen: $!";
        my $port = $httpd->port;
        # What systemd-socket-proxyd or ssh does.
        my $pid = RP::Process->spawn(sub {
            while (my $in = $listen->accept) {
                my $out = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
                sysread $in, my $request, 65536;
                syswrite $out, $request;
                while (sysread $out, my $answer, 65536) { syswrite $in, $answer }
            }
        });
        my ($status, $out) = command([$program, '--socket', "$place/socket", 'members', '--names']);
        is("$status $out", "0 $first\n$first\n$second\n", 'the same is said');
        RP::Process->stop($pid, 'KILL');
    };
    part 'what goes wrong is said' => sub {
        for ([['--url', $dead, 'status'], qr/no connection to 127\.0\.0\.1/], [['--url', 'ftp://x', 'status'], qr/--url: write http/],
            [[@to, '--status-path', '/nowhere', 'status'], qr/\/nowhere: the server answers 404|answers 200/],
            [['--socket', '/nowhere', 'status'], qr/no connection to \/nowhere/], [['dance'], qr/there is no command dance/]) {
            my ($status, undef, $err) = command([$program, '--timeout', 3, @{ $_->[0] }]);
            is($status >> 8, 1, "@{ $_->[0] }");
            like($err, $_->[1], 'says why');
        }
        my ($status, undef, $usage) = command([$program]);
        is($status >> 8, 2, 'no command');
        like($usage, qr/^usage: rproxyctl/, 'shows how');
        my $page = RP::Place->read_file("$FindBin::Bin/../ctl/rproxyctl.1") =~ s/\\-/-/gr;
        my $script = RP::Place->read_file($program);
        like($page, qr/$_\b/, "$_ is in the manual") for $script =~ /^    (\w+) => \[/mg, map { "--$_" } map { s/[|=].*//r } split ' ',
            ($script =~ /GetOptions\(\\%opt, qw\((.*?)\)\)/s)[0] =~ s/\b(?:help|version|names)\S*//gr;
    };
    part 'the live table draws over itself' => sub {
        my ($status, $out) = command(['timeout', '-s', 'INT', 3, 'script', '-qec', "$program @to --interval 0.2 status", '/dev/null']);
        my @frames = split /\e\[H/, $out;
        cmp_ok(scalar @frames, '>', 2, 'frames follow each other');
        like($frames[1], qr/Pool app\e\[K\r?\n/, 'with the members');
    };
};

done_testing;
