# Licensed under the Apache License, Version 2.0; see LICENSE.

# A real browser: what changed of a script comes as a difference to what it has (RFC 9842), and the pages work.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64);

my ($chromium) = grep { -x } map { ("$_/chromium", "$_/chromium-browser", "$_/google-chrome") } split /:/, $ENV{PATH};
plan(skip_all => 'there is no Chromium') if !$chromium;

# A script of which only its version changes.
sub script
{
    my ($version) = @_;
    my ($seed, $text) = (7, '');
    for my $n (1 .. 4000) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        $text .= sprintf "function f%d(a) { return a * %d + 0x%x; }\n", $n, $seed, $seed >> 3;
    }
    return $text . "window.version = $version;\n";
}

# Page N has script N, waits until the browser has put that away, and goes on to the next; the last one reports.
sub page
{
    my ($n) = @_;
    return <<HTML;
<!DOCTYPE html><title>Step $n</title><script src="/app/$n.js"></script>
<script>
addEventListener('load', () => {
    const script = performance.getEntriesByType('resource').find(e => e.name.endsWith('/app/$n.js'));
    const report = new URLSearchParams({ step: $n, version: window.version, encoded: script.encodedBodySize,
        decoded: script.decodedBodySize, result: window.f4000 ? f4000(0) : 'none' });
    fetch('/report?' + report).then(() => { if ($n < 4) setTimeout(() => location = '/page/${\($n + 1)}', 1000); });
});
</script>
HTML
}

one_mpm {
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my ($kind, $n) = $request->target =~ m{\A/(\w+)/?(\d*)};
        return $c->respond($request, 200, ['Content-Type' => 'text/html', 'Cache-Control' => 'no-store'], page($n))
            if $kind eq 'page';
        return $c->respond($request, 200, ['Content-Type' => 'text/javascript', 'Cache-Control' => 'max-age=600',
            ETag => qq{"$n"}], script($n)) if $kind eq 'app';
        return $c->respond($request, 200, ['Content-Type' => 'text/plain', 'Cache-Control' => 'no-store'], 'ok');
    });
    my $certificate = RP::TLS->authority->issue(name => 'localhost', san => 'DNS:localhost');
    my $httpd = httpd(modules => [qw(ssl socache_shmcb)], config => pool(app => $backend) . <<CONF);
SSLEngine on
SSLCertificateFile $certificate->{cert}
SSLCertificateKeyFile $certificate->{key}
RProxyPass / app
RProxyCache on
RProxyCacheLocal \@ROOT\@/cache size=32M
RProxyCompress dcz zstd br gzip
<Location /app>
    RProxyDictionary match=/app/*.js dest=script
</Location>
LogFormat "%U %{Accept-Encoding}i|%{Available-Dictionary}i|%{Content-Encoding}o|%B" compress
CustomLog \@ROOT\@/compress.log compress
CONF
    my $profile = RP::Place->folder;
    my $pin = encode_base64(sha256(scalar `openssl x509 -in $certificate->{cert} -noout -pubkey | openssl pkey -pubin -outform der`), '');
    # Its certificate counts as any other then, so that what comes from there is cached.
    my $browser = RP::Process->run([$chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
        '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--disable-dev-shm-usage', '--remote-debugging-port=0', "--ignore-certificate-errors-spki-list=$pin",
        "--user-data-dir=$profile/profile", 'https://localhost:' . $httpd->port . '/page/1'], output => "$profile/output");

    part 'the pages work' => sub {
        my %report;
        ok(eventually {
            for my $request ($backend->requests) {
                my %said = $request->target =~ /(\w+)=([^&]*)/g;
                $report{ $said{step} } = \%said if $request->target =~ m{\A/report};
            }
            $report{4};
        }, 'all of them') or diag(RP::Place->read_file("$profile/output"));
        for my $n (1 .. 4) {
            is($report{$n}{version}, $n, "step $n has run its script");
            is($report{$n}{decoded}, length script($n), 'all of it');
            cmp_ok($report{$n}{result}, '>', 0, 'to its last function');
        }
    };
    RP::Process->stop($browser);
    part 'the browser had what changed as a difference' => sub {
        my %log = map { m{\A/app/(\d)\.js (.*)\z} ? ($1 => [split /\|/, $2]) : () }
            split /\n/, RP::Place->read_file($httpd->root . '/compress.log');
        my (undef, $has, $coding, $bytes) = @{ $log{1} || [] };
        is($has, '-', 'it has nothing at first');
        is($coding, 'zstd', 'so it gets the whole');
        ok($bytes > 10_000, "$bytes bytes");
        my ($n) = grep { ($log{$_}[2] || '') eq 'dcz' } 2 .. 4;
        ok($n, 'a later version is a difference') or return diag(map { "$_: @{ $log{$_} }\n" } sort keys %log);
        like($log{$n}[0], qr/dcz/, 'which it asks for');
        is($log{$n}[1], ':' . encode_base64(sha256(script($n - 1)), '') . ':', 'to the one before');
        cmp_ok($log{$n}[3], '<', 0.05 * $bytes, "$log{$n}[3] bytes instead of $bytes");
    };
};

done_testing;
