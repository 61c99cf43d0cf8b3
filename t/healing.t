# Licensed under the Apache License, Version 2.0; see LICENSE.

# Whatever becomes of members, clients that GET see no error while one healthy member is left.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use POSIX ();
use Time::HiRes qw(sleep time);

my $folder = RP::Place->folder;

# A member that does what its file says, request by request.
sub moody
{
    my ($name, @how) = @_;
    return backend(@how, on_request => sub {
        my ($c, $request) = @_;
        my $mood = -e "$folder/$name" ? RP::Place->read_file("$folder/$name") : '';
        if ($mood eq 'flaps') {
            $mood = int(time * 4) % 2 ? 'resets' : '';
        }
        if ($mood eq 'fails') {
            return $c->respond($request, 500, [], 'sorry');
        }
        if ($mood eq 'resets') {
            $c->send("HTTP/1.1 200 OK\r\nContent-Le");
            return $c->reset;
        }
        if ($mood eq 'closes') {
            return $c->close;
        }
        if ($mood eq 'babbles') {
            $c->send("I am no HTTP\r\n\r\n");
            return $c->close;
        }
        sleep 0.3 if $mood eq 'slow';
        sleep 30 if $mood eq 'hangs';
        $c->respond($request, 200, ['X-Member' => $name], "from $name");
    });
}

sub mood { my ($name, $mood) = @_; RP::Place->write_file("$folder/$name", $mood) }

# Clients that GET all the time, each in a process of its own, until asked what they saw.
sub load
{
    my ($httpd, $clients) = @_;
    my @running;
    unlink "$folder/enough";
    for my $n (1 .. $clients) {
        pipe my $read, my $write or die;
        my $pid = fork;
        if (!$pid) {
            CORE::close $read;
            RP::Process->disown;
            my %saw;
            my $client;
            until (-e "$folder/enough") {
                my $response = eval { $client ||= client($httpd); $client->get("/app/$n") };
                $saw{!$response ? 'nothing' : $response->broken ? 'broken' : $response->status}++;
                undef $client if !$response || $response->broken || ($response->field('Connection') || '') =~ /close/i;
            }
            print {$write} join ' ', %saw;
            CORE::close $write;
            POSIX::_exit(0);
        }
        CORE::close $write;
        push @running, [$pid, $read];
    }
    return sub {
        my %saw;
        RP::Place->write_file("$folder/enough", '');
        for my $each (@running) {
            my ($pid, $read) = @$each;
            my %its = split / /, do { local $/; <$read> } // '';
            waitpid $pid, 0;
            $saw{$_} += $its{$_} for keys %its;
        }
        return \%saw;
    };
}

my $config = <<'CONF';
    RProxyRetryBudget 20%% floor=20
    RProxyEject %s
</RProxyPool>
RProxyPass /app app
RProxyRetry on=connect,reset,timeout,500 try=500ms
CONF

# With the load on, the trouble comes, lasts, and goes.
sub survives
{
    my ($name, $httpd, $trouble, $relief, $after) = @_;
    part $name => sub {
        my $ended = load($httpd, 4);
        sleep 0.3;
        $trouble->();
        sleep 1.2;
        $relief->();
        sleep 0.5;
        my $saw = $ended->();
        my $served = delete $saw->{200} || 0;
        is_deeply($saw, {}, 'no client sees an error');
        cmp_ok($served, '>', 20, "of $served requests");
        $after->() if $after;
    };
}

each_mpm {
    my ($mpm) = @_;
    my %member = map { $_ => moody($_) } qw(a b c);
    my $start = sub {
        my ($eject) = @_;
        my $pool = pool(app => map { $_->url . ' retry=100ms' } @member{qw(a b c)});
        $pool =~ s{</RProxyPool>\n}{sprintf $config, $eject}e;
        return httpd(children => $RP::Test::mpm eq 'prefork' ? 8 : 3, config => $pool);
    };
    my $httpd = $start->('time=300ms');
    my $is_back = sub {
        my ($name) = @_;
        my $is_used = sub { eventually { (get($httpd, '/app/')->field('X-Member') || '') eq $name } };
        # On a busy machine anybody may have been slow, and is believed fast within half a minute.
        ok($is_used->() || $is_used->() || $is_used->(), "$name is used again");
    };

    # The others differ in who waits for what, not in what members are made of.
    my @moods = $mpm eq 'event' ? qw(fails resets closes babbles flaps slow hangs) : qw(resets hangs);
    for my $mood (@moods) {
        # Who was slow is given time: how long is for the tests of methods to say.
        survives("one member $mood", $httpd, sub { mood(a => $mood) }, sub { mood(a => '') },
            $mood =~ /slow|hangs/ ? undef : sub { $is_back->('a') });
    }
    survives('two members reset', $httpd, sub { mood($_ => 'resets') for qw(a b) },
        sub { mood($_ => '') for qw(a b) }, sub { $is_back->('b') });
    survives('one member is stopped', $httpd, sub { kill STOP => -$member{a}{pid} }, sub { kill CONT => -$member{a}{pid} });
    survives('one member is killed, and started again', $httpd, sub { $member{b}->stop },
        sub { $member{b} = moody('b', port => $member{b}->port) }, sub { $is_back->('b') });
    survives('two of three are killed, one after the other', $httpd, sub { $member{a}->stop; sleep 0.2; $member{b}->stop },
        sub { $member{$_} = moody($_, port => $member{$_}->port) for qw(a b) }, sub { $is_back->('b') });
    survives('all members are restarted in turn', $httpd, sub {
        for my $name (qw(a b c)) {
            my $port = $member{$name}->port;
            $member{$name}->stop;
            sleep 0.1;
            $member{$name} = moody($name, port => $port);
            sleep 0.4;
        }
    }, sub { }, sub { $is_back->('c') });
};

one_mpm {
    my $dead = RP::Place->refusing_port;
    my $good = moody('good');
    my $httpd = httpd(config => pool(app => "http://127.0.0.1:$dead retry=1h", $good->url) . "RProxyPass /app app\n");

    part 'who was left out before a graceful restart is left out behind it' => sub {
        is(get($httpd, '/app/')->status, 200, 'the other answers') for 1 .. 4;
        ok($httpd->wait_log(qr/RP0305/), 'one takes no connections');
        $httpd->graceful_whole;
        is(get($httpd, '/app/')->status, 200, 'the other answers') for 1 .. 4;
        is(() = $httpd->error_log =~ /RP0305/g, 1, 'and the first is not asked');
    };
};

done_testing;
