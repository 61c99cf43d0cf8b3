# Licensed under the Apache License, Version 2.0; see LICENSE.

# Directives that are meant for this cache (RFC 9213).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $unique = 0;
sub target { my $path = shift; return asking($path . '/' . ++$unique, @_) }

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=64M
RProxyPass / app
RProxyCache on
<Location /shop>
    RProxyCacheTargets Shop-Cache-Control CDN-Cache-Control
</Location>
<Location /shop/none>
    RProxyCacheTargets none
</Location>
CONF
    # Ask twice: was it a hit, and what came.
    my $hit = sub {
        my ($target) = @_;
        get($httpd, $target);
        my $response = get($httpd, $target);
        return ($response->field('Cache-Status') =~ /\Arproxy; ?hit\b/ ? 1 : 0, $response);
    };

    part 'CDN-Cache-Control takes the place of Cache-Control and Expires' => sub {
        my ($is_hit, $response) = $hit->(target('', 'Cache-Control' => 'no-store', 'CDN-Cache-Control' => 'max-age=600'));
        ok($is_hit, 'it may allow more');
        is($response->field('CDN-Cache-Control'), 'max-age=600', 'and is passed on');
        is($response->field('Cache-Control'), 'no-store', 'as is Cache-Control');
        ($is_hit) = $hit->(target('', 'Cache-Control' => 'max-age=600', 'CDN-Cache-Control' => 'no-store'));
        ok(!$is_hit, 'or less');
        ($is_hit) = $hit->(target('', Expires => 'Fri, 01 Jan 2100 00:00:00 GMT', ETag => '"a"',
            'CDN-Cache-Control' => 'max-age=0'));
        ok(!$is_hit, 'Expires does not count beside it');
        ($is_hit) = $hit->(target('', 'Cache-Control' => 'max-age=600', 'CDN-Cache-Control' => 'max-age=600, no-cache',
            ETag => '"a"'));
        ok(!$is_hit, 'its no-cache holds for what is stored');
    };
    part 'a targeted field that is no Dictionary, or empty, is as absent' => sub {
        for my $value ('max-age=600, &', 'MAX-AGE=600', '') {
            my ($is_hit) = $hit->(target('', 'Cache-Control' => 'no-store', 'CDN-Cache-Control' => $value));
            ok(!$is_hit, "'$value' allows nothing");
            ($is_hit) = $hit->(target('', 'Cache-Control' => 'max-age=600', 'CDN-Cache-Control' => "$value"));
            ok($is_hit, "'$value' forbids nothing");
        }
        my ($is_hit) = $hit->(target('', 'Cache-Control' => 'max-age=600', 'CDN-Cache-Control' => 'max-age="600"'));
        ok(!$is_hit, 'a member of a wrong type is not heeded, while the field is');
    };
    part 'RProxyCacheTargets names the fields that count' => sub {
        my @both = ('CDN-Cache-Control' => 'no-store', 'Shop-Cache-Control' => 'max-age=600');
        my ($is_hit) = $hit->(target('/shop', @both));
        ok($is_hit, 'the first one counts');
        ($is_hit) = $hit->(target('', @both));
        ok(!$is_hit, 'where it is not named it does not');
        ($is_hit) = $hit->(target('/shop', 'CDN-Cache-Control' => 'max-age=600', 'Shop-Cache-Control' => '?'));
        ok($is_hit, 'the next one counts when it cannot be read');
        ($is_hit) = $hit->(target('/shop/none', 'CDN-Cache-Control' => 'no-store', 'Cache-Control' => 'max-age=600'));
        ok($is_hit, 'none leaves Cache-Control alone');
    };
};

done_testing;
