# Licensed under the Apache License, Version 2.0; see LICENSE.

# The file system under the local store is full: nothing is stored, and nothing else happens.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

plan(skip_all => 'only root can mount a small file system') if $> != 0;

my @mounted;
END { local $?; system 'umount', '-l', $_ for @mounted }

sub is_stored { return ($_[0]->field('Cache-Status') || '') =~ /\Arproxy; ?hit\b/ }

# A server that has not begun, its store on a file system of so many bytes; undef where none can be mounted.
sub on_small_disk
{
    my ($backend, $bytes) = @_;
    my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/disk/cache size=64M
RProxyPass / app
RProxyCache on
CONF
    my $disk = $httpd->root . '/disk';
    mkdir $disk;
    system("mount -t tmpfs -o size=$bytes,mode=0755 none $disk 2>/dev/null") == 0 or return;
    push @mounted, $disk;
    return $httpd;
}

sub resize { my ($httpd, $bytes) = @_; return system('mount', '-o', "remount,size=$bytes", $httpd->root . '/disk') == 0 }

my $unique = 0;
sub object { return asking('/o' . ++$unique, 'Cache-Control' => 'max-age=600', @_) }

each_mpm {
    my $backend = backend(as_asked());
    my $httpd = on_small_disk($backend, 8 * 1024 * 1024) or plan(skip_all => 'a tmpfs cannot be mounted here');
    $httpd->begin;
    my %children = map { $_ => 1 } $httpd->children;
    my $first = object(size => 100_000);
    get($httpd, $first);

    part 'responses go on being served' => sub {
        my @wrong = grep {
            my $size = $_ % 3 ? 300_000 : 2000;
            my $response = get($httpd, object(size => $size));
            $response->status != 200 || $response->broken || length $response->body != $size;
        } 1 .. 60;
        is("@wrong", '', 'each of them whole');
        ok($httpd->wait_log(qr/the disk is full/), 'the log says why they are not stored');
        my $target = object(size => 300_000);
        get($httpd, $target);
        ok(!is_stored(get($httpd, $target)), 'they are misses');
        ok(is_stored(get($httpd, $first)), 'what was stored before is still there');
    };
    part 'when there is space again, storing goes on' => sub {
        ok(resize($httpd, 40 * 1024 * 1024), 'the disk becomes larger');
        my $target = object(size => 300_000);
        ok(eventually { is_stored(get($httpd, $target)) }, 'and what comes is stored');
    };
    is(scalar(grep { !$children{$_} } $httpd->children), 0, 'no child died') if $RP::Test::mpm ne 'prefork';
    my ($log, %lines) = $httpd->error_log;
    $lines{$1}++ while $log =~ /pid (\d+).*the disk is full/g;
    is(scalar(grep { $_ > 1 } values %lines), 0, 'each child said it once');
    unlike($httpd->error_log, qr/damaged|cannot write/, 'and nothing worse');
};

one_mpm {
    my $backend = backend(as_asked());
    my $httpd = on_small_disk($backend, 4 * 1024 * 1024) or plan(skip_all => 'a tmpfs cannot be mounted here');
    RP::Place->write_file($httpd->root . '/disk/other', 'x' x (4 * 1024 * 1024 - 65536));
    $httpd->begin;
    my $target = object();
    is(get($httpd, $target)->status, 200, 'a disk that was full at start: requests are served');
    ok(!is_stored(get($httpd, $target)), 'without a cache');
    ok($httpd->wait_log(qr/RProxyCacheLocal.*No space left/), 'and the log says why');
};

done_testing;
