# Licensed under the Apache License, Version 2.0; see LICENSE.

# Children are killed at random, for a minute, while clients fetch, follow and purge: nothing torn, nothing purged and
# nobody else's response is served, and no room is lost.  RP_STORM_SECONDS is how long (60).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;
use RP::Process;

use List::Util qw(max);
use Time::HiRes qw(sleep time);

my $seconds = $ENV{RP_STORM_SECONDS} || 60;
my $megabyte = 1 << 20;
my ($targets, $tags) = (60, 7);

sub target { return "/o/$_[0]?tag=" . $_[0] % $tags }

# Each body can be checked by itself: it says all over what it is and when it was made.
sub body_of
{
    my ($target, $made) = @_;
    my ($n) = $target =~ m{/o/(\d+)};
    my $size = $n % 4 == 0 ? 200_000 : $n % 4 == 1 ? 20_000 : 2000;
    my $line = "$target $made\n";
    return substr $line x ($size / length($line) + 1), 0, $size;
}

sub respond
{
    my ($c, $request) = @_;
    my ($n, $tag) = $request->target =~ /(\d+)\?tag=(\d+)/;
    my $made = sprintf '%.6f', time;
    my @fields = ('Cache-Control' => 'max-age=' . ($n % 9 ? 600 : 1), 'Surrogate-Key' => "t$tag", 'X-Made' => $made);
    return $c->respond($request, 200, \@fields, 'x' x $megabyte) if $request->target =~ m{/large/};
    my $body = body_of($request->target, $made);
    return $c->respond($request, 200, \@fields, $body) if $n % 3;
    # Children are to die in the midst of it as well.
    $c->send("HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nCache-Control: max-age=600\r\n",
        "Surrogate-Key: t$tag\r\nX-Made: $made\r\n\r\n", substr $body, 0, length($body) / 2);
    sleep 0.02;
    $c->send(substr $body, length($body) / 2);
}

# What one client does until the deadline.  It knows since when what it is given must have been made.
package Storm {
    use Time::HiRes qw(sleep time);

    sub new { my ($class, %self) = @_; return bless { got => 0, purged => 0, lost => 0, wrong => [], since => {}, %self }, $class }

    sub ask
    {
        my ($self, @request) = @_;
        my $response = eval {
            local $SIG{PIPE} = 'IGNORE';
            $self->{client} ||= RP::Client->connect($self->{port});
            $self->{client}->request(@request);
        };
        # Its child was killed: the connection ends, or what comes over it does.
        if (!$response || $response->broken) {
            delete $self->{client};
            $self->{lost}++;
            sleep 0.01;
            return;
        }
        delete $self->{client} if lc($response->field('Connection') || '') eq 'close';
        return $response;
    }

    sub fetch
    {
        my ($self, $n) = @_;
        my $target = main::target($n);
        my $response = $self->ask('GET', $target) or return;
        my $made = $response->field('X-Made') // 0;
        my $wrong = $response->status != 200 ? 'status ' . $response->status
            : $response->body ne main::body_of($target, $made) ? 'torn'
            : $made < ($self->{since}{$n} || 0) ? "purged $self->{since}{$n}, made $made" : undef;
        $self->{got}++;
        push @{ $self->{wrong} }, "$target: $wrong " . ($response->field('Cache-Status') // '') if defined $wrong;
    }

    sub purge
    {
        my ($self, $n) = @_;
        my $dice = rand;
        my @which = $dice < 0.5 ? ($n) : $dice < 0.9 ? (grep { $_ % $tags == $n % $tags } 1 .. $targets) : (1 .. $targets);
        my @how = $dice < 0.5 ? () : $dice < 0.9 ? ('Surrogate-Key' => 't' . $n % $tags)
            : ('RProxy-Purge' => $dice < 0.95 ? 'prefix' : 'all');
        my $begun = sprintf '%.6f', time;
        my $response = $self->ask('PURGE', $dice >= 0.9 ? '/o' : main::target($n), [@how]) or return;
        $self->{purged}++;
        push @{ $self->{wrong} }, 'PURGE: ' . $response->status . ' ' . $response->body if $response->status != 200;
        $self->{since}{$_} = $begun for @which;
    }

    sub run
    {
        my ($self) = @_;
        srand $self->{seed};
        while (time < $self->{deadline}) {
            my $n = 1 + int rand $targets;
            rand() < 0.92 ? $self->fetch($n) : $self->purge($n);
            sleep 0.003;
        }
        RP::Place->write_file($self->{results}, join "\n", @$self{qw(got purged lost)}, @{ $self->{wrong} });
    }
}

one_mpm {
    my $backend = backend(\&respond);
    my $httpd = httpd(children => 4, expect_kills => 1, modules => ['authz_host'], config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
<If "%{REQUEST_METHOD} == 'PURGE'">
    RProxyPurge on
    Require local
</If>
CONF
    my $size = sub { -s $httpd->root . '/cache/data.mdb' };
    my $deadline = time + $seconds;
    my @clients = map {
        my $client = Storm->new(port => $httpd->port, deadline => $deadline, seed => $_, results => $httpd->root . "/client$_");
        { of => $client, pid => RP::Process->spawn(sub { $client->run }) };
    } 1 .. 6;
    my ($killed, $largest) = (0, 0);
    while (time < $deadline) {
        sleep 0.3 + rand 0.7;
        my @children = $httpd->children;
        $killed += kill KILL => $children[rand @children] if @children;
        $largest = max($largest, $size->());
    }
    ok((eventually { !grep { !RP::Process->ended($_->{pid}) } @clients }), 'all clients come to their end');
    my (%sum, @wrong);
    for my $client (@clients) {
        my ($got, $purged, $lost, @of_it) = split /\n/, RP::Place->read_file($client->{of}{results});
        $sum{got} += $got, $sum{purged} += $purged, $sum{lost} += $lost;
        push @wrong, @of_it;
    }
    note("$killed children killed, $sum{got} responses, $sum{purged} purges, $sum{lost} requests lost with their child");
    cmp_ok($killed, '>=', $seconds / 4, 'children were killed');
    cmp_ok($sum{$_}, '>', 0, "there was something to see: $_") for qw(got purged lost);
    is(join("\n", @wrong[0 .. ($#wrong < 9 ? $#wrong : 9)]), '', 'every response was whole, its own, and newer than what was purged');
    cmp_ok($largest, '<=', 16 * $megabyte, 'the store was never larger than it may be');

    part 'what is left is a sound store with all of its room' => sub {
        ok((eventually { eval { get($httpd, target(1))->status == 200 } }), 'there are children again');
        is(request($httpd, 'PURGE', '/', ['RProxy-Purge' => 'all'])->status, 200, 'it is emptied');
        my $client = Storm->new(port => $httpd->port);
        $client->fetch($_) for 1 .. $targets, 1 .. $targets;
        is("@{ $client->{wrong} } $client->{lost}", ' 0', 'everything is served');
        is(request($httpd, 'PURGE', '/', ['RProxy-Purge' => 'all'])->status, 200, 'emptied again');
        my @large = map { "/large/$_?tag=1" } 1 .. 8;
        ok((eventually {
                   get($httpd, $_) for @large;
                   @large == grep { (get($httpd, $_)->field('Cache-Status') || '') =~ /\Arproxy; ?hit/ } @large;
               }), 'half of its size can be filled at once');
    };
};
done_testing;
