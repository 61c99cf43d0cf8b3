# Licensed under the Apache License, Version 2.0; see LICENSE.

# Compression with dictionaries that clients have (RFC 9842): the next version of a file is sent as a difference.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Build;
use RP::Test;

use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64);

# A script of about 300 KB, and its next version with a few lines changed.
sub script
{
    my ($version) = @_;
    my ($seed, $text) = (42, "/* version $version */\n");
    for my $n (1 .. 6000) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        my $changed = $n % 700 == 0 ? " + $version" : '';
        $text .= sprintf "function f%d(a, b) { return a * %d + b.x%x%s; }\n", $n, $seed, $seed >> 3, $changed;
    }
    return $text;
}

my %script = map { $_ => script($_) } 1 .. 3;
my $html = "<!DOCTYPE html><title>A page</title>\n" . join '', map { "<p class=\"line\">paragraph number $_ of the page</p>\n" } 1 .. 200;

# Pages of one site: much alike, and each with words of its own.
sub page
{
    my ($n) = @_;
    return "<!DOCTYPE html><html><head><title>Page $n of the shop</title><link rel=\"stylesheet\" href=\"/style.css\"></head>\n"
        . join('', map { "<div class=\"article\"><h2>Article " . ($n * $_ * 7919 % 100_003) . "</h2><p>paragraph number $_ of page $n, "
            . "word" . ($n * 31 + $_ * 17) . " in stock</p></div>\n" } 1 .. 20) . "<footer>imprint and terms of the shop</footer></html>\n";
}

# The value of Available-Dictionary for these bytes.
sub available { my ($bytes) = @_; return ':' . encode_base64(sha256($bytes), '') . ':' }

# What a dcz response stands for, unpacked by zstd's own tool.
sub undone
{
    my ($response, $dictionary) = @_;
    my $file = RP::Place->folder . '/dictionary';
    RP::Place->write_file($file, $dictionary);
    my ($status, $plain, $error) = command(['zstd', '-dcq', '-D', $file], $response->body);
    die "cannot be unpacked: $error\n" if $status;
    return $plain;
}

sub respond
{
    my ($c, $request) = @_;
    my ($path) = $request->target =~ /\A([^?]*)/;
    my ($version) = $path =~ /(\d)\.js\z/;
    $version = $request->field('X-Version') || 1 if $path =~ m{/main\.js\z};
    return $c->respond($request, 200, ['Content-Type' => 'text/html', ETag => '"page"',
        ($path =~ /cached/ ? ('Cache-Control' => 'max-age=600') : ())], $path =~ m{/cached/(\d+)} ? page($1) : $html) if !$version;
    my @fields = ('Content-Type' => 'text/javascript', 'Cache-Control' => 'max-age=600', ETag => qq{"s$version"});
    push @fields, 'Use-As-Dictionary' => q{match="/app/*.js", match-dest=("script"), id="scripts"} if $path =~ m{\A/app/};
    push @fields, 'Use-As-Dictionary' => q{match="/(a|b)"} if $path =~ m{\A/wrong/};
    push @fields, 'Access-Control-Allow-Origin' => '*' if $path =~ m{/cors};
    return $c->respond($request, 304, \@fields) if ($request->field('If-None-Match') || '') eq qq{"s$version"};
    return $c->respond($request, 200, \@fields, $script{$version});
}

my $conf = <<'CONF';
RProxyPass / app
RProxyTrust 127.0.0.1
RProxyCache on
RProxyCompress dcz zstd br gzip
RProxyCompressStored budget=100 zstd=12
RProxyCacheLocal @ROOT@/cache size=64M
LogLevel rproxy:debug
<Location /said>
    RProxyDictionary "match=/said/*.js" dest=script
</Location>
<Location /html>
    RProxyDictionary "match=/html/*" dest=document,frame file=@ROOT@/html.dict url=/html/v1.dict
</Location>
<Location />
    RProxyPurge on
    Require ip 127.0.0.1
</Location>
CONF

my @secure = ('X-Forwarded-Proto' => 'https');
my @accept = ('Accept-Encoding' => 'gzip, deflate, br, zstd, dcb, dcz');

each_mpm {
    my $backend = backend(\&respond);
    my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm, modules => ['authz_host']);
    my $trained = substr $html, 0, 3000;
    RP::Place->write_file($httpd->root . '/html.dict', $trained);
    $httpd->configure(pool(app => $backend) . $conf);
    $httpd->begin;
    my $fetch = sub { my ($target, @fields) = @_; return get($httpd, $target, @secure, @accept, @fields) };
    my $kept = sub { my ($bytes) = @_; my $hex = unpack 'H*', sha256($bytes); return $httpd->wait_log(qr/RP0507: .*$hex/) };

    part 'the next version goes out as a difference to the one that the client has' => sub {
        my $first = $fetch->('/app/1.js');
        is($first->field('Content-Encoding'), 'zstd', 'the first visit: nothing to refer to');
        like($first->field('Use-As-Dictionary'), qr{match="/app/\*\.js"}, 'the backend says what it is good for');
        ok($kept->($script{1}), 'and it is kept as a dictionary');

        my @has = ('Available-Dictionary' => available($script{1}), 'Dictionary-ID' => '"scripts"');
        my $second = $fetch->('/app/2.js', @has);
        is($second->field('Content-Encoding'), 'dcz', 'the next one');
        is(substr($second->body, 0, 40), pack('H*', '5e2a4d1820000000') . sha256($script{1}), 'begins with what it is made against');
        is(md5_hex(undone($second, $script{1})), md5_hex($script{2}), 'and is what it should be');
        cmp_ok(length $second->body, '<', 0.05 * length $first->body, 'in a twentieth of the bytes');
        my %vary = map { $_ => 1 } split /\s*,\s*/, lc $second->field('Vary');
        ok($vary{'accept-encoding'} && $vary{'available-dictionary'}, 'Vary names both');
        is($second->field('ETag'), 'W/"s2+dcz"', 'coded for this client');

        my $stored;
        ok(eventually { ($stored = $fetch->('/app/2.js', @has))->field('ETag') =~ /\A"s2\+dcz-[0-9a-f]{12}"\z/ },
            'a later one gets the difference as it is stored');
        is(md5_hex(undone($stored, $script{1})), md5_hex($script{2}), 'the same');
        is($stored->field('Content-Length'), length $stored->body, 'of known length');
        is($fetch->('/app/2.js', @has, 'If-None-Match' => $stored->field('ETag'))->status, 304, 'its tag gets a 304');
        my $head = RP::Client->once($httpd, 'HEAD', '/app/2.js', [@secure, @accept, @has]);
        is($head->field($_), $stored->field($_), "HEAD says the same $_") for qw(ETag Vary Content-Encoding Content-Length);
        is($backend->count, 2, 'the backend was asked for each version once');
        is($backend->last_request->field('Available-Dictionary'), undef, 'and hears nothing of dictionaries');
    };
    part 'who cannot use a difference gets none' => sub {
        my @has = ('Available-Dictionary' => available($script{1}));
        my %cases = (
            'another dictionary' => [@secure, @accept, 'Available-Dictionary' => available('other')],
            'the same under another id' => [@secure, @accept, @has, 'Dictionary-ID' => '"else"'],
            'a hash that is none' => [@secure, @accept, 'Available-Dictionary' => ':AAAA:'],
            'no secure context' => [@accept, @has],
            'a coding that was not asked for' => [@secure, @has, 'Accept-Encoding' => 'zstd, *'],
            'a refused coding' => [@secure, @has, 'Accept-Encoding' => 'zstd, dcz;q=0'],
            'another site that may not read it' => [@secure, @accept, @has, 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'no-cors'],
            'another origin without its consent' => [@secure, @accept, @has, 'Sec-Fetch-Site' => 'cross-site',
                'Sec-Fetch-Mode' => 'cors', Origin => 'https://a.example'],
        );
        for my $case (sort keys %cases) {
            my $response = get($httpd, '/app/2.js', @{ $cases{$case} });
            is($response->field('Content-Encoding'), 'zstd', $case);
            like($response->field('Vary'), qr/available-dictionary/i, "$case: with Vary all the same");
        }
        $fetch->('/app/cors/1.js', @has);
        is($fetch->('/app/cors/2.js', @has, 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'cors',
            Origin => 'https://a.example')->field('Content-Encoding'), 'dcz', 'another origin that may read it does');
        is($fetch->('/app/2.js', 'Accept-Encoding' => 'dcz, zstd;q=0.5', @has)->field('Content-Encoding'), 'dcz',
            'by q-values like any coding');
    };
    part 'a URL whose content changes is its own dictionary' => sub {
        $fetch->('/app/main.js');
        ok($kept->($script{1}), 'the first version is kept');
        my $new = $fetch->('/app/main.js', 'X-Version' => 3, 'Cache-Control' => 'no-cache',
            'Available-Dictionary' => available($script{1}));
        is($new->field('Content-Encoding'), 'dcz', 'also when it comes from the backend just now');
        is(md5_hex(undone($new, $script{1})), md5_hex($script{3}), 'it is the third version');
        ok($kept->($script{3}), 'which is a dictionary in turn');
        my $same = $fetch->('/app/main.js', 'Available-Dictionary' => available($script{3}));
        is(md5_hex(undone($same, $script{3})), md5_hex($script{3}), 'for itself, too');
    };
    part 'the operator says what is a dictionary' => sub {
        my $first = $fetch->('/said/1.js');
        is($first->field('Use-As-Dictionary'), 'match="/said/*.js", match-dest=("script")', 'where the backend does not');
        is(get($httpd, '/said/3.js', @accept)->field('Use-As-Dictionary'), undef, 'but over TLS only');
        my $second = $fetch->('/said/2.js', 'Available-Dictionary' => available($script{1}));
        is($second->field('Content-Encoding'), 'dcz', 'it is used');
        is(md5_hex(undone($second, $script{1})), md5_hex($script{2}), 'and comes out right');
    };
    part 'what no browser would use is not kept' => sub {
        $fetch->('/wrong/2.js');
        $fetch->('/app/3.js');
        ok($kept->($script{3}), 'one that is good is kept');
        my $hex = unpack 'H*', sha256($script{2});
        unlike($httpd->error_log, qr{RP0507: .*/wrong/}, 'the other is not');
    };
    part 'a dictionary for pages' => sub {
        my $page = $fetch->('/html/page');
        is($page->field('Link'), '</html/v1.dict>; rel="compression-dictionary"', 'they say where it is');
        is(get($httpd, '/html/page', @accept)->field('Link'), undef, 'over TLS only');
        my $dictionary = $fetch->('/html/v1.dict');
        is($dictionary->body, $trained, 'it is the file');
        is($dictionary->field('Use-As-Dictionary'), 'match="/html/*", match-dest=("document" "frame")', 'for pages');
        like($dictionary->field('Cache-Control'), qr/max-age=\d{6}/, 'and fresh for long');
        is($fetch->('/html/v1.dict', 'If-None-Match' => $dictionary->field('ETag'))->status, 304, 'it validates');
        for my $target ('/html/page', '/html/cached') {
            my $coded = $fetch->($target, 'Available-Dictionary' => available($trained));
            is($coded->field('Content-Encoding'), 'dcz', "$target is coded with it");
            is(undone($coded, $trained), $html, 'and comes out right');
            cmp_ok(length $coded->body, '<', length $page->body, 'in fewer bytes');
        }
        my $stored;
        ok(eventually { ($stored = $fetch->('/html/cached', 'Available-Dictionary' => available($trained)))->field('ETag') =~ /dcz-/ },
            'what is cached is coded once');
        is(undone($stored, $trained), $html, 'right as well');
    };
    part 'a dictionary is trained of what the cache holds' => sub {
        my ($program) = grep { -x } map { RP::Build::builddir() . "/$_" } 'rproxy-dictionary';
        ok($program, 'there is a program for that') or return;
        get($httpd, "/html/cached/$_", @secure) for 1 .. 60;
        my $out = RP::Place->folder . '/trained';
        my ($status, $said, $error) = command([$program, '-s', '4096', '-o', $out, $httpd->root . '/cache']);
        is($status, 0, 'it runs beside the server') or diag($error);
        like($said, qr/\d+ bytes, of 6\d responses/, 'and says of how much');
        my $trained = RP::Place->read_file($out);
        ok(length $trained > 200 && length $trained <= 4096, 'the dictionary has bytes');
        isnt(substr($trained, 0, 4), pack('H*', '37a430ec'), 'and no head, which browsers would not understand');
        like($trained, qr/class="article"/, 'but what pages have in common');
        ($status, $said, $error) = command([$program, '-t', 'text/none', '-o', $out, $httpd->root . '/cache']);
        is($status >> 8, 1, 'where there is nothing to learn from it fails');
        like($error, qr/too few/, 'and says so');
        ($status, $said, $error) = command([$program, '-o', $out, '/nowhere']);
        like($error, qr{/nowhere: there is no store: give the folder}, 'a wrong folder is named');
    };
    part 'purged is purged' => sub {
        is(request($httpd, 'PURGE', '/', ['RProxy-Purge' => 'all', @secure])->status, 200, 'all');
        my $response = $fetch->('/app/2.js', 'Available-Dictionary' => available($script{1}));
        is($response->field('Content-Encoding'), 'zstd', 'dictionaries, too');
    };
};

done_testing;
