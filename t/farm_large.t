# Licensed under the Apache License, Version 2.0; see LICENSE.

# Bodies that lie in the farm's Redis in pieces.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

use Digest::MD5 qw(md5_hex);

use RP::Farm;
use RP::Redis;

plan(skip_all => 'no redis-server of version 7 or newer is installed') if !RP::Redis->available;

my $secret = RP::Farm->secret;
my $piece = 65280;

# No two pieces of it are alike.
sub body
{
    my ($size, $of) = @_;
    return substr join('', map { sprintf "%s %010d\n", $of, $_ } 1 .. $size / (length($of) + 12) + 1), 0, $size;
}

# /SIZE/OF/AGE: a body of that size; its ETag is of both.  OF being "new", each body is another one.
sub respond
{
    my ($c, $request) = @_;
    my ($size, $of, $age) = $request->target =~ m{\A/(\d+)/(\w+)/(\d+)};
    $of = 'number' . $request->number if $of eq 'new';
    my $etag = "\"$size-$of\"";
    my @fields = ('Cache-Control' => "max-age=$age", ETag => $etag);
    return $c->respond($request, 304, \@fields) if ($request->field('If-None-Match') || '') eq $etag;
    $c->respond($request, 200, \@fields, body($size, $of));
}

sub says { $_[0]->field('Cache-Status') }

# What is put into Redis for a test before this one may come late: only the keys of the URL that wait_body() has seen
# last count.
my ($url, %known) = ('');

sub keys_of { my ($redis, $kind) = @_; return grep { /\A\Q$url\E:$kind/ } @{ $redis->command('KEYS', '*') } }
sub entries { my @names = keys_of($_[0], 'e'); return @names }

# In their order; in scalar context how many.
sub pieces
{
    my %n = map { $_ => (/:(\d+)\z/)[0] } keys_of($_[0], 'c:');
    my @names = sort { $n{$a} <=> $n{$b} } keys %n;
    return @names;
}

sub new_urls
{
    my ($redis) = @_;
    my %new = map { /(.*\}):e/ && !$known{$1} ? ($1 => 1) : () } @{ $redis->command('KEYS', '*') };
    return keys %new;
}

# Until a body of that size is there, of a URL that was not before.
sub wait_body
{
    my ($redis, $size) = @_;
    return eventually {
        for (new_urls($redis)) {
            $url = $_;
            next if pieces($redis) != ($size > 8192 ? int(($size + $piece - 1) / $piece) : 0);
            return $known{$url} = 1;
        }
        0;
    };
}

one_mpm {
    my $redis = RP::Redis->start;
    my $backend = backend(\&respond);
    my @of = (farm => "secret=$secret largest=6M", local => '@ROOT@/cache size=64M largest=16M');
    my ($here, $there, $bare) = map { RP::Farm->proxy($redis->url, $backend, @of, @$_) } [], [], [local => 'off'];
    my $fresh_start = sub { RP::Farm->empty($redis); $backend->forget };

    part 'a large body is put into Redis in pieces, and read from there' => sub {
        my $target = '/5000000/one/600';
        my $md5 = md5_hex(body(5_000_000, 'one'));
        get($here, $target);
        ok(wait_body($redis, 5_000_000), 'the entry is there');
        is(scalar(pieces($redis)), 77, 'and all pieces are');
        my $response = get($there, $target);
        like(says($response), qr/\Arproxy; ?hit/, 'a hit at the other proxy');
        is(md5_hex($response->body), $md5, 'of the right bytes');
        $fresh_start->();
        is(md5_hex(get($there, $target)->body), $md5, 'which is in its local store now');
        is($backend->count, 0, 'without Redis or the backend');
    };

    part 'a local store that is off is not filled' => sub {
        $fresh_start->();
        my $target = '/300000/off/600';
        get($here, $target);
        ok(wait_body($redis, 300_000), 'one proxy has put it into Redis');
        is(md5_hex(get($bare, $target)->body), md5_hex(body(300_000, 'off')), 'the other has it from there') for 1 .. 2;
        is($backend->count, 1, 'and not from the backend');
        my $before = () = pieces($redis);
        $fresh_start->();
        like(says(get($bare, $target)), qr/fwd=uri-miss/, 'without Redis it has nothing');
        ok(eventually { pieces($redis) == $before }, 'and puts what it fetches there');
        is(md5_hex(get($there, $target)->body), md5_hex(body(300_000, 'off')), 'for others');
    };

    part 'a small one is validated by one whose local store is off' => sub {
        $fresh_start->();
        my $target = '/200/tiny/1';
        get($here, $target);
        ok(wait_body($redis, 200), 'in Redis');
        my ($entry) = entries($redis);
        my $was = $redis->command('GET', $entry);
        ok(eventually { says(get($bare, $target)) =~ /fwd=stale; ?fwd-status=304/ }, 'with a 304');
        ok(eventually { $redis->command('GET', $entry) ne $was }, 'Redis has it so');
        is(get($there, $target)->body, body(200, 'tiny'), 'for others');
    };

    part 'ranges, HEAD and conditions' => sub {
        $fresh_start->();
        my ($target, $body) = ('/400000/range/600', body(400_000, 'range'));
        get($here, $target);
        ok(wait_body($redis, 400_000), 'in Redis');
        is(get($there, $target, Range => 'bytes=130000-199999')->body, substr($body, 130_000, 70_000), 'a range');
        is(get($there, $target, Range => 'bytes=-5')->body, substr($body, -5), 'the end');
        is(head($there, $target)->field('Content-Length'), 400_000, 'HEAD');
        is(get($there, $target, 'If-None-Match' => '"400000-range"')->status, 304, 'a condition');
        is(md5_hex(get($there, $target)->body), md5_hex($body), 'all of it');
        is($backend->count, 1, 'one request to the backend');
    };

    part 'a body that is valid still is not sent again' => sub {
        $fresh_start->();
        my $target = '/1000000/valid/1';
        get($here, $target);
        ok(wait_body($redis, 1_000_000), 'in Redis');
        my ($entry) = entries($redis);
        my $was = $redis->command('GET', $entry);
        my %pieces = map { $_ => $redis->command('GET', $_) } pieces($redis);
        ok(eventually { says(get($bare, $target)) =~ /fwd=stale/ }, 'validated by one that has it from Redis alone');
        ok(eventually { $redis->command('GET', $entry) ne $was }, 'Redis has another entry');
        is_deeply({ map { $_ => $redis->command('GET', $_) } pieces($redis) }, \%pieces, 'and the same pieces');
        $was = $redis->command('GET', $entry);
        ok(eventually { says(get($here, $target)) =~ /fwd=stale/ }, 'validated by one that has it here');
        ok(eventually { $redis->command('GET', $entry) ne $was }, 'Redis has another entry');
        is_deeply({ map { $_ => $redis->command('GET', $_) } pieces($redis) }, \%pieces, 'and the same pieces');
    };

    part 'a body that is replaced is never mixed with the one before' => sub {
        $fresh_start->();
        my ($target, %seen) = '/700000/new/1';
        my $wrong = 0;
        get($here, $target);
        ok(wait_body($redis, 700_000), 'in Redis');
        eventually {
            get($here, $target);
            for my $proxy ($bare, $there, $bare) {
                my $body = get($proxy, $target)->body;
                my ($of) = $body =~ /\A(number\d+) /;
                $seen{$of}++;
                $wrong++ if $body ne body(700_000, $of);
            }
            keys %seen >= 3;
        };
        cmp_ok(scalar(keys %seen), '>=', 3, 'three bodies came one after the other');
        is($wrong, 0, 'each of them whole');
        ok(eventually { grep { my $left = $redis->command('PTTL', $_); $left > 0 && $left <= 60_000 } pieces($redis) },
            'what was replaced is kept a minute for those who read it');
    };

    part 'what is larger than largest= stays here' => sub {
        $fresh_start->();
        my $target = '/6400000/large/600';
        get($here, $target);
        get($here, '/10/small/600');
        ok(wait_body($redis, 10), 'what came later is in Redis');
        is(join(' ', new_urls($redis)), '', 'alone');
        like(says(get($here, $target)), qr/\Arproxy; ?hit/, 'it is in the local store');
    };

    part 'a piece that is missing makes a miss' => sub {
        $fresh_start->();
        my $target = '/300000/miss/600';
        get($here, $target);
        ok(wait_body($redis, 300_000), 'in Redis');
        $redis->command('DEL', (pieces($redis))[3]);
        my $response = get($there, $target);
        like(says($response), qr/fwd=uri-miss/, 'the backend is asked');
        is(md5_hex($response->body), md5_hex(body(300_000, 'miss')), 'and the body is whole');
        ok(eventually { pieces($redis) == 5 }, 'the piece comes back');
    };

    part 'one that goes while the body is sent breaks the response off' => sub {
        $fresh_start->();
        my $target = '/6000000/gone/600';
        get($here, $target);
        ok(wait_body($redis, 6_000_000), 'in Redis');
        my $client = client($there);
        $client->send_request('GET', $target);
        my $head = $client->read_response_head;
        is($head->status, 200, 'it has begun');
        $redis->command('DEL', (pieces($redis))[90]);
        my $response = $client->read_body($head, until_close => 1);
        ok($response->broken, 'and is not complete');
        is($response->body, substr(body(6_000_000, 'gone'), 0, length $response->body), 'what came is right');
        ok($there->wait_log(qr/RP0235/), 'the log says so');
        is(length get($there, $target)->body, 6_000_000, 'the next one is served');
        is($backend->count, 2, 'from the backend');
    };

    part 'a piece of another body is not taken for it' => sub {
        $fresh_start->();
        my $target = '/200000/forged/600';
        get($here, $target);
        ok(wait_body($redis, 200_000), 'in Redis');
        my @pieces = pieces($redis);
        $redis->command('SET', $pieces[0], $redis->command('GET', $pieces[1]));
        my $response = get($there, $target);
        like(says($response), qr/fwd=uri-miss/, 'the backend is asked');
        is(md5_hex($response->body), md5_hex(body(200_000, 'forged')), 'and the body is right');
        ok($there->wait_log(qr/RP0233/), 'the log says so');
    };
};

done_testing;
