# Licensed under the Apache License, Version 2.0; see LICENSE.

# RProxyFarmTickets: a TLS session that one proxy has begun is resumed at another, through all that may happen to keys.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

my $folder = RP::Place->folder;
my $secret = RP::Place->write_file("$folder/secret", 'x' x 32);
my $certificate = RP::TLS->authority->issue(name => 'shop.example', san => 'DNS:shop.example');
my $n = 0;

# One name and port for all of them: mod_ssl keeps the sessions of different virtual hosts apart by that.
sub config
{
    my ($redis, $rotate) = @_;
    return "RProxyFarm @{[$redis->url]} name=shop secret=$secret connect=1s timeout=1s trial=200ms\n"
        . "RProxyFarmTickets on rotate=$rotate\n" . <<"CONF";
ServerName shop.example:443
SSLEngine on
SSLCertificateFile $certificate->{cert}
SSLCertificateKeyFile $certificate->{key}
CONF
}

sub host { my ($redis, $rotate) = @_; return httpd(modules => ['ssl'], config => config($redis, $rotate || '1h')) }

# A session with a proxy, and the file that it was written to; from another one's file it may be resumed.
sub session
{
    my ($host, $version, $from) = @_;
    my $file = "$folder/session" . ++$n;
    my ($status, $said) = command(['openssl', 's_client', '-connect', '127.0.0.1:' . $host->port,
        '-servername', 'shop.example', "-$version", '-ign_eof', '-sess_out', $file, $from ? ('-sess_in', $from) : ()],
        "GET /index.html HTTP/1.0\r\nHost: shop.example\r\n\r\n");
    return wantarray ? ($file, $said) : $said;
}

sub begin { my ($file) = session(@_); return $file }

# "New" or "Reused", as openssl says it, when a response came.
sub how
{
    my $said = session(@_);
    return $said !~ /^static/m ? 'failed' : $said =~ /^(New|Reused), TLS/m ? $1 : 'nothing';
}

# What the farm's keys are, as far as anybody can tell.
sub keys_of { my ($redis) = @_; return $redis->command('GET', '{shop}:tickets') || '' }

one_mpm {
    my $redis = RP::Redis->start;
    my ($one, $two) = map { host($redis) } 1, 2;
    ok((eventually { keys_of($redis) ne '' }), 'there are keys');

    # Another farm, whose keys change all the time; what it has to show takes a while.
    my $changing = RP::Redis->start;
    my ($three, $four) = map { host($changing, '4s') } 1, 2;
    ok((eventually { keys_of($changing) ne '' }), 'and others');
    my $first = begin($three, 'tls1_2');

    part 'a session of one proxy is resumed at another' => sub {
        for my $version (qw(tls1_2 tls1_3)) {
            # Two that start at once may come to one mind a moment later.
            ok((eventually { how($two, $version, begin($one, $version)) eq 'Reused' }), $version);
            is(how($one, $version, begin($two, $version)), 'Reused', 'and the other way');
            is(how($one, $version), 'New', 'which is more than TLS does by itself');
        }
    };

    part 'what lies in Redis' => sub {
        my $text = keys_of($redis);
        like($text, qr/\A.{8}RPs1/s, 'is sealed');
        cmp_ok($redis->command('PTTL', '{shop}:tickets'), '>', 0, 'and goes away by itself');
        my $file = begin($one, 'tls1_2');
        my $garbage = 'x' x length $text;
        $redis->command('SET', '{shop}:tickets', $garbage);
        ok((eventually { keys_of($redis) ne $garbage }), 'what somebody plants there is replaced');
        ok((eventually { grep { $_->error_log =~ /RP0774: .*not what a proxy has put there/ } $one, $two }),
            'which is told');
        is(how($two, 'tls1_2', $file), 'Reused', 'and makes no difference');
    };

    part 'a proxy that starts anew' => sub {
        my %files = map { $_ => begin($one, $_) } qw(tls1_2 tls1_3);
        $redis->command('DEL', '{shop}:tickets');
        is(join("\n", $one->stop), '', 'the one that the sessions are of is gone');
        $two->graceful_whole;
        is(how($two, 'tls1_2', $files{tls1_2}), 'Reused', 'a graceful restart keeps keys, though Redis has lost them');
        $one->begin;
        ok((eventually { keys_of($redis) ne '' }), 'somebody puts keys there');
        ok((eventually { how($one, 'tls1_3', begin($two, 'tls1_3')) eq 'Reused' }), 'and all have the same by and by');
        my $file = begin($two, 'tls1_3');
        is(join("\n", $one->stop), '', 'one is stopped once more');
        $one->begin;
        is(how($one, 'tls1_3', $file), 'Reused', 'and knows the keys when it is back, at once');
    };

    part 'a Redis that is away' => sub {
        my $file = begin($one, 'tls1_3');
        $redis->kill;
        is(how($two, 'tls1_3', $file), 'Reused', 'makes no difference to those who know the keys');
        is(how($two, 'tls1_3', begin($one, 'tls1_3')), 'Reused', 'for new sessions, too');
        $two->stop;
        $two->begin;
        is(how($two, 'tls1_3', $file), 'New', 'who does not know them shakes hands');
        is(how($two, 'tls1_2', begin($two, 'tls1_2')), 'Reused', 'and resumes its own sessions');
        my $own = begin($two, 'tls1_2');
        $redis->start_again;
        ok((eventually { how($two, 'tls1_3', begin($one, 'tls1_3')) eq 'Reused' }), 'until Redis is back');
        is(how($two, 'tls1_2', $own), 'Reused', 'its own sessions go on');
    };

    part 'keys are changed' => sub {
        my $resumed = eventually {
            my $before = keys_of($changing);
            my $file = begin($three, 'tls1_2');
            eventually { keys_of($changing) ne $before };
            return how($four, 'tls1_2', $file) eq 'Reused';
        };
        ok($resumed, 'and a session from before goes on');
        ok((eventually { how($four, 'tls1_2', $first) eq 'New' }), 'but not for ever');
        ok((eventually { how($three, 'tls1_3', begin($four, 'tls1_3')) eq 'Reused' }), 'all have the new ones');
    };
};

done_testing;
