# Licensed under the Apache License, Version 2.0; see LICENSE.

# What all processes share of a pool, under ThreadSanitizer: the unit tests with many threads, built anew with it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use File::Temp;
use RP::Build;

my $top = RP::Build::srcdir();
my $dir = File::Temp->newdir;
my ($compiler) = slurp(RP::Build::builddir() . '/Makefile') =~ /^CC = (.+)/m;
chomp(my $apr = qx{'$ENV{APXS}' -q APR_CONFIG});
my ($flags, $libraries) = map { my $said = qx{'$apr' $_}; chomp $said; $said }
    '--cppflags --cflags --includes', '--link-ld';

sub slurp { local (@ARGV, $/) = @_; return scalar <> }

sub compile
{
    my ($output, @sources) = @_;
    my $command = join ' ', $compiler, '-g -O1 -std=gnu11 -fsanitize=thread', "-I'$top/mod_rproxy' -I'$top/t/unit'", $flags,
        @sources, "-o '$output' -lcmocka -lm -lpthread -lcrypto", $libraries;
    return qx{$command 2>&1};
}

# Whether the compiler has it is one question, whether our sources are right is another.
open my $probe, '>', "$dir/probe.c" or die $!;
print $probe "int main(void) { return 0; }\n";
close $probe;
compile("$dir/probe", "$dir/probe.c");
plan(skip_all => "$compiler has no ThreadSanitizer") if !-x "$dir/probe";
# With much randomness in addresses it does not start; setarch takes that away.
my $run = system("'$dir/probe' >/dev/null 2>&1") == 0 ? '' : 'setarch -R ';
plan(skip_all => 'ThreadSanitizer does not run here') if system("$run'$dir/probe' >/dev/null 2>&1") != 0;

delete $ENV{LD_PRELOAD};
$ENV{TSAN_OPTIONS} = 'halt_on_error=0:exitcode=66';

my @lane = map { "../lane/$_" } qw(wait loop timers coroutine blocking);
my %tests = (
    test_state_threads => [qw(state pick method table latency eject swrr)],
    test_budget => [qw(budget)],
    test_quantile => [qw(quantile)],
    test_queue => [qw(queue state pick table latency eject swrr), @lane],
    test_lane => [@lane],
);
for my $test (sort keys %tests) {
    my $said = compile("$dir/$test", "'$top/t/unit/$test.c'",
        map { "'$top/mod_rproxy/balance/$_.c'" } @{ $tests{$test} });
    ok(-x "$dir/$test", "$test compiles by itself") or diag($said);
    my $output = qx{$run'$dir/$test' 2>&1};
    is($?, 0, "$test passes without a data race") or diag($output);
    unlike($output, qr/WARNING: ThreadSanitizer/, 'there is nothing to report');
}

done_testing();
