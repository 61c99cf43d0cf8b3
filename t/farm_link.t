# Licensed under the Apache License, Version 2.0; see LICENSE.

# The link to the farm's Redis, without httpd: a program that calls as the module does, and real Redis servers that are
# stopped, killed, full, read-only, failed over and resharded.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use RP::FarmLink;
use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

# Generous for a busy machine; where deadlines are the subject, they are named.
my @patient = qw(connect=2s timeout=2s trial=200ms);

sub link_to { RP::FarmLink->start(@_) }

sub ends_well
{
    my ($link) = @_;
    is($link->stop, 0, 'the link ends without a complaint');
}

part 'commands and replies' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, @patient);
    is($link->call('a', 'SET', 'a', "1 2\r\n\0")->replies, '+OK', 'a value is set');
    is($link->call('a', 'GET', 'a')->replies, '$1%202%0D%0A%00', 'and is got as it was');
    is($link->call('b', 'GET', 'b')->replies, 'nil', 'there may be none');
    my $answer = $link->call('a', [qw(INCR n)], [qw(INCR n)], [qw(LRANGE l 0 -1)], [qw(HGET a x)], [qw(NONE)]);
    is($answer->outcome, 'OK', 'several commands are sent together');
    like($answer->replies, qr/\A:1 :2 \[\] -WRONGTYPE\S* -ERR\S*\z/, 'and each has its own reply, an error too');
    my $large = 'x' x 3_000_000;
    is($link->call('l', ['SET', 'l', $large], [qw(STRLEN l)])->replies, '+OK :3000000', 'a large value goes out');
    is(length $link->call('l', [qw(GET l)], [qw(GET l)])->replies, 2 * 3_000_001 + 1, 'and comes back, twice');
    is($link->figures->{connects}, 1, 'all of it over one connection');
    ends_well($link);
};

part 'one round trip for a pipeline' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, @patient);
    $link->call('a', 'PING');
    my ($before) = $redis->command('INFO', 'stats') =~ /total_reads_processed:(\d+)/;
    $link->call('a', map { ['SET', "k$_", 'v'] } 1 .. 64);
    my ($after) = $redis->command('INFO', 'stats') =~ /total_reads_processed:(\d+)/;
    # The end of the first question's connection, and the second question, are the other two.
    is($after - $before, 3, 'Redis reads 64 commands at once');
    ends_well($link);
};

part 'scripts' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, @patient);
    $link->define(twice => 'redis.call("SET", KEYS[1], ARGV[1] * 2) return redis.call("GET", KEYS[1])');
    is($link->call('k', '@twice', 1, 'k', 21)->replies, '$42', 'Redis is told a script that it does not know');
    is($link->call('k', '@twice', 1, 'k', 22)->replies, '$44', 'and knows it then');
    $redis->command('SCRIPT', 'FLUSH');
    is($link->call('k', [qw(GET k)], ['@twice', 1, 'k', 4], [qw(GET k)])->replies, '$44 $8 $44',
        'one that was forgotten is told again, its neighbours are not sent twice');
    is($redis->command('INFO', 'commandstats') =~ /cmdstat_eval:calls=(\d+)/ && $1, 2, 'the text went over twice');
    ends_well($link);
};

part 'logging in' => sub {
    my $redis = RP::Redis->start(password => 'sesame', config => ['requirepass sesame',
        'user shop on >open:@/% +@all ~*', 'user reader on >read +@read ~* -@write', 'user plain on >plain +ping ~*']);
    my $address = $redis->address;
    my $link = link_to("redis://:sesame\@$address/3", @patient);
    $link->call('a', qw(SET a 3));
    is($link->call('a', qw(GET a))->replies, '$3', 'a password is enough for the default user');
    my $other = link_to("redis://shop:open%3A%40%2F%25\@$address", @patient);
    is($other->call('a', qw(GET a))->replies, 'nil', 'a user of its own, in another database');
    my $reader = link_to("redis://reader:read\@$address", @patient);
    like($reader->call('a', qw(SET a 1))->replies, qr/\A-NOPERM/, 'a user may not do everything');
    like(join("\n", $reader->log), qr/\A3 RP0708: Redis \S+ denies a command: NOPERM/, 'and the log says so');
    my $stranger = link_to("redis://shop:7hunter7\@$address", @patient);
    is($stranger->call('a', 'PING')->outcome, 'UNREACHED', 'a wrong password is none');
    like(join("\n", $stranger->log), qr/\A3 RP0704: Redis \S+ does not let us in: user and password: WRONGPASS/,
        'it is told');
    unlike(join("\n", $stranger->log), qr/hunter/, 'but not which');
    my $nobody = link_to("redis://$address", @patient);
    like($nobody->call('a', 'PING')->replies, qr/\A-NOAUTH/, 'none at all');
    like(join("\n", $nobody->log), qr/RP0704.*NOAUTH/, 'is told');
    is($nobody->call('a', 'PING')->outcome, 'AWAY', 'and is not tried again and again');
    ends_well($_) for $link, $other, $reader, $stranger, $nobody;
};

part 'a password never reaches the log' => sub {
    my $redis = RP::Redis->start(config => ['rename-command AUTH ""']);
    my $link = link_to('redis://shop:7hunter7@' . $redis->address, @patient);
    is($link->call('a', 'PING')->outcome, 'UNREACHED', 'Redis does not know AUTH');
    like(join("\n", $link->log), qr/RP0704.*unknown command/, 'and says so');
    unlike(join("\n", $link->log), qr/hunter/, 'with what it was sent, which is left out');
};

part 'Unix sockets and TLS' => sub {
    my $authority = RP::TLS->authority;
    my $certificate = $authority->issue(name => 'localhost');
    my $redis = RP::Redis->start(unix => 1, tls => { %$certificate, ca => $authority->cert });
    my $link = link_to('unix:' . $redis->socket, 'db=2', @patient);
    is($link->call('a', qw(SET a unix))->replies, '+OK', 'over a Unix socket');
    my $own = $authority->issue(name => 'proxy');
    my @tls = ('ca=' . $authority->cert, "cert=$own->{cert}", "key=$own->{key}");
    my $url = 'rediss://localhost:' . $redis->tls_port . '/2';
    my $secure = link_to($url, @tls, @patient);
    is($secure->call('a', qw(GET a))->replies, '$unix', 'over TLS, with a certificate');
    my $large = 'x' x 1_000_000;
    is($secure->call('l', ['SET', 'l', $large], [qw(STRLEN l)])->replies, '+OK :1000000', 'large values too');
    is(length $secure->call('l', 'GET', 'l')->replies, 1_000_001, 'both ways');
    my $naked = link_to($url, 'ca=' . $authority->cert, @patient);
    isnt($naked->call('a', qw(GET a))->outcome, 'OK', 'not without, when Redis wants one');
    my $strange = link_to($url, 'ca=' . RP::TLS->authority('Other')->cert, @tls[1, 2], @patient);
    is($strange->call('a', qw(GET a))->outcome, 'UNREACHED', 'not to one whose certificate nobody vouches for');
    like(join("\n", $strange->log), qr/RP0701.*certificate not accepted/, 'which is told');
    my $blind = link_to($url, 'verify=off', @tls[1, 2], @patient);
    is($blind->call('a', qw(GET a))->replies, '$unix', 'unless nobody asks');
    ends_well($_) for $link, $secure, $naked, $strange, $blind;
};

part 'a Redis that is stopped' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, qw(connect=2s timeout=100ms trial=2s));
    ok((eventually { $link->call('a', 'PING')->outcome eq 'OK' }), 'has answered');
    $redis->pause;
    my @answers = map { $link->call('a', 'PING') } 1 .. 3;
    is(join(' ', map { $_->outcome } @answers), 'LOST LOST LOST', 'calls end all the same');
    my @ms = sort { $a <=> $b } map { $_->ms } @answers;
    cmp_ok($ms[0], '>=', 100, 'not before the timeout');
    cmp_ok($ms[0], '<', 150, 'and soon behind it');
    cmp_ok($ms[2], '<', 1000, 'each of them');
    my @away = map { $link->call('a', 'PING') } 1 .. 3;
    is(join(' ', map { $_->outcome } @away), 'AWAY AWAY AWAY', 'then it is left alone');
    is((sort { $a <=> $b } map { $_->ms } @away)[0], 0, 'and nothing waits for it');
    cmp_ok($link->figures->{opened}, '==', 1, 'which is counted');
    is(join(' ', map { /(RP\S+: .*)/ && $1 =~ s/\d+\.\S+/X/r } $link->log), 'RP0702: Redis X no reply within timeout=',
        'and told, once');
    my $cost = $link->repeat(20_000, 'a', 'PING');
    cmp_ok($cost->{AWAY}, '>=', 19_990, 'a call then does nothing');
    note("it takes $cost->{ns} ns");
    $redis->resume;
    ok((eventually { $link->call('a', 'PING')->outcome eq 'OK' }), 'it is found again');
    like(join("\n", $link->log), qr/RP0709: Redis \S+ answers again, after \d+ ms/, 'which is told');
    ok((eventually { $link->repeat(100, 'a', 'PING')->{OK} == 100 }), 'and all is as before');
    ends_well($link);
};

part 'what was late reaches nobody else' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, qw(connect=2s timeout=100ms trial=50ms));
    $redis->command('SET', 'a', 'late');
    ok((eventually { $link->call('a', 'PING')->outcome eq 'OK' }), 'Redis answers');
    $redis->pause;
    is($link->call('a', 'GET', 'a')->outcome, 'LOST', 'then not in time');
    $redis->resume;
    my $next;
    ok((eventually { ($next = $link->call('a', 'ECHO', 'other'))->outcome eq 'OK' }), 'then again');
    is($next->replies, '$other', 'and the next call gets its own reply');
    $redis->pause;
    $link->storm_begin(16, 400);
    sleep 0.15;
    $redis->resume;
    sleep 0.1;
    $redis->pause;
    sleep 0.15;
    $redis->resume;
    my $storm = $link->storm_end;
    is($storm->{wrong}, 0, 'nor does one thread ever get what is another\'s');
    is($storm->{right} + $storm->{without}, 6400, 'every call has an end');
    cmp_ok($storm->{longest}, '<', 100 + 2000, 'within its time');
    ends_well($link);
};

part 'many threads, one Redis' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, @patient);
    my $storm = $link->storm(24, 300);
    is("$storm->{right} $storm->{wrong}", '7200 0', 'each call gets its own replies');
    cmp_ok($link->figures->{connects}, '<=', 24, 'over connections that are kept');
    ends_well($link);
};

part 'a Redis that is killed and comes back empty' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, @patient);
    $link->call('a', qw(SET a 1));
    $redis->kill;
    is($link->call('a', qw(GET a))->outcome, 'UNREACHED', 'there is no connection');
    is($link->call('a', qw(GET a))->outcome, 'AWAY', 'it is left alone at once');
    like(join("\n", $link->log), qr/\A4 RP0701: Redis \S+: no connection: Connection refused\z/, 'which is told, once');
    $redis->start_again;
    ok((eventually { $link->call('a', qw(GET a))->replies eq 'nil' }), 'it is found again, empty');
    ends_well($link);
};

part 'what one process learns spares the others' => sub {
    my $redis = RP::Redis->start;
    $redis->kill;
    my $link = link_to($redis->url, qw(connect=2s timeout=2s trial=60s));
    is($link->call_in_child('a', 'PING')->outcome, 'UNREACHED', 'one finds out');
    is($link->call_in_child('a', 'PING')->outcome, 'AWAY', 'another one knows');
    is($link->call('a', 'PING')->outcome, 'AWAY', 'and a third');
    is(scalar(grep { /RP0701/ } $link->log), 1, 'one line is logged for all');
    ends_well($link);
};

part 'a Redis that is restarted between two calls' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, @patient);
    $link->call('a', 'PING');
    $redis->stop;
    $redis->start_again;
    is($link->call('a', 'PING')->replies, '+PONG', 'is not noticed');
    ends_well($link);
};

part 'a Redis that is full' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to($redis->url, @patient);
    $link->define(put => 'return redis.call("SET", KEYS[1], ARGV[1])');
    $link->call('a', qw(SET a 1));
    $redis->command('CONFIG', 'SET', 'maxmemory', 1);
    like($link->call('b', qw(SET b 1))->replies, qr/\A-OOM/, 'nothing can be written');
    like($link->call('b', '@put', 1, 'b', 1)->replies, qr/\A-.*OOM/, 'nor by a script');
    is($link->call('a', qw(GET a))->replies, '$1', 'but what is there can be read');
    is(scalar(grep { /RP0705: Redis \S+ is full/ } $link->log), 1, 'it is told once');
    ends_well($link);
};

part 'a replica' => sub {
    my $master = RP::Redis->start;
    my $replica = RP::Redis->start(config => ['replicaof 127.0.0.1 ' . $master->port]);
    my $link = link_to($replica->url, @patient);
    like($link->call('a', qw(SET a 1))->replies, qr/\A-READONLY/, 'takes no writes');
    like(join("\n", $link->log), qr/RP0706: Redis \S+ takes no writes/, 'which is told');
    my $named = link_to('redis://localhost:' . $replica->port, @patient);
    $named->call('a', qw(SET a 1)) for 1 .. 5;
    is($named->figures->{connects}, 2, 'by name it is looked up and connected to anew, but not each time');
    $replica->command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    $master->kill;
    ok((eventually { $link->call('a', qw(GET a))->replies =~ /\A-MASTERDOWN/ }), 'it has lost its master');
    ok((eventually { grep { /RP0707: Redis \S+ is not ready: MASTERDOWN/ } $link->log }), 'which is told');
    is($link->call('a', qw(GET a))->outcome, 'AWAY', 'and is left alone');
    ends_well($_) for $link, $named;
};

# A server that says what a test says: to each connection the same, or what a sub says to each command.
sub scripted { backend(on_connection => $_[0]) }

part 'nonsense' => sub {
    my %replies = (
        'another protocol' => "HTTP/1.1 400 Bad Request\r\n\r\n", 'more than was asked for' => "+PONG\r\n+PONG\r\n",
        'an array without end' => "*1000000000\r\n", 'a depth without end' => "*1\r\n" x 1000,
        'a type of RESP3' => "#t\r\n", 'a length below zero' => "\$-7\r\n");
    for my $what (sort keys %replies) {
        my $server = scripted(sub { $_[0]->send($replies{$what}); $_[0]->wait_gone });
        my $link = link_to('redis://127.0.0.1:' . $server->port, @patient);
        is($link->call('a', 'PING')->outcome, 'LOST', $what);
        like(join("\n", $link->log), qr/\A3 RP0703: Redis \S+: /, 'is told');
        is($link->call('a', 'PING')->outcome, 'AWAY', 'and such a server is left alone');
        ends_well($link);
    }
};

part 'a reply that does not end' => sub {
    my $server = scripted(sub {
        my ($c) = @_;
        $c->send("\$2000000000\r\n");
        eval { $c->send('x' x 65536) while 1 };
    });
    my $link = link_to('redis://127.0.0.1:' . $server->port, qw(connect=2s timeout=10s));
    is($link->call('a', 'PING')->outcome, 'LOST', 'is not read to the end of memory');
    like(join("\n", $link->log), qr/RP0703: Redis \S+: a reply is too large/, 'which is told');
    ends_well($link);
};

part 'a reply that comes drop by drop' => sub {
    my $server = scripted(sub {
        my ($c) = @_;
        eval { do { $c->send('+'); sleep 0.02 } while 1 };
    });
    my $link = link_to('redis://127.0.0.1:' . $server->port, qw(connect=2s timeout=200ms));
    my $answer = $link->call('a', 'PING');
    is($answer->outcome, 'LOST', 'does not keep a call');
    cmp_ok($answer->ms, '<', 200 + 2000, 'beyond its time');
    ends_well($link);
};

part 'a Redis that reads its data' => sub {
    my $server = scripted(sub { $_[0]->send("-LOADING Redis is loading the dataset in memory\r\n"); $_[0]->wait_gone });
    my $link = link_to('redis://127.0.0.1:' . $server->port, @patient);
    like($link->call('a', 'PING')->replies, qr/\A-LOADING/, 'says so');
    like(join("\n", $link->log), qr/RP0707: Redis \S+ is not ready: LOADING/, 'which is told');
    is($link->call('a', 'PING')->outcome, 'AWAY', 'and it is left alone');
    my $guest = link_to('redis://:secret@127.0.0.1:' . $server->port, @patient);
    is($guest->call('a', 'PING')->outcome, 'UNREACHED', 'also when it says so at the door');
    ends_well($_) for $link, $guest;
};

part 'a node of a cluster that was not named as one' => sub {
    my $server = scripted(sub { $_[0]->send("-MOVED 1 127.0.0.1:1\r\n"); $_[0]->wait_gone });
    my $link = link_to('redis://127.0.0.1:' . $server->port, @patient);
    like($link->call('a', 'PING')->replies, qr/\A-MOVED/, 'sends elsewhere');
    like(join("\n", $link->log), qr/RP0713: Redis \S+ is a node of a cluster/, 'and the log says how to name it');
    ends_well($link);
};

part 'a name' => sub {
    my $redis = RP::Redis->start;
    my $link = link_to('redis://localhost:' . $redis->port, @patient);
    is($link->call('a', 'PING')->replies, '+PONG', 'is looked up');
    my $lost = link_to('redis://none.invalid:1', @patient);
    my $answer = $lost->call('a', 'PING');
    is($answer->outcome, 'UNREACHED', 'one that leads nowhere');
    cmp_ok($answer->ms, '<', 2000, 'keeps nobody waiting');
    ends_well($_) for $link, $lost;
};

# The reply of a server, or nothing: one whose role changes breaks its connections off, in the middle of a command, too.
sub asked
{
    my ($redis, @words) = @_;
    return eval { $redis->command(@words) };
}

part 'Sentinels' => sub {
    my ($sentinels, $master, $replica) = RP::Redis->sentinel_set(name => 'main', sentinels => 3);
    my $url = 'sentinel://' . join(',', map { $_->address } @$sentinels) . '/main';
    my $link = link_to($url, qw(connect=1s timeout=1s trial=200ms));
    is($link->call('a', qw(SET a 1))->replies, '+OK', 'lead to the master');
    is($master->command('GET', 'a'), 1, 'which has it');
    like(join("\n", $link->log), qr/RP0710: Redis \S+:@{[$master->port]} is the master now of main/,
        'the log names it');
    my $before = $link->figures->{searches};
    $link->repeat(500, 'a', qw(GET a));
    cmp_ok($link->figures->{searches}, '<=', $before + 1, 'they are not asked each time');

    $sentinels->[0]->kill;
    $sentinels->[0]->start_again;
    local $RP::Stream::PATIENCE = 3 * $RP::Stream::PATIENCE;
    # Asked for until it is so: a machine that is busy may just have kept a replica from being fit for it.
    my $names = sub { $sentinels->[1]->command(qw(SENTINEL get-master-addr-by-name main))->[1] };
    ok((eventually {
        $names->() == $replica->port and return 1;
        eval { $sentinels->[1]->command(qw(SENTINEL FAILOVER main)) };
        return 0;
    }), 'there is a fail-over');
    my $n = 0;
    ok((eventually { $link->call('b', 'SET', 'b', ++$n)->replies eq '+OK'
            && (asked($replica, 'GET', 'b') || 0) == $n }),
        'which is followed, though the old master takes writes yet');
    ok((eventually { (asked($master, 'ROLE') || [''])->[0] eq 'slave' }), 'until it is a replica');
    is($link->call('a', qw(SET a 3))->replies, '+OK', 'and is not written to');

    ok((eventually { ((asked($master, 'ROLE') || [])->[3] || '') eq 'connected' }), 'it follows the new one');
    $replica->kill;
    my $begin = time;
    ok((eventually { $link->call('a', qw(SET a 4))->replies eq '+OK' }), 'the death of a master is got over');
    note(sprintf 'after %.1f s', time - $begin);
    is($master->command('GET', 'a'), 4, 'by the other one');

    $_->kill for @$sentinels;
    is($link->call('a', qw(SET a 5))->replies, '+OK', 'without Sentinels the master that is known serves on');
    my $late = link_to($url, @patient);
    is($late->call('a', qw(GET a))->outcome, 'AWAY', 'who comes then finds no way');
    like(join("\n", $late->log), qr/RP0711: no Sentinel leads to the master of sentinel:/, 'and says so');
    ends_well($_) for $link, $late;
};

part 'Sentinels and servers with passwords' => sub {
    my $master = RP::Redis->start(password => 'sesame', config => ['requirepass sesame']);
    my $sentinel = RP::Redis->start(sentinel => 1, password => 'watch', config => ['requirepass watch',
        'sentinel monitor main 127.0.0.1 ' . $master->port . ' 1', 'sentinel auth-pass main sesame']);
    my $folder = RP::Place->folder;
    my $for_master = 'password-file=' . RP::Place->write_file("$folder/password", "sesame\n");
    my $for_sentinel = 'sentinel-password-file=' . RP::Place->write_file("$folder/sentinel-password", "watch\n");
    my $url = 'sentinel://' . $sentinel->address . '/main';
    my $link = link_to($url, $for_master, $for_sentinel, 'db=5', @patient);
    like($link->call('a', ['SET', 'a', 1], ['CLIENT', 'INFO'])->replies, qr/\A\+OK .*db%3D5/, 'each gets its own');
    my $half = link_to($url, $for_master, @patient);
    is($half->call('a', 'PING')->outcome, 'AWAY', 'without the Sentinels\' there is no way');
    like(join("\n", $half->log), qr/RP0704: Redis @{[$sentinel->address]} does not let us in: NOAUTH/, 'which is told');
    ends_well($_) for $link, $half;
};

part 'a master that the Sentinels name wrongly' => sub {
    my $master = RP::Redis->start;
    my $replica = RP::Redis->start(config => ['replicaof 127.0.0.1 ' . $master->port]);
    my $port = $replica->port;
    my $sentinel = scripted(sub {
        my ($c) = @_;
        $c->send("*2\r\n\$9\r\n127.0.0.1\r\n\$" . length($port) . "\r\n$port\r\n");
        $c->wait_gone;
    });
    my $link = link_to('sentinel://127.0.0.1:' . $sentinel->port . '/main', @patient);
    is($link->call('a', qw(SET a 1))->outcome, 'AWAY', 'is asked for its role, and not believed');
    like(join("\n", $link->log), qr/RP0711.*names 127.0.0.1:$port, which does not say that it is/, 'which is told');
    ends_well($link);
};

part 'a cluster' => sub {
    my @nodes = RP::Redis->cluster(3);
    my $link = link_to('cluster://' . join(',', map { $_->address } @nodes[0, 1]), @patient);
    my %count;
    for my $i (1 .. 60) {
        $link->call("k$i", ['SET', "k$i", $i])->replies eq '+OK' and $count{set}++;
        $link->call("k$i", ['GET', "k$i"])->replies eq "\$$i" and $count{got}++;
    }
    is("$count{set} $count{got}", '60 60', 'each key goes to its node');
    my $figures = $link->figures;
    is("$figures->{redirects} $figures->{searches}", '0 1', 'by a map that is read once');
    is((grep { $_->command('DBSIZE') > 5 } @nodes), 3, 'all nodes have some');
    is($link->call('{t}', ['SET', '{t}a', 1], ['SET', '{t}b', 2], ['MGET', '{t}a', '{t}b'])->replies, '+OK +OK [$1,$2]',
        'what has one tag is in one place');
    $link->define(pair => 'return redis.call("MGET", KEYS[1], KEYS[2])');
    is($link->call('{t}', '@pair', 2, '{t}a', '{t}b')->replies, '[$1,$2]', 'for scripts, too');

    # A slot on its way from one node to another
    my $slot = $nodes[0]->command('CLUSTER', 'KEYSLOT', '{t}');
    my ($from) = grep { $_->command('CLUSTER', 'COUNTKEYSINSLOT', $slot) } @nodes;
    my ($to) = grep { $_ != $from } @nodes;
    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->id);
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->id);
    $from->command('MIGRATE', '127.0.0.1', $to->port, '{t}a', 0, 5000);
    is($link->call('{t}', ['GET', '{t}a'], ['GET', '{t}b'], ['GET', '{t}c'])->replies, '$1 $2 nil',
        'keys are found on either side while their slot moves');
    is($link->call('{t}', 'SET', '{t}d', 4)->replies, '+OK', 'new ones go to the new side');
    is($to->command('CLUSTER', 'COUNTKEYSINSLOT', $slot), 2, 'and are there');
    like($link->call('{t}', 'MGET', '{t}a', '{t}b')->replies, qr/\A-TRYAGAIN/, 'those on both sides have to wait');
    $from->command('MIGRATE', '127.0.0.1', $to->port, '{t}b', 0, 5000);
    $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->id) for $to, $from;
    my $redirects = $link->figures->{redirects};
    is($link->call('{t}', ['GET', '{t}a'], ['GET', '{t}b'])->replies, '$1 $2',
        'and at the new place when it has moved');
    cmp_ok($link->figures->{redirects}, '>', $redirects, 'to which the old one has sent');
    $redirects = $link->figures->{redirects};
    $link->call('{t}', 'GET', '{t}a') for 1 .. 5;
    is($link->figures->{redirects}, $redirects, 'once');
    my $storm = $link->storm(12, 200);
    is("$storm->{right} $storm->{wrong}", '2400 0', 'threads on all nodes get their own replies');
    cmp_ok($link->figures->{searches}, '<', 10, 'and no crowd asks for maps');
    ends_well($link);
};

part 'a cluster with TLS and a password' => sub {
    my $authority = RP::TLS->authority;
    my $certificate = $authority->issue(name => 'node');
    my @nodes = RP::Redis->cluster(3, password => 'sesame', tls => $certificate,
        config => ['requirepass sesame', 'masterauth sesame', 'tls-cluster yes',
            'tls-ca-cert-file ' . $authority->cert]);
    my $link = link_to('cluster://:sesame@127.0.0.1:' . $nodes[0]->tls_port, 'tls=on', 'ca=' . $authority->cert,
        @patient);
    my $set = grep { $link->call("k$_", 'SET', "k$_", $_)->replies eq '+OK' } 1 .. 20;
    is($set, 20, 'every node is reached');
    is((grep { $_->command('DBSIZE') } @nodes), 3, 'and has some');
    ends_well($link);
};

part 'a cluster that loses a node' => sub {
    my @nodes = RP::Redis->cluster(3);
    $_->command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no') for @nodes;
    my $standby = RP::Redis->start(cluster => 1);
    $nodes[0]->meet($standby);
    RP::Redis->wait_cluster(@nodes, $standby);
    $standby->command('CLUSTER', 'REPLICATE', $nodes[2]->id);
    ok((eventually { $standby->command('ROLE')->[3] eq 'connected' }), 'one has a replica');
    my $link = link_to('cluster://' . join(',', map { $_->address } @nodes), qw(connect=1s timeout=1s trial=200ms));
    my ($key) = grep { $nodes[2]->command('CLUSTER', 'KEYSLOT', $_) >= 10923 } map { "k$_" } 1 .. 100;
    my ($other) = grep { $nodes[0]->command('CLUSTER', 'KEYSLOT', $_) < 5000 } map { "k$_" } 1 .. 100;
    is($link->call($key, 'SET', $key, 1)->replies, '+OK', 'all is well');
    is($nodes[2]->command('WAIT', 1, 5000) >= 0, 1, 'the replica has had its time');
    $nodes[2]->kill;
    isnt($link->call($key, 'GET', $key)->outcome, 'OK', 'its keys are gone');
    is($link->call($other, 'SET', $other, 1)->replies, '+OK', 'the others are there');
    my $begin = time;
    ok((eventually { $link->call($key, 'SET', $key, 2)->replies eq '+OK' }), 'until the replica takes its place');
    note(sprintf 'after %.1f s', time - $begin);
    is($standby->command('GET', $key), 2, 'which has them');
    $_->kill for @nodes, $standby;
    isnt($link->call($key, 'GET', $key)->outcome, 'OK', 'without nodes there is nothing') for 1 .. 5;
    my $cost = $link->repeat(1000, $key, 'GET', $key);
    cmp_ok($cost->{AWAY}, '>=', 990, 'and it is left alone');
    $_->start_again for @nodes, $standby;
    ok((eventually { $link->call($key, 'PING')->outcome eq 'OK' }), 'until they are back');
    ends_well($link);
};

part 'nodes that send round in circles' => sub {
    my $server = scripted(sub {
        my ($c) = @_;
        eval {
            while (1) {
                $c->read_until(qr/\r\n(?:SLOTS|circle)\r\n/);
                $c->note('asked');
                $c->send('-MOVED 1 :' . $c->socket->sockport . "\r\n");
            }
        };
    });
    my $link = link_to('cluster://127.0.0.1:' . $server->port, @patient);
    like($link->call('a', 'ECHO', 'circle')->replies, qr/\A-MOVED/, 'are not followed for ever');
    cmp_ok(scalar $server->notes, '<', 12, 'but a few times');
    ends_well($link);
};

done_testing;
