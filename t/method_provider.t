# Licensed under the Apache License, Version 2.0; see LICENSE.

# A method of another module: t/example is compiled against the installed header, loaded, and chooses.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Build;
use File::Copy;

my $folder = RP::Place->folder;
my $apxs = $ENV{APXS} || 'apxs';

sub compiled
{
    my ($status, $output, $errors) = command(['make', '-s', '-C', RP::Build::builddir(), 'install-headerHEADERS',
        "headerdir=$folder/include"]);
    is($status, 0, 'make install puts mod_rproxy.h where modules find it') or diag($output, $errors);
    copy(RP::Build::srcdir() . '/t/example/mod_rproxy_example.c', $folder) or die $!;
    ($status, $output, $errors) = command([$apxs, '-c', "-I$folder/include", '-Wc,-Wall -Wextra -Werror -std=gnu11',
        "$folder/mod_rproxy_example.c"]);
    is($status, 0, 'the example compiles without a warning') or diag($output, $errors);
    return "$folder/.libs/mod_rproxy_example.so";
}

sub named { my ($name) = @_; return sub { $_[0]->respond($_[1], 200, [], $name) } }

my $module = compiled();
my $load = "LoadModule rproxy_example_module $module\n";

each_mpm {
    my @backends = map { backend(named($_)) } qw(a b c);
    my ($a, $b, $c) = map { $_->url } @backends;
    my $httpd = httpd(config => $load . pool(app => 'RProxyMethod by-path-digit', $a, "$b weight=7", "$c retry=1h",
        'http://127.0.0.1:9 backup') . "RProxyPass / app\n");

    part 'it decides' => sub {
        is(get($httpd, "/$_->[0]")->body, $_->[1], "by what it makes of /$_->[0]")
            for [0, 'a'], [1, 'b'], [2, 'c'], [1, 'b'];
    };
    part 'it sees the candidates and what is known of them' => sub {
        my $seen = join '; ', 'pool=app n=3 tries=0', map { "$_->[0] slot=$_->[1] weight=$_->[2] inflight=\\d known=1" }
            [$a, 0, 1], [$b, 1, 7], [$c, 2, 1];
        like(get($httpd, '/0')->field('X-Candidates'), qr/\A$seen\z/, 'but no backup');
    };
    part 'it may leave it to chance' => sub {
        my %count;
        $count{ get($httpd, '/chance')->body }++ for 1 .. 40;
        cmp_ok($count{b} || 0, '>', 15, 'by weight');
    };
    part 'members that are down are no candidates' => sub {
        $backends[2]->stop;
        is(get($httpd, '/2')->status, 200, 'the first request finds out, and goes to another');
        my $response = get($httpd, '/1');
        is($response->body, 'b', 'the others are asked');
        like($response->field('X-Candidates'), qr/ n=2 /, 'and are two');
    };
};

one_mpm {
    for (['unknown' => qr/RProxyMethod unknown: .* known methods are: p2c, round-robin,.*by-path-digit/],
        ['without-pick' => qr/RProxyMethod without-pick: its module does not say how to pick/]) {
        my ($name, $message) = @$_;
        my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm,
            config => $load . pool(app => "RProxyMethod $name", 'http://127.0.0.1:9') . "RProxyPass / app\n");
        my ($status, $output) = $httpd->configtest;
        isnt($status, 0, "configtest fails for RProxyMethod $name");
        like($output, $message, 'and says why');
        like($output, qr/line \d+ of .*httpd\.conf/, 'and where');
    }
};

done_testing;
