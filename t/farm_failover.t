# Licensed under the Apache License, Version 2.0; see LICENSE.

# A fail-over in which the farm's log of purges loses its end: the purge is carried out everywhere all the same.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Farm;
use RP::Redis;

plan(skip_all => 'no redis-server') if !RP::Redis->available;

sub body_of { get(@_)->body }

# Does a host come to give this body?
sub comes_to
{
    my ($host, $target, $body, $name) = @_;
    ok((eventually { (body_of($host, $target) // '') eq $body }), $name);
}

one_mpm {
    my ($sentinels, $master, $replica) = RP::Redis->sentinel_set(name => 'main');
    my $url = 'sentinel://' . join(',', map { $_->address } @$sentinels) . '/main';
    my $farm = RP::Farm->new(url => $url, options => 'lost=3s');
    my ($a, $b) = $farm->hosts;

    part 'a fail-over' => sub {
        get($_, '/over/a') for $a, $b;
        $farm->version(2);
        is($farm->purge($a, '/over/a')->{farm}, 'logged', 'a purge before it');
        comes_to($b, '/over/a', '/over/a 2', 'is carried out');
        $farm->version(3);
        # The replica is not to hear of this one, nor the other host.
        $replica->pause;
        $master->command('CLIENT', 'KILL', 'TYPE', 'replica');
        my $frozen = $b->pid;
        kill STOP => $b->children;
        is($farm->purge($a, '/over/a')->{farm}, 'logged', 'the last one is acknowledged');
        $master->kill;
        $replica->resume;
        kill CONT => $b->children;
        comes_to($b, '/over/a', '/over/a 3', 'and though the new master never had it, it is carried out');
        ok((eventually { ($farm->purge($a, '/over/b')->{farm} || '') eq 'logged' }), 'the log goes on there');
        ok($a->wait_log(qr/RP0734/), 'the loss was noticed');
    };
};

done_testing;
