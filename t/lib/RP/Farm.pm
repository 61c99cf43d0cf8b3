# Licensed under the Apache License, Version 2.0; see LICENSE.

# Proxies of a farm.
#
#     my $proxy = RP::Farm->proxy($redis->url, $backend, farm => "secret=$secret", config => ...);
#     RP::Farm->wait_keys($redis, 3);        # until Redis has so many keys
package RP::Farm;
use strict;
use warnings;

use RP::Place;
use RP::Redis;
use RP::Test ();

# A file with a farm's secret; another one with each text.
sub secret
{
    my ($class, $text) = @_;
    my $bytes = $text || 'farm';
    return RP::Place->write_file(RP::Place->folder . '/farm.secret', $bytes x 16);
}

# A proxy with a store of its own.  farm => options behind RProxyFarm's URL; local => what RProxyCacheLocal has;
# config => more lines; what else is for RP::Test's httpd.
sub proxy
{
    my ($class, $url, $backend, %how) = @_;
    my $farm = join ' ', 'connect=2s timeout=2s trial=200ms', grep { defined } delete $how{farm};
    my $local = delete $how{local} || '@ROOT@/cache size=32M';
    my $config = "RProxyFarm $url $farm\nRProxyCacheLocal $local\n" . RP::Test::pool(app => $backend)
        . "RProxyPass / app\nRProxyCache on\n" . (delete $how{config} || '');
    return RP::Test::httpd(config => $config, %how);
}

sub wait_keys
{
    my ($class, $redis, $n) = @_;
    return RP::Test::eventually { $redis->command('DBSIZE') >= $n };
}

1;
