# Licensed under the Apache License, Version 2.0; see LICENSE.

# What all processes share of a pool, under ThreadSanitizer: the unit test with many threads, built anew with it.

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
        @sources, "-o '$output' -lcmocka -lm -lpthread", $libraries;
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

my $said = compile("$dir/threads", "'$top/t/unit/test_state_threads.c'",
    map { "'$top/mod_rproxy/balance/$_.c'" } qw(state pick method table latency eject swrr));
ok(-x "$dir/threads", 'the test compiles by itself') or diag($said);

delete $ENV{LD_PRELOAD};
$ENV{TSAN_OPTIONS} = 'halt_on_error=0:exitcode=66';
my $output = qx{$run'$dir/threads' 2>&1};
is($?, 0, 'it passes without a data race') or diag($output);
unlike($output, qr/WARNING: ThreadSanitizer/, 'there is nothing to report');

done_testing();
