# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How each library is built; sourced by tools/deps, which sets $arch $gcc $cross $kernel_headers $prefix $here.
#
# All happens in one working directory; the finished prefix is renamed into place at the end, so an interrupted build
# leaves none. Where a library is a handful of plain files they are compiled directly: quicker than its configure.

flags="-Os -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables"
jobs=${MOTE_JOBS:-$(nproc)}

build_all() {
	mkdir -p "$cache/deps"
	work=$(mktemp -d "$cache/deps/.build-XXXXXX")
	out=$work/prefix log=$prefix.log
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT TERM HUP
	mkdir -p "$out/bin" "$out/include" "$out/lib" "$out/src/protobuf-c"
	: >"$out/VERSIONS.new"
	: >"$log"
	# no path of this machine in an object
	flags="$flags -ffile-prefix-map=$work=."
	cc="$out/bin/cc"
	lib_flags="$flags -fstack-protector-strong"

	stage musl
	stage kernel_headers
	stage protobuf-c
	stage yyjson
	stage libmnl
	stage libseccomp
	stage libcgroup
	stage util-linux
	check_prefix
	mv "$out/VERSIONS.new" "$out/VERSIONS"
	rm -rf "$prefix" # a half one from before renames were used
	mv "$out" "$prefix"
}

# stage NAME: fetches and unpacks NAME's archive where the table has one, and runs build_NAME in it
stage() {
	local start=$SECONDS dir=$work/$1
	mkdir -p "$dir"
	version=$(uname -r)
	if grep -q "^$1 " "$sources"; then
		fetch "$1" "$arch"
		unpack "$fetched" "$dir"
	else
		fetched='' version=host
	fi
	echo "== $1 $version" >>"$log"
	logged "$1 $version did not build" "$dir" "build_${1//-/_}"
	echo "$1 $version ${fetched##*/}" >>"$out/VERSIONS.new"
	say "$1 $version ($((SECONDS - start)) s)"
}

# logged WHAT DIR COMMAND: runs COMMAND in DIR, stops at its first failure and tells it as WHAT
logged() {
	local status
	# not as a condition: `set -e` would not hold inside
	set +e
	(set -e; cd "$2"; "$3") >>"$log" 2>&1
	status=$?
	set -e
	[ $status = 0 ] || die "$1; the end of $log:
$(tail -n 15 "$log" | cut -c 1-300)"
}

unpack() {
	case $1 in
	*.deb) dpkg-deb -x "$1" "$2" ;;
	*) tar -xf "$1" -C "$2" --strip-components=1 --no-same-owner ;;
	esac || die "cannot unpack $1: remove it, it is fetched again"
}

# objects LIB FILE…: compiles the files into LIB
objects() {
	local lib=$1 f o all=
	shift
	for f; do
		o=${f##*/}
		o=${o%.c}.o
		# shellcheck disable=SC2086  # lists of words
		$cc $lib_flags ${defs:-} -c "$f" -o "$o"
		all="$all $o"
	done
	# shellcheck disable=SC2086
	${cross}ar rcsD "$out/lib/$lib" $all
}

# configured ARG…: runs a library's configure for a static build with our compiler
configured() {
	CC=$cc CFLAGS="$lib_flags" AR=${cross}ar RANLIB=${cross}ranlib PKG_CONFIG=false \
		./configure --host="$arch-linux-musl" --build="$machine-linux-gnu" --prefix=/ \
		--disable-shared --enable-static --disable-dependency-tracking "$@"
}

build_musl() {
	CC=$gcc CFLAGS="$flags" CROSS_COMPILE=$cross ./configure --target="$arch-linux-musl" --prefix="$out" \
		--disable-shared --disable-wrapper
	make -j"$jobs" CROSS_COMPILE="$cross" install-headers install-libs
	write_compiler
}

# The driver and its specs: nothing of the machine's C library is searched.
write_compiler() {
	cat >"$out/lib/cc.specs" <<'SPECS'
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem %:getenv(MOTE_DEPS_PREFIX /include) -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem %:getenv(MOTE_DEPS_PREFIX /include) -isystem include%s

*link_libgcc:
-L%:getenv(MOTE_DEPS_PREFIX /lib) -L .%s

*libgcc:
libgcc.a%s

*startfile:
%{static-pie:%:getenv(MOTE_DEPS_PREFIX /lib/rcrt1.o);:%:getenv(MOTE_DEPS_PREFIX /lib/crt1.o)} %:getenv(MOTE_DEPS_PREFIX /lib/crti.o) %{static-pie:crtbeginS.o%s;:crtbeginT.o%s}

*endfile:
%{static-pie:crtendS.o%s;:crtend.o%s} %:getenv(MOTE_DEPS_PREFIX /lib/crtn.o)

*link:
-nostdlib %{static-pie:-static -pie --no-dynamic-linker -z text;:-static} -z relro -z now

*esp_link:


*esp_options:


*esp_cpp_options:


SPECS
	cat >"$out/bin/cc" <<DRIVER
#!/bin/sh
# $gcc for the musl prefix this file lies in; static unless -static-pie is asked for.
d=\${0%/*}/..
MOTE_DEPS_PREFIX=\$(cd "\$d" && pwd) || exit 1
export MOTE_DEPS_PREFIX
case " \$* " in
*" -static-pie "*) ;;
*) set -- -static "\$@" ;;
esac
exec $gcc -specs="\$MOTE_DEPS_PREFIX/lib/cc.specs" "\$@"
DRIVER
	chmod +x "$out/bin/cc"
}

build_kernel_headers() {
	local d
	for d in $kernel_headers; do
		for sub in linux asm asm-generic mtd; do
			[ ! -d "$d/$sub" ] || cp -rL "$d/$sub" "$out/include/"
		done
	done
	[ -f "$out/include/asm/unistd.h" ] || { echo "no asm headers in $kernel_headers"; return 1; }
}

build_protobuf_c() {
	install -m 644 -D -t "$out/include/protobuf-c" protobuf-c/protobuf-c.h
	install -m 644 -D -t "$out/src/protobuf-c" protobuf-c/protobuf-c.h protobuf-c/protobuf-c.c
	defs="-I. -DNDEBUG" objects libprotobuf-c.a protobuf-c/protobuf-c.c
}

# The reader and the writer; no JSON pointers and merge patches, no JSON5, the small number conversion. The source gets
# the same choice at its top, so that every build of it is this one.
build_yyjson() {
	local cut="UTILS NON_STANDARD FAST_FP_CONV" c
	{
		echo "#ifndef MOTE_YYJSON_CUT"
		echo "#define MOTE_YYJSON_CUT"
		for c in $cut; do echo "#define YYJSON_DISABLE_$c 1"; done
		echo "#endif"
		cat src/yyjson.h
	} >yyjson.h
	cp src/yyjson.c yyjson.c
	install -m 644 -t "$out/include" yyjson.h
	install -m 644 -t "$out/src" yyjson.h yyjson.c
	defs="-I." objects libyyjson.a yyjson.c
}

# From source where it can be had; else the distribution's own static archive, whose debug printer wants one function
# of another C library.
build_libmnl() {
	if [ -d usr ]; then
		install -m 644 -D -t "$out/include/libmnl" usr/include/libmnl/libmnl.h
		cp usr/lib/*/libmnl.a "$out/lib/libmnl.a"
		chmod 644 "$out/lib/libmnl.a"
		cat >printf_chk.c <<'C'
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
C
		objects libmnl.a printf_chk.c
		return
	fi
	configured
	make -j"$jobs" -C src
	install -m 644 -D -t "$out/include/libmnl" include/libmnl/libmnl.h
	cp src/.libs/libmnl.a "$out/lib/"
}

# Its table has two numbers of each system call for each of 19 architectures, 70 KB that no program here asks for: those whose programs
# the machine cannot run are taken out, and the library knows them no more.
keep_seccomp_arches() {
	local name
	for name in $(head -n 1 src/syscalls.csv | tr , '\n' | grep -Ev '^#|_kver$'); do
		case " $* " in *" $name "*) continue ;; esac
		: >"src/arch-$name.c"
		sed -i "/^\t\(int $name\|enum scmp_kver ${name}_kver\);/d" src/syscalls.h
		sed -i -E "s/return &arch_def_$name(el|le|eb|el64|el64n32)?;/return NULL;/" src/arch.c
	done
	awk -F, -v OFS=, -v keep=" $* " 'NR == 1 { for (i = 2; i < NF; i += 2) if (index(keep, " " $i " ")) at[++n] = i }
		{ line = $1; for (i = 1; i <= n; i++) line = line OFS $at[i] OFS $(at[i] + 1); print line }' src/syscalls.csv >own.csv
	mv own.csv src/syscalls.csv
	(cd src && ./arch-gperf-generate syscalls.csv syscalls.perf.template)
}

build_libseccomp() {
	case $arch in
	x86_64) keep_seccomp_arches x86 x86_64 x32 ;;
	aarch64) keep_seccomp_arches arm aarch64 ;;
	riscv64) keep_seccomp_arches riscv64 ;;
	esac
	configured
	make -j"$jobs" -C include
	make -j"$jobs" -C src libseccomp.la
	install -m 644 -t "$out/include" include/seccomp.h include/seccomp-syscalls.h
	cp src/.libs/libseccomp.a "$out/lib/"
}

# Its mount table has room for 100 controllers of 4 KB each; Linux knows 14. Its global library_version is libseccomp's too.
build_libcgroup() {
	local d=$here/deps.d/fts
	sed -i 's/^#define CG_CONTROLLER_MAX.*/#define CG_CONTROLLER_MAX 32/' src/libcgroup-internal.h
	sed -i 's/char controllers\[CG_CONTROLLER_MAX\]/char controllers[100]/' src/api.c
	grep -q 'CG_CONTROLLER_MAX 32' src/libcgroup-internal.h
	# what configure cannot find out without running a program, or finds only in the link
	export ac_cv_search_fts_open="none required" ac_cv_func_lstat_dereferences_slashed_symlink=yes \
		ac_cv_func_malloc_0_nonnull=yes ac_cv_func_realloc_0_nonnull=yes ac_cv_func_lstat_empty_string_bug=no \
		ac_cv_func_stat_empty_string_bug=no
	lib_flags="$lib_flags -I$d -Dlibrary_version=libcgroup_version" configured --disable-pam --disable-daemon --disable-tools \
		--disable-initscript-install --disable-systemd --disable-tests --disable-samples --disable-python
	make -j"$jobs" -C src libcgroup.la
	install -m 644 -t "$out/include" include/libcgroup.h
	install -m 644 -D -t "$out/include/libcgroup" include/libcgroup/*.h
	cp src/.libs/libcgroup.a "$out/lib/"
	defs="-I$d -ffile-prefix-map=$d=fts" objects libcgroup.a "$d/fts.c"
}

build_util_linux() {
	configured --disable-all-programs --enable-libblkid --disable-nls --without-systemd --without-udev \
		--without-ncurses --without-tinfo --without-econf --disable-asciidoc --disable-poman
	make -j"$jobs" libblkid.la
	install -m 644 -D -t "$out/include/blkid" libblkid/src/blkid.h
	cp .libs/libblkid.a "$out/lib/"
}

# One program that uses every library must link, static, and run (where this machine can).
check_prefix() {
	local t=$work/check
	mkdir -p "$t"
	cat >"$t/check.c" <<'C'
#include <blkid/blkid.h>
#include <libcgroup.h>
#include <libmnl/libmnl.h>
#include <linux/vm_sockets.h>
#include <protobuf-c/protobuf-c.h>
#include <seccomp.h>
#include <stdio.h>
#include <yyjson.h>

int main(void)
{
	char buf[4096];
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	blkid_probe probe = blkid_new_probe();
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	if (!filter || !probe || !doc || !mnl_nlmsg_put_header(buf))
		return 1;
	mnl_nlmsg_fprintf(stderr, buf, 16, 0);
	printf("%s %s %p\n", protobuf_c_version(), cgroup_strerror(ECGOTHER), (void *)&cgroup_init);
	return 0;
}
C
	logged "the libraries do not link together" "$t" check_link
	# the archives stay free of this machine's paths
	if grep -rlF -e "$work" "$out/lib" "$out/include" >>"$log"; then
		die "a path of the build is in the prefix: see $log"
	fi
}

check_link() {
	# shellcheck disable=SC2086
	$cc $flags -Wl,--gc-sections check.c -o check -lblkid -lcgroup -lmnl -lprotobuf-c -lseccomp -lyyjson
	if ${cross}readelf -lW check | grep INTERP; then
		echo "the linked program wants an interpreter"
		return 1
	fi
	[ "$machine" != "$arch" ] || ./check
}
