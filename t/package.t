# Licensed under the Apache License, Version 2.0; see LICENSE.

# The packages: what describes them is sound; with RP_PACKAGE=1 the Debian one is built, looked at by lintian, and installed
# into a clean system of its own, which takes minutes and needs root.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Build;

my $sources = RP::Build::srcdir();
my $build = RP::Build::builddir();

sub run { my ($status, $out, $err) = command([@_]); return ($status >> 8, "$out$err") }
sub have { my ($program) = @_; return grep { -x "$_/$program" } split /:/, "$ENV{PATH}:/usr/sbin:/sbin" }

my ($version) = RP::Place->read_file("$sources/configure.ac") =~ /^AC_INIT\(\[mod_rproxy\], \[([\d.]+)\]/m;

part 'what describes the packages is sound' => sub {
    ok($version, 'there is a version');
    my $package = "$sources/build/package";
    my $control = RP::Place->read_file("$package/debian/control");
    like($control, qr/^Package: libapache2-mod-rproxy$/m, 'the name is Debian\'s way');
    my ($needed) = RP::Place->read_file("$sources/build/lib.sh") =~ /^build_packages=\((.*?)\)/ms;
    my @libraries = grep { /^lib\w.*-dev$/ && !/^libc6/ } map { s/:.*//r } split ' ', $needed;
    cmp_ok(scalar @libraries, '>', 4, 'libraries are needed');
    like($control, qr/\b\Q$_\E\b/, "$_ is named") for @libraries;
    like(RP::Place->read_file("$package/debian/libapache2-mod-rproxy.apache2"), qr/^mod \.libs\/mod_rproxy\.so$/m, 'a2enmod knows it');
    SKIP: {
        skip 'rpmspec is not installed', 2 if !have('rpmspec');
        my $spec = RP::Place->read_file("$package/mod_rproxy.spec.in") =~ s/\@VERSION\@/$version/gr;
        my $file = RP::Place->write_file(RP::Place->folder . '/mod_rproxy.spec', $spec);
        my ($status, $said) = run('rpmspec', '-P', $file);
        is($status, 0, 'rpmspec reads the spec') or diag($said);
        like($said, qr/^Version:\s+\Q$version\E$/m, 'of this version');
    }
};

part 'the Debian package is built, clean, and can be installed' => sub {
    plan(skip_all => 'set RP_PACKAGE=1 for what takes minutes') if !$ENV{RP_PACKAGE};
    my @missing = grep { !have($_) } qw(dpkg-buildpackage dh lintian debootstrap);
    plan(skip_all => "not installed: @missing") if @missing;
    my ($deb) = $ENV{RP_DEB} || do {
        my ($status, $said) = run('make', '-s', '-C', $build, 'deb');
        is($status, 0, 'make deb') or diag($said);
        grep { !/dbgsym/ } glob "$build/packages/*.deb";
    };
    ok($deb && -s $deb, 'there is a package') or return;
    my (undef, $contents) = run('dpkg-deb', '-c', $deb);
    like($contents, qr{\./\Q$_\E$}m, $_) for qw(usr/lib/apache2/modules/mod_rproxy.so etc/apache2/mods-available/rproxy.load
        etc/apache2/mods-available/rproxy.conf usr/bin/rproxyctl usr/share/man/man1/rproxyctl.1.gz);
    my (undef, $info) = run('dpkg-deb', '--ctrl-tarfile', $deb);
    my (undef, $conffiles) = run('dpkg-deb', '-I', $deb, 'conffiles');
    like($conffiles, qr{^/etc/apache2/mods-available/rproxy\.conf$}m, 'its configuration is the administrator\'s');
    my ($status, $said) = run('lintian', '--fail-on', 'error', '--allow-root', $deb);
    is($status, 0, 'lintian finds no errors') or diag($said);

    plan(skip_all => 'a clean system needs root') if $>;
    my $root = RP::Place->folder . '/system';
    ($status, $said) = run('debootstrap', '--variant=minbase', '--include=apache2,perl', 'bookworm', $root);
    if ($status) {
        diag((split /\n/, $said)[-1]);
        return pass('no clean system could be made here: debootstrap failed, as said');
    }
    run('cp', $deb, "$root/package.deb");
    my $in = sub { return run('chroot', $root, 'sh', '-c', "export DEBIAN_FRONTEND=noninteractive; $_[0]") };
    ($status, $said) = $in->('apt-get -qq -y install /package.deb');
    is($status, 0, 'it is installed') or diag($said);
    is(($in->('a2query -m rproxy'))[0], 0, 'and enabled');
    is(($in->('apache2ctl configtest'))[0], 0, 'apache accepts it');
    is(($in->('echo "# mine" >>/etc/apache2/mods-available/rproxy.conf; dpkg -i --force-confold /package.deb'))[0], 0, 'it is upgraded');
    like(RP::Place->read_file("$root/etc/apache2/mods-available/rproxy.conf"), qr/^# mine$/m, 'and keeps what was changed');
    is(($in->('a2dismod -q rproxy && apt-get -qq -y purge libapache2-mod-rproxy'))[0], 0, 'and removed');
};

done_testing;
