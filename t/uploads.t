# Licensed under the Apache License, Version 2.0; see LICENSE.

# Request bodies under trying circumstances: slow clients, backends that speak before they have read all,
# filters that change the length.  All of a body arrives, and nothing of it is ever taken for another request.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);
use IO::Compress::Gzip qw(gzip);

my $body = join '', map { pack 'N', ($_ * 2654435761) % 2**32 } 1 .. 50_000;
my @pieces = unpack '(a40000)*', $body;

# Send a body by Content-Length in pieces, each but the first when the backend has got the one before.
# @return the client, its request sent
sub send_slowly
{
    my ($httpd, $backend, $target) = @_;
    my $client = client($httpd);
    $backend->forget;
    $client->send_request('POST', $target, ['Content-Length' => length $body]);
    for my $n (1 .. @pieces) {
        $client->send($pieces[$n - 1]);
        ok($backend->wait_note(qr/\Apiece $n\z/), "piece $n arrives") or last;
    }
    return $client;
}

# In the backend: read it so. @return what came
sub read_slowly
{
    my ($c, $request, $each) = @_;
    my $came = '';
    for my $n (1 .. @pieces) {
        $came .= $c->read_bytes(length $pieces[$n - 1]);
        $c->note("piece $n") if length $came == 40_000 * $n || length $came == length $body;
        $each->($n) if $each;
    }
    $request->{whole} = 1;
    return $came;
}

sub respond
{
    my ($c, $request) = @_;
    my ($what) = $request->target =~ m{\A/([a-z]+)};
    if ($what eq 'hints') {
        $c->send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    } elsif ($what eq 'hasty') {
        $c->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        $c->send_chunk(md5_hex(read_slowly($c, $request, sub { $c->send_chunk("$_[0] ") })));
        return $c->send_last_chunk;
    } elsif ($what eq 'refuses') {
        $c->send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large");
        return $c->close;
    } elsif ($what eq 'fails') {
        $c->read_bytes(1000);
        $c->send("HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nbroken");
        $c->note('left') if $c->wait_gone;
        return $c->close;
    }
    return $c->respond($request, 200, [], md5_hex(read_slowly($c, $request)));
}

each_mpm {
    my $authority = RP::TLS->authority;
    my $plain = backend(on_head => \&respond);
    my $tls = backend(on_head => \&respond, tls => $authority->issue);
    my $ca = 'ca=' . $authority->cert;
    my $httpd = httpd(config => pool(plain => $plain) . pool(tls => $tls->url . " $ca") . <<'CONF');
RProxyPass /plain plain/
RProxyPass /tls tls/
CONF
    my %pools = (plain => $plain, tls => $tls);

    for my $pool (sort keys %pools) {
        my $backend = $pools{$pool};

        part "a client that pauses ($pool)" => sub {
            my $client = send_slowly($httpd, $backend, "/$pool/quiet");
            my $response = $client->read_response;
            is($response->status, 200, 'is answered');
            is($response->body, md5_hex($body), 'to the whole body');
        };
        part "a backend that sends 103 before it reads the body ($pool)" => sub {
            my $client = send_slowly($httpd, $backend, "/$pool/hints");
            my $response = $client->read_response;
            is_deeply([map { $_->field('Link') } $response->informational], ['</a.css>'],
                'has it passed on');
            is($response->body, md5_hex($body), 'and gets the whole body');
        };
        part "a backend that answers 200 while it reads ($pool)" => sub {
            my $client = send_slowly($httpd, $backend, "/$pool/hasty");
            my $response = $client->read_response;
            is($response->status, 200, 'the client gets it');
            is($response->body, '1 2 3 4 5 ' . md5_hex($body), 'and the backend the whole body');
        };
        part "a backend that answers 413 and closes ($pool)" => sub {
            for my $length (10_000, 1_000_000, 100_000_000) {
                my $client = client($httpd);
                $client->send_request('POST', "/$pool/refuses", ['Content-Length' => $length]);
                $client->send('x' x ($length < 1_000_000 ? $length : 1_000_000));
                my $response = $client->read_response;
                is($response->status, 413, "of $length bytes: the client learns of it");
                is($response->body, 'too large', 'with the page');
            }
        };
        part "a backend that fails in mid-body and waits for the rest ($pool)" => sub {
            $backend->forget;
            my $client = client($httpd);
            $client->send_request('POST', "/$pool/fails", ['Content-Length' => 100_000_000]);
            $client->send('x' x 100_000);
            is($client->read_response->status, 500, 'its answer comes');
            ok($backend->wait_note(qr/left/), 'its connection is used no more');
        };
    }
};

# mod_deflate unpacks request bodies: their length is another one than the client announced.
each_mpm {
    my $backend = backend(echoes());
    my $httpd = httpd(modules => ['deflate'], config => pool(app => $backend) . <<'CONF');
RProxyPass / app
<Location /unpacked>
    SetInputFilter DEFLATE
</Location>
CONF
    my $evil = "GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n";
    my %bodies = (
        'longer' => join('', map { md5_hex($_) } 1 .. 3000),
        'longer by what looks like a request' => 'x' x 200 . $evil x 20,
        'shorter' => join('', map { chr 33 + ($_ * 7919 + 13 * int $_ / 3) % 90 } 1 .. 20),
        'empty' => '',
    );
    for my $name (sort keys %bodies) {
        part "a body that a filter makes $name" => sub {
            my $plain = $bodies{$name};
            gzip \$plain => \my $packed;
            $backend->forget;
            my $client = client($httpd);
            my $response = $client->post('/unpacked', $packed, 'Content-Encoding' => 'gzip');
            is($response->status, 200, 'is taken');
            my $request = $backend->last_request;
            is($request->field('Transfer-Encoding'), 'chunked', 'it is chunked');
            is($request->field('Content-Length'), undef, 'and has no other length');
            is($request->body_digest, md5_hex($plain), 'its bytes are the unpacked ones');
            is($client->get('/next')->json->{target}, '/next', 'the next request has its own answer');
            is_deeply([map { $_->target } $backend->requests], [qw(/unpacked /next)],
                'the backend saw these requests only');
        };
    }
    part 'a body that no filter touches keeps its length' => sub {
        is(post($httpd, '/', 'hello')->echoed('Content-Length'), 5, 'as it was announced');
    };
};

done_testing;
