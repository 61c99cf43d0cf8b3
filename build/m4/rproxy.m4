# Licensed under the Apache License, Version 2.0; see LICENSE.

# RP_MISSING(what, Debian's package, Fedora's package): stop, and say what to install.
AC_DEFUN([RP_MISSING], [AC_MSG_ERROR([$1 is missing: install $2 (Debian, Ubuntu) or $3 (Fedora)])])

# RP_LIBRARY(prefix, pkg-config's spec, Debian's package, Fedora's package[, library, function, header])
# sets prefix_CFLAGS and prefix_LIBS.  With a library, it is looked for by linking when pkg-config does not know it.
AC_DEFUN([RP_LIBRARY],
[PKG_CHECK_MODULES([$1], [$2], [],
    [m4_ifval([$5],
        [AC_CHECK_HEADER([$7], [], [RP_MISSING([$2], [$3], [$4])])
         AC_CHECK_LIB([$5], [$6], [$1_LIBS=-l$5], [RP_MISSING([$2], [$3], [$4])])],
        [RP_MISSING([$2], [$3], [$4])])])])

# RP_BOOST_CONTEXT: coroutines switch by Boost.Context's assembler, whose static archive needs nothing else; without it
# by ucontext, which is of the C library and costs a system call or two at each switch.
AC_DEFUN([RP_BOOST_CONTEXT],
[AC_MSG_CHECKING([for Boost.Context's static archive])
save_LIBS=$LIBS
LIBS="-l:libboost_context.a $LIBS"
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stddef.h>
struct transfer { void *from, *data; };
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*fn)(struct transfer));]],
        [[make_fcontext(NULL, 0, NULL); jump_fcontext(NULL, NULL);]])],
    [AC_MSG_RESULT([yes])
     BOOST_CONTEXT_CFLAGS=-DRP_BOOST_CONTEXT
     BOOST_CONTEXT_LIBS=-l:libboost_context.a],
    [AC_MSG_RESULT([no, so ucontext it is])
     BOOST_CONTEXT_CFLAGS=
     BOOST_CONTEXT_LIBS=])
LIBS=$save_LIBS
AC_SUBST([BOOST_CONTEXT_CFLAGS])
AC_SUBST([BOOST_CONTEXT_LIBS])])

# RP_APXS: everything that apxs knows about httpd, APR and APR-util.
AC_DEFUN([RP_APXS],
[AC_ARG_WITH([apxs], [AS_HELP_STRING([--with-apxs=FILE], [httpd's apxs; default: apxs or apxs2 in PATH])],
             [APXS=$withval], [AC_PATH_PROGS([APXS], [apxs apxs2], [], [$PATH:/usr/sbin:/usr/local/apache2/bin])])
AS_CASE(["$APXS"], [yes|no|''], [RP_MISSING([apxs], [apache2-dev], [httpd-devel])])
AC_MSG_CHECKING([for httpd by $APXS])
HTTPD_VERSION=`"$APXS" -q HTTPD_VERSION 2>/dev/null`
AS_IF([test -z "$HTTPD_VERSION"],
      [dnl httpd before 2.4.26 or so does not tell; its header does
       HTTPD_VERSION=`sed -n 's/^#define AP_SERVER_MINORVERSION_NUMBER *//p' \
                          "\`"$APXS" -q INCLUDEDIR\`/ap_release.h" 2>/dev/null`
       HTTPD_VERSION=2.$HTTPD_VERSION])
AS_CASE(["$HTTPD_VERSION"], [2.4*], [],
        [AC_MSG_ERROR(["$APXS" is not the apxs of an httpd 2.4: give --with-apxs=FILE, or install apache2-dev (Debian, Ubuntu) or httpd-devel (Fedora)])])
APXS_INCLUDEDIR=`"$APXS" -q INCLUDEDIR`
AS_IF([test -e "$APXS_INCLUDEDIR/mod_ssl_openssl.h"], [],
      [RP_MISSING([mod_ssl_openssl.h], [apache2-ssl-dev], [httpd-devel])])
APXS_LIBEXECDIR=`"$APXS" -q LIBEXECDIR`
APXS_SYSCONFDIR=`"$APXS" -q SYSCONFDIR`
HTTPD=`"$APXS" -q SBINDIR`/`"$APXS" -q PROGNAME`
AC_MSG_RESULT([$HTTPD $HTTPD_VERSION])

APR_CONFIG=`"$APXS" -q APR_CONFIG`
APU_CONFIG=`"$APXS" -q APU_CONFIG`
AS_IF([test -x "$APR_CONFIG"], [], [RP_MISSING([apr-1-config], [libapr1-dev], [apr-devel])])
AS_IF([test -x "$APU_CONFIG"], [], [RP_MISSING([apu-1-config], [libaprutil1-dev], [apr-util-devel])])

# As system headers, so that warnings in them are not ours.
HTTPD_CPPFLAGS="`"$APXS" -q EXTRA_CPPFLAGS` `"$APR_CONFIG" --cppflags`"
for dir in "$APXS_INCLUDEDIR" `{ "$APR_CONFIG" --includes; "$APU_CONFIG" --includes; } | sed 's/-I//g'`; do
    case " $HTTPD_CPPFLAGS " in
    *" -isystem $dir "*) ;;
    *) HTTPD_CPPFLAGS="$HTTPD_CPPFLAGS -isystem $dir" ;;
    esac
done
APR_LIBS="`"$APU_CONFIG" --link-ld` `"$APR_CONFIG" --link-ld`"

AC_ARG_WITH([moduledir], [AS_HELP_STRING([--with-moduledir=DIR], [where the module goes; default: what apxs says])],
            [moduledir=$withval], [moduledir=$APXS_LIBEXECDIR])
AC_ARG_WITH([confdir], [AS_HELP_STRING([--with-confdir=DIR], [httpd's configuration folder; default: what apxs says])],
            [confdir=$withval], [confdir=$APXS_SYSCONFDIR])
AC_ARG_WITH([headerdir], [AS_HELP_STRING([--with-headerdir=DIR], [where public headers go; default: what apxs says])],
            [headerdir=$withval], [headerdir=$APXS_INCLUDEDIR])
AC_SUBST([APXS])
AC_SUBST([HTTPD])
AC_SUBST([HTTPD_VERSION])
AC_SUBST([HTTPD_CPPFLAGS])
AC_SUBST([APR_LIBS])
AC_SUBST([APXS_LIBEXECDIR])
AC_SUBST([moduledir])
AC_SUBST([confdir])
AC_SUBST([headerdir])])

# RP_COMPILER_FLAGS: warnings, and with --enable-sanitizers what instruments code (RP_SANITIZE) and what an httpd
# that is not instrumented must be started with (RP_PRELOAD).
AC_DEFUN([RP_COMPILER_FLAGS],
[AC_MSG_CHECKING([whether $CC is clang])
AC_COMPILE_IFELSE([AC_LANG_SOURCE([[#ifndef __clang__
#error no
#endif]])], [rp_clang=yes], [rp_clang=no])
AC_MSG_RESULT([$rp_clang])
RP_WARNINGS='-Wall -Wextra'
AS_IF([test "x$enable_werror" = xyes], [RP_WARNINGS="$RP_WARNINGS -Werror"])

RP_SANITIZE=
RP_PRELOAD=
AS_IF([test "x$enable_sanitizers" = xyes],
    [RP_SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
     AS_IF([test "x$rp_clang" = xyes],
         [RP_SANITIZE="$RP_SANITIZE -shared-libasan"
          rp_arch=`uname -m`
          RP_PRELOAD=`$CC -print-file-name=libclang_rt.asan-$rp_arch.so`
          RP_RUNTIME_DIR=`dirname "$RP_PRELOAD"`
          rp_ldflags="-Wl,-rpath,$RP_RUNTIME_DIR"],
         [RP_PRELOAD=`$CC -print-file-name=libasan.so`
          rp_ldflags=])
     save_CFLAGS=$CFLAGS; save_LDFLAGS=$LDFLAGS
     CFLAGS="$CFLAGS $RP_SANITIZE"; LDFLAGS="$LDFLAGS $rp_ldflags"
     AC_MSG_CHECKING([whether $CC has the sanitizers])
     AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
         [AC_MSG_RESULT([no])
          RP_MISSING([$CC's address and undefined behaviour sanitizer], [gcc's libasan or clang's libclang-rt-dev],
                     [libasan and libubsan, or compiler-rt])])
     CFLAGS=$save_CFLAGS; LDFLAGS=$save_LDFLAGS
     RP_SANITIZE_LDFLAGS=$rp_ldflags])
AC_SUBST([RP_WARNINGS])
AC_SUBST([RP_SANITIZE])
AC_SUBST([RP_SANITIZE_LDFLAGS])
AC_SUBST([RP_PRELOAD])])

# RP_FUZZERS: clang for the fuzz targets, whatever the rest is built with.
AC_DEFUN([RP_FUZZERS],
[AS_IF([test "x$enable_fuzzers" = xyes],
    [AC_ARG_VAR([FUZZ_CC], [clang with libFuzzer, for the fuzz targets])
     AC_PATH_PROGS([FUZZ_CC], [clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14])
     AS_IF([test -z "$FUZZ_CC"], [RP_MISSING([clang], [clang], [clang])])
     AC_MSG_CHECKING([whether $FUZZ_CC has libFuzzer])
     rp_cc=$CC; rp_cflags=$CFLAGS; rp_ldflags=$LDFLAGS
     CC=$FUZZ_CC; CFLAGS='-fsanitize=fuzzer,address,undefined'; LDFLAGS=
     AC_LINK_IFELSE([AC_LANG_SOURCE([[#include <stddef.h>
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len) { return data == NULL && len == 1; }]])],
         [AC_MSG_RESULT([yes])],
         [AC_MSG_RESULT([no])
          RP_MISSING([clang's libFuzzer], [libclang-rt-dev], [compiler-rt])])
     CC=$rp_cc; CFLAGS=$rp_cflags; LDFLAGS=$rp_ldflags])
AM_CONDITIONAL([ENABLE_FUZZERS], [test "x$enable_fuzzers" = xyes])])
