# Licensed under the Apache License, Version 2.0; see LICENSE.
package Bench::Peer::Apache;

# Stock Apache, and the part of its configuration that ours shares, so that the two columns differ in
# nothing but the proxy and the cache.

use strict;
use warnings;

our $PACKAGE = 'apache2-bin:httpd';

my $THREADS = 128;

sub program
{
    my @folders = qw(/usr/sbin /usr/bin /usr/local/apache2/bin);
    my ($found) = grep { -x } map { ("$_/apache2", "$_/httpd") } @folders;
    return $found // 'apache2';
}

sub module_folder
{
    my ($found) = grep { -d } qw(/usr/lib/apache2/modules /usr/lib64/httpd/modules /usr/lib/httpd/modules
                                 /usr/local/apache2/modules);
    return $found // die "no folder of httpd modules\n";
}

# LoadModule lines for those that are not compiled in.
sub load
{
    my $folder = module_folder();
    return join '', map { -e "$folder/mod_$_.so" ? "LoadModule ${_}_module $folder/mod_$_.so\n" : '' } @_;
}

sub server
{
    my ($at) = @_;
    my $user = $at->{is_root} ? "User $at->{user}\nGroup " . getgrgid((getpwnam($at->{user}))[3]) : '';
    my $log  = $at->{log} ? "CustomLog $at->{dir}/access.log \"%h %l %u %t \\\"%r\\\" %>s %O\"" : '';
    return load(qw(mpm_event authz_core unixd log_config)) . <<"END";
ServerRoot $at->{dir}
DefaultRuntimeDir $at->{dir}
PidFile $at->{dir}/pid
ServerName bench.example
Listen 127.0.0.1:$at->{port}
ListenBacklog 1024
ErrorLog $at->{dir}/error.log
LogLevel warn
$log
$user
StartServers 1
ServerLimit 1
ThreadLimit $THREADS
ThreadsPerChild $THREADS
MaxRequestWorkers $THREADS
MinSpareThreads 1
MaxSpareThreads 256
MaxKeepAliveRequests 0
KeepAliveTimeout 60
END
}

sub config
{
    my ($at) = @_;
    return server($at) . load(qw(proxy proxy_http)) . ($at->{mode} eq 'cached' ? cache($at) : '')
         . "ProxyPass / http://127.0.0.1:$at->{origin}/ enablereuse=on\n" . ($at->{extra} // '');
}

# An object above the default limit needs a higher one, but only there: the limit is also the size of a
# buffer that every request allocates. shmcb cuts its memory into 256 parts, and an object must fit in one.
sub cache
{
    my ($at) = @_;
    my $large = $at->{size} > 90_000;
    my $shmcb = $large ? 512 << 20 : 64 << 20;
    my $limit = $large ? 'CacheSocacheMaxSize 1200000' : '';
    my $where = $at->{redis} ? "redis:127.0.0.1:$at->{redis}" : "shmcb:$at->{dir}/store($shmcb)";
    return load(qw(cache cache_socache socache_shmcb socache_redis)) . <<"END";
$limit
CacheSocache $where
CacheQuickHandler on
CacheEnable socache /
END
}

sub argv
{
    my ($at) = @_;
    return (program(), '-DFOREGROUND', '-f', $at->{config});
}

1;
