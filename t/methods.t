# Licensed under the Apache License, Version 2.0; see LICENSE.

# RProxyMethod, as seen by clients of several child processes: the shares of members, and what goes where.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use List::Util qw(sum0);

sub named { my ($name) = @_; return sub { $_[0]->respond($_[1], 200, [], $name) } }

# One that waits for a signal of the name that it is asked for.
sub holding
{
    my ($name) = @_;
    return sub {
        my ($c, $request) = @_;
        $c->wait_signal($1) if $request->target =~ m{/(hold[-\d]+)};
        named($name)->($c, $request);
    };
}

sub holds { my ($backend, $what) = @_; return scalar grep { $_->target =~ /$what/ } $backend->requests }

# Whom requests for targets get to, each on the next of some kept connections.  @return the bodies
sub ask
{
    my ($clients, @targets) = @_;
    my $n = 0;
    return map { $clients->[$n++ % @$clients]->get(ref $_ ? @$_ : $_)->body } @targets;
}

sub count { my %count; $count{$_}++ for @_; return \%count }

# How often two lists differ in places where the first one has not this.
sub moved_elsewhere
{
    my ($before, $after, $lost) = @_;
    return scalar grep { $before->[$_] ne $after->[$_] && $before->[$_] ne $lost } 0 .. $#$before;
}

each_mpm {
    my ($mpm) = @_;
    my ($a, $b, $c) = map { backend(named($_)) } qw(a b c);
    my $slow = backend(sub { select undef, undef, undef, 0.2; named('slow')->(@_) });
    my ($h1, $h2) = map { backend(holding($_)) } qw(h1 h2);
    my @by_weight = ($a->url . ' weight=5', $b->url . ' weight=3', $c->url . ' weight=2', $h1->url . ' weight=0');
    my %pools = (
        turns => pool(turns => 'RProxyMethod round-robin', @by_weight),
        random => pool(random => 'RProxyMethod random', @by_weight),
        p2c => pool(p2c => 'RProxyMethod p2c', $a, $slow, $b),
        default => pool(default => $a, $slow, $b),
        least => pool(least => 'RProxyMethod least-connections', $h1, $h2),
        uri => pool(uri => 'RProxyMethod hash uri', $a, $b, $c),
        header => pool(header => 'RProxyMethod hash header:X-Key', $a, $b, $c),
        cookie => pool(cookie => 'RProxyMethod hash cookie:session', $a, $b, $c),
        client => pool(client => 'RProxyMethod hash client', $a, $b, $c),
        bound => pool(bound => 'RProxyMethod hash header:X-Key bound=125%', $h1, $h2),
    );
    my $children = $mpm eq 'prefork' ? 12 : 3;
    my $httpd = httpd(children => $children,
        config => join '', map { $pools{$_} . "RProxyPass /$_ $_\n" } sort keys %pools);
    my @clients = map { client($httpd) } 1 .. 6;

    part 'round-robin gives each member its share of 1000 to the request' => sub {
        is_deeply(count(ask(\@clients, ('/turns') x 1000)), { a => 500, b => 300, c => 200 },
            'by 5, 3, 2 and 0, whichever child has them');
    };
    part 'random comes near them' => sub {
        my $count = count(ask(\@clients, ('/random') x 500));
        cmp_ok(abs($count->{a} - 250), '<', 56, 'half of 500');
        cmp_ok(abs($count->{b} - 150), '<', 52, 'three tenths');
        ok(!exists $count->{h1}, 'and who has weight=0 gets nothing');
    };
    for my $pool (qw(p2c default)) {
        part $pool eq 'p2c' ? 'p2c avoids a slow member' : 'so does the default' => sub {
            my $count = count(ask(\@clients, ("/$pool") x 200));
            cmp_ok($count->{slow}, '>', 0, 'it was tried');
            cmp_ok($count->{slow}, '<', 20, 'and got fewer than a tenth');
            cmp_ok($count->{$_}, '>', 30, "$_ has its part") for qw(a b);
        };
    }
    part 'least-connections passes by who has more to do' => sub {
        my $idle = count(ask(\@clients, ('/least') x 30));
        cmp_ok($idle->{$_} || 0, '>', 3, "$_ is used while both are idle") for qw(h1 h2);
        my $waiting = client($httpd);
        $waiting->send_request('GET', '/least/hold-1');
        my $busy = eventually { (grep { holds($_, 'hold-1') } $h1, $h2)[0] };
        my ($mine, $other) = $busy == $h1 ? qw(h1 h2) : qw(h2 h1);
        is_deeply(count(ask(\@clients, ('/least') x 20)), { $other => 20 }, 'as long as it has a request');
        $busy->signal('hold-1');
        is($waiting->read_response->body, $mine, 'which is answered');
    };

    my @keys = map { "key-$_" } 1 .. 60;
    my %targets = (
        uri => [map { "/uri/$_?q=1" } @keys],
        header => [map { ['/header', 'X-Key' => $_] } @keys],
        cookie => [map { ['/cookie', Cookie => "other=$_; session=$_"] } @keys],
    );
    my %owners;
    for my $by (sort keys %targets) {
        part "hash by $by: a key is one member's, in all children" => sub {
            my @first = ask(\@clients, @{ $targets{$by} });
            for my $round (1 .. 3) {
                push @clients, shift @clients;
                is_deeply([ask(\@clients, @{ $targets{$by} })], \@first, "round $round");
            }
            cmp_ok(count(@first)->{$_} || 0, '>', 3, "$_ has its part of 60 keys") for qw(a b c);
            $owners{$by} = \@first;
        };
    }
    part 'hash by client: one address, one member' => sub {
        is(scalar(keys %{ count(ask(\@clients, ('/client') x 20)) }), 1, 'for 20 requests');
        my @others = map { my $client = client($httpd, from => "127.0.0.$_"); my ($who) = ask([$client], '/client');
            $client->close; $who } 2 .. 30;
        cmp_ok(scalar(keys %{ count(@others) }), '>', 1, 'and others for other addresses');
    };
    part 'without what it is hashed by a request is balanced all the same' => sub {
        cmp_ok(scalar(keys %{ count(ask(\@clients, ('/header') x 40)) }), '>', 1, 'to more than one');
    };
    part 'only the keys of a member that is lost move' => sub {
        my $port = $b->port;
        $b->stop;
        my @after = ask(\@clients, @{ $targets{header} });
        is(count(@after)->{b}, undef, 'nobody asks it');
        is(moved_elsewhere($owners{header}, \@after, 'b'), 0, 'all others\' keys stay');
        $b = backend(on_request => named('b'), port => $port);
        ok(eventually { join(',', ask(\@clients, @{ $targets{header} })) eq join(',', @{ $owners{header} }) },
            'they return to it when it is back');
    };
    part 'with a bound a busy member leaves its keys to others' => sub {
        my ($key) = grep { $clients[0]->get('/bound', 'X-Key' => $_)->body eq 'h1' } @keys;
        my @busy = map { client($httpd) } 1 .. 2;
        for my $n (0, 1) {
            $busy[$n]->send_request('GET', "/bound/hold-2-$n", ['X-Key' => $key]);
            ok(eventually { holds($h1, "hold-2-$n") }, 'it gets ' . ($n ? 'two requests' : 'one request'));
        }
        is_deeply(count(ask(\@clients, (['/bound', 'X-Key' => $key]) x 10)), { h2 => 10 }, 'then others get them');
        $h1->signal("hold-2-$_") for 0, 1;
        is($_->read_response->body, 'h1', 'while it answers') for @busy;
        ok(eventually { $clients[0]->get('/bound', 'X-Key' => $key)->body eq 'h1' }, 'and gets its key back');
    };
};

each_mpm {
    my %member = map { $_ => backend(named($_)) } qw(first second backup last);
    my ($mpm) = @_;
    my $httpd = httpd(children => $mpm eq 'prefork' ? 6 : 3, config => pool(app => 'RProxyMethod random',
        (map { $member{$_}->url . ' retry=1h' } qw(first second)), $member{backup}->url . ' retry=1h backup',
        $member{last}->url . ' priority=2') . "RProxyPass / app\n");
    my @clients = map { client($httpd) } 1 .. 4;
    part 'backups get requests when all others are gone, and not before' => sub {
        is_deeply([sort keys %{ count(ask(\@clients, ('/') x 40)) }], [qw(first second)], 'all are there');
        $member{first}->stop;
        is_deeply(count(ask(\@clients, ('/') x 20)), { second => 20 }, 'one is left');
        $member{second}->stop;
        is_deeply(count(ask(\@clients, ('/') x 20)), { backup => 20 }, 'none is left');
        $member{backup}->stop;
        is_deeply(count(ask(\@clients, ('/') x 20)), { last => 20 }, 'nor the backup');
    };
};

# As many requests as shares show in, from a client that is quick enough.
one_mpm {
    my %weight = (a => 50, b => 30, c => 19, d => 1);
    my %member = map { my $name = $_; ($name => backend(on_connection => sub {
        my ($c) = @_;
        my ($socket, $came, $n) = ($c->socket, '', 0);
        while (sysread $socket, $came, 65536, length $came) {
            while ($came =~ s/\A.*?\r\n\r\n//s) {
                $n++;
                syswrite $socket, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            }
        }
        $c->note($n);
    })) } sort keys %weight;
    # With more clients than threads httpd would close idle connections, some of them just as a request comes.
    my $httpd = httpd(children => 3, threads => 48, config => pool(app => 'RProxyMethod round-robin',
        map { $member{$_}->url . " weight=$weight{$_}" } sort keys %weight) . <<'CONF');
RProxyPass / app
LogFormat %P child
CustomLog @ROOT@/children.log child
CONF
    part 'round-robin, 10,000 requests of many clients at a time' => sub {
        my $site = 'http://127.0.0.1:' . $httpd->port;
        my ($status, $said) = command(['ab', '-q', '-k', '-n', 10_000, '-c', 36, "$site/"]);
        is($status, 0, 'ab is content') or return diag($said);
        like($said, qr/Complete requests:\s+10000\nFailed requests:\s+0\n/, 'all are answered');
        my $children = count(split /\n/, RP::Place->read_file("$httpd->{root}/children.log"));
        cmp_ok(scalar(keys %$children), '>', 1, 'by several processes');
        # Members tell when their connections end.
        $httpd->stop;
        my %seen;
        ok(eventually {
            %seen = map { $_ => sum0($member{$_}->notes) } keys %weight;
            sum0(values %seen) == 10_000;
        }, 'each by one member');
        cmp_ok(abs($seen{$_} - 100 * $weight{$_}), '<=', $weight{$_}, "$_ has had its share: $seen{$_}")
            for sort keys %weight;
    };
};

done_testing;
