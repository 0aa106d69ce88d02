# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What build, menuconfig and report share: the arguments that name a kernel, its fragments, its place in the cache, and the
# source, which all builds use at once. The sourcing script sets $here and $name (how its messages begin).
#
# Nothing here decides what a kernel's bits are: that is recipe.sh, which names the place in the cache.
# shellcheck disable=SC2154,SC2034  # $here, $name and $downloads come from elsewhere, some of the rest goes there

say() {
	echo "$name: $*" >&2
}

die() {
	say "$@"
	exit 1
}

usage() {
	sed -n '3,/^set -eu/{/^#/!d;s/^# \{0,1\}//p}' "$0"
}

# shellcheck source=tools/deps.d/fetch.sh
. "$here/../tools/deps.d/fetch.sh"
# shellcheck source=kernel-config/recipe.sh
. "$here/recipe.sh"

variants() {
	echo base
	find "$here/variants" -name '*.config' | sed 's,.*/,,;s/\..*//' | sort -u
}

# choose ARCH VARIANT: sets $arch $karch $target $image $cross $variant $fragments $package $pinned
choose() {
	arch=$1 variant=${2:-base}
	# per architecture: the kernel's name for it, the image's target and place
	case $arch in
	x86_64) karch=x86 target=bzImage image=arch/x86/boot/bzImage ;;
	aarch64) karch=arm64 target=Image image=arch/arm64/boot/Image ;;
	riscv64) karch=riscv target=Image image=arch/riscv/boot/Image ;;
	*) die "unknown architecture '$arch'" ;;
	esac
	variants | grep -qxF -e "$variant" || die "unknown variant '$variant': there are $(variants | paste -sd ' ')"
	cross=
	[ "$(uname -m)" = "$arch" ] || cross=$arch-linux-gnu-
	command -v "${cross}gcc" >/dev/null || die "no ${cross}gcc: make setup ARCH=$arch installs it"
	fragments=("$here"/*.config "$here/arch/$arch"/*.config)
	local f
	for f in "$here/variants/$variant.config" "$here/variants/$variant.$arch.config"; do
		[ ! -f "$f" ] || fragments+=("$f")
	done
	for f in ${MOTE_KERNEL_FRAGMENTS:-}; do
		[ -r "$f" ] || die "MOTE_KERNEL_FRAGMENTS: $f: no such file"
		fragments+=("$f")
	done
	read -r package pinned < <(grep -v '^#' "$here/source")
}

# A package file in the cache wins over one that would have to be fetched: first the version that was tried, else the newest.
have_package() {
	local f
	f=$downloads/${package}_${pinned}_all.deb
	[ -s "$f" ] || f=$(find "$downloads" -maxdepth 1 -name "${package}_*_all.deb" 2>/dev/null | sort -V | tail -n 1)
	[ -n "$f" ] && deb=$f
}

fetch_package() {
	mkdir -p "$downloads"
	say "fetching the list of packages"
	archive_apt apt-get -q update >"$downloads/log" 2>&1 ||
		die "cannot read the package lists: $(grep '^[EW]:' "$downloads/log" | head -n 1). Check the network, or put ${package}_VERSION_all.deb into $downloads by hand"
	local v dir=$downloads/kernel.part
	rm -rf "$dir" && mkdir "$dir"
	for v in "=$pinned" ""; do
		say "fetching $package${v:-, the newest there is} (150 MB)"
		(cd "$dir" && archive_apt apt-get -q download "$package$v") >"$downloads/log" 2>&1 && break
		say "not to be had: $(grep '^E:' "$downloads/log" | head -n 1)"
	done
	mv "$dir/${package}"_*_all.deb "$downloads/" 2>/dev/null ||
		die "$package could not be fetched. Check the network, or put ${package}_VERSION_all.deb into $downloads by hand"
	rmdir "$dir"
	have_package
}

# Everything that decides what comes out; a comment in a fragment does not.
place() {
	local hash
	hash=$({
		echo "${deb##*/}"
		cat "$here/recipe.sh"
		grep -h '^CONFIG_' "${fragments[@]}"
		"${cross}gcc" --version | head -n 1
		"${cross}ld" --version | head -n 1
	} | sha256sum)
	out=$cache/kernel/$arch${label}-${hash:0:16}
}

# find_place: sets $deb, $out, and where a build works: $tree $obj $log
find_place() {
	label=
	[ "$variant" = base ] || label=-$variant
	deb=
	have_package || deb=$downloads/${package}_${pinned}_all.deb
	place
	tree=$cache/kernel/src-$(basename "$deb" _all.deb)
	obj=$cache/kernel/obj-$arch$label
	log=$cache/kernel/$arch$label.log
}

# Builds of several architectures and variants use one source at a time. Who uses it has a shared lock (descriptor 8); who
# unpacks or removes it is alone. A lock changes its kind by being let go first: look again after that.
use_source() {
	mkdir -p "$cache/lock" "$cache/kernel"
	exec 8>"$cache/lock/kernel-source"
	while flock -s 8 && [ ! -d "$tree" ]; do
		flock -x 8
		[ -d "$tree" ] || unpack
	done
}

# The last one who uses it takes it away.
leave_source() {
	[ -z "${MOTE_KEEP:-}" ] || return 0
	rm -rf "$obj"
	! flock -n -x 8 || rm -rf "$tree" "$tree.part"
}

# Other architectures and what no guest configures are a third of the files: they stay packed.
unpack() {
	local start=$SECONDS
	rm -rf "$tree.part" && mkdir -p "$tree.part"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$package.tar.xz" | xz -dc -T0 |
		tar -x -C "$tree.part" --strip-components=1 --no-same-owner \
			--exclude='linux-source-*/Documentation/*/*' --exclude='linux-source-*/tools/testing' \
			--exclude='linux-source-*/drivers/gpu/drm/amd/include' ||
		die "cannot unpack $deb: remove it, it is fetched again"
	mv "$tree.part" "$tree"
	say "unpacked $package ($((SECONDS - start)) s)"
}

# begin_work: the package, the source and the objects are this run's until its end
begin_work() {
	local tool
	for tool in flex bison bc perl lz4 make; do
		command -v $tool >/dev/null || die "no $tool here: run tools/setup"
	done
	lock "kernel-$arch$label"
	have_package || { lock_more kernel-package; have_package || fetch_package; }
	find_place
	trap leave_source EXIT
	trap 'exit 130' INT TERM HUP
	use_source
}
