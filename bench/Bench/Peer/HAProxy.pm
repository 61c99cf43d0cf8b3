# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Peer::HAProxy;

use strict;
use warnings;

our $PACKAGE = 'haproxy:haproxy';

sub program { 'haproxy' }

sub config
{
    my ($at) = @_;
    my $log    = $at->{log} ? "log stdout format raw local0\n    option httplog" : 'no log';
    my $user   = $at->{is_root} ? "user $at->{user}" : '';
    my $cached = $at->{mode} eq 'cached';
    my $use    = $cached ? "http-request cache-use store\n    http-response cache-store store" : '';
    my $cache  = $cached ? <<"END" : '';
cache store
    total-max-size 256
    max-object-size 4000000
    max-age 3600
END
    return <<"END";
global
    nbthread 1
    maxconn 4096
    $user
defaults
    mode http
    $log
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
$cache
frontend proxy
    bind 127.0.0.1:$at->{port} backlog 1024
    $use
    default_backend origin
backend origin
    http-reuse always
    server origin 127.0.0.1:$at->{origin}
END
}

sub argv
{
    my ($at) = @_;
    return ('haproxy', '-db', '-f', $at->{config});
}

1;
