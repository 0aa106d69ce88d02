# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How each program for guests is built; sourced by tools/guest-programs after build.sh, whose stages these are. It sets $arch
# $cross $machine $deps $prefix $cache.

build_programs() {
	mkdir -p "$cache/programs"
	work=$(mktemp -d "$cache/programs/.build-XXXXXX")
	out=$work/prefix log=$prefix.log
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT TERM HUP
	mkdir -p "$out/bin" "$out/lib" "$out/include"
	: >"$out/VERSIONS.new"
	: >"$log"
	cc=$deps/bin/cc
	lib_flags="$flags -ffile-prefix-map=$work=. -fstack-protector-strong"
	export LDFLAGS="-Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack"

	stage e2fsprogs
	stage libnftnl
	stage iptables
	if grep -lF -e "$work" -e "$deps" "$out"/bin/*; then
		die "a path of the build is in a program: see $log"
	fi
	rm -rf "$out/lib" "$out/include"
	mv "$out/VERSIONS.new" "$out/VERSIONS"
	rm -rf "$prefix"
	mv "$out" "$prefix"
}

# In the place of build.sh's: without the tests and translations, which are most of a source; and a full disk is no damage.
unpack() {
	local said
	case $1 in
	*.deb) said=$(dpkg-deb -x "$1" "$2" 2>&1) ;;
	*) said=$(tar -xf "$1" -C "$2" --strip-components=1 --no-same-owner --exclude='*.po' --exclude='*.gmo' --exclude='*/tests/?_*' 2>&1) ;;
	esac && return
	case $said in
	*"No space left"* | *"quota exceeded"*) die "$1 was not unpacked" ;;
	*) die "cannot unpack $1: remove it, it is fetched again (${said##*
})" ;;
	esac
}

# program FILE: into the prefix, stripped, and static
program() {
	local to=$out/bin/${1##*/}
	${cross}strip -s -R .comment -R .note.gnu.property "$1" -o "$to"
	chmod 755 "$to"
	if ${cross}readelf -lW "$to" | grep INTERP; then
		echo "$to wants an interpreter"
		return 1
	fi
}

build_e2fsprogs() {
	configured --disable-nls --disable-elf-shlibs --disable-tls --disable-defrag --disable-debugfs --disable-imager \
		--disable-resizer --disable-fuse2fs --disable-mmp --disable-tdb --disable-bmap-stats --disable-backtrace \
		--disable-testio-debug --disable-uuidd --disable-fsck --disable-e2initrd-helper --without-libarchive
	make util/subst # two of the libraries' makes would make it at once
	make -j"$jobs" libs
	make -C misc mke2fs
	program misc/mke2fs
}

# Its source is not to be had everywhere: the distribution's own static archive, which wants two functions of another C library.
build_libnftnl() {
	cp -r usr/include/libnftnl "$out/include/"
	cp usr/lib/*/libnftnl.a "$out/lib/"
	cat >checked.c <<'C'
#include <stdarg.h>
#include <stdio.h>
int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list ap;
	int n;

	(void)flag;
	va_start(ap, format);
	n = vfprintf(f, format, ap);
	va_end(ap);
	return n;
}
int __snprintf_chk(char *s, size_t size, int flag, size_t room, const char *format, ...)
{
	va_list ap;
	int n;

	(void)flag;
	(void)room;
	va_start(ap, format);
	n = vsnprintf(s, size, format, ap);
	va_end(ap);
	return n;
}
C
	objects libnftnl.a checked.c
}

# Every extension is linked in: what a rule may say is decided by the kernel, and they are a few KB each.
build_iptables() {
	local d
	export libmnl_CFLAGS=-I. libmnl_LIBS=-lmnl libnftnl_CFLAGS="-I$out/include" libnftnl_LIBS="-L$out/lib -lnftnl -lmnl"
	configured --prefix=/usr --sysconfdir=/etc --disable-devel --disable-connlabel
	for d in libxtables extensions libiptc; do
		make -j"$jobs" -C $d
	done
	make -j"$jobs" -C iptables xtables-nft-multi
	program iptables/xtables-nft-multi
}
