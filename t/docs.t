# Licensed under the Apache License, Version 2.0; see LICENSE.

# What the documentation says is what the code does: the reference comes from the code's tables, every log tag
# is explained, and every configuration that is shown is accepted, the worked examples by a server that runs.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Cwd ();
use File::Basename qw(dirname);
use File::Find ();

my $sources = RP::Httpd->sources;
my $build = Cwd::abs_path(dirname(dirname(RP::Httpd->module_file)));

sub text { return RP::Place->read_file("$sources/$_[0]") }
sub files { my ($glob) = @_; return map { substr $_, 1 + length $sources } glob "$sources/$glob" }

my @pages = files('docs/*.md');
my @code;
File::Find::find({ no_chdir => 1, wanted => sub { push @code, $_ if /\.[ch]\z/ } }, "$sources/mod_rproxy");

# ---- the reference

part 'docs/directives.md is what build/reference prints' => sub {
    my ($status, $printed) = command(["$build/build/reference"]);
    is($status, 0, 'it prints');
    ok($printed eq text('docs/directives.md'), 'it is the page (else: make reference)');
};

part 'docs/metrics.md is what build/reference prints, and names every metric' => sub {
    my ($status, $printed) = command(["$build/build/reference", 'metrics']);
    is($status, 0, 'it prints');
    ok($printed eq text('docs/metrics.md'), 'it is the page (else: make reference)');
    my @metrics = text('mod_rproxy/status/metrics.def') =~ /^RP_METRIC\(\w+, "(\w+)"/mg;
    cmp_ok(scalar @metrics, '>', 20, 'there are metrics');
    like($printed, qr/^## rproxy_$_\n\n- Type: \w+\n(?:- .*(?:\n  .*)*\n)*\n\S/m, "$_ is explained") for @metrics;
};

part 'the dashboard asks for metrics that there are' => sub {
    my $dashboard = text('conf.d/grafana.json');
    ok(eval { JSON::PP->new->decode($dashboard) }, 'it is JSON');
    my (%known, %ends);
    %ends = (COUNTER => ['_total'], INFO => ['_info'], HISTOGRAM => ['_bucket', '_count', '_sum']);
    my $table = text('mod_rproxy/status/metrics.def');
    while ($table =~ /^RP_METRIC\(\w+, "(\w+)", (\w+)/mg) {
        $known{"$1$_"} = 1 for @{ $ends{$2} || [''] };
    }
    my @asked = $dashboard =~ /\brproxy_(\w+)(?=[\\{,)])/g;
    cmp_ok(scalar @asked, '>', 15, 'it asks');
    is(join(' ', grep { !$known{$_} } @asked), '', 'for none but these');
};

part 'every note is explained, and every kind of problem' => sub {
    my (%notes, %kinds);
    for my $file (@code) {
        my $code = RP::Place->read_file($file);
        $notes{$_} = 1 for $code =~ /"(rproxy-(?!status|manage|early)[a-z-]+)"/g;
        $kinds{$_} = 1 for $code =~ /\btell\(t, [01], "([a-z-]+)"/g;
    }
    cmp_ok(scalar keys %notes, '>', 8, 'there are notes');
    my $pages = join '', map { text($_) } grep { !/log\.md/ } @pages;
    like($pages, qr/^\| `%\{\Q$_\E\}n` \|/m, $_) for sort keys %notes;
    cmp_ok(scalar keys %kinds, '>', 5, 'there are kinds of problems');
    like(text('docs/status.md'), qr/^\| `$_` \|/m, $_) for sort keys %kinds;
};

my $directives = text('mod_rproxy/config/directives.def');
my @known = $directives =~ /^RP_DIRECTIVE\(\w+, "<?(\w+)"/mg;

part 'every directive and option has its place in the reference' => sub {
    cmp_ok(scalar @known, '>', 15, 'there are directives');
    my $page = text('docs/directives.md');
    for my $directive (@known) {
        like($page, qr/^## (?:&lt;)?$directive(?:&gt;)?\n\n
                -[ ]Syntax:[ ].+\n-[ ]Default:[ ].+(?:\n[ ]{2}.+)*\n-[ ]Where:[ ].+\n\n
            /mx, "$directive is explained");
    }
    my @tables = map { files("mod_rproxy/$_/*_options.def") } qw(config farm);
    ok(scalar @tables, 'there are options');
    for my $table (@tables) {
        like($page, qr/^- `\Q$_\E=`: /m, "$_= is explained") for text($table) =~ /^RP_OPTION\("([^"]+)"/mg;
    }
};

part 'no page or example names a directive that does not exist' => sub {
    my %known = map { $_ => 1 } @known;
    for my $file (@pages, 'README', files('conf.d/*.conf')) {
        my @unknown = grep { !$known{$_} } text($file) =~ /\b(RProxy[A-Z]\w+)/g;
        is("@unknown", '', $file);
    }
};

# The anchors that a page's headings make.
sub anchors
{
    my ($page) = @_;
    my @titles = map { lc =~ s/&\w+;//gr } text($page) =~ /^#+ (.*)/mg;
    return map { s/[^a-z0-9 _-]//gr =~ tr/ /-/r } @titles;
}

sub leads_somewhere
{
    my ($page, $link) = @_;
    my ($file, $anchor) = $link =~ /\A([^#]*)(?:#(.*))?\z/;
    return 0 if $file ne '' && !-e "$sources/docs/$file";
    return !defined $anchor || grep { $_ eq $anchor } anchors($file ne '' ? "docs/$file" : $page);
}

part 'pages are in lines of at most 110, and their links lead somewhere' => sub {
    for my $page (@pages) {
        my @long = grep { length > 110 } split /\n/, text($page);
        is(join("\n", @long), '', "$page has no longer line");
        my @dead = grep { !leads_somewhere($page, $_) } text($page) =~ /\]\((?!https?:)([^)]+)\)/g;
        is("@dead", '', "$page has no dead link");
    }
};

# ---- log tags

my %level = (CRIT => 'critical', ERR => 'error', WARNING => 'warning', NOTICE => 'notice', INFO => 'info',
    DEBUG => 'debug');

part 'every log tag is used once and explained' => sub {
    my (%used, %explained);
    for my $file (@code) {
        my $code = RP::Place->read_file($file);
        $used{$_}++ for $code =~ /RPLOGNO\((\d{4})\)/g, $code =~ /"RP(\d{4}): /g;
    }
    $explained{$_}++ for text('docs/log.md') =~ /^## RP(\d{4})$/mg;
    cmp_ok(scalar keys %used, '>', 10, 'there are tags');
    my $page = text('docs/log.md');
    for my $file (@code) {
        my $code = RP::Place->read_file($file);
        while ($code =~ /\bAPLOG_(@{[join '|', keys %level]}), [^;]*?(?:RPLOGNO\(|"RP)(\d{4})/g) {
            my ($level, $tag) = ($level{$1}, $2);
            like($page, qr/^## RP$tag\n\nLevel $level\b/m, "RP$tag has its level");
        }
    }
    is(join(' ', grep { $used{$_} > 1 } sort keys %used), '', 'none is used twice');
    is(join(' ', grep { !$explained{$_} } sort keys %used), '', 'none is missing from docs/log.md');
    is(join(' ', grep { !$used{$_} } sort keys %explained), '', 'docs/log.md has none that is not used');
};

# ---- configuration that is shown

my $authority = RP::TLS->authority;
my $certificate = $authority->issue(name => 'www.example.org', san => 'DNS:www.example.org');

my $secret = RP::Place->write_file(RP::Place->folder . '/secret', 'x' x 64);

# The reader's paths become ours.
sub localized
{
    my ($config) = @_;
    $config =~ s{(\bsecret=)\S+}{$1$secret}g;
    $config =~ s{\S*/[\w.-]+\.key\b}{$certificate->{key}}g;
    $config =~ s{(SSLCertificateFile\s+)\S+}{$1$certificate->{cert}}g;
    $config =~ s{(\bca=|SSLCACertificateFile\s+)\S+}{$1 . $authority->cert}ge;
    $config =~ s{^\s*(?:Listen|LoadModule\s+rproxy_module)\s.*}{}mg;
    return $config;
}

# What a snippet takes for granted: that it stands where it belongs, and that there are pools.
sub completed
{
    my ($snippet) = @_;
    my $of_pools = qr/RProxy(?:Member|Eject|Method|Check|Sticky|Queue|Room|RetryBudget|Hedge|Discover)\b/;
    $snippet = "RProxyMember http://127.0.0.1:2\n$snippet" if $snippet =~ /\A\s*$of_pools/ && $snippet !~ /^\s*RProxyMember/m;
    $snippet = "<RProxyPool around>\n$snippet\n</RProxyPool>\n" if $snippet =~ /\A\s*$of_pools/;
    my @missing = grep { $snippet !~ /<RProxyPool $_>/ } qw(app api);
    return join '', (map { pool($_ => 'http://127.0.0.1:1') } @missing), $snippet;
}

my @modules = qw(ssl http2 headers rewrite socache_shmcb setenvif remoteip status authz_host alias);

one_mpm {
    my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm, modules => \@modules);
    for my $page (@pages) {
        my @blocks = text($page) =~ /^```apache\n(.*?)^```$/msg;
        next if !@blocks;
        part "what $page shows passes configtest" => sub {
            for my $block (@blocks) {
                $httpd->configure(localized(completed($block)));
                my ($status, $output) = $httpd->configtest;
                my ($name) = $block =~ /^\s*(\S.*)/;
                is($status, 0, $name) or diag($block, $output);
            }
        };
    }

    part 'README\'s smallest configuration passes configtest' => sub {
        my ($config) = text('README') =~ /^(    LoadModule rproxy_module.*?)\n(?=\S)/ms;
        ok($config, 'there is one');
        $httpd->configure(localized($config));
        my ($status, $output) = $httpd->configtest;
        is($status, 0, 'it passes') or diag($output);
    };

    part 'conf.d/rproxy.conf passes configtest with all of its lines' => sub {
        (my $config = text('conf.d/rproxy.conf')) =~ s/^#(?= {4}|[<A-Z])//mg;
        $config =~ s{^(CustomLog )\S+}{$1\@ROOT\@/own.log}mg;
        $httpd->configure(localized($config));
        my ($status, $output) = $httpd->configtest;
        is($status, 0, 'it passes') or diag($output);
    };
};

# ---- the worked examples, in a server that runs

sub example
{
    my ($name, %defines) = @_;
    my @defines = map { "Define $_ $defines{$_}\n" } sort keys %defines;
    return join '', @defines, "Include $sources/conf.d/$name.conf\n";
}

one_mpm {
    my $backend = backend(on_request => echoes(), tls => $authority->issue(name => 'localhost'));
    my $httpd = httpd(modules => \@modules, ports => 2, config => example('tls', SITE_PORT => '@PORT1@',
        SITE_CERT => $certificate->{cert}, SITE_KEY => $certificate->{key}, CLIENT_CA => $authority->cert,
        TLS_BACKEND => 'https://localhost:' . $backend->port, TLS_BACKEND_CA => $authority->cert));
    my $port = $httpd->port(1);
    my $best = $RP::Test::mpm eq 'prefork' ? '1.1' : '2';    # mod_http2 has no say under prefork
    my $visitor = $authority->issue(name => 'visitor');
    my @curl = (qw(curl -s -w), "\n%{http_version} %{http_code}", '--cacert', $authority->cert, '--resolve',
        "www.example.org:$port:127.0.0.1", "https://www.example.org:$port/");

    my $seen = sub {
        my ($status, $output) = command([@curl, @_]);
        my ($json, $said) = $output =~ /\A(.*)\n(\S+ \d+)\z/s
            or return ("curl ended with $status: $output", {});
        my $request = eval { JSON::PP->new->latin1->decode($json) } || { fields => [] };
        return ($said, { map { (lc $_->[0] => $_->[1]) } @{ $request->{fields} } });
    };
    part 'conf.d/tls.conf serves HTTP/2 from an HTTPS backend' => sub {
        my ($said, $fields) = $seen->();
        is($said, "$best 200", 'HTTP/2');
        is($fields->{'x-forwarded-proto'}, 'https', 'the backend learns that the client has TLS');
        is($fields->{'client-cert'}, undef, 'and of no certificate, as the client has none');
    };
    part 'conf.d/tls.conf passes a client\'s certificate on' => sub {
        for my $version ('2', '1.1') {
            my @certificate = ('--cert', $visitor->{cert}, '--key', $visitor->{key});
            my ($said, $fields) = $seen->("--http$version", @certificate);
            is($said, $version eq '2' ? "$best 200" : '1.1 200', "HTTP/$version");
            is($fields->{'client-cert'}, RP::TLS->as_byte_sequence($visitor->{cert}), 'with the certificate');
        }
    };
    part 'conf.d/tls.conf refuses a certificate of somebody else' => sub {
        my $stranger = RP::TLS->authority('Stranger')->issue(name => 'stranger');
        my ($said) = $seen->('--cert', $stranger->{cert}, '--key', $stranger->{key});
        is($said, '0 000', 'no response comes');
    };
};

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(modules => \@modules, config => example('cache', CACHE_DIR => '@ROOT@/cache',
        CACHE_LOG => '@ROOT@/access.log', CACHE_BACKEND => $backend->url));
    my @kept = ('Cache-Control' => 'max-age=60', 'Content-Type' => 'text/plain', size => 4096);

    part 'conf.d/cache.conf keeps and compresses' => sub {
        for my $path ('/page', '/static/page') {
            my $target = asking($path, @kept);
            like(get($httpd, $target)->field('Cache-Status'), qr/fwd=uri-miss.*stored/, "$path is stored");
            my $hit = get($httpd, $target, 'Accept-Encoding' => 'gzip, br');
            like($hit->field('Cache-Status'), qr/; hit/, "$path is a hit");
            is($hit->field('Content-Encoding'), 'br', "$path comes in the coding that is preferred here");
        }
        my $logged = $httpd->wait_access(qr/cache=hit not-stored=- member=- attempts=- error=-/);
        ok($logged, 'the log tells of it');
    };
    part 'conf.d/cache.conf leaves /account alone' => sub {
        my $target = asking('/account/page', @kept);
        is(get($httpd, $target)->field('Cache-Status'), undef, 'the cache has no part in it') for 1 .. 2;
        is($backend->last_request->number, $backend->count, 'the backend answers each time');
    };
};

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(modules => \@modules, config => "RProxyTrust 127.0.0.1\n" . example('compress',
        COMPRESS_DIR => '@ROOT@/cache', COMPRESS_LOG => '@ROOT@/compress.log', COMPRESS_BACKEND => $backend->url));
    my @kept = ('Cache-Control' => 'max-age=60', 'Content-Type' => 'text/javascript', size => 40960);

    part 'conf.d/compress.conf compresses once' => sub {
        my $target = asking('/assets/a.js', @kept);
        my $first = get($httpd, $target, 'Accept-Encoding' => 'br', 'X-Forwarded-Proto' => 'https');
        is($first->field('Use-As-Dictionary'), 'match="/assets/*.js", match-dest=("script")', 'a script is a dictionary');
        ok(eventually {
            get($httpd, $target, 'Accept-Encoding' => 'br', 'X-Forwarded-Proto' => 'https');
            RP::Place->read_file($httpd->root . '/compress.log') =~ /cache=hit compress=stored/;
        }, 'the log tells of what was stored');
        is(get($httpd, $target, 'Accept-Encoding' => 'br', Cookie => 'session=1')->field('Content-Encoding'), undef,
            'with a session nothing is compressed');
    };
};

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(modules => \@modules, config => example('cache-everything', EVERYTHING_DIR => '@ROOT@/cache',
        EVERYTHING_BACKEND => $backend->url));
    part 'conf.d/cache-everything.conf keeps pages with cookies for those who bring none' => sub {
        my @sets = ('Set-Cookie' => 'lang=de', 'Cache-Control' => 'max-age=60');
        get($httpd, asking('/page', @sets)) for 1 .. 2;
        is($backend->count, 1, 'a page that sets a cookie is kept');
        get($httpd, asking('/page', @sets) . '&utm_source=x');
        is($backend->count, 1, 'also for visitors of a campaign');
        get($httpd, asking('/basket', @sets), Cookie => 'lang=de') for 1 .. 2;
        is($backend->count, 3, 'not what answers a cookie');
    };
};

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(modules => \@modules, config => example('cache-rules', RULES_DIR => '@ROOT@/cache',
        RULES_BACKEND => $backend->url));
    my $asked = sub {
        $backend->forget;
        get($httpd, @$_) for @_;
        return $backend->count;
    };
    part 'conf.d/cache-rules.conf rules as it says' => sub {
        my $page = asking('/page', ETag => '"1"');
        is($asked->([$page], ["$page&utm_source=x"]), 1, 'a page is kept, however it was come by');
        is($asked->([$page, Cookie => 'session=1']), 1, 'whoever is logged in asks the application');
        is($asked->([asking('/none', status => 404)], [asking('/none', status => 404)]), 1, 'what is missing is kept');
        my @private = ('Cache-Control' => 'private', 'Set-Cookie' => 'id=1');
        is($asked->([asking('/assets/a', @private)], [asking('/assets/a', @private)]), 1, 'so are assets');
        is($asked->([asking('/else/a', @private)], [asking('/else/a', @private)]), 2, 'and nothing else that is private');
        is($asked->(map { ["/search?$_"] } 'q=a&page=2', 'x=1&page=2&q=a', 'q=b'), 2, 'a search is its two parameters');
        my @of = map { [asking('/products/1', ETag => '"1"'), @$_] } [], ['User-Agent' => 'Mobile'], [Cookie => 'currency=EUR'];
        is($asked->(@of, @of), 3, 'prices depend on currency and phone');
        my $video = asking('/media/a', 'Content-Type' => 'video/mp4');
        is($asked->([$video], [$video]), 2, 'videos pass');
    };
};

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = httpd(modules => \@modules, config => example('purge', PURGE_DIR => '@ROOT@/cache',
        PURGE_BACKEND => $backend->url));
    part 'conf.d/purge.conf keeps a page until it is purged' => sub {
        my $page = asking('/page', ETag => '"1"', 'Surrogate-Key' => 'article-7', 'Cache-Control' => 'max-age=1');
        get($httpd, $page);
        like(get($httpd, $page)->field('Cache-Status'), qr/hit; ttl=86[34]/, 'for a day');
        my @tag = ('Surrogate-Key' => 'article-7 author-3', 'RProxy-Purge' => 'tag; soft');
        like(request($httpd, 'PURGE', '/', \@tag)->body, qr/"purged": 1,.*"soft"/, 'by the names of what it is made of');
        $backend->forget;
        is(get($httpd, $page)->body, 'answer 1', 'and serves it');
        ok(eventually { $backend->count == 1 }, 'while a new one is fetched');
        my $other = client($httpd, from => '127.0.0.2');
        is($other->request('PURGE', '/', \@tag)->status, 403, 'others may not');
    };
};

done_testing;
