# Licensed under the Apache License, Version 2.0; see LICENSE.

# A headless Chromium, driven by its DevTools protocol over a WebSocket.
#
#     my $browser = RP::Browser->start;
#     $browser->open('http://127.0.0.1:8080/');
#     ok(eventually { $browser->say('document.title') eq 'ready' });
#     $browser->click('button.go');
#
# complaints() tells what the console had to say, and which requests failed.
package RP::Browser;
use strict;
use warnings;

use Carp;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Protocol::WebSocket::Client;
use Protocol::WebSocket::Frame;
use Time::HiRes qw(sleep time);

use RP::Client;
use RP::Place;
use RP::Process;
use RP::Stream;

my $json = JSON::PP->new;

sub program
{
    my ($found) = grep { -x } map { my $folder = $_; map { "$folder/$_" } qw(chromium chromium-browser) } split /:/, $ENV{PATH};
    return $found;
}

sub start
{
    my ($class, @more) = @_;
    my $place = RP::Place->folder;
    # Without these it looks for updates and the like in a network that tests do not need.
    my @quiet = qw(--no-first-run --disable-gpu --disable-quic --disable-background-networking --disable-component-update
        --disable-sync --disable-dev-shm-usage --remote-allow-origins=*);
    my $pid = RP::Process->run([program() || croak('there is no chromium'), '--headless', '--no-sandbox', @quiet,
        "--user-data-dir=$place/data", '--remote-debugging-port=0', @more, 'about:blank'], output => "$place/output");
    my $self = bless { pid => $pid, next => 0, complaints => [], waiting => {} }, $class;
    my ($port) = $self->_until(sub { RP::Place->read_file("$place/data/DevToolsActivePort") =~ /\A(\d+)\n/ })
        or die "chromium did not start:\n" . RP::Place->read_file("$place/output");
    $self->_connect($port);
    $self->call("$_.enable") for qw(Page Runtime Log Network);
    return $self;
}

sub _until
{
    my ($self, $condition) = @_;
    my $deadline = time + 2 * $RP::Stream::PATIENCE;
    while (time < $deadline) {
        my @got = $condition->();
        return @got if @got;
        sleep 0.02;
    }
    return;
}

# To the page that it began with.
sub _connect
{
    my ($self, $port) = @_;
    my ($url) = $self->_until(sub {
        my $list = RP::Client->connect($port, host => '127.0.0.1')->get('/json/list')->body;
        return map { $_->{webSocketDebuggerUrl} } grep { $_->{type} eq 'page' } @{ $json->decode($list) };
    }) or die "chromium has no page\n";
    $self->{socket} = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "DevTools: $!\n";
    my $client = $self->{client} = Protocol::WebSocket::Client->new(url => $url, max_payload_size => 64 << 20);
    $client->on(error => sub { die "DevTools: $_[1]\n" });
    $client->on(write => sub { $self->{socket}->syswrite($_[1]) });
    $client->on(read => sub { $self->_heard($json->decode($_[1])) });
    my $connected;
    $client->on(connect => sub { $connected = 1 });
    $client->connect;
    $self->_read(time + $RP::Stream::PATIENCE) until $connected;
}

sub _read
{
    my ($self, $deadline) = @_;
    IO::Select->new($self->{socket})->can_read($deadline - time > 0 ? $deadline - time : 0) or die "the browser says nothing\n";
    $self->{socket}->sysread(my $bytes, 65536) or die "the browser is gone\n";
    $self->{client}->read($bytes);
}

sub _heard
{
    my ($self, $message) = @_;
    my ($method, $params) = ($message->{method} || '', $message->{params});
    $self->{waiting}{ $message->{id} } = $message if defined $message->{id};
    push @{ $self->{complaints} }, "console: $params->{args}[0]{value}"
        if $method eq 'Runtime.consoleAPICalled' && $params->{type} =~ /error|warning|assert/;
    push @{ $self->{complaints} }, "exception: $params->{exceptionDetails}{text}" if $method eq 'Runtime.exceptionThrown';
    push @{ $self->{complaints} }, "log: $params->{entry}{text}"
        if $method eq 'Log.entryAdded' && $params->{entry}{level} =~ /error|warning/;
    push @{ $self->{requests} }, $params->{request}{url} if $method eq 'Network.requestWillBeSent';
}

# Call a method of the protocol.  @return its result
sub call
{
    my ($self, $method, %params) = @_;
    my $id = ++$self->{next};
    my $deadline = time + 2 * $RP::Stream::PATIENCE;
    my $frame = Protocol::WebSocket::Frame->new(buffer => $json->encode({ id => $id, method => $method, params => \%params }),
        masked => 1, max_payload_size => 64 << 20);
    $self->{socket}->syswrite($frame->to_bytes);
    $self->_read($deadline) until $self->{waiting}{$id};
    my $message = delete $self->{waiting}{$id};
    croak "$method: $message->{error}{message}" if $message->{error};
    return $message->{result};
}

sub open
{
    my ($self, $url) = @_;
    my $result = $self->call('Page.navigate', url => $url);
    croak "$url: $result->{errorText}" if $result->{errorText};
    $self->_until(sub { $self->say("document.readyState === 'complete' && location.href === '$url'") ? 1 : () })
        or croak "$url is not loaded";
}

# What an expression of JavaScript comes to.
sub say
{
    my ($self, $expression) = @_;
    my $result = $self->call('Runtime.evaluate', expression => $expression, returnByValue => JSON::PP::true,
        awaitPromise => JSON::PP::true);
    croak "$expression: $result->{exceptionDetails}{exception}{description}" if $result->{exceptionDetails};
    return $result->{result}{value};
}

# Click with the mouse on the first element that a selector finds, or the JavaScript expression that follows "js:".
sub click
{
    my ($self, $what) = @_;
    my $element = $what =~ s/\Ajs:// ? $what : "document.querySelector('$what')";
    my $at = $self->say("(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();
        return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })($element)");
    $self->call('Input.dispatchMouseEvent', type => $_, button => 'left', clickCount => 1, %$at) for qw(mousePressed mouseReleased);
}

sub type
{
    my ($self, $text) = @_;
    $self->call('Input.insertText', text => $text);
}

# Of the whole page, in a window of that size.
sub screenshot
{
    my ($self, $file) = @_;
    my $result = $self->call('Page.captureScreenshot', captureBeyondViewport => JSON::PP::true);
    RP::Place->write_file($file, decode_base64($result->{data}));
}

sub resize
{
    my ($self, $width, $height, $mobile) = @_;
    $self->call('Emulation.setDeviceMetricsOverride', width => $width, height => $height, deviceScaleFactor => $mobile ? 2 : 1,
        mobile => $mobile ? JSON::PP::true : JSON::PP::false);
}

# light or dark
sub prefer { $_[0]->call('Emulation.setEmulatedMedia', features => [{ name => 'prefers-color-scheme', value => $_[1] }]) }

# All that it has complained of, and all that it has asked for.
sub complaints { my ($self) = @_; $self->say('1'); return @{ $self->{complaints} } }
sub requests { my ($self) = @_; $self->say('1'); return @{ $self->{requests} || [] } }

sub stop
{
    my ($self) = @_;
    eval { $self->call('Browser.close') };
    RP::Process->stop($self->{pid}, 'TERM');
}

1;
