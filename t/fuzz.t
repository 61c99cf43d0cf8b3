# Licensed under the Apache License, Version 2.0; see LICENSE.

# Every fuzz target runs over its corpus and on from there for RP_FUZZ_SECONDS (5), and finds nothing.  Each run tries the
# same, so that a change is judged by what it does; RP_FUZZ_SEED=0 tries something else each time.

use strict;
use warnings;
use File::Copy;
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use RP::Build;

my $seconds = $ENV{RP_FUZZ_SECONDS} // 5;
my $seed = $ENV{RP_FUZZ_SEED} // 1;
my $dir = RP::Build::builddir() . "/t/fuzz";
my @programs = grep { -f && -x } glob "$dir/fuzz_*";
die "no fuzz targets were built\n" if !@programs && $ENV{RP_NEED_FUZZERS};
plan(skip_all => "no fuzz targets were built (configure --enable-fuzzers)") if !@programs;

for my $program (@programs) {
    my ($subject) = $program =~ m{/fuzz_([^/]+)$};
    my $work = File::Temp->newdir("rproxy-fuzz-XXXXXX", TMPDIR => 1);
    mkdir "$work/corpus" or die "$work/corpus: $!\n";
    my $seeds = 0;
    for my $file (glob RP::Build::srcdir() . "/t/fuzz/corpus/$subject/*") {
        copy($file, "$work/corpus/") or die "$file: $!\n";
        $seeds++;
    }
    my $options = "-seed=$seed -max_total_time=$seconds -timeout=5 -rss_limit_mb=1024";
    my $output = qx{cd "$work" && "$program" $options corpus 2>&1};
    my $status = $?;
    my ($runs) = $output =~ /^Done (\d+) runs/m;
    $runs //= 0;
    ok($status == 0 && $runs > 0, "fuzz_$subject finds nothing in $runs runs from $seeds seeds")
        or diag(tail($output, 60));
    for my $crash (glob "$work/crash-* $work/timeout-* $work/oom-* $work/leak-*") {
        open my $in, "<:raw", $crash or next;
        local $/;
        diag("the input, in hexadecimal: " . unpack("H*", <$in>));
    }
}

done_testing();

sub tail
{
    my ($text, $n) = @_;
    my @lines = split /\n/, $text;
    splice @lines, 0, @lines - $n if @lines > $n;
    return join "\n", @lines;
}
