# Licensed under the Apache License, Version 2.0; see LICENSE.

# A request or a response as it came over the wire: start line, fields in their order, body, trailers, and how
# the body was framed.  Nothing is tidied up.
package RP::Message;
use strict;
use warnings;

sub parse
{
    my ($class, $raw) = @_;
    my ($start, $section) = split /\r?\n/, $raw, 2;
    my $self = bless { start => $start, raw_head => $raw, fields => $class->parse_fields($section),
                       body => '', chunks => [], trailers => [], framing => '', broken => '' }, $class;
    if ($start =~ m{\AHTTP/(\d\.\d) (\d{3})(?: (.*))?\z}) {
        @$self{qw(version status reason)} = ($1, $2, defined $3 ? $3 : '');
    } elsif ($start =~ m{\A(\S+) (.*) HTTP/(\d\.\d)\z}) {
        @$self{qw(method target version)} = ($1, $2, $3);
    }
    return $self;
}

sub parse_fields
{
    my ($class, $section) = @_;
    my @fields;
    for my $line (split /\r?\n/, $section) {
        push @fields, [$1, $2] if $line =~ /\A([^:]*):[ \t]*(.*?)[ \t]*\z/;
    }
    return \@fields;
}

# All values of a field, in order.
sub fields
{
    my ($self, $name) = @_;
    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $self->{fields} };
}

# The field's values joined with ", "; undef when there is none.
sub field
{
    my ($self, $name) = @_;
    my @values = $self->fields($name);
    return @values ? join ', ', @values : undef;
}

sub trailer
{
    my ($self, $name) = @_;
    my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $self->{trailers} };
    return @values ? join ', ', @values : undef;
}

sub names { map { $_->[0] } @{ $_[0]{fields} } }

sub start { $_[0]{start} }
sub raw_head { $_[0]{raw_head} }
sub method { $_[0]{method} }
sub target { $_[0]{target} }
sub version { $_[0]{version} }
sub status { $_[0]{status} }
sub reason { $_[0]{reason} }
sub body { $_[0]{body} }
sub chunks { @{ $_[0]{chunks} } }

# "length", "chunked", "close" or "none"
sub framing { $_[0]{framing} }

# '' when the message came whole, else how it broke off.
sub broken { $_[0]{broken} }

# Informational responses that came before this one.
sub informational { @{ $_[0]{informational} || [] } }

# What RP::Backend adds: the connection that it came on, its number among all requests (both from 1), the body's
# length (the body itself is kept up to a bound), and whether it has been read to its end.
sub connection { $_[0]{connection} }
sub number { $_[0]{number} }
sub body_length { $_[0]{body_length} }
sub body_digest { $_[0]{body_digest} }
sub whole { $_[0]{whole} }

1;
