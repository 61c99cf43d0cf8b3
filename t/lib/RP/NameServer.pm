# Licensed under the Apache License, Version 2.0; see LICENSE.

# A name server that says what a test wants, over UDP, in a process of its own.
#
#     my $names = RP::NameServer->start('app.test' => { A => ['127.0.0.1'], ttl => 60 });
#     $names->set('app.test' => { A => ['127.0.0.1', '127.0.0.2'] });
#     $names->set('_http._tcp.app.test' => { SRV => [[10, 60, 8080, 'one.test']] });
#     $names->silence;         # from now on there are no answers, until the next set() or speak
#
# Names that are not set do not exist.  Without a ttl it is 1000 seconds.
package RP::NameServer;
use strict;
use warnings;

use Carp;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Socket qw(AF_INET6 inet_aton inet_pton);

use RP::Place;
use RP::Process;

my %types = (A => 1, AAAA => 28, SRV => 33);
my %names = reverse %types;

sub start
{
    my ($class, %zone) = @_;
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'udp') or croak "cannot listen: $!";
    my $self = bless { folder => RP::Place->folder, port => $socket->sockport, zone => {}, silent => 0 }, $class;
    $self->set(%zone);
    $self->{pid} = RP::Process->spawn(sub { $self->_serve($socket, $_[0]) });
    return $self;
}

sub authority { "127.0.0.1:$_[0]{port}" }

sub set
{
    my ($self, %zone) = @_;
    $self->{zone}{$_} = $zone{$_} for keys %zone;
    return $self->_say(0);
}

sub silence { $_[0]->_say(1) }
sub speak { $_[0]->_say(0) }

# How many queries there were for names that match.
sub asked
{
    my ($self, $pattern) = @_;
    open my $log, '<', "$self->{folder}/asked" or return 0;
    return scalar grep { $_ =~ $pattern } <$log>;
}

sub stop
{
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    RP::Process->stop($pid, 'KILL');
}

sub _say
{
    my ($self, $silent) = @_;
    RP::Place->write_file("$self->{folder}/new", JSON::PP::encode_json({ silent => $silent, zone => $self->{zone} }));
    rename "$self->{folder}/new", "$self->{folder}/zone" or croak "rename: $!";
    return $self;
}

# ---- in the server's process

sub _serve
{
    my ($self, $socket, $lifeline) = @_;
    my $select = IO::Select->new($socket, $lifeline);
    while (1) {
        my @ready = $select->can_read;
        return if grep { $_ == $lifeline } @ready;
        my $from = $socket->recv(my $query, 4096) or next;
        my $answer = $self->_answer($query);
        $socket->send($answer, 0, $from) if defined $answer;
    }
}

sub _answer
{
    my ($self, $query) = @_;
    my ($id, $flags) = unpack 'nn', $query;
    my ($name, $at) = ('', 12);
    while (my $length = ord substr $query, $at, 1) {
        $name .= ($name ne '' ? '.' : '') . substr $query, $at + 1, $length;
        $at += 1 + $length;
    }
    my $question = substr $query, 12, $at + 5 - 12;
    my $type = $names{ unpack 'n', substr $query, $at + 1, 2 } || '';
    open my $log, '>>', "$self->{folder}/asked" or die;
    print $log "$type $name\n";
    close $log;
    open my $in, '<', "$self->{folder}/zone" or die;
    my $says = JSON::PP::decode_json(do { local $/; <$in> });
    return undef if $says->{silent};
    my $known = $says->{zone}{lc $name};
    my @data = map { _data($type, $_) } @{ $known->{$type} || [] };
    my $ttl = $known && $known->{ttl} || 1000;
    return pack('nnnnnn', $id, 0x8180 | ($known ? 0 : 3), 1, scalar @data, 0, 0) . $question
        . join '', map { pack('nnnNn', 0xc00c, $types{$type}, 1, $ttl, length $_) . $_ } @data;
}

sub _data
{
    my ($type, $value) = @_;
    return inet_aton($value) if $type eq 'A';
    return inet_pton(AF_INET6, $value) if $type eq 'AAAA';
    my ($priority, $weight, $port, $target) = @$value;
    return pack('nnn', $priority, $weight, $port) . join('', map { chr(length $_) . $_ } split /\./, $target) . "\0";
}

1;
