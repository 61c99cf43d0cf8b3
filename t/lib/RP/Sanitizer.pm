# Licensed under the Apache License, Version 2.0; see LICENSE.

# A module built with sanitizers, in an httpd that was not: their runtime is loaded before everything else, and what it
# reports goes to files that are asked for at the end.
package RP::Sanitizer;
use strict;
use warnings;

use RP::Place;

# @param root    a server's folder
# @param module  the module's file; none: there is nothing to watch
sub new
{
    my ($class, $root, $module) = @_;
    my $self = bless { folder => "$root/sanitizer", preload => [] }, $class;
    return $self if !defined $module;
    $self->{preload} = defined $ENV{RP_LD_PRELOAD} ? [split ' ', $ENV{RP_LD_PRELOAD}] : _runtimes($module);
    if (@{ $self->{preload} }) {
        mkdir $self->{folder};
        chmod 0777, $self->{folder};
    }
    return $self;
}

my %runtimes;
sub _runtimes
{
    my ($module) = @_;
    return $runtimes{$module} ||= do {
        my $code = RP::Place->read_file($module);
        my @found;
        if ($code =~ /__asan_init/) {
            @found = $code =~ /\blibasan\.so\.\d+/ ? map { _of('gcc', $_) } qw(libasan.so libubsan.so)
                : map { _of('clang', $_) } 'libclang_rt.asan-x86_64.so', 'libclang_rt.asan.so';
        } elsif ($code =~ /__ubsan_handle/) {
            @found = _of('gcc', 'libubsan.so');
        }
        \@found;
    };
}

sub _of
{
    my ($compiler, $library) = @_;
    my $path = `$compiler -print-file-name=$library 2>/dev/null`;
    chomp $path;
    return $path =~ m{/} && -e $path ? $path : ();
}

# What httpd's environment needs.
sub environment
{
    my ($self) = @_;
    return {} if !@{ $self->{preload} };
    return {
        LD_PRELOAD => join(' ', @{ $self->{preload} }),
        ASAN_OPTIONS => "detect_leaks=0:handle_segv=2:log_path=$self->{folder}/report",
        UBSAN_OPTIONS => "print_stacktrace=1:halt_on_error=1:log_path=$self->{folder}/report",
    };
}

# Every report so far.
sub reports
{
    my ($self) = @_;
    return map { RP::Place->read_file($_) } glob "$self->{folder}/report*";
}

1;
