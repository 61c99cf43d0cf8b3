# Licensed under the Apache License, Version 2.0; see LICENSE.

# One end of a connection, for clients and backends alike: buffered reading with deadlines, and writing.
# Whoever waits too long dies with what it waited for and what had come so far; RP::Test turns that into a failure.
package RP::Stream;
use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use IO::Select;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use RP::Message;

# Seconds until a test gives up waiting.
our $PATIENCE = $ENV{RP_PATIENCE} || 10;

sub over
{
    my ($class, $socket, %more) = @_;
    $socket->blocking(1);
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1)
        if $socket->isa('IO::Socket::INET') || $socket->isa('IO::Socket::IP');
    return bless { socket => $socket, buffer => '', ended => 0, %more }, $class;
}

sub socket { $_[0]{socket} }

# Send bytes as they are.  @return 1, or 0 when the peer is gone
sub send
{
    my ($self, @bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $data = join '', @bytes;
    my $at = 0;
    while ($at < length $data) {
        return 0 if !$self->{socket};
        my $n = syswrite($self->{socket}, $data, 65536 < length($data) - $at ? 65536 : length($data) - $at,
            $at);
        if (defined $n) {
            $at += $n;
        } elsif ($! == EAGAIN || $! == EINTR || $! == EWOULDBLOCK) {
            IO::Select->new($self->{socket})->can_write(1);
        } else {
            return 0;
        }
    }
    return 1;
}

# Take what comes next into the buffer.  @return bytes taken, 0 at the end of the stream (also after a reset), undef at the deadline
sub fill
{
    my ($self, $deadline) = @_;
    return 0 if $self->{ended};
    while (1) {
        my $ready = $self->{socket}->can('pending') && $self->{socket}->pending;
        if (!$ready) {
            my $left = $deadline - time;
            $left = 0 if $left < 0;
            IO::Select->new($self->{socket})->can_read($left) or return undef;
        }
        my $n = sysread($self->{socket}, $self->{buffer}, 65536, length $self->{buffer});
        return $n if $n;
        next if !defined $n && ($! == EINTR || $! == EAGAIN || $! == EWOULDBLOCK);
        $self->{ended} = defined $n ? 'closed' : 'reset';
        return 0;
    }
}

sub _give_up
{
    my ($self, $what) = @_;
    my $got = substr $self->{buffer}, 0, 300;
    $got =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
    die "no $what within $PATIENCE s; so far: \"$got\"\n";
}

# The buffer up to and with the first match; undef when the stream ended before.
sub read_until
{
    my ($self, $pattern, $what) = @_;
    my $deadline = time + $PATIENCE;
    while (1) {
        return substr $self->{buffer}, 0, $+[0], '' if $self->{buffer} =~ /$pattern/;
        my $n = $self->fill($deadline);
        $self->_give_up($what || $pattern) if !defined $n;
        return undef if !$n;
    }
}

# Exactly so many bytes, or the fewer that came before the end of the stream.
sub read_bytes
{
    my ($self, $count) = @_;
    my $deadline = time + $PATIENCE;
    while (length $self->{buffer} < $count) {
        my $had = length $self->{buffer};
        my $n = $self->fill($deadline);
        $self->_give_up("$count bytes") if !defined $n;
        last if !$n;
        $deadline = time + $PATIENCE;
    }
    return substr $self->{buffer}, 0, $count, '';
}

# What there is up to the end of the stream.
sub read_rest
{
    my ($self) = @_;
    my $deadline = time + $PATIENCE;
    while (1) {
        my $n = $self->fill($deadline);
        $self->_give_up('end of the connection') if !defined $n;
        last if !$n;
        $deadline = time + $PATIENCE;
    }
    return substr $self->{buffer}, 0, length $self->{buffer}, '';
}

# Nonzero when the peer ends the connection before the deadline; what it sends until then stays in the buffer.
sub ends_within
{
    my ($self, $seconds) = @_;
    my $deadline = time + $seconds;
    while (1) {
        my $n = $self->fill($deadline);
        return 0 if !defined $n;
        return 1 if !$n;
    }
}

# Nonzero when nothing at all comes for so long; the one place where a test has to let time pass.
sub silent_for
{
    my ($self, $seconds) = @_;
    return 0 if length $self->{buffer};
    return !defined $self->fill(time + $seconds);
}

# How the stream ended: 0 (not yet), "closed" or "reset".
sub ended { $_[0]{ended} }

# The next head, as an RP::Message; undef when the stream ended before one was whole.
# Lines may end in LF alone, as lenient servers have it: a test wants to see what such a one would see.
sub read_head
{
    my ($self) = @_;
    my $raw = $self->read_until(qr/\r?\n\r?\n/, 'head');
    return defined $raw ? RP::Message->parse($raw) : undef;
}

# Read a body by the message's own framing (RFC 9112 §6.3) into it.  none: what has no body whatever the fields say.
sub read_body
{
    my ($self, $message, %how) = @_;
    my $coding = $message->field('Transfer-Encoding');
    my $length = ($message->fields('Content-Length'))[0];
    if ($how{none}) {
        $message->{framing} = 'none';
    } elsif (defined $coding && $coding =~ /chunked\s*$/i) {
        $message->{framing} = 'chunked';
        $self->_read_chunks($message);
    } elsif (defined $length) {
        $message->{framing} = 'length';
        $message->{body} = $self->read_bytes($length);
        $message->{broken} = "ended after " . length($message->{body}) . " of $length bytes"
            if length $message->{body} < $length;
    } elsif ($how{until_close}) {
        $message->{framing} = 'close';
        $message->{body} = $self->read_rest;
        $message->{broken} = 'reset' if $self->{ended} eq 'reset';
    } else {
        $message->{framing} = 'none';
    }
    return $message;
}

sub _read_chunks
{
    my ($self, $message) = @_;
    while (1) {
        my $chunk = $self->read_chunk;
        if (!defined $chunk) {
            $message->{broken} = 'ended inside of a chunked body';
            return;
        }
        last if $chunk eq '';
        push @{ $message->{chunks} }, $chunk;
    }
    $message->{body} = join '', @{ $message->{chunks} };
    my $trailers = $self->read_until(qr/\A(?:[^\r\n]+\r\n)*\r\n/, 'trailer section');
    if (!defined $trailers) {
        $message->{broken} = 'ended inside of a trailer section';
        return;
    }
    $message->{trailers} = RP::Message->parse_fields($trailers);
}

# One chunk's data; '' is the last chunk (its trailer section is still to be read), undef an end in the middle.
sub read_chunk
{
    my ($self) = @_;
    my $line = $self->read_until(qr/\r\n/, 'chunk size');
    return undef if !defined $line;
    $line =~ /\A([0-9A-Fa-f]+)\s*(?:;.*)?\r\n\z/ or die "not a chunk size: $line";
    my $size = hex $1;
    return '' if !$size;
    my $data = $self->read_bytes($size + 2);
    return undef if length $data < $size + 2;
    $data =~ s/\r\n\z// or die "no CRLF behind a chunk's data\n";
    return $data;
}

# Chunked framing, to send by hand.
sub send_chunk
{
    my ($self, $data) = @_;
    return $self->send(sprintf("%x\r\n", length $data), $data, "\r\n");
}

sub send_last_chunk
{
    my ($self, @trailers) = @_;
    my $section = '';
    while (my ($name, $value) = splice @trailers, 0, 2) {
        $section .= "$name: $value\r\n";
    }
    return $self->send("0\r\n$section\r\n");
}

sub finish_sending
{
    my ($self) = @_;
    return shutdown $self->{socket}, 1;
}

sub close
{
    my ($self) = @_;
    my $socket = delete $self->{socket} or return;
    $self->{ended} ||= 'closed';
    CORE::close $socket;
}

# Leave with a TCP reset.
sub reset
{
    my ($self) = @_;
    my $socket = delete $self->{socket} or return;
    $self->{ended} ||= 'closed';
    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    $socket->isa('IO::Socket::SSL') ? $socket->close(SSL_no_shutdown => 1) : CORE::close $socket;
}

1;
