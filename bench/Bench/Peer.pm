# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Peer;

# The proxies side by side. Each is a file in Bench/Peer/ with program(), config(at) and argv(at), where
# `at` says: mode (cached or proxied), size (of the object), port, origin (its port), dir, log, user, is_root.

use strict;
use warnings;
use Bench::Load;
use Bench::Peer::Apache;
use Bench::Peer::HAProxy;
use Bench::Peer::Nginx;
use Bench::Peer::Lanes;
use Bench::Peer::Rproxy;
use Bench::Peer::Varnish;
use Bench::Place;
use Bench::Proc;
use HTTP::Tiny;
use List::Util qw(max);

our @ORDER = qw(nginx haproxy varnish apache lanes rproxy);

my %ROOM = (
    nginx   => 'Bench::Peer::Nginx',
    haproxy => 'Bench::Peer::HAProxy',
    varnish => 'Bench::Peer::Varnish',
    apache  => 'Bench::Peer::Apache',
    lanes   => 'Bench::Peer::Lanes',
    rproxy  => 'Bench::Peer::Rproxy',
);

my $started = 0;

sub package_of { no strict 'refs'; return ${"$ROOM{ $_[0] }::PACKAGE"} }
sub program_of { return $ROOM{ $_[0] }->can('program')->() }

# Starts a peer with the given `mode`, `size`, `origin` (a Bench::Origin) and `log`. Dies if it does not
# come up.
sub start
{
    my ($class, $name, %want) = @_;
    my $room = $ROOM{$name};
    my $dir  = Bench::Place::folder(sprintf '%s-%03d', $name, ++$started);
    my $at   = {
        %want, dir => $dir, port => Bench::Proc::free_port(), origin => $want{origin}{port},
        user => Bench::Place::user(), is_root => $> == 0,
    };
    $at->{config} = Bench::Place::write_file("$dir/config", $room->can('config')->($at));
    my $self = bless { name => $name, port => $at->{port}, origin => $want{origin}, dir => $dir }, $class;
    $self->{pids} = [ $self->launch($room->can('argv')->($at)) ];
    Bench::Proc::await_port($self->{pids}[0], $self->{port}, "$dir/output");
    if ($want{log} && $room->can('log_argv')) {
        push @{ $self->{pids} }, $self->launch($room->can('log_argv')->($at));
    }
    return $self;
}

sub launch
{
    my ($self, @argv) = @_;
    return Bench::Proc::start(name => $self->{name}, core => Bench::Proc::PROXY_CORE,
                              output => "$self->{dir}/output", argv => \@argv);
}

sub stop
{
    my ($self) = @_;
    Bench::Proc::stop($_) for reverse @{ $self->{pids} };
}

sub url
{
    my ($self, $path) = @_;
    return "http://127.0.0.1:$self->{port}/$path";
}

# One request by hand, to see that the object comes through whole; dies otherwise.
sub check
{
    my ($self, $path, $size) = @_;
    my $answer = HTTP::Tiny->new(timeout => 10)->get($self->url($path));
    return if $answer->{status} == 200 && length $answer->{content} == $size;
    my ($why) = $answer->{content} =~ /^(.{0,200})/;
    die sprintf("%s answers %s with %s bytes instead of 200 with %d: %s\n%s", $self->{name},
        $answer->{status}, length $answer->{content}, $size, $why // '',
        Bench::Proc::tail("$self->{dir}/error.log"));
}

# Loads the peer for some seconds. Returns what Bench::Load::run does, and: rate (requests a second), cpu
# (microseconds of its CPU per request), busy (share of its core that it used, 0 to 1), lost (share of a
# core that other programs or the hypervisor took), origin (requests that the origin saw).
sub measure
{
    my ($self, %how) = @_;
    my $before = $self->counters;
    my $result = Bench::Load::run(%how);
    my $after  = $self->counters;
    my %used   = map { $_ => $after->{$_} - $before->{$_} } keys %$after;
    my $micros = $result->{seconds} * 1e6;
    return {
        %$result,
        rate   => $result->{requests} / $result->{seconds},
        cpu    => $used{cpu} / ($result->{requests} || 1),
        busy   => $used{cpu} / $micros,
        lost   => max(0, $used{core} - $used{cpu}, $used{load_core} - $used{others}) / $micros,
        origin => $used{origin},
    };
}

# `others` is what everything of ours but this peer used: wrk, the origin, and next to nothing else.
sub counters
{
    my ($self) = @_;
    my $cpu = Bench::Proc::cpu_time(@{ $self->{pids} });
    return {
        cpu       => $cpu,
        others    => Bench::Proc::cpu_time($$) - $cpu,
        core      => Bench::Proc::core_time(Bench::Proc::PROXY_CORE),
        load_core => Bench::Proc::core_time(Bench::Proc::LOAD_CORE),
        origin    => $self->{origin}->requests,
    };
}

1;
