# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Peer::Rproxy;

use strict;
use warnings;
use Bench::Peer::Apache;
use File::Path qw(make_path);

our $PACKAGE = 'apache2-bin:httpd';

our $MODULE;          # mod_rproxy.so; set by the program that runs us

sub program { Bench::Peer::Apache::program() }

sub config
{
    my ($at) = @_;
    my $on    = $at->{mode} eq 'cached' ? 'on' : 'off';
    my $store = "$at->{dir}/store";
    my $local = $at->{redis} && !$at->{local} ? 'off' : "$store " . ($at->{local} // '');
    my $farm  = $at->{redis} ? "RProxyFarm redis://127.0.0.1:$at->{redis} " . ($at->{farm} // '') : '';
    my $hosts = $at->{vhosts} // '';
    make_path($store);
    chown((getpwnam($at->{user}))[2, 3], $store) if $at->{is_root};
    return Bench::Peer::Apache::server($at) . <<"END";
LoadModule rproxy_module $MODULE
RProxyCacheLocal $local
$farm
RProxyCacheEarly $on
<RProxyPool origin>
    RProxyMember http://127.0.0.1:$at->{origin} keep=64
</RProxyPool>
<Location "/">
    RProxyPass origin
    RProxyCache $on
</Location>
$hosts
END
}

sub argv { Bench::Peer::Apache::argv(@_) }

1;
