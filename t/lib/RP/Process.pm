# Licensed under the Apache License, Version 2.0; see LICENSE.

# Processes that a test starts: each is the head of a process group of its own, and none outlives the test, even one
# that is killed with -9.  That is what the lifeline is for: a pipe whose writing end only the test holds.
package RP::Process;
use strict;
use warnings;

use Carp;
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(sleep time);

my %lifelines;    # writing ends, by pid
my %running;      # pid => 1
my $owner = $$;

# Run code in a child; it gets the reading end of its lifeline, which ends with the test.  @return its pid
sub spawn
{
    my ($class, $code) = @_;
    pipe my $read, my $write or croak "pipe: $!";
    defined(my $pid = fork) or croak "fork: $!";
    if (!$pid) {
        _become_child();
        close $write;
        my $ok = eval { $code->($read); 1 };
        warn $@ if !$ok;
        _exit($ok ? 0 : 1);
    }
    close $read;
    setpgrp $pid, $pid;
    $lifelines{$pid} = $write;
    $running{$pid} = 1;
    return $pid;
}

# Run a program, with a guardian that kills its group when the test is gone.  @return its pid
sub run
{
    my ($class, $command, %how) = @_;
    defined(my $pid = fork) or croak "fork: $!";
    if (!$pid) {
        _become_child();
        open STDIN, '<', '/dev/null';
        if ($how{output}) {
            open STDOUT, '>>', $how{output};
            open STDERR, '>&', \*STDOUT;
        }
        $ENV{$_} = $how{env}{$_} for keys %{ $how{env} || {} };
        exec { $command->[0] } @$command or _exit(127);
    }
    setpgrp $pid, $pid;
    $running{$pid} = 1;
    $how{guardian} = $class->spawn(sub {
        my ($lifeline) = @_;
        sysread $lifeline, my $nothing, 1;
        kill KILL => -$pid;
    });
    $lifelines{"guardian of $pid"} = $how{guardian};
    return $pid;
}

sub _become_child
{
    setpgrp 0, 0;
    %running = ();
    delete $lifelines{$_} for keys %lifelines;
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE CHLD);
}

# In a child: this process has no part in what its parent started.
sub disown { %running = (); %lifelines = () }

# @return nonzero when it has ended; its wait status is kept for stop()
my %status;
sub ended
{
    my ($class, $pid) = @_;
    return 1 if !$running{$pid};
    my $got = waitpid $pid, WNOHANG;
    return 0 if $got == 0;
    $status{$pid} = $got == $pid ? $? : -1;
    delete $running{$pid};
    return 1;
}

# Ask it to end with a signal, insist with KILL to the whole group when it does not.  @return its wait status; undef when it had to be killed
sub stop
{
    my ($class, $pid, $signal, $patience) = @_;
    local ($?, $!);
    my $patient = 1;
    if (!$class->ended($pid)) {
        kill $signal || 'TERM', $pid;
        my $deadline = time + ($patience || 15);
        until ($class->ended($pid)) {
            if (time > $deadline) {
                $patient = 0;
                last;
            }
            sleep 0.005;
        }
    }
    kill KILL => -$pid;
    if (!$patient) {
        waitpid $pid, 0;
        delete $running{$pid};
    }
    my $guardian = delete $lifelines{"guardian of $pid"};
    delete $lifelines{$pid};
    $class->stop($guardian, 'KILL') if $guardian;
    return $patient ? delete $status{$pid} : undef;
}

$SIG{$_} ||= sub { exit 1 } for qw(INT TERM HUP);

END {
    if ($$ == $owner) {
        my $code = $?;
        __PACKAGE__->stop($_, 'KILL') for grep { $running{$_} } keys %running;
        $? = $code;
    }
}

1;
