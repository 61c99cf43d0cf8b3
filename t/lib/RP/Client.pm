# Licensed under the Apache License, Version 2.0; see LICENSE.

# A client on a raw connection.  It says what it is told to say and shows what came.
#
#     my $client = RP::Client->connect($httpd);
#     my $response = $client->get('/page', Accept => 'text/html');      # RP::Message
#     $client->send("GET / HTTP/1.1\r\n...");  $response = $client->read_response;
package RP::Client;
use strict;
use warnings;
use parent 'RP::Stream';

use IO::Socket::INET;
use IO::Socket::IP;
use JSON::PP ();

# To an RP::Httpd, or to a port of 127.0.0.1.  tls => { ca => FILE, name => SNI, cert => FILE, key => FILE }, from => address,
# at => another address of the server
sub connect
{
    my ($class, $to, %how) = @_;
    my $port = ref $to ? $to->port : $to;
    my $class_of_socket = defined $how{at} ? 'IO::Socket::IP' : 'IO::Socket::INET';
    my $socket = $class_of_socket->new(PeerAddr => $how{at} || '127.0.0.1', PeerPort => $port,
        $how{from} ? (LocalAddr => $how{from}) : (), Timeout => $RP::Stream::PATIENCE)
            or die "connect to port $port: $!\n";
    if (my $tls = $how{tls}) {
        require IO::Socket::SSL;
        $socket = IO::Socket::SSL->start_SSL($socket, SSL_hostname => $tls->{name} || 'localhost',
            SSL_verifycn_name => $tls->{name} || 'localhost', SSL_verifycn_scheme => 'http',
                SSL_ca_file => $tls->{ca},
            $tls->{cert} ? (SSL_cert_file => $tls->{cert}, SSL_key_file => $tls->{key}) : ())
            or die "TLS: " . IO::Socket::SSL::errstr() . "\n";
    }
    return $class->over($socket, host => $how{host} || 'proxy.example');
}

# Send a request (Host is added unless given, Content-Length with a body unless framed) and read its response.
sub request
{
    my ($self, $method, $target, $fields, $body) = @_;
    $self->send_request($method, $target, $fields, $body);
    return $self->read_response($method);
}

sub send_request
{
    my ($self, $method, $target, $fields, $body) = @_;
    my @fields = @{ $fields || [] };
    my %has = map { lc $fields[2 * $_] => 1 } 0 .. @fields / 2 - 1;
    my $head = "$method $target HTTP/1.1\r\n";
    $head .= "Host: $self->{host}\r\n" if !$has{host};
    while (my ($name, $value) = splice @fields, 0, 2) {
        $head .= "$name: $value\r\n";
    }
    $head .= 'Content-Length: ' . length($body) . "\r\n"
        if defined $body && !$has{'content-length'} && !$has{'transfer-encoding'};
    return $self->send("$head\r\n", defined $body ? $body : ());
}

sub get { my ($self, $target, @fields) = @_; return $self->request('GET', $target, \@fields) }
sub head { my ($self, $target, @fields) = @_; return $self->request('HEAD', $target, \@fields) }
sub post { my ($self, $target, $body, @fields) = @_; return $self->request('POST', $target, \@fields, $body) }

# The next head; informational ones are responses here as well.
sub read_response_head { $_[0]->read_head || die "the connection ended before a response's head\n" }

# The next final response with its body; those before it are in ->informational.
sub read_response
{
    my ($self, $method) = @_;
    my @informational;
    while (1) {
        my $response = $self->read_response_head;
        defined $response->status or die 'not a status line: ' . $response->start . "\n";
        if ($response->status < 200 && $response->status != 101) {
            push @informational, $response;
            next;
        }
        $response->{informational} = \@informational;
        my $none = ($method || '') eq 'HEAD' || $response->status =~ /\A(?:101|204|304)\z/;
        return $self->read_body($response, none => $none, until_close => 1);
    }
}

# One request on a connection of its own.
sub once
{
    my ($class, $to, $method, $target, $fields, $body) = @_;
    my $client = $class->connect($to);
    my $response = $client->request($method, $target, $fields, $body);
    $client->close;
    return $response;
}

# What RP::Backend's echoes() says.
sub RP::Message::json { JSON::PP->new->latin1->decode($_[0]{body}) }

# A field of the request that echoes() saw.
sub RP::Message::echoed
{
    my ($self, $name) = @_;
    my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $self->json->{fields} };
    return @values ? join ', ', @values : undef;
}

1;
