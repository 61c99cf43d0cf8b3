# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Proc;

# The processes a measurement starts: each pinned to a core, its output in a file, its CPU time read from
# /proc, and all of them gone when the program ends, however it ends.

use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

use constant PROXY_CORE => 0;
use constant LOAD_CORE  => 1;

my $MICROS_PER_TICK = 1e6 / POSIX::sysconf(POSIX::_SC_CLK_TCK());

my $owner = $$;
my %running;          # pid => name
my %handed_out;       # ports

# A signal becomes an exit, so that END is what cleans up in every case.
sub clean_up_on_signals
{
    for my $signal (qw(INT TERM HUP)) {
        $SIG{$signal} = sub { print STDERR "\nstopping\n"; exit 130 };
    }
}

# Starts `argv` on a core, in a process group of its own (so that the terminal's Ctrl-C reaches only us, and
# we stop the server in order). Standard output and error go to the file `output`.
sub start
{
    my (%how) = @_;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        setpgrp(0, 0);
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>>', $how{output}) or POSIX::_exit(127);
        open(STDERR, '>&', \*STDOUT);
        exec { 'taskset' } 'taskset', '-c', $how{core}, @{ $how{argv} } or POSIX::_exit(127);
    }
    $running{$pid} = $how{name};
    return $pid;
}

# Waits until the port takes connections; dies with the process's own words when it ended instead.
sub await_port
{
    my ($pid, $port, $output) = @_;
    my $deadline = time() + 20;
    while (time() < $deadline) {
        return if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 1);
        if (waitpid($pid, WNOHANG) == $pid) {
            my $name = delete $running{$pid};
            die "$name ended at its start:\n" . tail($output);
        }
        sleep 0.05;
    }
    die "$running{$pid} does not listen on port $port:\n" . tail($output);
}

sub tail
{
    my ($file) = @_;
    open(my $in, '<', $file) or return '';
    my @lines = <$in>;
    splice(@lines, 0, @lines - 10) if @lines > 10;
    return join('', map { "  $_" } @lines);
}

sub stop
{
    my ($pid) = @_;
    return unless delete $running{$pid};
    my @family = grep { $_ != $pid } tree($pid);
    kill 'TERM', $pid;
    my $deadline = time() + 5;
    while (time() < $deadline) {
        return kill('KILL', @family) if waitpid($pid, WNOHANG) != 0;
        sleep 0.02;
    }
    kill 'KILL', $pid, @family;
    waitpid($pid, 0);
}

# For a process that was waited for elsewhere.
sub forget
{
    delete $running{$_[0]};
}

sub free_port
{
    for (1 .. 100) {
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no free port: $!\n";
        my $port = $socket->sockport;
        return $port unless $handed_out{$port}++;
    }
    die "no free port\n";
}

# A process and all its descendants.
sub tree
{
    my ($root) = @_;
    my %children;
    for my $file (glob '/proc/[0-9]*/stat') {
        my ($pid, undef, $parent) = read_stat($file) or next;
        push @{ $children{$parent} }, $pid;
    }
    my @found = ($root);
    for (my $i = 0; $i < @found; $i++) {
        push @found, @{ $children{ $found[$i] } // [] };
    }
    return @found;
}

# CPU time of the processes and their descendants so far, in microseconds. The time of children that have
# ended is in their parents' account, so the sum only grows.
sub cpu_time
{
    my $ticks = 0;
    for my $pid (map { tree($_) } @_) {
        my (undef, $used) = read_stat("/proc/$pid/stat") or next;
        $ticks += $used;
    }
    return $ticks * $MICROS_PER_TICK;
}

# (pid, ticks used by it and its ended children, parent's pid), or nothing if the process is gone.
sub read_stat
{
    my ($file) = @_;
    open(my $in, '<', $file) or return;
    my $line = <$in> // return;
    my ($pid, $rest) = $line =~ /^(\d+) \(.*\) (.*)/s or return;
    my @field = split ' ', $rest;
    return ($pid, $field[11] + $field[12] + $field[13] + $field[14], $field[1]);
}

# A core's time since boot that was not idle, whoever had it: a program or, on a virtual machine, another
# machine. In microseconds.
sub core_time
{
    my ($core) = @_;
    open(my $in, '<', '/proc/stat') or die "/proc/stat: $!\n";
    my ($line) = grep { /^cpu$core / } <$in>;
    my (undef, $user, $nice, $system, undef, undef, $irq, $softirq, $steal) = split ' ', $line;
    return ($user + $nice + $system + $irq + $softirq + $steal) * $MICROS_PER_TICK;
}

# Resident memory of a process in KiB: all of it, and the part that is its own (not a mapped file).
sub memory
{
    my ($pid) = @_;
    open(my $in, '<', "/proc/$pid/status") or return (0, 0);
    my %value = map { /^(\w+):\s+(\d+)/ ? ($1 => $2) : () } <$in>;
    return ($value{VmRSS} // 0, $value{RssAnon} // 0);
}

END {
    if ($$ == $owner) {
        my $status = $?;
        stop($_) for keys %running;
        $? = $status;
    }
}

1;
