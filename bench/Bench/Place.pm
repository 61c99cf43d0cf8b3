# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Place;

# Where a measurement lives: one temporary folder on tmpfs, or in $BASE, removed at the end, with the files the
# origin serves and a folder for every server.

use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);

our $BASE;            # set by the program that runs us, before anything is started
our %SIZE = ('1k' => 1 << 10, '64k' => 64 << 10, '1m' => 1 << 20);

my $owner = $$;
my $root;

# The folder is open to everybody, for servers which give up root.
sub root
{
    return $root if $root;
    my $base = $BASE // (-w '/dev/shm' ? '/dev/shm' : '/tmp');
    $root = tempdir("rproxy-bench-XXXXXX", DIR => $base);
    chmod 0755, $root;
    return $root;
}

sub folder
{
    my ($name) = @_;
    my $dir = root() . "/$name";
    make_path($dir);
    chown((getpwnam(user()))[2, 3], $dir) if $> == 0;
    return $dir;
}

# Whom servers started by root should become.
sub user
{
    return getpwuid($>) if $> != 0;
    return defined getpwnam('www-data') ? 'www-data' : 'nobody';
}

sub write_file
{
    my ($path, $text) = @_;
    open(my $out, '>', $path) or die "$path: $!\n";
    print $out $text;
    close($out) or die "$path: $!\n";
    return $path;
}

sub write_objects
{
    my $dir = folder('objects');
    write_file("$dir/$_", substr("0123456789abcde\n" x ($SIZE{$_} / 16), 0, $SIZE{$_})) for keys %SIZE;
    return $dir;
}

END {
    if ($$ == $owner && $root) {
        my $status = $?;
        remove_tree($root);
        $? = $status;
    }
}

1;
