# Licensed under the Apache License, Version 2.0; see LICENSE.

# Every file of conf.d/ is loaded, as it is, by a real httpd.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my @examples = glob RP::Httpd->sources . '/conf.d/*.conf';
ok(scalar @examples, 'there are examples');

# The paths that examples name are the reader's; here they are ours.
my $authority = RP::TLS->authority;
my $certificate = $authority->issue(name => 'www.example.org');

my $secret = RP::Place->write_file(RP::Place->folder . '/secret', 'x' x 64);

sub localized
{
    my ($text, $root) = @_;
    $text =~ s{^(\s*SSLCertificateFile\s+).*}{$1$certificate->{cert}}mg;
    $text =~ s{^(\s*SSLCertificateKeyFile\s+).*}{$1$certificate->{key}}mg;
    $text =~ s{^(\s*SSLCACertificateFile\s+).*}{$1 . $authority->cert}mge;
    $text =~ s{\bca=\S+}{'ca=' . $authority->cert}ge;
    $text =~ s{^(\s*RProxyCacheLocal\s+)\S+}{$1$root/cache}mg;
    $text =~ s{\bsecret=\S+}{secret=$secret}g;
    $text =~ s{^(\s*Listen\s)}{#$1}mg;
    $text =~ s{^(\s*LoadModule\s+rproxy_module\s)}{#$1}mg;
    return $text;
}

# An example's commented-out directives are directives too.
sub uncommented { my ($text) = @_; $text =~ s{^#(\s*</?RProxy\w+|\s*RProxy\w+ )}{$1}mg; return $text }

one_mpm {
    for my $example (@examples) {
        (my $name = $example) =~ s{.*/}{};
        part "conf.d/$name passes configtest" => sub {
            my @modules = qw(ssl http2 headers rewrite socache_shmcb setenvif remoteip status authz_host authz_user auth_basic authn_core authn_file alias dir);
            my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm, modules => \@modules);
            my $text = RP::Place->read_file($example);
            $httpd->configure(localized($text, $httpd->root));
            my ($status, $output) = $httpd->configtest;
            is($status, 0, 'as it is') or diag($output);
            $httpd->begin;
            pass('and a server starts with it');
        };
    }
};

done_testing;
