# Licensed under the Apache License, Version 2.0; see LICENSE.
# mod_rproxy with one lane: as many as it has cores here.
package Bench::Peer::Lanes;

use strict;
use warnings;
use Bench::Peer::Rproxy;

our $PACKAGE = $Bench::Peer::Rproxy::PACKAGE;

sub program { Bench::Peer::Rproxy::program() }

sub config { return Bench::Peer::Rproxy::config(@_) . "RProxyLanes 1\n" }

sub argv { Bench::Peer::Rproxy::argv(@_) }

1;
