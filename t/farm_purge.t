# Licensed under the Apache License, Version 2.0; see LICENSE.

# One purge for the farm: what one proxy purges, all of them have purged.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Farm;
use RP::Redis;
use Time::HiRes qw(sleep time);

plan(skip_all => 'no redis-server') if !RP::Redis->available;

# Seconds within which a purge is everywhere; docs/farm.md promises a fraction of it, to machines that are not as busy.
my $soon = 5;

sub body_of { get(@_)->body }

# Does a host give a page of the version that is now, within the time?
sub becomes
{
    my ($host, $target, $version, $name) = @_;
    my $begin = time;
    sleep 0.01 until body_of($host, $target) eq "$target $version" || time - $begin > $soon;
    my $took = time - $begin;
    is(body_of($host, $target), "$target $version", $name);
    cmp_ok($took, '<', $soon, 'soon');
}

# Processes that ask a host for a page again and again, each answer with the times before and after; ended by the sub
# that is returned, which gives [before, version, after] of each.
sub readers
{
    my ($n, $target, @hosts) = @_;
    my $folder = RP::Place->folder;
    my @pids;
    for my $i (0 .. $n * @hosts - 1) {
        my $pid = fork;
        if (!$pid) {
            open my $out, '>', "$folder/$i" or POSIX::_exit(1);
            $out->autoflush(1);
            my $client = client($hosts[$i % @hosts]);
            until (-e "$folder/end") {
                my $before = time;
                my $response = $client->get($target);
                print $out join(' ', $before, $response->body =~ /(\d+)\z/, time), "\n";
                sleep 0.002;
            }
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    eventually { (grep { -s "$folder/$_" } 0 .. $#pids) == @pids };
    return sub {
        RP::Place->write_file("$folder/end", '');
        waitpid $_, 0 for @pids;
        return map { [split / /] } map { split /\n/, RP::Place->read_file("$folder/$_") } 0 .. $#pids;
    };
}

one_mpm {
    my $redis = RP::Redis->start;
    my $secret = RP::Place->write_file(RP::Place->folder . '/secret', 'x' x 40);
    my $farm = RP::Farm->new(redis => $redis, options => "secret=$secret");
    my ($a, $b) = $farm->hosts;
    my $version = 1;
    my $next = sub { $farm->version(++$version) };

    # What is purged by a kind, with the fields that are needed besides: a page's tag and group are in its URL.
    my %kinds = (
        url => sub { ["/url/$_[0]"] },
        tag => sub { ["/x/$_[0]", "/y/$_[0]"], 'Surrogate-Key' => $_[0] },
        group => sub { ["/x/$_[0]", "/y/$_[0]"], 'Cache-Groups' => qq("$_[0]") },
        prefix => sub { ["/$_[0]/a", "/$_[0]/b"] },
        all => sub { ["/x/$_[0]", "/y/$_[0]"] },
    );
    for my $mode ('hard', 'soft') {
        for my $kind (qw(url tag group prefix all)) {
            part "$kind, $mode" => sub {
                my ($pages, @fields) = $kinds{$kind}->("$kind-$mode");
                my $target = { url => $pages->[0], prefix => "/$kind-$mode/" }->{$kind} || '/';
                my $other = "/else-$kind-$mode/other";
                get($a, $_), get($b, $_) for @$pages, $other;
                my $before = $version;
                $next->();
                is(body_of($b, $_), "$_ $before", 'what is stored is used') for @$pages;
                my $said = $farm->purge($a, $target, @fields,
                    'RProxy-Purge' => $mode eq 'soft' ? "$kind; soft" : $kind);
                is("$said->{status} $said->{farm}", '200 logged', 'the answer says that it is in the log');
                becomes($b, $_, $version, "$_ is asked for again") for @$pages;
                is(body_of($a, $pages->[0]), "$pages->[0] $version", 'where it was purged as well');
                is(body_of($b, $other), "$other $before", 'nothing else is') if $kind ne 'all';
            };
        }
    }
    part 'an unsafe request' => sub {
        get($_, '/form/a') for $a, $b;
        $next->();
        post($a, '/form/a', 'content');
        becomes($b, '/form/a', $version, 'has its URL asked for again everywhere');
    };
    part 'readers never get what was purged' => sub {
        get($_, '/read/a') for $a, $b;
        my $end = readers(3, '/read/a', $a, $b);
        my @purged;
        for (1 .. 4) {
            $next->();
            my $said = $farm->purge($a, '/read/a');
            push @purged, [time, $version] if $said->{farm} eq 'logged';
            sleep 0.3;
        }
        my @read = $end->();
        my ($late, $most) = (0, 0);
        for my $read (@read) {
            my ($before, $got, $after) = @$read;
            for my $purge (grep { $_->[1] > $got && $_->[0] < $before } @purged) {
                $late = $before - $purge->[0];
                $most = $late if $late > $most;
            }
        }
        is(scalar @purged, 4, 'each purge is in the log');
        cmp_ok(scalar @read, '>', 100, 'many reads');
        cmp_ok($most, '<', $soon,
            sprintf 'none of an old version that began later than the bound: %.0f ms', 1000 * $most);
    };
    part 'a fetch that began before a purge stores nothing' => sub {
        my $slow = RP::Farm->new(redis => $redis, options => "secret=$secret",
            directives => "RProxyCacheCollapse stall=500ms\n", respond => sub {
            my ($c, $request, $now) = @_;
            if ($request->target eq '/slow/a' && $now == 1) {
                $c->note('asked');
                $c->wait_signal('go');
            }
            RP::Farm::page($c, $request, $now);
        });
        my ($one, $two) = $slow->hosts;
        get($two, '/later/a');
        my $client = client($two);
        $client->send_request('GET', '/slow/a');
        $slow->backend_of->wait_note('asked');
        $slow->version(2);
        is($slow->purge($one, '/slow/a')->{farm}, 'logged', 'it is purged elsewhere meanwhile');
        becomes($one, '/slow/a', 2, 'there it is new');
        $slow->purge($one, '/later/a');
        becomes($two, '/later/a', 2, 'and the host that fetches has heard of it');
        $slow->backend_of->signal('go');
        is($client->read_response('GET')->body, '/slow/a 1', 'who asked before the purge gets what was then,');
        is(body_of($two, '/slow/a'), '/slow/a 2', 'but nobody after him');
    };
    part 'an order that is not sealed' => sub {
        get($_, '/forged/a') for $a, $b;
        $next->();
        my $order = 'o1' . "\0" . 'origin..' . 'number..' . "\1\0" . 'a';
        $redis->command('XADD', 'test:{log}:purges', '*', 'o', $order);
        ok($b->wait_log(qr/RP0733: the farm's log has 1 orders that are none/), 'is logged');
        is(body_of($b, '/forged/a'), '/forged/a ' . ($version - 1), 'and purges nothing');
        $redis->command('XADD', 'test:{log}:purges', '*', 'nonsense', $order, 'and', 'more');
        is($farm->purge($a, '/forged/a')->{farm}, 'logged', 'the log goes on');
        becomes($b, '/forged/a', $version, 'and is followed');
    };
};

done_testing;
