# Licensed under the Apache License, Version 2.0; see LICENSE.

# What is wrong in a configuration fails configtest with file, line, what is wrong and what to write instead.
use FindBin;
use lib "$FindBin::Bin/lib";
use RP::Test;

my $pool = pool(app => 'http://127.0.0.1:9');
my $authority = RP::TLS->authority;
my ($one, $two) = map { $authority->issue } 1 .. 2;
my $secret = RP::Place->write_file(RP::Place->folder . '/secret', 'x' x 32);
my $encrypted = RP::TLS->encrypted($one->{key});

# name of the case, configuration (the line that is to blame begins with "!"), what the message names, what it advises
my @wrong = (
    ['a route to an unknown pool', "!RProxyPass / shop\n", qr/shop/, qr/RProxyPool/],
    ['a route to an unknown pool in a section', "$pool<Location /a>\n!RProxyPass shop\n</Location>\n",
        qr/shop/, qr/known pools are: app/],
    ['a pool without members', "!<RProxyPool empty>\n</RProxyPool>\nRProxyPass / empty\n", qr/empty/,
        qr/RProxyMember/],
    ['two routes for one path', "${pool}RProxyPass /a app\n!RProxyPass /a app\n", qr{/a}, qr/line \d+|:\d+/],
    ['two routes for one path in two ways', "${pool}RProxyPass /a app\n<Location /a/>\n!RProxyPass app/base\n</Location>\n",
        qr{/a}, qr/line \d+|:\d+/],
    ['tickets without a farm', '!RProxyFarmTickets on', qr/RProxyFarmTickets/, qr/RProxyFarm URL secret=FILE/],
    ['tickets without a secret', "RProxyFarm redis://127.0.0.1:1\n!RProxyFarmTickets on", qr/needs a secret/,
        qr/secret=FILE behind RProxyFarm/],
    ['tickets without mod_ssl', "RProxyFarm redis://127.0.0.1:1 secret=$secret\n!RProxyFarmTickets on", qr/needs mod_ssl/,
        qr/LoadModule ssl_module/],
    ['tickets of some kind', '!RProxyFarmTickets shared', qr/RProxyFarmTickets/, qr/write on, .*or off/],
    ['tickets whose keys change all the time', '!RProxyFarmTickets on rotate=1s', qr/rotate=1s/, qr/from 4s to 7d/],
    ['tickets of a virtual host', "<VirtualHost *:80>\n!RProxyFarmTickets on\n</VirtualHost>", qr/RProxyFarmTickets/,
        qr/VirtualHost/],
    ['a limit that limits nothing', '!RProxyLimit key=address', qr/RProxyLimit/,
        qr{rate=N/s, rate=N/m or rate=N/h, or concurrent=N}],
    ['a rate without its unit', '!RProxyLimit rate=10', qr/rate=10/, qr{10/s, 100/m or 1000/h}],
    ['a rate of nothing', '!RProxyLimit rate=0/s', qr{rate=0/s}, qr/from 1 to 1000000/],
    ['a rate by the day', '!RProxyLimit rate=10/d', qr{rate=10/d}, qr{10/s, 100/m or 1000/h}],
    ['two limits in one', '!RProxyLimit rate=10/s concurrent=5', qr/two limits/, qr/an RProxyLimit for each/],
    ['a burst of requests at a time', '!RProxyLimit concurrent=5 burst=10', qr/burst=/, qr/leave it out/],
    ['a limit by what there is not', '!RProxyLimit rate=1/s key=ip', qr/key=ip/, qr/key=address, key=header:NAME/],
    ['a limit by a field without a name', '!RProxyLimit rate=1/s key=header:', qr/key=header:/, qr/key=header:NAME/],
    ['a limit by an expression that is none', '!RProxyLimit rate=1/s "key=expr:%{REQUEST_URI"',
        qr/key=expr:%\{REQUEST_URI/, qr/"key=expr:%\{REMOTE_USER\}"/],
    ['a limit by the response', '!RProxyLimit rate=1/s "key=expr:%{resp:X-Kind}"', qr/before there is a response/,
        qr/without %\{resp:/],
    ['a limit for some responses', '!RProxyLimit rate=1/s "expr=%{REQUEST_STATUS} == 404"',
        qr/before there is a response/, qr/without %\{resp:/],
    ['a limit with an odd name', '!RProxyLimit rate=1/s name=a/b', qr{name=a/b}, qr/letters, digits/],
    ['a limit inside of <If>', "<If \"-z %{QUERY_STRING}\">\n!RProxyLimit rate=1/s\n</If>", qr/RProxyLimit.*<If>/,
        qr/"expr=\.\.\."/],
    ['two limits of one name', "RProxyLimit rate=1/s name=a\n<Location /b>\n!RProxyLimit rate=2/s name=a\n</Location>",
        qr/name=a says something else than at \S+ line \d+/, qr/write the same, or another name/],
    ['a misspelt option of a limit', '!RProxyLimit rate=1/s dryrun', qr/dryrun/, qr/dry-run/],
    ['a method that nobody knows', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n!RProxyMethod p2p\n</RProxyPool>\n",
        qr/p2p/, qr/known methods are: p2c, round-robin/],
    ['a method with a word too many', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n!RProxyMethod random bound=125%\n</RProxyPool>\n",
        qr/bound=125%/, qr/one word too many/],
    ['hashing by nothing', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n!RProxyMethod hash\n</RProxyPool>\n",
        qr/hash needs to know/, qr/RProxyMethod hash uri, or/],
    ['hashing by what there is not', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n!RProxyMethod hash path\n</RProxyPool>\n",
        qr/'path'/, qr/write uri, header:NAME, cookie:NAME or client/],
    ['hashing by a field without a name', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n!RProxyMethod hash header:\n</RProxyPool>\n",
        qr/'header:'/, qr/header:NAME/],
    ['a bound below the fair share', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n!RProxyMethod hash uri bound=100%\n</RProxyPool>\n",
        qr/bound=100%/, qr/bound=125%/],
    ['a bound that is no percentage', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n!RProxyMethod hash uri bound=1.25\n</RProxyPool>\n",
        qr/bound=1\.25/, qr/bound=125%/],
    ['two methods', "<RProxyPool app>\nRProxyMember http://127.0.0.1:8\nRProxyMethod p2c\n!RProxyMethod random\n</RProxyPool>\n",
        qr/random.*p2c/, qr/remove one of them/],
    ['a method outside of a pool', "!RProxyMethod p2c\n", qr/RProxyMethod/, qr/<RProxyPool NAME>/],
    ['a pool that stands twice', "$pool!<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n</RProxyPool>\n",
        qr/app/, qr/another name/],
    ['a pool of the same name in two virtual hosts', "<VirtualHost *:80>\nServerName a\n$pool</VirtualHost>\n"
        . "<VirtualHost *:80>\nServerName b\n!<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n"
        . "</RProxyPool>\n</VirtualHost>\n", qr/app.*httpd\.conf line \d+/, qr/another name/],
    ['a pool of the main server\'s name in a virtual host', "$pool<VirtualHost *:80>\nServerName a\n"
        . "!<RProxyPool app>\nRProxyMember http://127.0.0.1:8\n</RProxyPool>\n</VirtualHost>\n",
        qr/app.*httpd\.conf line \d+/, qr/another name/],
    ['a name of 64 letters', '!<RProxyPool ' . 'a' x 64 . ">\nRProxyMember http://127.0.0.1:8\n</RProxyPool>\n",
        qr/aaaa/, qr/at most 63/],
    ['a member of 288 letters', member('http://' . 'a' x 281), qr/aaaa/, qr/at most 287/],
    ['a pool called none', "!<RProxyPool none>\nRProxyMember http://127.0.0.1:8\n</RProxyPool>\n", qr/none/,
        qr/name/],
    ['a pool without a name', "!<RProxyPool>\nRProxyMember http://127.0.0.1:8\n</RProxyPool>\n",
        qr/RProxyPool/, qr/name|NAME/],
    ['a misspelt option of a member', member('http://127.0.0.1:9 weigth=2'), qr/weigth/, qr/weight/],
    ['a weight below 0', member('http://127.0.0.1:9 weight=-1'), qr/weight=-1/, qr/0 to 256/],
    ['a backup with another priority', member('http://127.0.0.1:9 backup priority=2'), qr/backup/, qr/priority=1/],
    ['RProxyRoom outside of a pool', '!RProxyRoom 5', qr/RProxyRoom/, qr/<RProxyPool NAME>/],
    ['RProxyRoom that is too large', "<RProxyPool a>\nRProxyMember http://127.0.0.1:9\n!RProxyRoom 1001\n</RProxyPool>", qr/RProxyRoom 1001/,
        qr/0 to 1000/],
    ['RProxyEject outside of a pool', '!RProxyEject off', qr/RProxyEject/, qr/<RProxyPool NAME>/],
    ['a queue without an end', "<RProxyPool a>\nRProxyMember http://127.0.0.1:9\n!RProxyQueue length=endless\n</RProxyPool>",
        qr/RProxyQueue: length=endless/, qr/0 to 65535/],
    ['a queue outside of a pool', "!RProxyQueue length=5", qr/RProxyQueue/, qr/inside of <RProxyPool NAME>/],
    ['a member with less than no requests', "<RProxyPool a>\n!RProxyMember http://127.0.0.1:9 max=-1\n</RProxyPool>",
        qr/RProxyMember http:\/\/127\.0\.0\.1:9: max=-1/, qr/0 to 1000000/],
    ['a name that is looked up all the time', "<RProxyPool a>\n!RProxyMember http://a.test resolve=100ms\n</RProxyPool>",
        qr{RProxyMember http://a\.test: resolve= is less than a second}, qr/write 1s/],
    ['a socket with a name server', "<RProxyPool a>\n!RProxyMember unix:/run/a resolve=1s\n</RProxyPool>",
        qr{RProxyMember unix:/run/a: resolve=}, qr/for names: leave them out/],
    ['an address to expand', "<RProxyPool a>\n!RProxyMember http://127.0.0.1:9 expand\n</RProxyPool>",
        qr{RProxyMember http://127\.0\.0\.1:9: expand is for names, not addresses}, qr/leave it out/],
    ['a service with a port', "<RProxyPool a>\n!RProxyMember srv+http://_http._tcp.a.test:80\n</RProxyPool>",
        qr{SRV records say the port}, qr{write srv\+http://_http\._tcp\.a\.test}],
    ['one route for many', "<RProxyPool a>\n!RProxyMember http://a.test expand route=r\n</RProxyPool>",
        qr/route= would be the same/, qr/use RProxySticky cookie= or learn=/],
    ['a name server that is a name', "!RProxyResolver ns.test\n", qr/RProxyResolver ns\.test/, qr/write an IPv4 address .*10\.0\.0\.2:5353/],
    ['a name server of a virtual host', "<VirtualHost *:80>\n!RProxyResolver 10.0.0.2\n</VirtualHost>\n", qr/RProxyResolver/,
        qr/cannot occur within/],
    ['an unknown reason to eject', "<RProxyPool a>\nRProxyMember http://127.0.0.1:9\n!RProxyEject slow=3\n</RProxyPool>",
        qr/slow/, qr/failures, errors/],
    ['RProxySticky outside of a pool', '!RProxySticky cookie=S', qr/RProxySticky/, qr/<RProxyPool NAME>/],
    ['sessions without a way to tell them', sticky('gone=refuse'), qr/RProxySticky/, qr/cookie=NAME.*route=NAME.*learn=NAME/],
    ['sessions that are told in two ways', sticky('cookie=S learn=T'), qr/RProxySticky/, qr/one of cookie=NAME/],
    ['RProxySticky twice', sticky("cookie=S\n!RProxySticky cookie=T") =~ s/!//r, qr/RProxySticky/, qr/a pool has one/],
    ['a cookie with a name that is none', sticky('cookie=a;b'), qr/a;b/, qr/one word/],
    ['an option of another kind of sessions', sticky('cookie=S size=500'), qr/size=/, qr/learn= only/],
    ['attributes of a cookie that is not ours', sticky('learn=S path=/'), qr/path=/, qr/cookie= only/],
    ['a way to be gone that there is not', sticky('cookie=S gone=home'), qr/gone=home/, qr/gone=rebalance or gone=refuse/],
    ['a cookie that browsers drop', sticky('cookie=S samesite=none secure=off'), qr/samesite=none/, qr/secure=on/],
    ['a __Host- cookie with a domain', sticky('cookie=__Host-S secure=on domain=example.org'), qr/__Host-S/, qr/domain=/],
    ['a __Secure- cookie that is not', sticky('cookie=__Secure-S'), qr/__Secure-S/, qr/secure=on/],
    ['a path of a cookie that is none', sticky('cookie=S path=shop'), qr/path=shop/, qr{path=/shop}],
    ['a secret that is not there', sticky('cookie=S secret=/nonexistent/key'), qr{/nonexistent/key}, qr/No such file/],
    ['a secret that is none', sticky('cookie=S secret=/etc/hostname'), qr{/etc/hostname}, qr/chmod 600|head -c 32/],
    ['routes that no member has', sticky('route=JSESSIONID'), qr/route=JSESSIONID/, qr/RProxyMember \S+ route=node1/],
    ['a route that two members have', "<RProxyPool a>\nRProxyMember http://127.0.0.1:8 route=n\n"
        . "!RProxyMember http://127.0.0.1:9 route=n\n</RProxyPool>\n", qr/route=n/, qr/a route of its own/],
    ['a route with a dot', "<RProxyPool a>\n!RProxyMember http://127.0.0.1:9 route=n.1\n</RProxyPool>\n",
        qr/route=n\.1/, qr/node1/],
    ['a weight above 256', member('http://127.0.0.1:9 weight=257'), qr/weight=257/, qr/0 to 256/],
    ['a weight that is a word', member('http://127.0.0.1:9 weight=heavy'), qr/heavy/, qr/0 to 256/],
    ['a duration without its unit', member('http://127.0.0.1:9 idle=30'), qr/idle=30/, qr/\bms\b.*\bs\b/],
    ['a member that stands twice', "<RProxyPool app>\nRProxyMember http://127.0.0.1:9\n!RProxyMember http://127.0.0.1:9\n</RProxyPool>\n",
        qr/127\.0\.0\.1:9/, qr/weight=/],
    ['a member of another scheme', member('ftp://127.0.0.1'), qr/ftp/, qr{http://HOST}],
    ['a member without a scheme', member('127.0.0.1:9'), qr/127\.0\.0\.1:9/, qr{http://HOST}],
    ['a member with a path', member('http://127.0.0.1:9/base'), qr{/base}, qr/RProxyPass/],
    ['a member with a port beyond 65535', member('http://127.0.0.1:70000'), qr/70000/, qr/65535|http:/],
    ['a Unix socket with a relative path', member('unix:run/x.sock'), qr/unix:/, qr/absolute/],
    ['a CA file that is not there', member('https://127.0.0.1:9 ca=/nonexistent/ca.pem'),
        qr{/nonexistent/ca.pem}, qr/PEM/],
    ['a CA file for a member without TLS', member('http://127.0.0.1:9 verify=off'), qr/verify/, qr/https/],
    (map { ["$_= for a member without TLS", member("http://127.0.0.1:9 $_=x"), qr/\b$_=/, qr/https/] }
        qw(pin sni cert key tls-min)),
    ['a CA file without certificates', member("https://127.0.0.1:9 ca=$one->{key}"), qr/ca=\Q$one->{key}\E/, qr/PEM/],
    ['a pin without its hash', member('https://127.0.0.1:9 pin=47DEQpj8HBSa'), qr/pin=47DEQpj8HBSa/, qr{sha256//}],
    ['a pin cut short', member('https://127.0.0.1:9 pin=' . RP::TLS->pin($one->{cert}) . ',sha256//47DE='),
        qr{pin=sha256//47DE= }, qr{base64}],
    ['a certificate that is not there', member('https://127.0.0.1:9 cert=/nonexistent/us.pem'), qr{cert=/nonexistent/us.pem},
        qr/PEM/],
    ['a certificate that is a key', member("https://127.0.0.1:9 cert=$one->{key}"), qr/cert=\Q$one->{key}\E/, qr/PEM/],
    ['a certificate without its key', member("https://127.0.0.1:9 cert=$one->{cert}"), qr/key=\Q$one->{cert}\E/, qr/PEM/],
    ['a key without its certificate', member("https://127.0.0.1:9 key=$one->{key}"), qr/key=/, qr/cert=/],
    ['a key that is not there', member("https://127.0.0.1:9 cert=$one->{cert} key=/nonexistent/us.key"),
        qr{key=/nonexistent/us.key}, qr/PEM/],
    ['another certificate\'s key', member("https://127.0.0.1:9 cert=$one->{cert} key=$two->{key}"),
        qr/key=\Q$two->{key}\E is not the key/, qr/made with/],
    ['a key with a passphrase', member("https://127.0.0.1:9 cert=$one->{cert} key=$encrypted"), qr/key=\Q$encrypted\E is encrypted/,
        qr/openssl pkey/],
    ['a least version that is too little', member('https://127.0.0.1:9 tls-min=1.1'), qr/tls-min=1\.1/, qr/1\.2 or 1\.3/],
    ['a member outside of a pool', "!RProxyMember http://127.0.0.1:9\n", qr/RProxyMember/, qr/<RProxyPool/],
    ['a check outside of a pool', "!RProxyCheck GET /\n", qr/RProxyCheck/, qr/<RProxyPool/],
    ['two checks in a pool', check("tcp\n!RProxyCheck tcp", ''), qr/twice in pool app/, qr/remove one/],
    ['a check of nothing', check(''), qr/RProxyCheck/, qr{GET /healthz.*tcp}],
    ['a check without a path', check('HEAD'), qr/HEAD/, qr{HEAD /PATH}],
    ['a check of a path that is none', check('GET healthz'), qr/healthz/, qr{begins with '/'}],
    ['a check by a URL', check('http://127.0.0.1/'), qr{http://127}, qr{GET /healthz}],
    ['a check with a method that is none', check('get /'), qr/RProxyCheck get/, qr/in capitals/],
    ['a check with CONNECT', check('CONNECT /'), qr/CONNECT/, qr{GET /healthz}],
    ['options of a check that come first', check('interval=2s /'), qr/RProxyCheck/, qr/first what to ask/],
    ['a misspelt option of a check', check('/ intervall=2s'), qr/intervall/, qr/known are: interval, jitter/],
    ['an interval without its unit', check('/ interval=2'), qr/interval=2/, qr/\bms\b/],
    ['an interval of nothing', check('/ interval=10ms'), qr/interval=10ms/, qr/from 100ms/],
    ['jitter that is no share', check('/ jitter=1s'), qr/jitter=1s/, qr/50%/],
    ['more jitter than half', check('/ jitter=51%'), qr/jitter=51%/, qr/50%/],
    ['a rise of nothing', check('/ rise=0'), qr/rise=0/, qr/from 1/],
    ['a status to expect that is none', check('/ expect=200,ok'), qr/'ok'/, qr/200-299,401/],
    ['statuses to expect in the wrong order', check('/ expect=399-200'), qr/399-200/, qr/200-299,401/],
    ['no status to expect', check('/ expect=,'), qr/expect=,/, qr/200-299,401/],
    ['content to expect that is no expression', check('"/" "body=(ok"'), qr/body=\(ok/, qr/regular expression/],
    ['content of a response to HEAD', check('HEAD / body=ok'), qr/HEAD/, qr/GET/],
    ['a response to a bare connection', check('tcp expect=200'), qr/tcp/, qr{GET /healthz}],
    ['a host to ask for that is none', check('/ "host=a b"'), qr/host=a b/, qr/www\.example\.org/],
    ['a URL in place of a pool', "!RProxyPass / http://127.0.0.1:9/\n", qr{http://127\.0\.0\.1:9},
        qr/RProxyMember/],
    ['a route without a path', "$pool!RProxyPass app\n", qr/RProxyPass/, qr{/PATH}],
    ['a route with a path inside of a Location', "$pool<Location /a>\n!RProxyPass /a app\n</Location>\n",
        qr/section/, qr/RProxyPass POOL/],
    ['a path that does not begin with a slash', "$pool!RProxyPass a app\n", qr/RProxyPass a/, qr{'/'}],
    ['a route in a Directory', "$pool<Directory />\n!RProxyPass app\n</Directory>\n", qr/RProxyPass/,
        qr/Directory/],
    ['a base path behind a pattern', "$pool<LocationMatch ^/a>\n!RProxyPass app/base\n</LocationMatch>\n",
        qr/base/, qr/<Location/],
    ['a timeout that nobody knows', "!RProxyTimeout conect=5s\n", qr/conect/, qr/connect/],
    ['a timeout without its unit', "!RProxyTimeout connect=5\n", qr/connect=5/, qr/\bms\b/],
    ['a condition that nobody knows', "!RProxyRetry on=connect,luck\n", qr/luck/, qr/connect, reset, timeout/],
    ['a status that is no failure', "!RProxyRetry on=302\n", qr/302/, qr/400 to 599/],
    ['a range that is none', "!RProxyRetry on=504-502\n", qr/504-502/, qr/500-599/],
    ['no attempts at all', "!RProxyRetry attempts=0\n", qr/attempts=0/, qr/1 to 20/],
    ['a budget that is no share', "<RProxyPool app>\nRProxyMember http://127.0.0.1:1\n!RProxyRetryBudget 20\n</RProxyPool>\n",
        qr/20/, qr/0% to 100%/],
    ['a quantile that is none', "<RProxyPool app>\nRProxyMember http://127.0.0.1:1\n!RProxyHedge 95\n</RProxyPool>\n",
        qr/95/, qr/50% to 99\.9%/],
    ['a quantile that would double the load', "<RProxyPool app>\nRProxyMember http://127.0.0.1:1\n!RProxyHedge 10%\n"
        . "</RProxyPool>\n", qr/10%/, qr/50% to 99\.9%/],
    ['a budget of no pool', "!RProxyRetryBudget 20%\n", qr/RProxyRetryBudget/, qr/inside of <RProxyPool/],
    ['an unknown coding', "!RProxyCompress lzma\n", qr/lzma/, qr/zstd.*br.*gzip|gzip.*br.*zstd/],
    ['a level that a coding does not have', "!RProxyCompressLevel gzip=10\n", qr/gzip=10/, qr/\b9\b/],
    ['a level to store that a coding does not have', "!RProxyCompressStored br=12\n", qr/br=12/, qr/\b11\b/],
    ['a coding that backends are not asked for', "!RProxyCompressBackend br\n", qr/br/, qr/identity or gzip/],
    ['an exception that is none', "!RProxyCompressExcept session\n", qr/session/, qr/cookie=NAME/],
    ['an exception by the response', "!RProxyCompressExcept \"expr=%{resp:X-A} == 'b'\"\n", qr/resp/, qr/condition on the request/],
    ['more to pad with than there is room for', "!RProxyCompressPad 1M\n", qr/1M/, qr/4096/],
    ['a dictionary that matches nothing', "!RProxyDictionary dest=script\n", qr/RProxyDictionary/, qr{match=/}],
    ['a dictionary for an expression', "!RProxyDictionary match=/(a|b)\n", qr/\(a\|b\)/, qr/without parentheses/],
    ['a dictionary of a file that is not there', "!RProxyDictionary match=/* file=/none.dict url=/d\n", qr/none\.dict/, qr/path of a file/],
    ['a dictionary without a URL', "!RProxyDictionary match=/* file=ca.pem\n", qr/url=/, qr/belong together/],
    ['a dictionary at an odd place', "!RProxyDictionary match=/* file=ca.pem url=/a?b\n", qr/a\?b/, qr/letters, digits/],
    ['a stored something', "!RProxyCompressStored best\n", qr/best/, qr/budget/],
    ['a least size that is none', "!RProxyCompressMin small\n", qr/small/, qr/64K|1K|size/],
    ['content of a QUERY larger than can be kept', "!RProxyCacheQuery 17M\n", qr/17M/, qr/16M/],
    ['a store smaller than it can be', "!RProxyCacheLocal \@ROOT\@/cache size=1K\n", qr/size=1K/, qr/4M/],
    ['an object larger than half of the store', "!RProxyCacheLocal \@ROOT\@/cache size=16M largest=12M\n", qr/largest=/, qr/half of size/],
    ['a store without a folder', "!RProxyCacheLocal size=64M\n", qr/RProxyCacheLocal/, qr/DIR/],
    ['a store inside of a virtual host', "<VirtualHost *:80>\n!RProxyCacheLocal \@ROOT\@/cache\n</VirtualHost>\n", qr/RProxyCacheLocal/, qr/VirtualHost/],
    ['a farm without a URL', "!RProxyFarm\n", qr/RProxyFarm/, qr{redis://HOST}],
    ['a farm of another protocol', "!RProxyFarm http://127.0.0.1\n", qr{http://127\.0\.0\.1}, qr{redis://}],
    ['a farm with a password that is wrongly placed', "!RProxyFarm redis://h password=hunter2\n", qr/'password'/, qr/password-file/],
    ['a farm with a secret that is not there', "!RProxyFarm redis://h secret=none.key\n", qr{secret=\S+/none\.key cannot be read},
        qr/32 random bytes/],
    ['a farm that may be lost for no time', "!RProxyFarm redis://127.0.0.1:1 lost=0s\n", qr/lost=0s/, qr/1s/],
    ['two farms', "RProxyFarm redis://127.0.0.1:1\n!RProxyFarm redis://127.0.0.1:2\n", qr/RProxyFarm.*more than once/,
        qr/remove one/],
    ['a farm of a virtual host', "<VirtualHost *:80>\n!RProxyFarm redis://127.0.0.1:1\n</VirtualHost>\n", qr/RProxyFarm/, qr/VirtualHost/],
    ['nowhere to cache', "!RProxyCacheLocal off\n", qr/RProxyCacheLocal off/, qr/write RProxyFarm/],
    ['leave to store what nobody knows', "!RProxyCacheAllow everything\n", qr/everything/,
        qr/authorization.*set-cookie/],
    ['a heuristic that is no part', "!RProxyCacheHeuristic 10\n", qr/10/, qr/10%/],
    ['a heuristic of more than all', "!RProxyCacheHeuristic 101%\n", qr/101%/, qr/100%/],
    ['a heuristic without a unit', "!RProxyCacheHeuristic 10% max=5\n", qr/max=5/, qr/max=1d/],
    ['a bound of nothing', "!RProxyCacheHeuristic off max=1d\n", qr/max=1d/, qr/off/],
    ['a status that tells all', "!RProxyCacheStatus all\n", qr/all/, qr/full/],
    ['a targeted field with a space', "!RProxyCacheTargets \"CDN Cache-Control\"\n", qr/CDN Cache-Control/, qr/none, or names of fields/],
    ['none among targeted fields', "!RProxyCacheTargets CDN-Cache-Control none\n", qr/RProxyCacheTargets none/, qr/none, or names/],
    ['Cache-Control as a targeted field', "!RProxyCacheTargets Cache-Control\n", qr/RProxyCacheTargets Cache-Control/, qr/CDN-Cache-Control/],
    ['a cache neither on nor off', "!RProxyCache maybe\n", qr/RProxyCache/, qr/On or Off/i],
    ['a rule without an action', "!RProxyCacheRule \"expr=true\"\n", qr/RProxyCacheRule/, qr/bypass.*no-store.*fresh=/],
    ['a rule of an action that nobody knows', "!RProxyCacheRule frsh=1h\n", qr/frsh/, qr/known are: bypass, no-store, fresh/],
    ['a lifetime without its unit', "!RProxyCacheRule fresh=10\n", qr/fresh=10/, qr/10m/],
    ['a lifetime of half a second', "!RProxyCacheRule default-fresh=500ms\n", qr/500ms/, qr/whole seconds/],
    ['a lifetime for a status that is none', "!RProxyCacheRule fresh=4o4:1m\n", qr/4o4/, qr/500-599/],
    ['a lifetime for no status', "!RProxyCacheRule fresh=:1m\n", qr/fresh=:1m/, qr/STATUS,\.\.\.:TIME/],
    ['a lifetime for a status that is never stored', "!RProxyCacheRule fresh=429:1m\n", qr/429/, qr/leave it out/],
    ['statuses in the wrong order', "!RProxyCacheRule fresh=599-500:1m\n", qr/599-500/, qr/500-599/],
    ['a time of staleness in parts of a second', "!RProxyCacheRule stale-if-error=1500ms\n", qr/stale-if-error/,
        qr/whole seconds/],
    ['a field that the cache does not heed', "!RProxyCacheRule ignore=server\n", qr/ignore=server/, qr/cache-control, /],
    ['cookies for all', "!RProxyCacheRule ignore=set-cookie\n", qr/ignore=set-cookie/, qr/strip=set-cookie.*RProxyCacheAllow/],
    ['a field without which the response is another', "!RProxyCacheRule strip=content-type\n", qr/strip=content-type/,
        qr/strip=set-cookie/],
    ['a heeded field to be stripped', "!RProxyCacheRule strip=vary\n", qr/strip=vary/, qr/ignore=vary/],
    ['a body that is none', "!RProxyCacheRule largest=big\n", qr/largest=big/, qr/64K/],
    ['an expression that cannot be read', "!RProxyCacheRule bypass \"expr=%{HTTP_COOKIE} =~\"\n", qr/HTTP_COOKIE.*syntax error/,
        qr/in quotes/],
    ['an expression without its quotes', "!RProxyCacheRule bypass expr=%{HTTP_COOKIE} =~ /a/\n", qr/expr=/, qr/in quotes/],
    ['no expression', "!RProxyCacheRule bypass expr=\n", qr/expr=/, qr/write "expr=/],
    ['a request to be judged by its response', "!RProxyCacheRule bypass \"expr=%{resp:X-A} == 'b'\"\n", qr/bypass/,
        qr/no-store/],
    ['a rule inside of If', "<Location /a>\n<If \"true\">\n!RProxyCacheRule bypass\n</If>\n</Location>\n", qr/<If>/, qr/"expr=/],
    ['a key inside of Else', "<If \"true\">\n</If>\n<Else>\n!RProxyCacheKey drop=a\n</Else>\n", qr/<If>/, qr/"expr=/],
    ['a key of nothing', "!RProxyCacheKey\n", qr/RProxyCacheKey/, qr/query=.*cookie=/],
    ['a key of what nobody knows', "!RProxyCacheKey cookies=a\n", qr/cookies/, qr/known are: query, drop/],
    ['a parameter with brackets', "!RProxyCacheKey query=id[]\n", qr/query=id\[\]/, qr/write 'id'/],
    ['a parameter with its value', "!RProxyCacheKey drop=a=1\n", qr/drop=a=1/, qr/names with commas/],
    ['a list of no parameters', "!RProxyCacheKey drop=,\n", qr/drop=,/, qr/or none/],
    ['a case that is none', "!RProxyCacheKey case=upper\n", qr/case=upper/, qr/lower, or exact/],
    ['a host that is none', "!RProxyCacheKey host=a/b\n", qr{host=a/b}, qr/www\.example\.org/],
    ['all cookies in a key', "!RProxyCacheKey field=Cookie\n", qr/field=Cookie/, qr/cookie=NAME/],
    ['a cookie with a blank', "!RProxyCacheKey \"cookie=a b\"\n", qr/cookie=a b/, qr/names with commas/],
    ['sorted perhaps', "!RProxyCacheKey sort=perhaps\n", qr/sort=perhaps/, qr/on or off/],
    ['a key of the response', "!RProxyCacheKey \"expr=%{REQUEST_STATUS} == 200\"\n", qr/RProxyCacheKey/, qr/without/],
    ['a key of what cannot be read', "!RProxyCacheKey \"expr=%{\"\n", qr/syntax error/, qr/in quotes/],
    ['client certificates maybe', "!RProxyClientCert maybe\n", qr/maybe/, qr/chain/],
    ['a number of lanes that is none', "!RProxyLanes 65\n", qr/RProxyLanes 65/, qr/write auto, off, or a number from 1 to 64/],
    ['a stack that is too small', "!RProxyLaneStack 16K\n", qr/RProxyLaneStack 16K/, qr/write a size from 64K to 8M/],
    ['a stack of a virtual host', "<VirtualHost *:80>\n!RProxyLaneStack 64K\n</VirtualHost>\n", qr/RProxyLaneStack/,
        qr/cannot occur within/],
    ['trust in no address', "!RProxyTrust everybody\n", qr/everybody/, qr{10\.0\.0\.0/8}],
    ['a name of two words', "!RProxyName \"my proxy\"\n", qr/my proxy/, qr/one word/],
);

sub check
{
    my ($check, $mark) = @_;
    $mark = '!' if !defined $mark;
    return "<RProxyPool app>\nRProxyMember http://127.0.0.1:9\n${mark}RProxyCheck $check\n</RProxyPool>\n";
}

sub sticky { return "<RProxyPool app>\nRProxyMember http://127.0.0.1:9\n!RProxySticky $_[0]\n</RProxyPool>\n" }
sub member { return "<RProxyPool app>\n!RProxyMember $_[0]\n</RProxyPool>\n" }

one_mpm {
    for my $case (@wrong) {
        my ($name, $config, $names, $advises) = @$case;
        part $name => sub {
            my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm);
            $httpd->configure($config);
            my $conf = RP::Place->read_file($httpd->root . '/httpd.conf');
            my @lines = split /\n/, $conf;
            my ($line) = grep { $lines[$_ - 1] =~ /^!/ } 1 .. @lines;
            ok($line, 'the case says which line is wrong') or return;
            $conf =~ s/^!//m;
            RP::Place->write_file($httpd->root . '/httpd.conf', $conf);

            my ($status, $output) = $httpd->configtest;
            isnt($status, 0, 'configtest fails');
            like($output, qr/httpd\.conf/, 'the file is named');
            like($output, qr/line $line\b|httpd\.conf:$line\b/, 'the line is named');
            like($output, $names, 'what is wrong is named');
            like($output, $advises, 'and what to write instead');
        };
    }
};

my @right = (
    ['the smallest useful one', "${pool}RProxyPass / app\n"],
    ['a pool that is defined behind its use', "RProxyPass / app\n$pool"],
    ['a pool of the main server in a virtual host',
        "$pool<VirtualHost *:80>\nRProxyPass / app\n</VirtualHost>\n"],
    ['the same path in two virtual hosts', "$pool<VirtualHost *:80>\nServerName a\nRProxyPass / app\n</VirtualHost>\n"
        . "<VirtualHost *:80>\nServerName b\nRProxyPass / app\n</VirtualHost>\n"],
    ['every directive', <<'CONF'],
RProxyName edge
RProxyLanes auto
RProxyLaneStack 512K
RProxyTrust 10.0.0.0/8 2001:db8::/32 192.0.2.1
RProxyCacheLocal @ROOT@/cache size=64M largest=8M
RProxyFarm redis://127.0.0.1:9/3 name=shop connect=20ms timeout=1s trial=2s lost=5m
<RProxyPool app>
    RProxyMethod hash cookie:session bound=125%
    RProxyMember http://127.0.0.1:9 weight=3 keep=10 idle=10s lifetime=5m retry=500ms
    RProxyMember https://localhost:9 verify=off
    RProxyMember https://[::1]:9 ca=@ROOT@/ca.pem
    RProxyMember https://[::1]:8 ca=ca.pem pin=sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= sni=a.example tls-min=1.3
    RProxyMember http://127.0.0.1:7 proxy-protocol=on
    RProxyMember unix:/run/app.sock
</RProxyPool>
RProxyPass /a app
RProxyPass /b app/base
RProxyPass /a/static none
RProxyTimeout connect=1s first-byte=2m idle=1h
<Location /c>
    RProxyPass app/
    RProxyPreserveHost off
    RProxyTimeout idle=100ms
    RProxyRetry attempts=2 on=connect,RESET,429,500-599 try=2s body=0 unsafe
    RProxyClientCert chain
    RProxyCache on
    RProxyCacheEarly on
    RProxyCacheAllow authorization set-cookie
    RProxyCacheIgnoreClient on
    RProxyCacheHints off
    RProxyCacheQuery 1M
    RProxyCacheHeuristic 20% max=10m
    RProxyCacheStatus full
    RProxyCacheTargets Shop-Cache-Control CDN-Cache-Control
    RProxyCompress zstd br gzip
    RProxyCompressTypes text/* application/json
    RProxyCompressMin 2K
    RProxyCompressLevel gzip=6 br=5 zstd=3
    RProxyCompressStored gzip=8 br=10 zstd=15 budget=25 largest=4M
    RProxyCompressBackend gzip
    RProxyCompressExcept cookie=sid "expr=%{REQUEST_URI} =~ m#^/account/#"
    RProxyCompressPad 64
    RProxyCompressAdapt on
    RProxyDictionary match=/c/*.js dest=script,document id=v1
    RProxyDictionary match=/c/* file=ca.pem url=/c/html.dict
</Location>
<LocationMatch "^/d/\d+$">
    RProxyPass app
    RProxyCache off
    RProxyCompress off
    RProxyCompressStored off
    RProxyCompressBackend identity
    RProxyCompressExcept none
    RProxyCompressPad off
    RProxyCompressAdapt off
    RProxyDictionary off
    RProxyCacheAllow shared-cookie anonymous-cookie language plain-parts
    RProxyCacheHeuristic off
    RProxyCacheStatus off
    RProxyCacheTargets none
    RProxyClientCert on
</LocationMatch>
CONF
);

one_mpm {
    for my $case (@right) {
        my ($name, $config) = @$case;
        my $httpd = RP::Httpd->new(mpm => $RP::Test::mpm, config => $config);
        RP::Place->write_file($httpd->root . '/ca.pem', RP::Place->read_file(RP::TLS->authority->cert));
        my ($status, $output) = $httpd->configtest;
        is($status, 0, "$name passes") or diag($output);
    }
};

done_testing;
