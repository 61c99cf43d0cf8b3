# Licensed under the Apache License, Version 2.0; see LICENSE.

# http-cache-tests, the public suite for HTTP caches: its origin server and its client, which are programs of node.
package RP::CacheTests;
use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use RP::Build;
use RP::Place;
use RP::Process;
use RP::Stream;

# How long the client may take for all of it.  Its cases wait for seconds, a hundred at a time.
my $longest = 300;

# @return undef when it is not there
sub find
{
    my ($class) = @_;
    my ($folder) = grep { -e "$_/package.json" } $ENV{RP_CACHE_TESTS}
        || RP::Build::builddir() . '/conformance/node_modules/http-cache-tests';
    return if !$folder;
    my $self = bless { folder => Cwd::abs_path($folder) }, $class;
    $self->{engine} = $self->is_newer ? "$self->{folder}/test-engine" : $self->{folder};
    return $self;
}

# Newer than what is packaged: it has been sorted into folders since.
sub is_newer { -d "$_[0]{folder}/test-engine" }

# Start the origin.  @return its URL
sub origin
{
    my ($self) = @_;
    my $port = RP::Place->port;
    $self->{place} = RP::Place->folder;
    my $pid = RP::Process->run(['node', '--no-warnings', "$self->{engine}/server/server.mjs"],
        output => "$self->{place}/origin.log",
        env => { npm_config_protocol => 'http', npm_config_port => $port,
            npm_config_pidfile => "$self->{place}/origin.pid" });
    my $deadline = time + 3 * $RP::Stream::PATIENCE;
    until (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)) {
        die "the suite's origin did not start:\n" . RP::Place->read_file("$self->{place}/origin.log")
            if RP::Process->ended($pid) || time > $deadline;
        sleep 0.02;
    }
    return "http://127.0.0.1:$port";
}

# Run all cases.  @return [kind, id, "pass" or what was wrong], ...
sub run
{
    my ($self, $httpd) = @_;
    my $results = "$self->{place}/results.json";
    my $errors = $self->_client($httpd, '', $results);
    return map { [split /\t/] } split /\n/,
        _output('node', RP::Build::srcdir() . '/t/conformance/table.mjs', $self->{folder}, $results)
        || die "the suite's client said:\n$errors";
}

# Run one.  @return what the suite shows of it
sub run_one
{
    my ($self, $httpd, $id) = @_;
    my $output = "$self->{place}/one";
    $self->_client($httpd, $id, $output);
    return RP::Place->read_file("$self->{place}/origin.log") . RP::Place->read_file($output);
}

sub _client
{
    my ($self, $httpd, $id, $output) = @_;
    my $errors = "$self->{place}/client.log";
    my $pid = RP::Process->run(['sh', '-c', 'exec node --no-warnings "$0" >"$1"', "$self->{engine}/cli.mjs", $output],
        output => $errors,
        env => { npm_config_base => 'http://127.0.0.1:' . $httpd->port, npm_config_id => $id,
            npm_package_config_id => $id });
    my $deadline = time + $longest;
    sleep 0.05 until RP::Process->ended($pid) || time > $deadline;
    RP::Process->stop($pid, 'KILL');
    return RP::Place->read_file($errors);
}

sub _output
{
    my (@command) = @_;
    open my $in, '-|', @command or die "$command[0]: $!\n";
    local $/;
    my $text = <$in>;
    return $text;
}

1;
