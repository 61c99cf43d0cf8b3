# Licensed under the Apache License, Version 2.0; see LICENSE.

# Where a test lives: temporary folders and ports that nobody else takes.
package RP::Place;
use strict;
use warnings;

use Fcntl qw(:flock);
use File::Temp ();
use IO::Socket::INET;

# A new folder that servers which gave up root can read; gone at the end unless RP_KEEP is set.
sub folder
{
    my $folder = File::Temp::tempdir('rproxy-XXXXXXXX', TMPDIR => 1, CLEANUP => !$ENV{RP_KEEP});
    chmod 0755, $folder;
    print STDERR "# kept: $folder\n" if $ENV{RP_KEEP};
    return $folder;
}

sub write_file
{
    my ($class, $path, $content) = @_;
    open my $file, '>:raw', $path or die "$path: $!\n";
    print $file $content;
    close $file or die "$path: $!\n";
    return $path;
}

sub read_file
{
    my ($class, $path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    my $content = <$file>;
    return defined $content ? $content : '';
}

# A port below the range that the kernel gives to outgoing connections, ours as long as this process lives: the lock
# keeps other tests away between our looking and the server's binding.
my @locks;
sub port
{
    my $folder = File::Spec->tmpdir . "/rproxy-ports-$>";
    mkdir $folder;
    for (1 .. 500) {
        my $port = 20000 + int rand 12000;
        open my $lock, '>>', "$folder/$port" or die "$folder/$port: $!\n";
        next if !flock $lock, LOCK_EX | LOCK_NB;
        my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1,
            Listen => 1);
        next if !$probe;
        push @locks, $lock;
        return $port;
    }
    die "no free port on 127.0.0.1\n";
}

# A port where every connection is refused: bound, but nobody listens.
my @bound;
sub refusing_port
{
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp') or die "bind: $!\n";
    push @bound, $socket;
    return $socket->sockport;
}

1;
