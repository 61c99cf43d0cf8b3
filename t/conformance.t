# Licensed under the Apache License, Version 2.0; see LICENSE.

# The public tests for HTTP caches, https://github.com/http-tests/cache-tests: every case that they call required or
# optimal passes.  What they call a check is an observation, and is counted only.
#
# The suite is installed by build/test from t/conformance/package.json, in node_modules of RP_BUILDDIR/conformance.
#   RP_CACHE_TESTS=/path  takes another copy of it, such as a clone of the newest
#   RP_CACHE_TEST=id      runs one case and shows what was said
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Build;
use RP::CacheTests;

# Where the suite as packaged (0.4.5), or any version of it, asks for what RFC 9111 does not want.
my $age = 'RFC 9111 5.1: "a cache encountering a message with a list-based Age field value SHOULD use the first member of the'
    . ' field value, discarding subsequent ones." So "0,7200" is fresh, as this version wants; but then so is "0, 0", which'
    . ' this version wants to be stale. Under strict-age both are stale. Newer versions want both to be fresh.';
my $stale = 'RFC 9111 5.2.2.2: "if a cache is disconnected, the cache MUST generate an error response rather than reuse the'
    . ' stale response." That is what happens. This version of the suite takes an error without the origin\'s'
    . ' fields for a stored response; newer ones do not.';
my %packaged = (
    'age-parse-prefix' => $age,
    (map { ("stale-close-$_" => $stale) } qw(must-revalidate proxy-revalidate no-cache s-maxage=2)),
    '304-etag-update-response-ETag' => 'RFC 9111 4.3.4: "If none of the initial set contains at least one of the same strong'
        . ' validators, then the cache MUST NOT use the new response to update any stored responses." Newer versions of the'
        . ' suite only observe it.',
);
my %any = (
    'conditional-lm-fresh-no-lm' => 'RFC 9111 4.3.2: without Last-Modified "a cache SHOULD use the stored response\'s Date field'
        . ' value [...] to evaluate the conditional." It is later than the date in If-Modified-Since: the answer is 200.',
);

# What these want at once ("bytes=-5" the same, "bytes=6-8" "234", "bytes=-1" "4") is so of "bytes 4-8/9" only.
$any{"partial-store-partial-$_"} = 'The suite\'s origin says "bytes 4-9/10" of five bytes: a part whose place nobody'
    . ' knows is not stored.' for qw(reuse-partial reuse-partial-byterange reuse-partial-absent reuse-partial-suffix);

my $suite = RP::CacheTests->find;
die "http-cache-tests is not installed\n" if !$suite && $ENV{RP_NEED_CACHE_TESTS};
plan(skip_all => 'http-cache-tests is not installed: build/test does it') if !$suite;
my %exception = $suite->is_newer ? %any : (%any, %packaged);

one_mpm {
    my $origin = $suite->origin;
    # Stored is whatever HTTP allows, which is more than the defaults do.  The client keeps its connections for as long
    # as it runs.
    # The packaged version takes an Age that says nothing clear for the end of freshness, newer ones for nothing.
    my $httpd = httpd(children => 2, threads => 128, config => "Define EVERYTHING_DIR \@ROOT\@/cache\n"
        . ($suite->is_newer ? '' : "Define EVERYTHING_STRICT_AGE\n")
        . "Define EVERYTHING_BACKEND $origin\nKeepAliveTimeout 120\n"
        . 'Include ' . RP::Httpd->sources . "/conf.d/cache-everything.conf\n");
    if (my $id = $ENV{RP_CACHE_TEST}) {
        diag($suite->run_one($httpd, $id));
        pass("$id was run");
        return;
    }
    my (%all, %passed);
    for my $case ($suite->run($httpd)) {
        my ($kind, $id, $said) = @$case;
        my $ok = $said eq 'pass';
        $all{$kind}++;
        $passed{$kind}++ if $ok;
        next if $kind eq 'check';
        if ($exception{$id}) {
            ok(!$ok, "$id ($kind) is an exception still");
        } else {
            ok($ok, "$id ($kind)") or diag("$id: $said");
        }
    }
    note("exception: $_: $exception{$_}") for sort keys %exception;
    diag(sprintf '%-8s %3d of %3d', $_, $passed{$_} || 0, $all{$_}) for sort keys %all;
    cmp_ok($all{required} || 0, '>', 100, 'the suite was run');
};
done_testing;
