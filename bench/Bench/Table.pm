# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Table;

# How results are printed. A number is the median of a peer's rounds.

use strict;
use warnings;

my $FORMAT = "%-14s %-8s %9s %8s %6s %6s %8s %6s   %-9s %s\n";

sub head
{
    my ($opt) = @_;
    printf "%d connections, %d rounds of %d s, access logs %s\n\n", @$opt{qw(connections rounds seconds)},
        $opt->{log} ? 'on' : 'off';
    print <<'END';
cpu us   CPU microseconds of the proxy's processes per request
busy     share of its core that the proxy used
lost     share of a core that other programs or the hypervisor took: much of it spoils req/s, less so cpu us
ours/it  our requests/s to the peer's;  cpu it/ours: its CPU per request to ours (more is better for us)

END
    printf $FORMAT, qw(row peer req/s), 'cpu us', qw(busy lost), 'p99 ms', 'errors', 'ours/it', 'cpu it/ours';
}

# rounds: peer => [results]; why: peer => what disqualifies it, if anything does.
sub row
{
    my ($row, $peers, $rounds, $why) = @_;
    my $ours = $rounds->{rproxy};
    for my $name (@$peers) {
        my $its = $rounds->{$name};
        if ($its) {
            printf $FORMAT, $row, $name,
                sprintf('%.0f', median($its, 'rate')), sprintf('%.1f', median($its, 'cpu')),
                percent(median($its, 'busy')), percent(median($its, 'lost')),
                sprintf('%.1f', median($its, 'p99') / 1000), errors($its),
                $ours && $name ne 'rproxy' ? ratios($ours, $its) : ('', '');
        } else {
            printf $FORMAT, $row, $name, ('-') x 6, '', '';
        }
        print "  !! $row $name: $why->{$name}", $why->{$name} =~ /\n\z/ ? '' : "\n" if defined $why->{$name};
    }
    print "\n";
}

sub median
{
    my ($results, $field) = @_;
    my @sorted = sort { $a <=> $b } map { $_->{$field} } @$results;
    return ($sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ]) / 2;
}

sub ratios
{
    my ($ours, $its) = @_;
    return map { sprintf '%.2f', $_ } median($ours, 'rate') / (median($its, 'rate') || 1),
                                      median($its, 'cpu') / (median($ours, 'cpu') || 1);
}

sub errors
{
    my ($results) = @_;
    my $sum = 0;
    $sum += $_->{socket} + $_->{status} for @$results;
    return $sum;
}

sub percent { return sprintf '%.0f%%', 100 * $_[0] }

1;
