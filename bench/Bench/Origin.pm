# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Origin;

# The origin behind every proxy: an nginx of its own which serves the objects with an hour of freshness, and
# counts requests, so that "cached" and "proxied" are seen and not believed.

use strict;
use warnings;
use Bench::Place;
use Bench::Proc;
use HTTP::Tiny;

sub start
{
    my $dir     = Bench::Place::folder('origin');
    my $objects = Bench::Place::write_objects();
    my $self    = bless { port => Bench::Proc::free_port(), count_port => Bench::Proc::free_port() }, shift;
    my $user    = $> == 0 ? "user " . Bench::Place::user() . ";" : '';
    my $config  = Bench::Place::write_file("$dir/nginx.conf", <<"END");
$user
daemon off;
worker_processes 1;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path       $dir/proxy;
    fastcgi_temp_path     $dir/fastcgi;
    uwsgi_temp_path       $dir/uwsgi;
    scgi_temp_path        $dir/scgi;
    sendfile on;
    keepalive_requests 1000000000;
    open_file_cache max=100;
    default_type text/plain;
    server {
        listen 127.0.0.1:$self->{port} backlog=1024;
        root $objects;
        location / { add_header Cache-Control "max-age=3600"; }
        location /uncached/ { alias $objects/; add_header Cache-Control "no-store"; }
    }
    server {
        listen 127.0.0.1:$self->{count_port};
        location / { stub_status; }
    }
}
END
    $self->{pid} = Bench::Proc::start(
        name => 'origin', core => Bench::Proc::LOAD_CORE, output => "$dir/output",
        argv => ['nginx', '-p', $dir, '-e', "$dir/error.log", '-c', $config],
    );
    Bench::Proc::await_port($self->{pid}, $self->{port}, "$dir/output");
    return $self;
}

# Requests served so far. The asking is itself counted, which is taken off again here.
sub requests
{
    my ($self) = @_;
    my $answer = HTTP::Tiny->new->get("http://127.0.0.1:$self->{count_port}/");
    my ($count) = $answer->{content} =~ /^\s*\d+\s+\d+\s+(\d+)/m or die "the origin does not count\n";
    return $count - ++$self->{asked};
}

1;
