# Licensed under the Apache License, Version 2.0; see LICENSE.

# An object of many megabytes goes through the proxy into the store, and out of it whole and by ranges, while the processes
# stay small.  RP_LARGE is its size in MiB (256).
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $megabyte = 1 << 20;
my $size = ($ENV{RP_LARGE} || 256) * $megabyte;
my $bound = 32 * $megabyte;

# Every 16 bytes of the object say where they are: 9 digits of the 64 KiB block's number, a dash, 5 of their own, a line feed.
my $block = 65536;
my $fill = join '', map { sprintf "-%05d\n", $_ } 0 .. $block / 16 - 1;
my @offsets = map { 16 * $_ } 0 .. $block / 16 - 1;

sub object_block
{
    my ($n) = @_;
    my $number = sprintf '%09d', $n;
    return join '', map { $number . substr $fill, 7 * $_ / 16, 7 } @offsets;
}

# Making one takes longer than sending it: they differ in their numbers only.
my $model = object_block(999_999_999);
sub fast_block
{
    my ($n) = @_;
    my $number = sprintf '%09d', $n;
    return $model =~ s/999999999/$number/gr;
}

sub bytes_at
{
    my ($first, $length) = @_;
    my $from = int $first / $block;
    my $to = int(($first + $length - 1) / $block);
    return substr join('', map { fast_block($_) } $from .. $to), $first - $from * $block, $length;
}

sub send_object
{
    my ($c, $request) = @_;
    $c->send("HTTP/1.1 200 OK\r\nContent-Length: $size\r\nCache-Control: max-age=600\r\nETag: \"large\"\r\n\r\n");
    for my $n (0 .. $size / $block - 1) {
        return if !$c->send(fast_block($n));
    }
}

# Private memory of all children together: what lies in mapped files is the page cache's.
sub status_of
{
    my ($httpd, $name) = @_;
    my $all = 0;
    for my $pid ($httpd->children) {
        $all += 1024 * $1 if RP::Place->read_file("/proc/$pid/status") =~ /^$name:\s+(\d+) kB/m;
    }
    return $all;
}

# Read a body of so many bytes, which begin at first.  @return (nonzero when each is right, the most private memory seen)
sub check_body
{
    my ($httpd, $client, $first, $length) = @_;
    my ($right, $most, $at) = (1, 0, $first);
    while ($at < $first + $length) {
        my $n = $block - $at % $block;
        $n = $first + $length - $at if $n > $first + $length - $at;
        my $got = $client->read_bytes($n);
        $right &&= $got eq bytes_at($at, $n);
        last if length $got < $n;
        $at += $n;
        my $now = $at % (16 * $megabyte) == 0 ? status_of($httpd, 'RssAnon') : 0;
        $most = $now if $now > $most;
    }
    my $now = status_of($httpd, 'RssAnon');
    return ($right && $at == $first + $length, $now > $most ? $now : $most);
}

one_mpm {
    is(fast_block(7), object_block(7), 'the object is what it should be');
    my $backend = backend(\&send_object);
    my $store = int $size / $megabyte * 2.5 + 64;
    my $httpd = httpd(config => pool(app => $backend) . <<"CONF");
RProxyCacheLocal \@ROOT\@/cache size=${store}M largest=${\ ($size / $megabyte)}M
RProxyPass / app
RProxyCache on
CONF
    my $client = client($httpd);
    my $before = status_of($httpd, 'RssAnon');
    ok($before > $megabyte, 'memory can be measured');

    my $is_small = sub {
        my ($most, $name) = @_;
        my $grown = $most - $before;
        note(sprintf '%s: private memory grew by %.1f MiB, mapped file pages are %.1f MiB', $name, $grown / $megabyte,
            status_of($httpd, 'RssFile') / $megabyte);
        cmp_ok($grown, '<', $bound, "$name: little private memory");
    };
    my $whole = sub {
        my ($from) = @_;
        $client->send_request('GET', '/object');
        my $head = $client->read_response_head;
        is($head->status . ' ' . $head->field('Content-Length'), "200 $size", "$from: the head");
        my ($right, $most) = check_body($httpd, $client, 0, $size);
        ok($right, "$from: each byte");
        $is_small->($most, $from);
        return $head;
    };
    part 'it is stored' => sub { like($whole->('from the backend')->field('Cache-Status'), qr/; stored/, 'so it says') };
    part 'it is served whole' => sub { like($whole->('from the store')->field('Cache-Status'), qr/hit/, 'so it says') };
    part 'it is served by ranges' => sub {
        for my $range ([0, 1], [$size - 1, 1], [$size / 2 - 7, 100_000], [$block * 100 - 1, 2], [int $size / 3, $megabyte],
            [$size / 4, $size / 2]) {
            my ($first, $length) = @$range;
            my $last = $first + $length - 1;
            $client->send_request('GET', '/object', [Range => "bytes=$first-$last"]);
            my $head = $client->read_response_head;
            is($head->field('Content-Range'), "bytes $first-$last/$size", "$length bytes at $first: their place");
            my ($right, $most) = check_body($httpd, $client, $first, $length);
            ok($right, 'each byte');
            $is_small->($most, "$length bytes at $first");
        }
        my $many = $client->get('/object', Range => 'bytes=0-9,' . ($size - 10) . '-');
        my ($a, $b) = (bytes_at(0, 10), bytes_at($size - 10, 10));
        like($many->body, qr/\Q$a\E.*\Q$b\E/s, 'two at once');
    };
    is($backend->count, 1, 'the backend was asked once');
};

done_testing;
