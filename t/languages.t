# Licensed under the Apache License, Version 2.0; see LICENSE.

# RProxyCacheAllow language: variants are found by the language that a client wants before all others.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

# A site in German, Brazilian and general Portuguese, and English: what the client wants most and is there, or a more
# general form of it (RFC 4647 §3.4); of equals, and when there is nothing, the first.
my @languages = qw(en de pt pt-BR);

sub choose
{
    my ($accept) = @_;
    my @wanted = map { [/\A\s*([^;\s]*)\s*(?:;\s*q=([\d.]+))?/] } split /,/, $accept // '';
    for my $range (sort { ($b->[1] // 1) <=> ($a->[1] // 1) } @wanted) {
        for (my $tag = $range->[0]; length $tag; $tag =~ s/-?[^-]*\z//) {
            my ($found) = grep { lc eq lc $tag } @languages;
            return $found if $found;
        }
    }
    return $languages[0];
}

one_mpm {
    my $unique = 0;
    my $backend = backend(sub {
        my ($c, $request) = @_;
        my $language = choose($request->field('Accept-Language'));
        my $etag = "\"$language\"";
        my @fields = (ETag => $etag, Vary => $request->target =~ /two/ ? 'Accept-Language, X-Any' : 'Accept-Language',
            'Cache-Control' => $request->target =~ /stale/ ? 'max-age=0' : 'max-age=600',
            'Content-Language' => $request->target =~ /several/ ? "$language, fr" : $language);
        @fields = @fields[0 .. 5] if $request->target =~ /silent/;
        return $c->respond($request, 304, \@fields) if ($request->field('If-None-Match') // '') eq $etag;
        $c->respond($request, 200, \@fields, $language);
    });
    my $httpd = httpd(modules => ['authz_host'], children => 1, config => pool(app => $backend) . <<'CONF');
RProxyCacheLocal @ROOT@/cache size=16M
RProxyPass / app
RProxyCache on
<Location /by>
    RProxyCacheAllow language
    RProxyPurge on
    Require ip 127.0.0.1
</Location>
<Location /by/early>
    RProxyCacheEarly on
</Location>
CONF
    my $target = sub { return '/by/' . join '/', @_, ++$unique };
    # The languages that come for these wishes, "*" behind one that the backend was asked for.
    my $got = sub {
        my ($where, @wishes) = @_;
        return join ' ', map {
            my $before = $backend->count;
            my $response = get($httpd, $where, ref $_ ? @$_ : ('Accept-Language' => $_));
            ($response->body || $response->status) . ($backend->count > $before ? '*' : '')
        } @wishes;
    };

    part 'whoever wants a language most gets what is stored in it' => sub {
        for my $where ($target->(), $target->('early')) {
            is($got->($where, 'fr, de', 'de', 'fr;q=0.5, de;q=1.0', 'DE;q=0.2, en;q=0.1', 'de, *;q=0.1'), 'de* de de de de',
                'by the response\'s Content-Language');
            is($got->($where, 'de, fr', 'fr, de'), 'de de', 'by the whole of Accept-Language as ever');
        }
    };
    part 'what a backend chose for a client that wants the same most is good for others' => sub {
        my $where = $target->();
        is($got->($where, 'de-AT,de;q=0.9,en;q=0.8', 'de-AT, fr;q=0.7', 'de-at'), 'de* de de', 'a more general form');
        is($got->($where, 'de-CH'), 'de*', 'but not of another special form: the backend may have that one');
        is($got->($where, 'pt', 'pt-BR, pt;q=0.9', 'pt-BR', 'pt;q=0.5', 'pt-PT'), 'pt* pt-BR* pt-BR pt pt*',
            'general and special forms stay apart where there are both');
    };
    part 'without a single wish the backend decides' => sub {
        my $where = $target->();
        is($got->($where, 'de', 'de, pt', 'de;q=0.5, pt;q=0.5', '*', 'de;q=x', 'de;q=0', []), 'de* de* de* en* de* de* en*',
            'equals, everything, what cannot be read, a refusal, nothing');
        is($got->($where, 'fr;q=0.9'), 'en*', 'a language that is not there');
        is($got->($where, 'fr'), 'en*', 'nor does what came for it answer others, being in none that they want');
    };
    part 'what is not in one language is found by its selection alone' => sub {
        is($got->($target->('several'), 'de', 'de, en;q=0.1', 'de'), 'de* de* de', 'two languages');
        is($got->($target->('silent'), 'de', 'de, en;q=0.1', 'de'), 'de* de* de', 'none that is told');
    };
    part 'other fields that Vary names go on to select' => sub {
        my $where = $target->('two');
        is($got->($where, ['Accept-Language' => 'de', 'X-Any' => 1], ['Accept-Language' => 'de, en;q=0.1', 'X-Any' => 1],
            ['Accept-Language' => 'de, en;q=0.1', 'X-Any' => 2]), 'de* de de*', 'both must fit');
    };
    part 'a stale one is asked about with the client\'s own wish' => sub {
        my $where = $target->('stale');
        is($got->($where, 'de', 'de, en;q=0.1'), 'de* de*', 'it holds');
        is($backend->last_request->field('If-None-Match'), '"de"', 'as the backend said');
        is($backend->last_request->field('Accept-Language'), 'de, en;q=0.1', 'knowing what is wanted');
    };
    part 'a purge of the URL takes all ways to it along' => sub {
        my $where = $target->();
        $got->($where, 'de-AT', 'pt');
        is(request($httpd, 'PURGE', $where)->status, 200, 'purged');
        is($got->($where, 'de-AT, en;q=0.1', 'de', 'pt, en;q=0.1'), 'de* de pt*', 'nothing is found');
    };
    part 'elsewhere each Accept-Language is one of its own' => sub {
        is($got->('/else', 'de', 'de, en;q=0.1', 'de'), 'de* de* de', 'as HTTP has it');
    };
};
done_testing;
