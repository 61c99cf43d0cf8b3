# Licensed under the Apache License, Version 2.0; see LICENSE.

# Certificate authorities and certificates made on the spot by the openssl command.
package RP::TLS;
use strict;
use warnings;

use Digest::SHA qw(sha256_base64);

use RP::Place;

# A new authority.  ->cert is its certificate's file.
sub authority
{
    my ($class, $name) = @_;
    $name ||= 'Test CA';
    my $self = bless { folder => RP::Place->folder, issued => 0 }, $class;
    $self->{cert} = "$self->{folder}/ca.crt";
    $self->{key} = "$self->{folder}/ca.key";
    _openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days',
        2,
        '-subj', "/CN=$name", '-addext', 'basicConstraints=critical,CA:TRUE', '-addext',
            'keyUsage=critical,keyCertSign',
        '-keyout', $self->{key}, '-out', $self->{cert});
    return $self;
}

sub cert { $_[0]{cert} }

# A certificate: name => CN, san => 'DNS:a.example,IP:127.0.0.1', days => 2 (negative: expired).  @return { cert, key }
sub issue
{
    my ($self, %what) = @_;
    my $base = "$self->{folder}/" . ++$self->{issued};
    my $san = $what{san} || 'DNS:localhost,IP:127.0.0.1';
    my $days = defined $what{days} ? $what{days} : 2;
    _openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj',
        '/CN=' . ($what{name} || 'test'), '-keyout', "$base.key", '-out', "$base.csr");
    RP::Place->write_file("$base.ext", "subjectAltName=$san\nbasicConstraints=CA:FALSE\n");
    _openssl('x509', '-req', '-in', "$base.csr", '-CA', $self->{cert}, '-CAkey', $self->{key},
        '-CAcreateserial',
        '-days', $days, '-extfile', "$base.ext", '-out', "$base.crt");
    chmod 0644, "$base.key";
    return { cert => "$base.crt", key => "$base.key" };
}

# A key with a passphrase.
sub encrypted
{
    my ($class, $key) = @_;
    _openssl('pkey', '-in', $key, '-aes256', '-passout', 'pass:secret', '-out', "$key.encrypted");
    return "$key.encrypted";
}

# What pin= would have for a certificate.
sub pin
{
    my ($class, $file) = @_;
    my $der = "$file.pub";
    _openssl('x509', '-in', $file, '-noout', '-pubkey', '-out', "$der.pem");
    _openssl('pkey', '-pubin', '-in', "$der.pem", '-outform', 'DER', '-out', $der);
    return 'sha256//' . sha256_base64(RP::Place->read_file($der)) . '=';
}

# A certificate's DER bytes, as RFC 9440 writes them: base64 between colons.
sub as_byte_sequence
{
    my ($class, $file) = @_;
    my ($pem) = RP::Place->read_file($file) =~ /-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----/s;
    $pem =~ s/\s//g;
    return ":$pem:";
}

sub _openssl
{
    my (@arguments) = @_;
    open my $saved, '>&', \*STDERR;
    open STDERR, '>', '/dev/null';
    my $status = system 'openssl', @arguments;
    open STDERR, '>&', $saved;
    die "openssl @arguments failed\n" if $status;
}

1;
