# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# What build/quickstart and build/test share: packages, building, picking values from build.env.  Sourced by bash
# with $me set to the command's name; sets $top, the source tree.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
export LC_ALL=C # messages of compilers and apt-get are searched

say() { printf '%s\n' "$me: $*"; }
die() { printf '%s\n' "$me: $*" >&2; exit 1; }

# ---------------------------------------------------------------- packages, as Debian's name:Fedora's name

# apache2-bin is the server without a service: nothing starts, and nothing will at the next boot.
build_packages=(
    gcc:gcc libc6-dev:glibc-devel make:make autoconf:autoconf automake:automake libtool:libtool
    pkg-config:pkgconf-pkg-config perl:perl-interpreter apache2-bin:httpd apache2-dev:httpd-devel
    apache2-ssl-dev:httpd-devel libssl-dev:openssl-devel libhiredis-dev:hiredis-devel liblmdb-dev:lmdb-devel
    zlib1g-dev:zlib-devel libbrotli-dev:brotli-devel libzstd-dev:libzstd-devel libjansson-dev:jansson-devel curl:curl
    libboost-context-dev:boost-static)

# apache2 brings a2enmod; the second clang is its runtime, whose name on Debian has a version in it.  node and npm come
# as one package from elsewhere, too: what is there is taken.
test_packages=(
    apache2:httpd apache2-utils:httpd-tools libcmocka-dev:libcmocka-devel clang:clang @clang-rt:compiler-rt
    gcc:libasan gcc:libubsan openssl:openssl brotli:brotli zstd:zstd perl:perl-Test-Harness
    libio-socket-ssl-perl:perl-IO-Socket-SSL libprotocol-websocket-perl:perl-Protocol-WebSocket redis-server:redis
    @node:nodejs @npm:nodejs-npm chromium:chromium prometheus:golang-github-prometheus
    rpm:rpm-build)

as_root()
{
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The package of clang's runtime for the clang that is, or would be, installed; nothing when clang itself has it.
clang_rt()
{
    local version
    version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
    if [ -n "$version" ] && apt-cache show "libclang-rt-$version-dev" >/dev/null 2>&1; then
        echo "libclang-rt-$version-dev"
    fi
}

unless_command() { command -v "$1" >/dev/null || echo "$2"; }

# Which of the pairs are not installed, by the name that this system's packages have.
missing_packages()
{
    local pair name
    for pair; do
        if [ "$packager" = apt ]; then
            name=${pair%%:*}
            case $name in
                @clang-rt) name=$(clang_rt) ;;
                @node) name=$(unless_command node nodejs) ;;
                @npm) name=$(unless_command npm npm) ;;
            esac
            [ -z "$name" ] && continue
            [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
        else
            name=${pair#*:}
            rpm -q --quiet --whatprovides "$name" 2>/dev/null || echo "$name"
        fi
    done | sort -u
}

# need_packages pair...: install what is missing, having said what.
need_packages()
{
    local missing
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        packager=apt
    elif command -v rpm >/dev/null; then
        packager=rpm
    else
        return 0 # neither Debian nor Fedora: configure names what it does not find
    fi

    missing=$(missing_packages "$@")
    [ -z "$missing" ] && return 0
    [ "$packager" = rpm ] && die "please install these packages first:" $missing
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "packages are missing and this is neither root nor is there sudo; as root: apt-get install" $missing
    fi

    as_root apt-get -qq update || die "apt-get update failed"
    missing=$(missing_packages "$@") # clang's runtime has a name only now
    say "installing with apt-get:" $missing
    apt_install $missing
}

# Debian starts a service as soon as it is installed; a policy of ours forbids it for as long as we install.
apt_install()
{
    local policy=/usr/sbin/policy-rc.d ours="" status service
    if [ ! -e $policy ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" </dev/null
    status=$?
    [ -n "$ours" ] && as_root rm -f $policy
    # Where a policy was there already and let it start: it was not running before.
    for service in apache2 redis-server prometheus; do
        case " $* " in *" $service "*)
            if [ -d /run/systemd/system ]; then
                as_root systemctl -q disable --now $service
            else
                as_root service $service stop
            fi >/dev/null 2>&1 ;;
        esac
    done
    [ $status = 0 ] || die "apt-get could not install:" "$@"
}

# ---------------------------------------------------------------- building

# build_tree dir targets [configure's arguments...]: configured only when it was not, or otherwise; one at a time.
build_tree()
{
    local dir=$1 targets=$2 args
    shift 2
    args="CC=${CC-} CFLAGS=${CFLAGS-} $*"
    mkdir -p "$dir" || die "cannot write to $dir"
    exec 9>"$top/_build/lock" || die "cannot write to $top/_build"
    flock 9
    say "building in $dir"
    if ! build_steps "$dir" "$targets" "$args" "$@" >"$dir/build.log" 2>&1; then
        [ "${show_log-}" = yes ] && tail -n 60 "$dir/build.log"
        die "the build failed: $(build_error "$dir/build.log") (all of it is in $dir/build.log)"
    fi
    exec 9>&-
}

build_steps()
{
    local dir=$1 targets=$2 args=$3
    shift 3
    if [ ! -e "$top/configure" ] || [ ! -e "$top/Makefile.in" ] || [ ! -e "$top/build/autoconf.h.in" ]; then
        (cd "$top" && autoreconf -i) || return 1
    fi
    if [ ! -e "$dir/Makefile" ] || [ "$(cat "$dir/configured" 2>/dev/null)" != "$args" ]; then
        [ ! -e "$dir/Makefile" ] || make -C "$dir" clean
        (cd "$dir" && "$top/configure" "$@") || return 1
        printf '%s\n' "$args" >"$dir/configured"
    fi
    make -C "$dir" -j"$(nproc)" $targets
}

# The line of a log that says most.
build_error()
{
    grep -m 1 -E '(: |^)(fatal )?error: |undefined reference|\*\*\* ' "$1" || tail -n 1 "$1"
}

# built dir NAME: a value of build.env.
built() { sed -n "s/^$2=//p" "$1/build.env"; }

# cache_tests dir: the conformance suite of t/conformance.t, exactly as the lock file has it, installed into dir.
cache_tests()
{
    local dir=$1
    mkdir -p "$dir" && cp -R "$top/t/conformance/." "$dir/" || die "cannot write to $dir"
    if ! cmp -s "$dir/package-lock.json" "$dir/installed"; then
        say "installing http-cache-tests in $dir"
        (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund) >"$dir/npm.log" 2>&1 \
            || die "npm could not install http-cache-tests: $(grep -m 1 -i error "$dir/npm.log") (all of it is in $dir/npm.log)"
        cp "$dir/package-lock.json" "$dir/installed"
    fi
}
