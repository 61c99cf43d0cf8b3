# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Peer::Varnish;

use strict;
use warnings;

our $PACKAGE = 'varnish:varnish';

sub program { 'varnishd' }

sub config
{
    my ($at) = @_;
    my $pass = $at->{mode} eq 'cached' ? '' : 'sub vcl_recv { return (pass); }';
    return <<"END";
vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "$at->{origin}"; }
$pass
END
}

# `-j none`: its jail would give the work folder to a user who can't enter ours.
sub argv
{
    my ($at) = @_;
    return ('varnishd', '-F', '-j', 'none', '-n', "$at->{dir}/work", '-a', "127.0.0.1:$at->{port}",
            '-f', $at->{config}, '-s', 'malloc,256m', '-s', 'Transient=malloc,256m');
}

# Varnish always writes its log to shared memory; a log file is this second program's.
sub log_argv
{
    my ($at) = @_;
    return ('varnishncsa', '-n', "$at->{dir}/work", '-w', "$at->{dir}/access.log");
}

1;
