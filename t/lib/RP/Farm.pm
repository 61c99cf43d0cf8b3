# Licensed under the Apache License, Version 2.0; see LICENSE.

# Proxies of a farm.
#
#     my $proxy = RP::Farm->proxy($redis->url, $backend, farm => "secret=$secret", config => ...);
#     RP::Farm->wait_keys($redis, 3);        # until Redis has so many keys
#
# Or several of them, and what they have in front and behind: a backend whose pages have versions.
#
#     my $farm = RP::Farm->new(redis => $redis, options => 'lost=5s', hosts => 2);
#     my ($a, $b) = $farm->hosts;
#     $farm->version(2);                         # what the backend says from now on
#     get($a, '/page')->body;                    # "/page 2"
#     $farm->purge($a, '/page');                 # { status => 200, purged => 1, farm => 'logged', ... }
package RP::Farm;
use strict;
use warnings;

use JSON::PP ();
use Time::HiRes qw(sleep);

use RP::Client;
use RP::Place;
use RP::Redis;
use RP::Test ();

# A file with a farm's secret; another one with each text.
sub secret
{
    my ($class, $text) = @_;
    my $bytes = $text || 'farm';
    return RP::Place->write_file(RP::Place->folder . '/farm.secret', $bytes x 16);
}

# A proxy with a store of its own.  farm => options behind RProxyFarm's URL; local => what RProxyCacheLocal has;
# config => more lines; what else is for RP::Test's httpd.
sub proxy
{
    my ($class, $url, $backend, %how) = @_;
    my $farm = join ' ', 'connect=2s timeout=2s trial=200ms', grep { defined } delete $how{farm};
    my $local = delete $how{local} || '@ROOT@/cache size=32M';
    my $config = "RProxyFarm $url $farm\nRProxyCacheLocal $local\n" . RP::Test::pool(app => $backend)
        . "RProxyPass / app\nRProxyCache on\n" . (delete $how{config} || '');
    my $httpd = RP::Test::httpd(config => $config, %how);
    # What it stores before it has read the log is in doubt to others. Not every test has a Redis at that time.
    for (1 .. 300) {
        last if $httpd->error_log =~ /RP0737/;
        sleep 0.01;
    }
    return $httpd;
}

sub wait_keys
{
    my ($class, $redis, $n) = @_;
    return RP::Test::eventually { $class->keys($redis) >= $n };
}

# The keys of what is stored.
sub keys
{
    my ($class, $redis) = @_;
    my @keys = grep { /:\{[0-9a-f]{32}\}:[^l]/ } @{ $redis->command('KEYS', '*') };
    return @keys;
}

# Take away all that is stored, but not the log of purges: who misses that doubts what he has.
sub empty
{
    my ($class, $redis) = @_;
    my @keys = $class->keys($redis);
    $redis->command('DEL', @keys) if @keys;
}

# ---- several of them

# url: instead of redis, what RProxyFarm names; respond: instead of pages, what the backend does ($c, $request,
# version); directives: further ones; httpd: a list for RP::Httpd
sub new
{
    my ($class, %how) = @_;
    my $self = bless { folder => RP::Place->folder, hosts => [], how => \%how }, $class;
    my $respond = $how{respond} || \&page;
    $self->version(1);
    my $file = $self->_version_file;
    $self->{backend} = RP::Test::backend(sub { $respond->(@_, RP::Place->read_file($file)) });
    $self->add for 1 .. $how{hosts} || 2;
    return $self;
}

# A page names its URL and its version, carries a tag and a group by what its path's second part is, and is fresh for
# long: nothing but a purge is a reason to ask again.
sub page
{
    my ($c, $request, $version) = @_;
    my ($path) = $request->target =~ /\A([^?]*)/;
    my ($name) = $path =~ m{\A/[^/]+/([^/]+)};
    return $c->respond($request, 200, [], 'done') if $request->method !~ /\A(?:GET|HEAD)\z/;
    $c->respond($request, 200, ['Cache-Control' => 'max-age=6000',
        defined $name ? ('Surrogate-Key' => $name, 'Cache-Groups' => qq("$name")) : ()], "$path $version");
}

sub _version_file { "$_[0]{folder}/version" }

# Set, or say, the version of pages.
sub version
{
    my ($self, $version) = @_;
    return RP::Place->read_file($self->_version_file) if !defined $version;
    # In one step: the backend reads at any time.
    RP::Place->write_file($self->_version_file . '.new', $version);
    rename $self->_version_file . '.new', $self->_version_file;
}

sub hosts { @{ $_[0]{hosts} } }
sub backend_of { $_[0]{backend} }

# One more proxy.
sub add
{
    my ($self) = @_;
    my $how = $self->{how};
    my $httpd = RP::Farm->proxy($how->{url} || $how->{redis}->url, $self->{backend}, modules => ['authz_host'],
        farm => "name=test trial=100ms @{[$how->{options} || '']}", @{ $how->{httpd} || [] },
        config => ($how->{directives} || '') . <<'CONF');
<If "%{REQUEST_METHOD} == 'PURGE'">
    RProxyPurge on
    Require ip 127.0.0.1
</If>
CONF
    push @{ $self->{hosts} }, $httpd;
    return $httpd;
}

# Purge at a host; what its answer says.
sub purge
{
    my ($self, $httpd, $target, @fields) = @_;
    my $response = RP::Client->once($httpd, 'PURGE', $target, \@fields);
    my $said = eval { JSON::PP->new->decode($response->body) } || { body => $response->body };
    return { %$said, status => $response->status };
}

1;
