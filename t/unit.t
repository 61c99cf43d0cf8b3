# Licensed under the Apache License, Version 2.0; see LICENSE.

# Every C unit test is a program that speaks TAP; each is a subtest here.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use RP::Build;

my $dir = RP::Build::builddir() . "/t/unit";
my @programs = grep { -f && -x } glob "$dir/test_*";
ok(scalar @programs, "there are unit tests in $dir");

$ENV{CMOCKA_MESSAGE_OUTPUT} = "TAP";
$ENV{ASAN_OPTIONS} //= "abort_on_error=0:detect_leaks=1";
$ENV{UBSAN_OPTIONS} //= "print_stacktrace=1";

for my $program (@programs) {
    my ($name) = $program =~ m{([^/]+)$};
    subtest $name => sub {
        my $output = qx{"$program" 2>&1};
        my $status = $?;
        my ($passed, $failed) = (0, 0);
        for my $line (split /\n/, $output) {
            next if $line !~ /^(not )?ok\b[\s\d]*(?:- )?(.*)/;
            my ($not, $title) = ($1, $2);
            $title =~ tr/_/ /;
            ok(!$not, $title);
            $not ? $failed++ : $passed++;
        }
        ok($passed > 0, "it tested something");
        is($status, 0, "it exits with 0");
        diag($output) if $failed || $status || !$passed;
    };
}

done_testing();
