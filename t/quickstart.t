# Licensed under the Apache License, Version 2.0; see LICENSE.

# build/quickstart: what somebody meets first.  It shows a hit, two backends taking turns and compression, and it leaves
# nothing behind.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Build;

my $top = RP::Build::srcdir();
plan(skip_all => 'quickstart builds in the source tree, which is read-only here') if !-w $top;

my $quickstart = "$top/build/quickstart";
my $temporary = RP::Place->folder;

# Start it, and wait until it says how to stop it; building may take a while.  @return a handle for the rest
sub quickstart
{
    my (@options) = @_;
    my $port = RP::Place->port;
    my $self = { port => $port, output => RP::Place->folder . '/output' };
    $self->{pid} = RP::Process->run([$quickstart, '--port', $port, @options], output => $self->{output},
        env => { TMPDIR => $temporary });
    my $deadline = time + 600;
    while (RP::Place->read_file($self->{output}) !~ /Ctrl-C/) {
        die "it did not start:\n" . RP::Place->read_file($self->{output})
            if time > $deadline || RP::Process->ended($self->{pid});
        select undef, undef, undef, 0.1;
    }
    return $self;
}

# Processes that have our temporary folder on their command line, as every httpd of it has.
sub left_running
{
    return grep { RP::Place->read_file("/proc/$_/cmdline") =~ /\Q$temporary\E/ } map { m{(\d+)} } glob '/proc/[0-9]*';
}

sub left_behind { return glob "$temporary/*" }

# What stops it, and that nothing stays.
sub stops_by
{
    my ($self, $signal) = @_;
    is(RP::Process->stop($self->{pid}, $signal, 30), 0, "$signal ends it, with status 0");
    is(join(' ', left_running()), '', 'no process stays');
    is(join(' ', left_behind()), '', 'no file stays');
    ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}), 'the port is free');
}

# The one line and the status that it gives up with.
sub gives_up
{
    my ($pattern, $name, @options) = @_;
    my ($status, undef, $error) = command([$quickstart, @options]);
    is($status >> 8, 1, "$name: it ends with 1");
    like($error, $pattern, "$name: it says why");
    is(scalar(my @lines = split /\n/, $error), 1, "$name: in one line");
}

# What went out may still be on its way into the store: ask until it is a hit.
sub hit
{
    my ($self, $path) = @_;
    my $response;
    eventually { (($response = get($self->{port}, $path))->field('Cache-Status') || '') =~ /; hit/ };
    return $response;
}

part 'the demonstration' => sub {
    my $running = quickstart();
    my $page = hit($running, '/');
    is($page->status, 200, 'the page is there');
    like($page->field('Cache-Status'), qr/; hit/, 'the second time it is a hit');
    like($page->field('Age'), qr/^\d+$/, 'which says its age');
    is(get($running->{port}, '/way.svg')->status, 200, 'the picture is there');
    is(get($running->{port}, '/style.css', 'Accept-Encoding' => 'br')->field('Content-Encoding'), 'br',
        'the style sheet is compressed');

    my %made_by;
    for (1 .. 4) {
        my $response = get($running->{port}, '/now.shtml');
        unlike($response->field('Cache-Status'), qr/; hit/, 'the page that is made anew is no hit') if $_ == 4;
        $made_by{$1}++ if $response->body =~ m{<strong>(.*?)</strong>};
    }
    is(scalar(keys %made_by), 2, 'two backends take turns');

    gives_up(qr/port $running->{port} is in use/, 'a port in use', '--port', $running->{port});
    stops_by($running, 'INT');
};

part 'in front of a server of one\'s own' => sub {
    my $backend = backend(responds(200, [], 'mine'));
    my $running = quickstart('--backend', $backend->url);
    is(get($running->{port}, '/')->body, 'mine', 'its responses come through');
    stops_by($running, 'TERM');
};

part 'what it cannot do' => sub {
    gives_up(qr/--port '70000'/, 'a port that is none', '--port', 70000);
    gives_up(qr/--backend 'localhost' is not http:/, 'a backend that is no URL', '--backend', 'localhost');
    gives_up(qr/unknown option '--bakend'/, 'an unknown option', '--bakend', 'http://127.0.0.1');
};

done_testing;
