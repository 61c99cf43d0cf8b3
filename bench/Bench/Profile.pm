# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Profile;

# Where the CPU time of a peer goes, seen by perf while it is under load.

use strict;
use warnings;
use Bench::Proc;
use Bench::Setup;

my $SYMBOLS = 25;

# Loads the peer once more and prints the symbols with the largest share of their own.
sub show
{
    my ($peer, %load) = @_;
    return print "no profile: perf is missing (package linux-perf)\n" unless Bench::Setup::is_there('perf');
    my $data = "$peer->{dir}/perf.data";
    my @pids = map { Bench::Proc::tree($_) } @{ $peer->{pids} };
    my $perf = Bench::Proc::start(
        name => 'perf', core => Bench::Proc::LOAD_CORE, output => "$peer->{dir}/perf.output",
        argv => ['perf', 'record', '-F', '1999', '-g', '-o', $data, '-p', join(',', @pids),
                 '--', 'sleep', $load{seconds}],
    );
    $peer->measure(%load);
    waitpid($perf, 0);
    Bench::Proc::forget($perf);
    my @report = `perf report -i $data --stdio --no-children -g none --sort dso,symbol 2>/dev/null`;
    my @lines  = map { /^(\s+\d.*?)[\s-]*$/ ? "$1\n" : () } @report;
    return print "no profile:\n", Bench::Proc::tail("$peer->{dir}/perf.output") unless @lines;
    splice(@lines, $SYMBOLS) if @lines > $SYMBOLS;
    print "profile of $peer->{name} ($load{url}), self:\n", @lines, "\n";
}

1;
