# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Fetching pinned archives; sourced by the scripts that need one. The sourcing script defines `say` and `die`.
#
# Files come from the distribution's own archive by its own client. The client's settings (site, proxy, keys) are this
# machine's and are only read: all state goes to a private directory in the cache. The pinned SHA-256 is what makes a
# file right, whatever it came from; so a file put into the download directory by hand is as good.

sources=${BASH_SOURCE[0]%/*}/sources
cache=${MOTE_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or MOTE_CACHE}/.cache}/mote}
downloads=$cache/download

# lock NAME: holds a lock of that name until the script ends; two builders of one thing take turns
lock() {
	mkdir -p "$cache/lock"
	exec 9>"$cache/lock/$1"
	flock -n 9 || {
		say "another run builds $1: waiting for it"
		flock 9
	}
}

# lock_more NAME: a second one beside it
lock_more() {
	exec 7>"$cache/lock/$1"
	flock 7
}

# archive_site: the address of the distribution's archive, as this machine's client knows it
archive_site() {
	local codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	{
		apt-get indextargets --format '$(SITE)' 'Origin: Debian' "Codename: $codename"
		apt-get update --print-uris | sed -n "s,^'\(.*\)/dists/$codename/InRelease' .*,\1,p"
	} 2>/dev/null | sed -n '1p'
}

# archive_apt TOOL ARG…: the package client with private state
archive_apt() {
	local tool=$1
	shift
	mkdir -p "$cache/apt/state/lists/partial" "$cache/apt/cache/archives/partial"
	"$tool" -o Dir::State="$cache/apt/state" -o Dir::Cache="$cache/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=2 "$@"
}

# matches FILE SHA256
matches() {
	[ -s "$1" ] && echo "$2  $1" | sha256sum --status -c -
}

# archive_tables ARCH: the table, and the architecture's own beside it
archive_tables() {
	cat "$sources"
	[ ! -f "$sources.$1" ] || cat "$sources.$1"
}

# archive_rows NAME ARCH: the lines for NAME of them
archive_rows() {
	archive_tables "$2" | awk -v n="$1" -v a="$2" '$1 == n && ($3 == "any" || $3 == a) { print $2, $4, $5 }'
}

# fetch NAME ARCH: brings the first alternative that can be had; sets $fetched (its file) and $version
fetch() {
	local name=$1 arch=$2 rows v path sum file site='' tried=''
	rows=$(archive_rows "$name" "$arch")
	[ -n "$rows" ] || die "$name: no archive for $arch in $sources or $sources.$arch: add a line there"
	mkdir -p "$downloads"
	# what is here already wins over what would have to be fetched
	while read -r v path sum; do
		file=$downloads/$(file_name "$path")
		if matches "$file" "$sum"; then
			fetched=$file version=$v
			return
		fi
	done <<<"$rows"
	site=$(archive_site)
	[ -n "$site" ] || say "$name: this machine's apt knows no Debian archive (/etc/apt/sources.list)"
	while read -r v path sum; do
		file=$downloads/$(file_name "$path")
		tried="$tried
  $file
    (SHA-256 $sum)"
		[ -n "$site" ] || continue
		say "$name $v: fetching ${path##*/}"
		if archive_apt /usr/lib/apt/apt-helper -q download-file "$site/$path" "$file.part" "SHA256:$sum" \
			>"$downloads/log" 2>&1 && matches "$file.part" "$sum"; then
			mv "$file.part" "$file"
			fetched=$file version=$v
			return
		fi
		rm -f "$file.part"
		say "$name $v: not to be had (${path##*/}): $(sed -n 's/^[EW]: *//p' "$downloads/log" | sed -n 1p)"
	done <<<"$rows"
	die "$name: no archive could be fetched. Check the network, or put one of these files there by hand:$tried"
}

# file_name PATH: the local name of an archive's path (%2b and the like undone)
file_name() {
	local name=${1##*/}
	printf '%b' "${name//%/\\x}"
}
