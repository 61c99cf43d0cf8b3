# Licensed under the Apache License, Version 2.0; see LICENSE.

# A farm of four under constant load, while each of its parts is restarted in turn: proxies gracefully and by force,
# Redis, and the backends.  No request fails, and each body is the one of its URL and of a version that was not purged.
#
# RP_ROLLING=100000 goes on for so many requests.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Farm;
use RP::Redis;
use Time::HiRes qw(sleep time);

plan(skip_all => 'no redis-server') if !RP::Redis->available;

my $wanted = $ENV{RP_ROLLING} || 1500;
my $urls = 60;
# Seconds after which an acknowledged purge counts; docs/farm.md promises a fraction of it, to machines less busy.
my $soon = 5;

# A client as one behind a balancer: a proxy that does not answer is left for another one.  Writes a line for what is
# wrong, and one with the number of its requests at the end.
sub load
{
    my ($i, $folder, @hosts) = @_;
    my ($n, $again, %clients) = (0, 0);
    srand $i;
    open my $out, '>', "$folder/load-$i" or POSIX::_exit(1);
    $out->autoflush(1);
    until (-e "$folder/end") {
        my $url = '/page/' . int($urls * rand() ** 2);
        my ($least) = RP::Place->read_file("$folder/least") =~ /(\d+)/;
        my ($response, $tries);
        for ($tries = 0; $tries < 200 && !$response; $tries++) {
            my $host = int rand @hosts;
            $response = eval {
                $clients{$host} = $clients{$host} || client($hosts[$host]);
                my $came = $clients{$host}->get($url);
                $came->broken ? undef : $came;
            };
            next if $response;
            delete $clients{$host};
            $again++;
            sleep 0.02;
        }
        $n++;
        if (!$response) {
            print $out "no answer for $url\n";
        }
        elsif ($response->status != 200 || $response->body !~ /\A\Q$url\E (\d+)\z/ || $1 < ($least // 0)) {
            print $out "wrong for $url, at least $least: ", $response->status, ' ', $response->body, "\n";
        }
        print $out "$n $again\n" if $n % 50 == 0;
    }
    POSIX::_exit(0);
}

sub so_far
{
    my ($folder) = @_;
    my ($n, $again, @wrong) = (0, 0);
    for my $i (0 .. 3) {
        my @lines = split /\n/, RP::Place->read_file("$folder/load-$i");
        my ($last) = grep { /\A\d+ \d+\z/ } reverse @lines;
        my ($did, $tried) = split / /, $last || '0 0';
        $n += $did;
        $again += $tried;
        push @wrong, grep { !/\A\d+ \d+\z/ } @lines;
    }
    return ($n, $again, @wrong);
}

one_mpm {
    my $folder = RP::Place->folder;
    my $redis = RP::Redis->start;
    my $farm = RP::Farm->new(redis => $redis, hosts => 4, options => 'lost=2s',
        httpd => [expect_kills => 1, children => 2, threads => 8]);
    my @hosts = $farm->hosts;
    my $version = 1;
    my @pending;
    my @pids;
    for my $i (0 .. 3) {
        my $pid = fork;
        load($i, $folder, @hosts) if !$pid;
        push @pids, $pid;
    }
    # What is purged for certain: every version below is, for the load that begins from now on.
    my $purge = sub {
        my ($host) = @_;
        $farm->version(++$version);
        my $said = eval { $farm->purge($host, '/', 'RProxy-Purge' => 'all') } || {};
        push @pending, [time, $version] if ($said->{farm} // '') eq 'logged';
    };
    my $settle = sub {
        my ($old) = grep { $_->[0] < time - $soon } reverse @pending;
        return if !$old;
        RP::Place->write_file("$folder/least.new", $old->[1]);
        rename "$folder/least.new", "$folder/least";
    };
    my $go_on = sub {
        my $until = time + $_[0];
        while (time < $until) {
            $settle->();
            sleep 0.05;
        }
    };
    my %done;
    my @steps = (
        ['a proxy restarts gracefully', sub { $hosts[$_[0] % 4]->graceful }],
        ['a proxy is killed', sub {
            my $httpd = $hosts[$_[0] % 4];
            my @all = ($httpd->pid, $httpd->children);
            kill KILL => @all;
            eventually { !grep { kill 0, $_ and !RP::Process->ended($_) } @all };
            $httpd->_forget;
            $httpd->begin;
        }],
        ['a proxy is stopped', sub { my $httpd = $hosts[$_[0] % 4]; $httpd->stop; $httpd->begin }],
        ['Redis is killed, and comes back empty', sub { $redis->kill; $go_on->(0.5); $redis->start_again }],
        ['Redis stands still', sub { $redis->pause; $go_on->(0.5); $redis->resume }],
    );
    my $deadline = time + 20 + $wanted / 20;
    for (my $turn = 0; ; $turn++) {
        my ($n) = so_far($folder);
        last if ($n >= $wanted && $turn >= @steps) || time > $deadline;
        my ($name, $step) = @{ $steps[$turn % @steps] };
        $purge->($hosts[($turn + 1) % 4]);
        $step->($turn);
        $done{$name}++;
        $go_on->(0.5);
    }
    $go_on->(0.2);
    RP::Place->write_file("$folder/end", '');
    waitpid $_, 0 for @pids;
    my ($n, $again, @wrong) = so_far($folder);
    is(scalar keys %done, scalar @steps, 'each part was restarted');
    cmp_ok($n, '>=', $wanted, "$n requests, $again times another proxy was asked, $version versions");
    is(scalar @wrong, 0, 'no error and no wrong body') or diag(join "\n", @wrong[0 .. ($#wrong < 20 ? $#wrong : 20)]);
};

done_testing;
