# Licensed under the Apache License, Version 2.0; see LICENSE.

# What a backend's processes saw, told to the test through a file that all of them append to.
package RP::Backend::Record;
use strict;
use warnings;

use Fcntl qw(:flock);
use Storable qw(freeze thaw);

sub new
{
    my ($class, $path) = @_;
    open my $file, '>', $path or die "$path: $!\n";
    return bless { path => $path, from => 0 }, $class;    # path.count has a byte for each request
}

sub add
{
    my ($self, $kind, %entry) = @_;
    my $file = $self->_locked;
    $self->_append($file, $kind, %entry);
}

# @return the request's number among all of them
sub add_request
{
    my ($self, $request) = @_;
    my $file = $self->_locked;
    my $number = 1 + (-s "$self->{path}.count" || 0);
    open my $count, '>>', "$self->{path}.count" or die "$self->{path}.count: $!\n";
    syswrite $count, '.';
    $self->_append($file, 'request', number => $number, connection => $request->connection,
        head => $request->raw_head);
    return $number;
}

sub of_kind
{
    my ($self, $kind) = @_;
    return grep { $_->{kind} eq $kind } $self->_entries($self->{from});
}

sub requests
{
    my ($self) = @_;
    my (%by_number, @requests);
    for my $entry ($self->_entries($self->{from})) {
        if ($entry->{kind} eq 'request') {
            my $request = RP::Message->parse($entry->{head});
            $request->{$_} = $entry->{$_} for qw(number connection);
            push @requests, $by_number{ $entry->{number} } = $request;
        } elsif ($entry->{kind} eq 'body' && $by_number{ $entry->{number} }) {
            my $request = $by_number{ $entry->{number} };
            $request->{$_} = $entry->{$_} for qw(body framing broken trailers whole body_length body_digest);
        }
    }
    return @requests;
}

sub forget
{
    my ($self) = @_;
    $self->{from} = -s $self->{path};
}

sub _locked
{
    my ($self) = @_;
    open my $file, '>>:raw', $self->{path} or die "$self->{path}: $!\n";
    flock $file, LOCK_EX;
    return $file;
}

sub _append
{
    my ($self, $file, $kind, %entry) = @_;
    my $frozen = freeze { kind => $kind, %entry };
    syswrite $file, pack('N', length $frozen) . $frozen;
}

sub _entries
{
    my ($self, $from) = @_;
    open my $file, '<:raw', $self->{path} or return;
    seek $file, $from, 0;
    local $/;
    my $all = <$file>;
    my ($at, @entries) = (0);
    while (defined $all && $at + 4 <= length $all) {
        my $length = unpack 'N', substr $all, $at, 4;
        last if $at + 4 + $length > length $all;
        push @entries, thaw(substr $all, $at + 4, $length);
        $at += 4 + $length;
    }
    return @entries;
}

1;
