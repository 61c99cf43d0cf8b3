# Licensed under the Apache License, Version 2.0; see LICENSE.

# A child process with the link to Redis (t/farm/redis_link.c).
#
#     my $link = RP::FarmLink->start('redis://127.0.0.1:6379', 'timeout=1s');
#     my $answer = $link->call('key', 'GET', 'key');    # several: [qw(GET a)], [qw(GET b)]
#     $answer->outcome; $answer->replies; $answer->ms;
package RP::FarmLink;
use strict;
use warnings;

use Carp;
use IO::Select;
use IPC::Open2;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use RP::Build;
use RP::Stream;

sub start
{
    my ($class, @words) = @_;
    my $program = RP::Build::builddir() . '/t/farm/redis_link';
    my $self = bless { log => [], rest => '' }, $class;
    $self->{pid} = open2($self->{out}, $self->{in}, $program, @words);
    $self->{begun} = $self->_answer;
    return $self;
}

# What it said at first: "ready", or what is wrong.
sub begun { $_[0]{begun} }

sub log { @{ $_[0]{log} } }
sub forget_log { $_[0]{log} = [] }

sub call
{
    my ($self, $route, @commands) = @_;
    return $self->line('call ' . _call($route, @commands));
}

# With a timeout in milliseconds.
sub call_within
{
    my ($self, $ms, $route, @commands) = @_;
    return $self->line("wait $ms call " . _call($route, @commands));
}

# The same in another child process.
sub call_in_child
{
    my ($self, $route, @commands) = @_;
    return $self->line('child call ' . _call($route, @commands));
}

# N times the same. @return { ns => of each, OK => how many, ... }
sub repeat
{
    my ($self, $n, $route, @commands) = @_;
    return _pairs($self->line("repeat $n call " . _call($route, @commands))->text);
}

# @return { right, wrong, without, longest }
sub storm { my ($self, $threads, $calls) = @_; return _pairs($self->line("storm $threads $calls")->text) }
sub storm_begin { my ($self, $threads, $calls) = @_; $self->_send("storm $threads $calls") }
sub storm_end { my ($self) = @_; return _pairs($self->_answer) }
sub figures { return _pairs($_[0]->line('figures')->text) }
sub define { my ($self, $name, $text) = @_; $self->line("define $name " . _encode($text)) }

sub line
{
    my ($self, $line) = @_;
    $self->_send($line);
    return RP::FarmLink::Answer->new($self->_answer);
}

# @return its exit status
sub stop
{
    my ($self) = @_;
    # Its end of input would not do: others that were started meanwhile hold it too.
    $self->_send('quit');
    my $deadline = time + 2 * $RP::Stream::PATIENCE;
    until (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        return 'does not end' if time > $deadline;
        sleep 0.005;
    }
    delete $self->{pid};
    return $?;
}

sub DESTROY
{
    my ($self) = @_;
    local ($?, $@, $!);
    if ($self->{pid}) {
        kill KILL => $self->{pid};
        waitpid $self->{pid}, 0;
    }
}

sub _send
{
    my ($self, $line) = @_;
    local $SIG{PIPE} = 'IGNORE';
    print { $self->{in} } "$line\n";
    $self->{in}->flush;
}

sub _answer
{
    my ($self) = @_;
    my $deadline = time + 2 * $RP::Stream::PATIENCE;
    my $select = IO::Select->new($self->{out});
    while (1) {
        while ($self->{rest} =~ s/\A(.*)\n//) {
            my $line = $1;
            return $line if $line =~ s/\A= //;
            push @{ $self->{log} }, $line =~ s/\A! //r;
        }
        $select->can_read($deadline - time) or croak "the link does not answer; so far: $self->{rest}";
        sysread $self->{out}, $self->{rest}, 65536, length $self->{rest} or croak "the link has ended";
    }
}

sub _encode { $_[0] =~ s/([^A-Za-z0-9_.:-])/sprintf '%%%02X', ord $1/ger }

sub _call
{
    my ($route, @commands) = @_;
    @commands = [@commands] if !ref $commands[0];
    return _encode($route) . ' ' . join ' | ', map { join ' ', map { /\A\@\w+\z/ ? $_ : _encode($_) } @$_ } @commands;
}

sub _pairs { return { map { split /=/, $_, 2 } split / /, $_[0] } }

package RP::FarmLink::Answer;

sub new
{
    my ($class, $text) = @_;
    my ($outcome, $ms, $replies) = split / /, $text, 3;
    return bless { text => $text, outcome => $outcome, ms => $ms, replies => $replies // '' }, $class;
}

sub text { $_[0]{text} }
sub outcome { $_[0]{outcome} }
sub ms { $_[0]{ms} }
# As one string: +status $string :number -error nil [arrays], with blanks between them.
sub replies { $_[0]{replies} }

1;
