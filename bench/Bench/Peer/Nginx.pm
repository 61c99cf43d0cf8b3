# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Peer::Nginx;

use strict;
use warnings;

our $PACKAGE = 'nginx:nginx';

sub program { 'nginx' }

sub config
{
    my ($at) = @_;
    my $user  = $at->{is_root} ? "user $at->{user};" : '';
    my $log   = $at->{log} ? "access_log $at->{dir}/access.log combined" : 'access_log off';
    my $extra = $at->{extra} // '';
    my $cache = $at->{mode} eq 'cached' ? 'proxy_cache store;' : '';
    return <<"END";
$user
daemon off;
worker_processes 1;
pid $at->{dir}/pid;
error_log $at->{dir}/error.log;
events { worker_connections 4096; }
http {
    $log;
    client_body_temp_path $at->{dir}/body;
    proxy_temp_path       $at->{dir}/proxy;
    fastcgi_temp_path     $at->{dir}/fastcgi;
    uwsgi_temp_path       $at->{dir}/uwsgi;
    scgi_temp_path        $at->{dir}/scgi;
    proxy_cache_path      $at->{dir}/store keys_zone=store:10m use_temp_path=off;
    sendfile on;
    keepalive_requests 1000000000;
    upstream origin {
        server 127.0.0.1:$at->{origin};
        keepalive 64;
        keepalive_requests 1000000000;
    }
    server {
        listen 127.0.0.1:$at->{port} backlog=1024;
        location / {
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$host;
            proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
            proxy_max_temp_file_size 0;
            $cache
            $extra
        }
    }
}
END
}

sub argv
{
    my ($at) = @_;
    return ('nginx', '-p', $at->{dir}, '-e', "$at->{dir}/error.log", '-c', $at->{config});
}

1;
