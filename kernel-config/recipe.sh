# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What is done with the source and the fragments. Every change here makes all kernels anew: nothing but what decides their
# bits and what lies beside them belongs here.
# shellcheck disable=SC2154  # common.sh and fetch.sh set what is used

kmake() {
	make -C "$tree" O="$obj" ARCH=$karch CROSS_COMPILE="$cross" "$@"
}

# One configuration from all fragments: everything off but what they name. Then every line of theirs is looked for in the
# result: Kconfig drops what it cannot have without a word. Of several lines for one option the last one holds.
configure() {
	local stray
	stray=$(grep -nvE '^(#.*|CONFIG_[A-Z0-9_]+=.+)?$' "${fragments[@]}" /dev/null | head -n 1)
	[ -z "$stray" ] || die "neither an option nor a comment: ${stray#"$here"/}"
	mkdir -p "$obj"
	awk -F= '/^CONFIG_/ { if (!($1 in v)) order[++n] = $1; v[$1] = $0 }
		END { for (i = 1; i <= n; i++) print v[order[i]] }' "${fragments[@]}" >"$obj/wanted"
	kmake KCONFIG_ALLCONFIG="$obj/wanted" allnoconfig >"$log" 2>&1 ||
		die "cannot configure; the end of $log:
$(tail -n 15 "$log")"
	local line option is bad=0 f
	while IFS= read -r line; do
		option=${line%%=*}
		is=$(grep -m 1 "^$option=" "$obj/.config" || echo "$option=n")
		[ "$is" != "$line" ] || continue
		f=$(grep -lxF "$line" "${fragments[@]}" | tail -n 1)
		say "${f#"$here"/}: wants $line, got ${is#*=}: something it depends on is off, or it is gone"
		bad=1
	done <"$obj/wanted"
	[ $bad = 0 ] || die "the configuration is not what the fragments want"
	say "$(grep -c '^CONFIG_[^=]*=y' "$obj/.config") options set, every wanted one took"
}

# is_set OPTION
is_set() {
	grep -q "^CONFIG_$1=y" "$obj/.config"
}

# Same inputs, same bits: no user, host, time or path of this machine. The time is the source's.
compile() {
	local modules=
	KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$(stat -c %Y "$tree/Makefile")")
	export KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=mote KBUILD_BUILD_HOST=mote KBUILD_BUILD_VERSION=1
	! grep -q '=m$' "$obj/.config" || modules=modules
	# shellcheck disable=SC2086  # a word, or none
	kmake -j"${MOTE_JOBS:-$(nproc)}" "$target" $modules >>"$log" 2>&1 ||
		die "the kernel did not build; the end of $log:
$(grep -E -B 3 -A 10 'error:|Error ' "$log" | tail -n 30)"
	collect "$out.part" "$modules"
}

# collect DIR MODULES: what is kept
collect() {
	rm -rf "$1" && mkdir -p "$1"
	cp "$obj/System.map" "$1/"
	cp "$obj/.config" "$1/config"
	cp "$obj/$image" "$1/vmlinuz"
	# What the image of x86 holds compressed: an ELF file that Firecracker and Cloud Hypervisor start (by its PVH entry,
	# which is a note in it). The others' images are plain as they are.
	[ $karch != x86 ] || "${cross}objcopy" -R .comment -S "$obj/vmlinux" "$1/vmlinux"
	! is_set DEBUG_INFO || cp "$obj/vmlinux" "$1/vmlinux.debug"
	(cd "$obj" && object_sizes) >"$1/sizes"
	[ -z "$2" ] || kmake INSTALL_MOD_PATH="$1/modules" INSTALL_MOD_STRIP=1 modules_install >>"$log" 2>&1 ||
		die "the modules cannot be installed, see $log"
	rm -f "$1"/modules/lib/modules/*/build
}

# "CODE DATA ZEROED FILE" of every object of the image, once, for the report
object_sizes() {
	{
		"${cross}ar" t vmlinux.a
		[ ! -f lib/lib.a ] || "${cross}ar" t lib/lib.a
	} | sed 's,^\([^/]*\)$,lib/\1,' | sort -u | xargs "${cross}size" -B |
		awk '$1 ~ /^[0-9]+$/ { print $1, $2, $3, $6 }'
}
