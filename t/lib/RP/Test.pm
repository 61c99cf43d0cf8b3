# Licensed under the Apache License, Version 2.0; see LICENSE.

# What a behaviour test uses:
#
#     use RP::Test;
#     each_mpm {
#         my $backend = backend(responds(200, [], 'hello'));
#         my $httpd = httpd(config => pool(app => $backend) . "RProxyPass / app\n");
#         is(get($httpd, '/')->body, 'hello', 'a response comes through');
#     };
#     done_testing;
package RP::Test;
use strict;
use warnings;

use Exporter ();
use Test::More;
use Time::HiRes qw(sleep time);

use RP::Backend qw(responds echoes as_asked asking);
use RP::Client;
use RP::Httpd;
use RP::Place;
use RP::Stream;
use RP::TLS;

our @EXPORT = (@Test::More::EXPORT,
    qw(each_mpm one_mpm part httpd backend client get head post request pool eventually responds echoes as_asked asking command));

sub import
{
    strict->import;
    warnings->import;
    goto &Exporter::import;
}

our $mpm = 'event';
my @backends;

sub _under { my ($each) = @_; return $each eq 'lanes' ? 'under mpm_event with lanes' : "under mpm_$each" }

# Run the body as a subtest for each MPM (or the one of RP_MPM).  What it started is stopped behind it, and what
# the servers complained of fails it.
sub each_mpm(&)
{
    my ($body) = @_;
    for my $each ($ENV{RP_MPM} || qw(event worker prefork)) {
        local $mpm = $each;
        _watched(_under($each), sub { $body->($each eq 'lanes' ? 'event' : $each) });
    }
}

# The same under one MPM: for what no MPM makes a difference to.
sub one_mpm(&)
{
    my ($body) = @_;
    local $mpm = $ENV{RP_MPM} || 'event';
    _watched(_under($mpm), sub { $body->($mpm eq 'lanes' ? 'event' : $mpm) });
}

# A part of a test, under a name; when it dies, it fails, and the next part goes on.
sub part
{
    my ($name, $body) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    subtest($name => sub {
        eval { $body->(); 1 } or fail("died: $@");
        done_testing();
    });
}

sub _watched
{
    my ($name, $body) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 2;
    subtest($name => sub {
        eval { $body->(); 1 } or fail("died: $@");
        my @alive = RP::Httpd->alive;
        for my $httpd (@alive) {
            my @complaints = $httpd->stop;
            is("@complaints", '', 'httpd lived and ended without a complaint') if @complaints;
        }
        $_->stop for splice @backends;
        if (!Test::More->builder->is_passing) {
            diag(map { "---- error.log\n" . _tail($_->error_log) } @alive);
        }
        done_testing();
    });
}

sub _tail
{
    my ($text) = @_;
    my @lines = split /\n/, $text;
    splice @lines, 0, @lines - 30 if @lines > 30;
    return join '', map { "$_\n" } @lines;
}

# A running httpd under the MPM of the day.
sub httpd { RP::Httpd->start(mpm => $mpm, @_) }

sub backend
{
    my $backend = RP::Backend->start(@_);
    push @backends, $backend;
    return $backend;
}

# A pool's configuration; members are backends, URLs, or "URL options"; directives may stand among them.
sub pool
{
    my ($name, @members) = @_;
    return join '', "<RProxyPool $name>\n",
        (map { '    ' . (ref $_ ? 'RProxyMember ' . $_->url : /^RProxy/ ? $_ : "RProxyMember $_") . "\n" } @members),
        "</RProxyPool>\n";
}

sub client { RP::Client->connect(@_) }

# One request on a connection of its own.
sub get { my ($to, $target, @fields) = @_; return RP::Client->once($to, 'GET', $target, \@fields) }
sub head { my ($to, $target, @fields) = @_; return RP::Client->once($to, 'HEAD', $target, \@fields) }
sub post { my ($to, $target, $body, @fields) = @_; return RP::Client->once($to, 'POST', $target, \@fields,
    $body) }
sub request { RP::Client->once(@_) }

# Wait until it is so; @return what the condition said at last.
sub eventually(&)
{
    my ($condition) = @_;
    my $deadline = time + $RP::Stream::PATIENCE;
    while (1) {
        my $said = $condition->();
        return $said if $said || time > $deadline;
        sleep 0.01;
    }
}

# Run a program without a shell, input to its standard input.  @return (exit status, its output)
sub command
{
    my ($argv, $input) = @_;
    my $folder = RP::Place->folder;
    RP::Place->write_file("$folder/in", defined $input ? $input : '');
    my $pid = fork;
    if (!$pid) {
        open STDIN, '<', "$folder/in";
        open STDOUT, '>', "$folder/out";
        open STDERR, '>', "$folder/err";
        exec { $argv->[0] } @$argv or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $status = $?;
    return ($status, RP::Place->read_file("$folder/out"), RP::Place->read_file("$folder/err"));
}

1;
