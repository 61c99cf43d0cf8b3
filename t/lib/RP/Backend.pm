# Licensed under the Apache License, Version 2.0; see LICENSE.

# A backend that does what a test says, byte by byte if need be.  It runs in processes of its own (one that accepts, one
# for each connection), so that the test's main program can play the client at the same time.
#
#     my $backend = RP::Backend->start(sub {
#         my ($c, $request) = @_;                # RP::Backend::Connection, RP::Message
#         $c->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
#     });
#
# The sub is called for each request when its body has been read; with on_head => sub for each head, the body being
# the sub's business ($c->read_request_body($request)); with on_connection => sub once for each connection.
# A sub runs in its connection's process: what it shall remember of other connections is in $request->number and
# $c->number (both count from 1), and what it shall tell the test goes through $c->note('text').
package RP::Backend;
use strict;
use warnings;

use Carp;
use Digest::MD5;
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(_exit WNOHANG);
use Socket qw(AF_INET AF_INET6 inet_ntop);
use Time::HiRes qw(sleep time);

use RP::Backend::Connection;
use RP::Backend::Record;
use RP::Message;
use RP::Place;
use RP::Process;

our @EXPORT_OK = qw(responds echoes as_asked asking);

# Ready-made behaviours.

# The same response to every request; fields is a list of names and values.
sub responds
{
    my ($status, $fields, $body) = @_;
    return sub { $_[0]->respond($_[1], $status, $fields, $body) };
}

# The request as JSON: connection, number, method, target, version, fields (pairs), body_length, body_digest.
sub echoes
{
    my (@fields) = @_;
    my $json = JSON::PP->new->canonical->latin1;
    return sub {
        my ($c, $request) = @_;
        my %seen = map { $_ => $request->{$_} }
            qw(connection number method target version fields body_length body_digest);
        $c->respond($request, 200, ['Content-Type' => 'application/json', @fields], $json->encode(\%seen));
    };
}

# What the query asks for, as asking() writes it: fields by their names; status; body; size (so many bytes of a pattern);
# revalidates (304 when If-None-Match has the ETag asked for).  The body is "answer N" otherwise, N the request's number,
# which stands in X-Number as well.  Without a query it echoes.
sub as_asked
{
    my $echo = echoes();
    return sub {
        my ($c, $request) = @_;
        my ($query) = $request->target =~ /\?(.*)/ or return $echo->($c, $request);
        my (%special, @fields);
        for my $pair (split /&/, $query) {
            my ($name, $value) = map { s/%([0-9A-F]{2})/chr hex $1/gier } split /=/, $pair, 2;
            $name =~ /\A(?:status|body|size|revalidates|nothing)\z/ ? $special{$name} = $value
                : push @fields, $name, defined $value ? $value : '';
        }
        my %field = @fields;
        push @fields, 'X-Number', $request->number;
        my $match = $request->field('If-None-Match');
        if ($special{revalidates} && defined $match && index($match, $field{ETag}) >= 0) {
            return $c->respond($request, 304, \@fields);
        }
        my $body = defined $special{body} ? $special{body} : 'answer ' . $request->number;
        $body = substr "0123456789abcdef" x ($special{size} / 16 + 1), 0, $special{size} if $special{size};
        return $c->respond($request, $special{status} || 200, \@fields, $body);
    };
}

# A target that asks as_asked() for something.
sub asking
{
    my ($path, @pairs) = @_;
    my @query;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @query, "$name=" . ($value =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger);
    }
    return "$path?" . join '&', @query;
}

# tls => { cert => FILE, key => FILE, ca => FILE of clients' CAs, required => 1 (clients must show a certificate), version,
# fails_resuming => 1 (whoever resumes a session gets an alert) }, unix => PATH, proxy => 1: each connection begins with a
# header of the PROXY protocol, which $c->proxy tells; address => '127.0.0.2', port => N: where it listens
sub start
{
    my $class = shift;
    my %how = @_ % 2 ? (on_request => @_) : @_;
    my $folder = RP::Place->folder;
    my $listener = $how{unix}
        ? IO::Socket::UNIX->new(Local => $how{unix}, Listen => 128)
        : IO::Socket::INET->new(LocalAddr => $how{address} || '127.0.0.1', LocalPort => $how{port} || 0, ReuseAddr => 1,
            Listen => 128);
    $listener or croak "cannot listen: $!";
    chmod 0777, $how{unix} if $how{unix};

    my $self = bless { %how, folder => $folder, record => RP::Backend::Record->new("$folder/record"),
                       port => $how{unix} ? undef : $listener->sockport }, $class;
    $self->{pid} = RP::Process->spawn(sub { $self->_accept($listener, $_[0]) });
    return $self;
}

sub port { $_[0]{port} }
sub authority { ($_[0]{address} || '127.0.0.1') . ":$_[0]{port}" }

# What stands behind RProxyMember.
sub url
{
    my ($self) = @_;
    return "unix:$self->{unix}" if $self->{unix};
    return ($self->{tls} ? 'https' : 'http') . '://' . $self->authority;
}

# ---- what the test asks

# The requests seen so far, in the order in which their heads came.
sub requests { $_[0]{record}->requests }
sub count { scalar $_[0]{record}->requests }
sub request { ($_[0]{record}->requests)[$_[1]] }
sub last_request { ($_[0]{record}->requests)[-1] }
sub connections { scalar $_[0]{record}->of_kind('open') }
sub notes { map { $_->{text} } $_[0]{record}->of_kind('note') }

# Everything that came over a connection (its number), as bytes.
sub received { $_[0]{record}->received($_[1]) }

# Begin to count anew.
sub forget { $_[0]{record}->forget }

# Wait until it is so; @return nonzero when it became so in time.
sub wait_note
{
    my ($self, $pattern) = @_;
    return _eventually(sub { grep { $_ =~ $pattern } $self->notes });
}

sub wait_requests
{
    my ($self, $count) = @_;
    return _eventually(sub { $self->count >= $count });
}

sub _eventually
{
    my ($condition) = @_;
    my $deadline = time + $RP::Stream::PATIENCE;
    while (1) {
        return 1 if $condition->();
        return 0 if time > $deadline;
        sleep 0.01;
    }
}

# Let a sub that is in $c->wait_signal(name) go on.
sub signal
{
    my ($self, $name) = @_;
    RP::Place->write_file("$self->{folder}/signal-$name", '');
}

# End it, with all its connections: from now on connections are refused.
sub stop
{
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    RP::Process->stop($pid, 'KILL');
}

# ---- in the backend's processes

sub _accept
{
    my ($self, $listener, $lifeline) = @_;
    my $select = IO::Select->new($listener, $lifeline);
    # One for all connections, so that one's session is known to the next.
    $self->{context} = _tls_context($self->{tls}) if $self->{tls};
    my $number = 0;
    while (1) {
        my @ready = $select->can_read;
        1 while waitpid(-1, WNOHANG) > 0;
        if (grep { $_ == $lifeline } @ready) {
            kill KILL => -$$;    # the whole group, itself included
        }
        my $socket = $listener->accept or next;
        $number++;
        defined(my $pid = fork) or next;
        if (!$pid) {
            CORE::close $listener;
            my $ok = eval { $self->_serve($socket, $number); 1 };
            if (!$ok) {
                my $why = $@;
                $self->{record}->add(note => text => "died: $why", connection => $number);
                warn "backend: $why" if $why !~ /within .* s; so far/;
            }
            _exit(0);
        }
        CORE::close $socket;
    }
}

sub _serve
{
    my ($self, $socket, $number) = @_;
    $SIG{PIPE} = 'IGNORE';
    $self->{record}->add(open => connection => $number);
    my $proxy = $self->{proxy} && (_read_proxy_header($socket) || die "no PROXY header\n");
    if ($self->{tls}) {
        $socket = IO::Socket::SSL->start_SSL($socket, SSL_server => 1, SSL_reuse_ctx => $self->{context}) || do {
            $self->{record}->add(note => connection => $number, text => "TLS failed: "
                . IO::Socket::SSL::errstr());
            return;
        };
    }
    my $c = RP::Backend::Connection->over($socket, number => $number, record => $self->{record},
        folder => $self->{folder}, proxy => $proxy);
    return $self->{on_connection}->($c) if $self->{on_connection};
    while (my $request = $c->read_request_head) {
        if ($self->{on_head}) {
            $self->{on_head}->($c, $request);
            last if $c->ended;
            $c->read_request_body($request) if !$request->whole;
        } else {
            $c->read_request_body($request);
            last if !$request->whole;
            $self->{on_request}->($c, $request);
        }
        last if $c->ended || ($request->field('Connection') || '') =~ /\bclose\b/i;
    }
    $c->close;
}

sub _tls_context
{
    my ($tls) = @_;
    require IO::Socket::SSL;
    my $verify = IO::Socket::SSL::SSL_VERIFY_PEER()
        | ($tls->{required} ? IO::Socket::SSL::SSL_VERIFY_FAIL_IF_NO_PEER_CERT() : 0);
    my $context = IO::Socket::SSL::SSL_Context->new(SSL_server => 1, SSL_cert_file => $tls->{cert},
        SSL_key_file => $tls->{key},
        $tls->{ca} ? (SSL_ca_file => $tls->{ca}, SSL_verify_mode => $verify) : (),
        $tls->{version} ? (SSL_version => $tls->{version}) : ())
            or die 'TLS: ' . IO::Socket::SSL::errstr() . "\n";
    # OpenSSL's servers that verify clients and have no such context refuse all sessions.
    Net::SSLeay::CTX_set_session_id_context($context->{context}, '', 0) if $tls->{fails_resuming};
    return $context;
}

# The PROXY protocol, version 2, in the words of version 1: "TCP4 CLIENT SERVER PORT PORT", "UNKNOWN" or "LOCAL".
sub _read_proxy_header
{
    my ($socket) = @_;
    my $head = _read_exactly($socket, 16) or return undef;
    my ($signature, $command, $family, $length) = unpack 'a12CCn', $head;
    return undef if $signature ne "\r\n\r\n\0\r\nQUIT\n" || $command >> 4 != 2;
    my $rest = $length ? _read_exactly($socket, $length) : '';
    return undef if !defined $rest;
    return 'LOCAL' if ($command & 15) == 0;
    my ($name, $size, $af) = $family == 0x11 ? ('TCP4', 4, AF_INET) : $family == 0x21 ? ('TCP6', 16, AF_INET6)
        : return 'UNKNOWN';
    my ($client, $server, @ports) = unpack "a${size}a${size}nn", $rest;
    return join ' ', $name, inet_ntop($af, $client), inet_ntop($af, $server), @ports;
}

sub _read_exactly
{
    my ($socket, $count) = @_;
    my $bytes = '';
    while (length $bytes < $count) {
        sysread($socket, $bytes, $count - length $bytes, length $bytes) or return undef;
    }
    return $bytes;
}

1;
