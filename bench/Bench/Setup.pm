# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Setup;

# What must be there before a measurement: the programs, two cores, and an optimised build of the module.

use strict;
use warnings;
use Bench::Peer;
use Bench::Peer::Rproxy;
use File::Basename qw(dirname);
use File::Spec;

my $ROOT = File::Spec->rel2abs(dirname(dirname(dirname(__FILE__))));

sub is_there
{
    my ($program) = @_;
    return -x $program if $program =~ m{^/};
    return !!grep { -x "$_/$program" } split(/:/, $ENV{PATH}), qw(/usr/sbin /usr/local/sbin);
}

# Installs what is missing with build/lib.sh, which keeps services from starting, and sees to it that those
# installed here don't start with the system either.
sub programs
{
    my (@peers) = @_;
    $ENV{PATH} .= ':/usr/sbin:/usr/local/sbin';
    my %need = (wrk => 'wrk:wrk', nginx => 'nginx:nginx', taskset => 'util-linux:util-linux',
                map { Bench::Peer::program_of($_) => Bench::Peer::package_of($_) } @peers);
    my @missing = map { $need{$_} } grep { !is_there($_) } sort keys %need or return;
    with_build_lib('need_packages "$@"', @missing);
    my @services = map { /^(nginx|haproxy|varnish):/ ? $1 : () } @missing;
    system('systemctl', '-q', 'disable', '--now', @services) if @services && -d '/run/systemd/system';
}

sub cores
{
    my $cores = () = glob '/sys/devices/system/cpu/cpu[0-9]*';
    die "two cores are needed: one for the proxy, one for the load and the origin\n" if $cores < 2;
}

# Finds mod_rproxy.so in a build folder; without one, makes an optimised build at _build/bench. Returns
# undef when all is well, or the reason why our column must stay empty.
sub module
{
    my ($build) = @_;
    if (!defined $build) {
        $build = "$ROOT/_build/bench";
        eval { build($build); 1 } or return $@;
    }
    my ($found) = grep { -f } map { "$build/$_/mod_rproxy.so" } qw(.libs mod_rproxy/.libs . mod_rproxy);
    return "no mod_rproxy.so in $build" unless $found;
    $Bench::Peer::Rproxy::MODULE = File::Spec->rel2abs($found);
    return undef;
}

sub build
{
    my ($dir) = @_;
    die "no configure.ac yet\n" unless -f "$ROOT/configure.ac";
    local $ENV{CFLAGS} = '-O2 -g';
    with_build_lib('need_packages "${build_packages[@]}"; build_tree "$1" all', $dir);
}

# Runs shell commands with the functions of build/lib.sh.
sub with_build_lib
{
    my ($commands, @arguments) = @_;
    quietly('bash', '-c', "me=bench; . '$ROOT/build/lib.sh'; $commands", 'bash', @arguments);
}

# Runs a command; its output appears only when it fails.
sub quietly
{
    my (@command) = @_;
    open(my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command) or die "@command: $!\n";
    my @said = <$out>;
    return if close($out);
    splice(@said, 0, @said - 15) if @said > 15;
    die "$command[0] failed:\n" . join('', map { "  $_" } @said);
}

1;
