# Licensed under the Apache License, Version 2.0; see LICENSE.

# Real Redis servers, on free ports of 127.0.0.1.
#
#     my $redis = RP::Redis->start(config => ["requirepass secret"]);
#     $redis->command('SET', 'a', 1);           # the reply as Perl data; an error dies
#     $redis->pause; $redis->resume;            # SIGSTOP, SIGCONT
#     $redis->kill; $redis->stop; $redis->start_again;
#
# tls => { cert, key } adds a port with TLS (->tls_port); unix => 1 a socket (->socket); sentinel => 1 is a Sentinel.
#     my ($sentinels, $master, $replica) = RP::Redis->sentinel_set(name => 'main', sentinels => 3);
#     my @nodes = RP::Redis->cluster(3);        # masters with all slots
package RP::Redis;
use strict;
use warnings;

use Carp;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use RP::Place;
use RP::Process;
use RP::Stream;

my $program;

# @return nonzero when there is a Redis of the version that is needed (7.0)
sub available
{
    my $version = `redis-server --version 2>/dev/null` || '';
    return $version =~ /v=(\d+)\./ && $1 >= 7;
}

sub start
{
    my ($class, %how) = @_;
    my $self = bless { %how, folder => RP::Place->folder, port => $how{port} || RP::Place->port }, $class;
    my @lines = ("port $self->{port}", 'bind 127.0.0.1', "dir $self->{folder}", "logfile $self->{folder}/log",
        'daemonize no', 'protected-mode no', @{ $how{config} || [] });
    push @lines, 'save ""', 'appendonly no', 'repl-diskless-sync-delay 0', 'repl-ping-replica-period 1'
        if !$how{sentinel};
    if ($how{tls}) {
        $self->{tls_port} = RP::Place->port;
        push @lines, "tls-port $self->{tls_port}", "tls-cert-file $how{tls}{cert}", "tls-key-file $how{tls}{key}",
            $how{tls}{ca} ? "tls-ca-cert-file $how{tls}{ca}" : 'tls-auth-clients no';
    }
    if ($how{unix}) {
        $self->{socket} = "$self->{folder}/redis.sock";
        push @lines, "unixsocket $self->{socket}", 'unixsocketperm 777';
    }
    if ($how{cluster}) {
        push @lines, 'cluster-enabled yes', 'cluster-node-timeout 1000', "cluster-config-file $self->{folder}/nodes",
            'cluster-port ' . RP::Place->port;
    }
    $self->{file} = RP::Place->write_file("$self->{folder}/redis.conf", join '', map { "$_\n" } @lines);
    $self->start_again;
    return $self;
}

sub port { $_[0]{port} }
sub tls_port { $_[0]{tls_port} }
sub socket { $_[0]{socket} }
sub address { "127.0.0.1:$_[0]{port}" }
sub url { "redis://127.0.0.1:$_[0]{port}" }
sub log { RP::Place->read_file("$_[0]{folder}/log") }
sub pid { $_[0]{pid} }

# ---- its life

# Until it answers, whatever its answer is.
sub start_again
{
    my ($self) = @_;
    my @command = ('redis-server', $self->{file}, $self->{sentinel} ? '--sentinel' : ());
    $self->{pid} = RP::Process->run(\@command, output => "$self->{folder}/output");
    my $deadline = time + $RP::Stream::PATIENCE;
    until (eval { $self->_once('PING'); 1 } || $@ =~ /^Redis: /) {
        croak 'redis-server does not start: ' . $self->log . RP::Place->read_file("$self->{folder}/output")
            if time > $deadline || RP::Process->ended($self->{pid});
        sleep 0.01;
    }
    return $self;
}

sub stop { my ($self) = @_; RP::Process->stop(delete $self->{pid}, 'TERM') if $self->{pid} }
sub kill { my ($self) = @_; RP::Process->stop(delete $self->{pid}, 'KILL') if $self->{pid} }
sub pause { CORE::kill STOP => $_[0]{pid} }
sub resume { CORE::kill CONT => $_[0]{pid} }

sub DESTROY
{
    my ($self) = @_;
    local ($?, $@, $!);
    $self->kill if $self->{pid} && !RP::Process->ended($self->{pid});
}

# ---- talking to it

# One command on a connection of its own, logged in if need be.
sub command
{
    my ($self, @words) = @_;
    return $self->_once(@words);
}

sub _once
{
    my ($self, @words) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 5)
        or die "cannot connect: $!\n";
    if (defined $self->{password}) {
        _send($socket, 'AUTH', $self->{password});
        _reply($socket);
    }
    _send($socket, @words);
    return _reply($socket);
}

sub _send
{
    my ($socket, @words) = @_;
    print $socket '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
    $socket->flush;
}

sub _reply
{
    my ($socket) = @_;
    my $line = <$socket>;
    defined $line or die "the connection ended\n";
    $line =~ s/\r\n\z//;
    my $kind = substr $line, 0, 1, '';
    die "Redis: $line\n" if $kind eq '-';
    return $line if $kind eq '+' || $kind eq ':';
    return undef if $line < 0;
    return [map { _reply($socket) } 1 .. $line] if $kind eq '*';
    read $socket, my $text, $line + 2;
    return substr $text, 0, -2;
}

# ---- sets of them

sub _wait
{
    my ($what, $condition) = @_;
    my $deadline = time + $RP::Stream::PATIENCE;
    until (eval { $condition->() }) {
        croak "waited in vain for $what" if time > $deadline;
        sleep 0.02;
    }
}

# A master, its replica, and Sentinels that watch them.  @return ([sentinels], master, replica)
sub sentinel_set
{
    my ($class, %how) = @_;
    my $master = $class->start(config => $how{config});
    my $replica = $class->start(config => [@{ $how{config} || [] }, 'replicaof 127.0.0.1 ' . $master->port]);
    my $name = $how{name} || 'main';
    my $n = $how{sentinels} || 3;
    my $quorum = int($n / 2) + 1;
    _wait('the replica', sub { $replica->command('ROLE')->[3] eq 'connected' });
    my @sentinels = map { $class->start(sentinel => 1, config => [@{ $how{sentinel_config} || [] },
        "sentinel monitor $name 127.0.0.1 " . $master->port . " $quorum", "sentinel down-after-milliseconds $name 500",
        "sentinel failover-timeout $name 3000"]) } 1 .. $n;
    for my $sentinel (@sentinels) {
        _wait('the Sentinels', sub {
            my %state = @{ $sentinel->command('SENTINEL', 'MASTER', $name) };
            return $state{'num-other-sentinels'} == $n - 1 && $state{'num-slaves'} == 1;
        });
    }
    return (\@sentinels, $master, $replica);
}

# So many masters that share all slots in equal parts.
sub cluster
{
    my ($class, $n, %how) = @_;
    my @nodes = map { $class->start(%how, cluster => 1) } 1 .. $n;
    for my $i (0 .. $n - 1) {
        my ($first, $last) = (int(16384 * $i / $n), int(16384 * ($i + 1) / $n) - 1);
        $nodes[$i]->command('CLUSTER', 'ADDSLOTSRANGE', $first, $last);
        $nodes[$i]->command('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
    }
    $nodes[0]->meet($_) for @nodes[1 .. $n - 1];
    $class->wait_cluster(@nodes);
    return @nodes;
}

# Make another node known to this one's cluster.
sub meet
{
    my ($self, $other) = @_;
    my ($bus) = $other->command('CLUSTER', 'NODES') =~ /:\d+\@(\d+)/;
    $self->command('CLUSTER', 'MEET', '127.0.0.1', $other->port, $bus);
}

sub id { $_[0]->command('CLUSTER', 'MYID') }

# Until all of them know each other and all slots.
sub wait_cluster
{
    my ($class, @nodes) = @_;
    for my $node (@nodes) {
        _wait('the cluster', sub {
            my $info = $node->command('CLUSTER', 'INFO');
            return $info =~ /^cluster_state:ok/m && $info =~ /^cluster_known_nodes:@{[scalar @nodes]}\r/m;
        });
    }
}

1;
