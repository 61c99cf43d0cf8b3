# Licensed under the Apache License, Version 2.0; see LICENSE.

package RP::Build;

# Where the source tree and the build tree are: absolute paths.

use strict;
use warnings;

sub srcdir { $ENV{RP_SRCDIR} // die "RP_SRCDIR is not set: run build/test or make check\n" }
sub builddir { $ENV{RP_BUILDDIR} // die "RP_BUILDDIR is not set: run build/test or make check\n" }

1;
