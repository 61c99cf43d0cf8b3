# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Load;

# One run of wrk on the core that the proxy does not have.

use strict;
use warnings;
use Bench::Proc;
use File::Basename qw(dirname);

my $HERE = dirname(dirname(__FILE__));
my $wrk;

# Arguments: url, seconds, connections; optional script (Lua), its arguments, and headers. Returns a hash:
# requests, seconds, bytes (fields included), p99 (microseconds), socket (errors), status (answers above 399).
sub run
{
    my (%how) = @_;
    my @argv = ('taskset', '-c', Bench::Proc::LOAD_CORE, 'wrk', '-t1', "-c$how{connections}",
                "-d$how{seconds}s", '-s', $how{script} // "$HERE/report.lua");
    push @argv, '-H', $_ for @{ $how{headers} // [] };
    $wrk = open(my $out, '-|', @argv, $how{url}, '--', @{ $how{arguments} // [] }) // die "wrk: $!\n";
    my %result;
    while (my $line = <$out>) {
        %result = map { split /=/ } split ' ', $1 if $line =~ /^report (.*)/;
    }
    close($out);
    undef $wrk;
    die "wrk gave no result for $how{url}\n" unless $result{seconds};
    return \%result;
}

END {
    kill 'KILL', $wrk if $wrk;
}

1;
