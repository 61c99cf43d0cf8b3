# Licensed under the Apache License, Version 2.0; see LICENSE.

package RP::Build;

# Where things are: the source tree, the build tree, and what configure found.
#
#   RP::Build::srcdir, RP::Build::builddir   absolute paths
#   RP::Build::module                        the module as built, for LoadModule
#   RP::Build::value("HTTPD")                a value of build.env; also MODULES (httpd's own modules), APXS, CC
#   RP::Build::preload                       what LD_PRELOAD must be for an httpd that loads the module; may be empty

use strict;
use warnings;

my %values;

sub srcdir { $ENV{RP_SRCDIR} // die "RP_SRCDIR is not set: run build/test or make check\n" }
sub builddir { $ENV{RP_BUILDDIR} // die "RP_BUILDDIR is not set: run build/test or make check\n" }
sub module { builddir() . "/.libs/mod_rproxy.so" }
sub preload { value("PRELOAD") }

sub value
{
    my ($name) = @_;
    if (!%values) {
        my $file = builddir() . "/build.env";
        open my $in, "<", $file or die "$file: $!\n";
        while (<$in>) {
            $values{$1} = $2 if /^(\w+)=(.*)$/;
        }
    }
    return $values{$name} // die "build.env has no $name\n";
}

1;
