# Licensed under the Apache License, Version 2.0; see LICENSE.

# The backend's end of one connection: what a backend's sub can do.  Everything that RP::Stream can, and this.
package RP::Backend::Connection;
use strict;
use warnings;
use parent 'RP::Stream';

use Digest::MD5;
use Time::HiRes qw(sleep time);

# Connections stay open for long: an idle one is no failure here.
our $IDLE = 120;

# Of a request's body so many bytes are kept for the test.
our $KEPT = 65536;

sub number { $_[0]{number} }

# What its PROXY header says (proxy => 1), in the words of version 1 without "PROXY": "TCP4 CLIENT SERVER PORT PORT".
sub proxy { $_[0]{proxy} }

# Whether its TLS session is an earlier connection's.
sub resumed { $_[0]{socket}->get_session_reused ? 1 : 0 }

sub read_request_head
{
    my ($self) = @_;
    local $RP::Stream::PATIENCE = $IDLE;
    my $request = $self->read_head or return undef;
    $request->{connection} = $self->{number};
    $request->{number} = $self->{record}->add_request($request);
    return $request;
}

sub read_request_body
{
    my ($self, $request) = @_;
    $self->read_body($request);
    $request->{whole} = !$request->broken;
    $request->{body_length} = length $request->body;
    $request->{body_digest} = Digest::MD5::md5_hex($request->body);
    $self->{record}->add(body => number => $request->number, connection => $self->{number},
        body => substr($request->body, 0, $KEPT),
        map { $_ => $request->{$_} } qw(framing broken trailers whole body_length body_digest));
    return $request;
}

# A whole response, Content-Length added unless the fields say otherwise.
sub respond
{
    my ($self, $request, $status, $fields, $body) = @_;
    my @fields = @{ $fields || [] };
    my ($code) = $status =~ /\A(\d+)/; # there may be a reason behind it
    $body = '' if !defined $body;
    my $head = "HTTP/1.1 $status " . ($code == 200 ? 'OK' : 'Status') . "\r\n";
    my $framed = $code == 204 || $code == 304;
    while (my ($name, $value) = splice @fields, 0, 2) {
        $head .= "$name: $value\r\n";
        $framed = 1 if $name =~ /\A(?:Content-Length|Transfer-Encoding)\z/i;
    }
    $head .= 'Content-Length: ' . length($body) . "\r\n" if !$framed;
    my $silent = $request->method eq 'HEAD' || $code == 204 || $code == 304;
    return $self->send("$head\r\n", $silent ? () : $body);
}

# Tell the test something.
sub note
{
    my ($self, $text) = @_;
    $self->{record}->add(note => connection => $self->{number}, text => $text);
}

# Wait for the test's $backend->signal(name).
sub wait_signal
{
    my ($self, $name) = @_;
    my $deadline = time + $RP::Stream::PATIENCE;
    until (-e "$self->{folder}/signal-$name") {
        die "no signal \"$name\" within $RP::Stream::PATIENCE s; so far nothing\n" if time > $deadline;
        sleep 0.005;
    }
}

# Wait until the peer has left; @return nonzero when it did in time.
sub wait_gone
{
    my ($self) = @_;
    return $self->ends_within($RP::Stream::PATIENCE);
}

1;
