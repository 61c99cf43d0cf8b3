# Licensed under the Apache License, Version 2.0; see LICENSE.

# A real httpd with a configuration of its own, in a temporary folder, on free ports of 127.0.0.1.
#
#     my $httpd = RP::Httpd->start(mpm => 'event', modules => ['headers'], config => 'RProxyName test');
#
# What may be given:
#     mpm       event, worker or prefork; or lanes, which is event with RProxyLanes
#     module    0: without mod_rproxy
#     modules   further modules by their short names ("ssl" for mod_ssl.so)
#     config    text for the end of httpd.conf; @PORT@ is the port's number, @ROOT@ the temporary folder
#     children  processes (default 2); threads: threads in each (default 16)
#     ports     how many ports to listen on (default 1)
#     loglevel  default "warn rproxy:debug"
#     expect_kills  1: children may die by a signal
package RP::Httpd;
use strict;
use warnings;

use Carp;
use Cwd ();
use File::Basename ();
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use RP::Place;
use RP::Process;
use RP::Sanitizer;
use RP::Stream;

my $sources = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');

# Where the sources are.
sub sources { $sources }

# The built module's file.
sub module_file
{
    my @folders = defined $ENV{RP_BUILDDIR} ? $ENV{RP_BUILDDIR} : (Cwd::getcwd(), "$sources/_build",
        $sources);
    my ($found) = grep { -e $_ } map { "$_/.libs/mod_rproxy.so" } @folders;
    $found or croak "mod_rproxy.so is in none of @folders: build it, or set RP_BUILDDIR";
    return Cwd::abs_path($found);
}

my %apxs;
sub _apxs
{
    my ($name) = @_;
    my $apxs = $ENV{APXS} || 'apxs';
    return $apxs{$name} = $apxs{$name} || do { my $value = `$apxs -q $name 2>/dev/null`; chomp $value; $value };
}

sub program
{
    my $program = _apxs('SBINDIR') . '/' . _apxs('PROGNAME');
    ($program) = grep { -x $_ } $program, '/usr/sbin/apache2', '/usr/sbin/httpd';
    return $program || croak 'no httpd found';
}

# A server that is configured but not started.
sub new
{
    my ($class, %how) = @_;
    my $self = bless { mpm => 'event', module => 1, modules => [], config => '', children => 2,
        threads => 16, ports => 1, %how }, $class;
    $self->{mpm} = 'event' if $self->{lanes} = $self->{mpm} eq 'lanes';
    $self->{loglevel} ||= $self->{module} ? 'warn rproxy:debug' : 'warn';
    $self->{root} = RP::Place->folder;
    mkdir "$self->{root}/$_" for qw(htdocs run);
    RP::Place->write_file("$self->{root}/htdocs/index.html", "static\n");
    $self->{listen} = [map { RP::Place->port } 1 .. $self->{ports}];
    $self->{sanitizer} = RP::Sanitizer->new($self->{root}, $self->{module} ? $self->module_file : ());
    $self->configure($self->{config});
    return $self;
}

sub start
{
    my ($class, %how) = @_;
    my $self = $class->new(%how);
    $self->begin;
    return $self;
}

# ---- the configuration

# Write httpd.conf with this text at its end.
sub configure
{
    my ($self, $config) = @_;
    my $text = join "\n", $self->_loads, $self->_basics, $self->_processes, $self->_lanes;
    $text .= "\n# ---- the test's own\n$config\n";
    $text =~ s/\@PORT(\d?)\@/$self->{listen}[$1 || 0]/g;
    $text =~ s/\@ROOT\@/$self->{root}/g;
    RP::Place->write_file($self->_conf, $text);
}

sub _conf { "$_[0]{root}/httpd.conf" }

sub _loads
{
    my ($self) = @_;
    my $folder = _apxs('LIBEXECDIR');
    my @names = grep { -e "$folder/mod_$_.so" }
        "mpm_$self->{mpm}", qw(unixd log_config logio version watchdog authz_core), @{ $self->{modules} };
    my %have = map { $_ => 1 } @names;
    $have{$_} or croak "httpd has no mod_$_" for @{ $self->{modules} };
    my @lines = map { "LoadModule ${_}_module $folder/mod_$_.so" } @names;
    push @lines, 'LoadModule rproxy_module ' . $self->module_file if $self->{module};
    return @lines;
}

sub _basics
{
    my ($self) = @_;
    my $root = $self->{root};
    return (
        "ServerRoot $root", "DefaultRuntimeDir $root/run", "PidFile $root/run/httpd.pid",
            "Mutex file:$root/run default",
        'ServerName proxy.example', (map { "Listen 127.0.0.1:$_" } @{ $self->{listen} }),
        "ErrorLog $root/error.log", "LogLevel $self->{loglevel}",
        'LogFormat "%h \"%r\" %>s %O member=%{rproxy-member}n error=%{rproxy-error}n cache=%{rproxy-cache}n'
            . ' attempts=%{rproxy-attempts}n" notes',
        "CustomLog $root/access.log notes", "DocumentRoot $root/htdocs", 'KeepAliveTimeout 15',
        'MaxKeepAliveRequests 0', 'Timeout 20',
        ($> == 0 ? ('User ' . $self->user, 'Group ' . (getgrgid((getpwnam $self->user)[3]))[0]) : ()));
}

# Whom httpd becomes when the test runs as root.
sub user
{
    my ($user) = grep { defined getpwnam $_ } qw(www-data apache nobody);
    return $user;
}

sub _processes
{
    my ($self) = @_;
    my ($children, $threads) = @$self{qw(children threads)};
    return ("StartServers $children", "ServerLimit $children", "MaxRequestWorkers $children",
        "MinSpareServers $children", "MaxSpareServers $children") if $self->{mpm} eq 'prefork';
    my $all = $children * $threads;
    return ("StartServers $children", "ServerLimit $children", "ThreadLimit $threads",
        "ThreadsPerChild $threads",
        "MaxRequestWorkers $all", 'MinSpareThreads 1', "MaxSpareThreads $all");
}

sub _lanes { my ($self) = @_; return $self->{lanes} && $self->{module} ? 'RProxyLanes 2' : () }

# What configtest says of it.  @return (0 when all is well, its output)
sub configtest
{
    my ($self) = @_;
    my $output = "$self->{root}/configtest";
    unlink $output;
    my $pid = RP::Process->run([$self->_command, '-t'], output => $output,
        env => $self->{sanitizer}->environment);
    my $deadline = time + 3 * $RP::Stream::PATIENCE;
    sleep 0.005 until RP::Process->ended($pid) || time > $deadline;
    my $status = RP::Process->stop($pid, 'KILL');
    return ($status, RP::Place->read_file($output));
}

sub _command { return (program(), '-d', $_[0]{root}, '-f', $_[0]->_conf) }

# ---- its life

my @alive;

sub begin
{
    my ($self) = @_;
    my $before = $self->_starts;
    $self->{pid} = RP::Process->run([$self->_command, '-D', 'FOREGROUND'], output => "$self->{root}/output",
        env => $self->{sanitizer}->environment);
    push @alive, $self;
    my $deadline = time + 3 * $RP::Stream::PATIENCE;
    until ($self->_starts > $before && $self->_answers) {
        if (RP::Process->ended($self->{pid}) || time > $deadline) {
            $self->_forget;
            die "httpd did not start:\n" . RP::Place->read_file("$self->{root}/output") . $self->error_log;
        }
        sleep 0.01;
    }
    return $self;
}

sub _starts { my $log = $_[0]->error_log; my $n = () = $log =~ /resuming normal operations/g; return $n }

sub _answers
{
    my ($self) = @_;
    return !!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->port);
}

# Graceful restart; returns when the new generation runs.
sub graceful
{
    my ($self) = @_;
    my $before = $self->_starts;
    kill USR1 => $self->{pid};
    $self->_until(sub { $self->_starts > $before }) or die "no graceful restart:\n" . $self->error_log;
}

# The same; returns when the old generation, which takes requests for a moment longer, is gone. It must have none under way.
sub graceful_whole
{
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->children;
    $self->graceful;
    $self->_until(sub { !grep { $old{$_} } $self->children }) or die "old children stay:\n" . $self->error_log;
}

# Stop it.  @return complaints: what went wrong in its life that a test must not pass over
sub stop
{
    my ($self) = @_;
    my $pid = $self->{pid} or return;
    my $status = RP::Process->stop($pid, 'TERM', 2 * $RP::Stream::PATIENCE);
    $self->_forget;
    my @complaints = $self->{sanitizer}->reports;
    push @complaints, grep { /: runtime error:|AddressSanitizer/ } split /\n/, $self->error_log;
    push @complaints, 'httpd had to be killed' if !defined $status;
    push @complaints, "httpd ended with status $status" if $status;
    if (!$self->{expect_kills}) {
        push @complaints, grep { /AH0005[12]:|exit signal|AH00046/ } split /\n/, $self->error_log;
    }
    return @complaints;
}

sub _forget
{
    my ($self) = @_;
    delete $self->{pid};
    @alive = grep { $_ != $self } @alive;
}

# All servers that run.
sub alive { @alive }

sub pid { $_[0]{pid} }
sub root { $_[0]{root} }
sub port { $_[0]{listen}[$_[1] || 0] }
sub mpm { $_[0]{mpm} }

# Nonzero when it runs under a sanitizer, which takes memory of its own.
sub sanitized { !!@{ $_[0]{sanitizer}{preload} } }

# Process numbers of its children.
sub children
{
    my ($self) = @_;
    my $children = RP::Place->read_file("/proc/$self->{pid}/task/$self->{pid}/children");
    return split ' ', $children;
}

# Resident memory of all its processes together, in bytes, what they share counted once (PSS).
sub memory
{
    my ($self) = @_;
    my $all = 0;
    for my $pid ($self->{pid}, $self->children) {
        $all += 1024 * $1 if RP::Place->read_file("/proc/$pid/smaps_rollup") =~ /^Pss:\s+(\d+) kB/m;
    }
    return $all;
}

# ---- its logs

sub error_log { RP::Place->read_file("$_[0]{root}/error.log") }
sub access_log { RP::Place->read_file("$_[0]{root}/access.log") }

# The first line of the error log that matches, waited for; undef when none came.
sub wait_log { my ($self, $pattern) = @_; return $self->_wait_line('error_log', $pattern) }
sub wait_access { my ($self, $pattern) = @_; return $self->_wait_line('access_log', $pattern) }

# Look only at what is logged from now on.
sub forget_logs
{
    my ($self) = @_;
    $self->{seen}{$_} = length $self->$_ for qw(error_log access_log);
}

sub _wait_line
{
    my ($self, $log, $pattern) = @_;
    my $line;
    $self->_until(sub {
        ($line) = grep { $_ =~ $pattern } split /\n/, substr $self->$log, $self->{seen}{$log} || 0;
        return defined $line;
    });
    return $line;
}

sub _until
{
    my ($self, $condition) = @_;
    my $deadline = time + $RP::Stream::PATIENCE;
    while (1) {
        return 1 if $condition->();
        return 0 if time > $deadline;
        sleep 0.01;
    }
}

1;
