# Licensed under the Apache License, Version 2.0; see LICENSE.

# make install, and what it gives to an administrator: Debian's a2enmod, the drop-in configuration, the LoadModule line.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Build;
use File::Path;

# Install with httpd's folders moved below a root of our own.  @return what it printed
sub install
{
    my ($root, @more) = @_;
    my ($status, $output, $errors) = command(['make', '-s', '-C', RP::Build::builddir(), 'install',
        "moduledir=$root/modules", "confdir=$root/etc", "headerdir=$root/include",
            "prefix=$root/usr", @more]);
    is($status, 0, 'make install succeeds') or diag($output, $errors);
    return $output;
}

sub debian
{
    my $root = RP::Place->folder;
    mkpath(["$root/etc/mods-available", "$root/etc/mods-enabled"]);
    return $root;
}

part 'on Debian\'s layout' => sub {
    my $root = debian();
    like(install($root), qr/a2enmod rproxy/, 'it says how to go on');
    is(RP::Place->read_file("$root/etc/mods-available/rproxy.load"),
        "LoadModule rproxy_module $root/modules/mod_rproxy.so\n", 'the module can be loaded by a2enmod\'s file');
    ok(-e "$root/modules/mod_rproxy.so", 'the module is there');
    is(join(' ', map { s{.*/}{}r } glob "$root/modules/*"), 'mod_rproxy.so', 'and nothing else with it');

    my ($status, $version) = command(["$root/usr/bin/rproxyctl", '--version']);
    like("$status $version", qr/\A0 rproxyctl \d+\.\d+\.\d+\n\z/, 'rproxyctl runs');
    ok(-e "$root/usr/share/$_", $_) for 'man/man1/rproxyctl.1', 'bash-completion/completions/rproxyctl';

    my ($a2enmod) = grep { -x } '/usr/sbin/a2enmod';
    if ($a2enmod) {
        local @ENV{qw(APACHE_CONFDIR APACHE_STATE_DIRECTORY)} = ("$root/etc", "$root/state");
        my ($status, $output, $errors) = command([$a2enmod, 'rproxy']);
        is($status, 0, 'a2enmod rproxy works') or diag($output, $errors);
        ok(-e "$root/etc/mods-enabled/rproxy.$_", "rproxy.$_ is enabled") for qw(load conf);
    }
};

part 'a configuration that was changed stays' => sub {
    my $root = debian();
    my $conf = "$root/etc/mods-available/rproxy.conf";
    install($root);
    RP::Place->write_file($conf, "# mine\n");
    like(install($root), qr/Kept \Q$conf\E/, 'it says so');
    is(RP::Place->read_file($conf), "# mine\n", 'it is as it was');
    ok(-e "$conf.new", 'the new one is beside it');
};

part 'elsewhere' => sub {
    my $root = RP::Place->folder;
    like(install($root), qr/^\s*LoadModule rproxy_module \Q$root\E\/modules\/mod_rproxy\.so$/m,
        'it prints the line that loads the module');
    ok(!-e "$root/etc", 'and writes no configuration');
};

part 'into a staging folder' => sub {
    my $stage = RP::Place->folder;
    install('/opt/rproxy', "DESTDIR=$stage");
    ok(-e "$stage/opt/rproxy/modules/mod_rproxy.so", 'the module goes there');
    ok(!-e '/opt/rproxy', 'and nowhere else');
};

part 'the drop-in configuration' => sub {
    my $text = RP::Place->read_file(RP::Build::srcdir() . '/conf.d/rproxy.conf');
    $text =~ s/^#(?=\S|    )//mg; # prose has one blank behind the hash
    $text =~ s{ ca=\S+}{}g;
    $text =~ s{/var/\S+/}{\@ROOT\@/}g;
    like($text, qr/^RProxyPass /m, 'it has examples');
    my ($status, $output) = RP::Httpd->new(config => $text)->configtest;
    is($status, 0, 'they are accepted when they are taken out of their comments') or diag($output);
};

done_testing;
