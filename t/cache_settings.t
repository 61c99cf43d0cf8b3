# Licensed under the Apache License, Version 2.0; see LICENSE.

# What an operator sets about caching, and what it changes.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use POSIX qw(strftime);

my $unique = 0;
sub fresh_target { my ($where, @fields) = @_; return asking("$where/" . ++$unique, @fields) }

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(config => pool(secret => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=8M
RProxyPass / secret
RProxyCache on
<Location /deaf>
    RProxyCacheIgnoreClient on
</Location>
<Location /strict>
    RProxyCacheHeuristic off
</Location>
<Location /half>
    RProxyCacheHeuristic 50% max=1h
</Location>
<Location /silent>
    RProxyCacheStatus off
</Location>
<Location /full>
    RProxyCacheStatus full
</Location>
CONF
    my $count = sub { my ($target, @fields) = @_; $backend->forget; get($httpd, $target, @fields); return $backend->count };
    my $ttl = sub { my ($response) = @_; return ($response->field('Cache-Status') // '') =~ /hit; ?ttl=(-?\d+)/ ? $1 : undef };

    part 'RProxyCacheIgnoreClient' => sub {
        for my $said (['Cache-Control' => 'no-cache'], ['Cache-Control' => 'max-age=0'], [Pragma => 'no-cache']) {
            for ([deaf => 0], ['' => 1]) {
                my ($where, $expected) = @$_;
                my $target = fresh_target($where && "/$where", 'Cache-Control' => 'max-age=600');
                get($httpd, $target);
                is($count->($target, @$said), $expected,
                    "@$said " . ($where ? 'is ignored with it' : 'asks the backend without it'));
            }
        }
        my $target = fresh_target('/deaf', 'Cache-Control' => 'max-age=600');
        get($httpd, $target, 'Cache-Control' => 'no-store');
        is($count->($target), 0, 'a client\'s no-store does not keep a response from being stored');
        is(get($httpd, fresh_target('/deaf'), 'Cache-Control' => 'only-if-cached')->status, 200, 'nor only-if-cached from being fetched');
    };
    part 'RProxyCacheHeuristic' => sub {
        my @modified = ('Last-Modified' => strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time - 4000)));
        my %target = map { $_ => fresh_target($_, @modified) } '', qw(/strict /half);
        get($httpd, $_) for values %target;
        my $tenth = $ttl->(get($httpd, $target{''}));
        ok($tenth > 380 && $tenth <= 400, 'a tenth of the time since Last-Modified is the default') or diag($tenth);
        my $half = $ttl->(get($httpd, $target{'/half'}));
        ok($half > 1980 && $half <= 2000, 'another part can be chosen') or diag($half);
        is($count->($target{'/strict'}), 1, 'off asks each time');
        my $old = fresh_target('/half', 'Last-Modified' => 'Mon, 01 Jan 2001 00:00:00 GMT');
        get($httpd, $old);
        $half = $ttl->(get($httpd, $old));
        ok($half > 3580 && $half <= 3600, 'max is the most') or diag($half);
    };
    part 'RProxyCacheStatus' => sub {
        my $target = fresh_target('/silent', 'Cache-Control' => 'max-age=600', 'Cache-Status' => 'inner; hit');
        is(get($httpd, $target)->field('Cache-Status'), 'inner; hit', "$_: off leaves what others say") for 'miss', 'hit';
        ok($httpd->wait_access(qr{/silent/.*cache=hit}), 'and the log knows still');
        $target = fresh_target('/full', 'Cache-Control' => 'max-age=600');
        for (qw(miss hit)) {
            my $said = get($httpd, $target)->field('Cache-Status');
            like($said, qr{; ?key="http://[^"/]+\Q$target\E"\z}, "$_: full tells the URL");
            unlike($said, qr/secret/, "$_: but not the pool");
        }
    };
    part 'a reload of what is immutable' => sub {
        my $target = fresh_target('', 'Cache-Control' => 'max-age=600, immutable');
        get($httpd, $target);
        is($count->($target, 'Cache-Control' => 'max-age=0'), 0, 'is answered from the cache');
        is($count->($target, 'Cache-Control' => 'no-cache'), 1, 'but not a forced one');
        $target = fresh_target('', 'Cache-Control' => 'max-age=600, immutable', Age => 1000, ETag => '"v"');
        get($httpd, $target);
        is($count->($target, 'Cache-Control' => 'max-age=0, max-stale'), 1, 'nor one of what is stale');
    };
};
done_testing;
