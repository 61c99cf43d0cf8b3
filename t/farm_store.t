# Licensed under the Apache License, Version 2.0; see LICENSE.

# Several proxies, each with a store of its own, and one Redis in which they find what the others have stored.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

my $secret = RP::Place->write_file(RP::Place->folder . '/farm.key', 'farm-' x 10);

one_mpm {
    my $redis = RP::Redis->start;

    part 'a farm without a secret says once what that means' => sub {
        my $httpd = httpd(loglevel => 'notice', config => 'RProxyFarm ' . $redis->url . "\n");
        is(get($httpd, "/index.html")->body, "static\n", 'it serves');
        my @lines = grep { /RP0715/ } split /\n/, $httpd->error_log;
        is(scalar @lines, 1, 'one line');
        like($lines[0], qr/no secret=/, 'names the option');
    };

    part 'one with a secret does not' => sub {
        my $httpd = httpd(config => 'RProxyFarm ' . $redis->url . " secret=$secret\n");
        is(get($httpd, "/index.html")->body, "static\n", 'it serves');
        unlike($httpd->error_log, qr/RP07/, 'nothing is logged of Redis');
    };
};

done_testing;
