# Licensed under the Apache License, Version 2.0; see LICENSE.

# No purge is lost, whatever is away when it is made: a proxy, Redis, or the end of the farm's log.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Farm;
use RP::Redis;
use Time::HiRes qw(sleep time);

plan(skip_all => 'no redis-server') if !RP::Redis->available;

sub body_of { get(@_)->body }

# Does a host come to give this body?
sub comes_to
{
    my ($host, $target, $body, $name) = @_;
    ok((eventually { (body_of($host, $target) // '') eq $body }), $name);
}

# The server's processes, all of them at once, as when the machine's power fails but for the machine.
sub kill_all
{
    my ($httpd) = @_;
    my @all = ($httpd->pid, $httpd->children);
    kill KILL => @all;
    eventually { !grep { kill 0, $_ and !RP::Process->ended($_) } @all };
    $httpd->_forget;
}

one_mpm {
    my $redis = RP::Redis->start;
    my $farm = RP::Farm->new(redis => $redis, options => 'lost=2s', httpd => [expect_kills => 1]);
    my ($a, $b) = $farm->hosts;
    my $version = 1;
    my $next = sub { $farm->version(++$version) };
    my $both = sub { get($_, $_[0]) for $a, $b };

    part 'a proxy that was stopped meanwhile never serves what was purged' => sub {
        $both->('/stopped/a');
        is(join('', $b->stop), '', 'it ends well');
        $next->();
        is($farm->purge($a, '/stopped/a')->{farm}, 'logged', 'a purge');
        $b->begin;
        is(body_of($b, '/stopped/a'), "/stopped/a $version", 'not even the first time');
    };
    part 'nor one that was killed' => sub {
        $both->("/killed/$_") for 'a', 'b';
        kill_all($b);
        $next->();
        $farm->purge($a, '/killed/a');
        $b->begin;
        is(body_of($b, '/killed/a'), "/killed/a $version", 'it asks for what was purged');
        comes_to($b, '/killed/b', '/killed/b ' . ($version - 1), 'and uses what was not')
            or diag($b->error_log);
    };
    part 'while Redis is away' => sub {
        $both->('/away/a');
        my $before = $version;
        $next->();
        $redis->kill;
        my $begin = time;
        my $said = $farm->purge($a, '/away/a');
        is("$said->{status} $said->{farm}", '202 pending', 'a purge is taken on');
        is(body_of($a, '/away/a'), "/away/a $version", 'and done where it was asked for');
        is(body_of($b, '/away/a'), "/away/a $before", 'others go on for a while');
        comes_to($b, '/away/a', "/away/a $version", 'but not for longer than lost=');
        cmp_ok(time - $begin, '<', 2 + $RP::Stream::PATIENCE / 2, 'which is a bound');
    };
    part 'when Redis is back, empty' => sub {
        is(join('', $a->stop), '', 'and who had purged has been restarted');
        $next->();
        $redis->start_again;
        $a->begin;
        ok($b->wait_log(qr/RP0734: the farm's log of purges does not have/), 'the loss of the log is noticed');
        ok((eventually { $redis->command('XLEN', 'test:{log}:purges') >= 2 }), 'the purge is sent at last');
        comes_to($b, '/away/a', "/away/a $version", 'and carried out');
        is($farm->purge($b, '/away/a')->{farm}, 'logged', 'the log is at work again');
        $next->();
        $both->('/again/a');
        my $before = $version;
        $next->();
        is(body_of($b, '/again/a'), "/again/a $before", 'what was fetched since is used');
    };
    part 'a log that was cut' => sub {
        $both->("/cut/$_") for 'a', 'b';
        is(join('', $b->stop), '', 'while a proxy is stopped');
        $next->();
        $farm->purge($a, "/cut/$_") for 'a', 'c', 'd';
        $redis->command('XTRIM', 'test:{log}:purges', 'MAXLEN', '=', 1);
        $b->begin;
        is(body_of($b, '/cut/a'), "/cut/a $version", 'what was purged is asked for');
        ok($b->wait_log(qr/RP0734/), 'the cut is noticed');
        is(body_of($b, '/cut/b'), "/cut/b $version", 'what was not as well, since it cannot tell');
    };
    part 'what is fetched while Redis is away is used when it is back' => sub {
        $redis->pause;
        $both->('/fetched/a');
        $redis->resume;
        my $before = $version;
        $next->();
        ok((eventually { ($farm->purge($a, '/fetched/b')->{farm} // '') eq 'logged' }), 'the log is at work');
        comes_to($b, '/fetched/a', "/fetched/a $before", 'nothing has happened to it');
    };
};

done_testing;
