/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a spec's cgroupsPath to the path of a group. The two forms of hosts are a path, and what systemd
 * needs for a scope: its slice, and the two parts of its name. Below an init that is systemd the second
 * form keeps its nesting, so that whoever looks finds a pod's limits around those of its containers.
 */
#include <limits.h>

#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"


/* "slice:prefix:name", as a host with systemd writes it: not absolute, and exactly two colons. */
static bool is_systemd_form(const char *path)
{
	const char *first = strchr(path, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;

	return *path != '/' && second && !strchr(second + 1, ':');
}

/* "a-b.slice" lies in "a.slice" (systemd.slice); "-.slice" is the root, none said the system's. */
static bool add_slices(struct str *s, const char *slice, size_t len)
{
	static const char suffix[] = ".slice";
	const size_t end = sizeof(suffix) - 1;
	size_t n = len - end;

	if (!len) {
		str_add(s, "/system.slice");
		return true;
	}
	if (len <= end || memcmp(slice + n, suffix, end) != 0 || memchr(slice, '/', len))
		return false;
	if (n == 1 && *slice == '-')
		return true;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && slice[i] != '-')
			continue;
		if (i == 0 || slice[i - 1] == '-')
			return false;
		str_add_char(s, '/');
		str_add_n(s, slice, i);
		str_add(s, suffix);
	}
	return true;
}

/* What the units "slice" and "prefix-name.scope" would be called and where they would lie; a name that is
 * a slice's is one (runc's and systemd's reading of this form). */
static char *units_path(struct arena *a, const char *path, struct err *e)
{
	const char *prefix = strchr(path, ':') + 1, *name = strchr(prefix, ':') + 1;
	size_t n = strlen(name), len = (size_t)(name - prefix) - 1;
	char text[PATH_MAX];
	struct str s = STR_OVER(text);
	bool good = n && !strchr(prefix, '/') && add_slices(&s, path, (size_t)(prefix - path) - 1);

	str_add_char(&s, '/');
	if (n > 6 && str_eq(name + n - 6, ".slice")) {
		str_add(&s, name);
	} else {
		str_add_n(&s, prefix, len);
		str_addf(&s, "%s%s.scope", len ? "-" : "", name);
	}
	if (good && str_ok(&s))
		return arena_strdup(a, text);
	err_set(e, RC_INVALID_ARGUMENT, "linux.cgroupsPath: wants SLICE:PREFIX:NAME of systemd's units");
	return NULL;
}

static char *files_path(struct arena *a, const char *path)
{
	bool units = is_systemd_form(path);
	char *text = arena_printf(a, "/%s", path);

	for (char *at = text; units && at && *at; at++)
		if (*at == ':')
			*at = '/';
	return text;
}

char *cgroup_path_of_spec(const struct cgroup_root *root, struct arena *a, const char *cgroups_path,
			  const char *id, struct err *e)
{
	const char *given = str_empty(cgroups_path) ? id : cgroups_path;
	bool units = *root->base && !str_empty(cgroups_path) && is_systemd_form(cgroups_path);
	char *path = units ? units_path(a, given, e) : files_path(a, given);
	bool plain;

	if (err_is_set(e))
		return NULL;
	plain = path && path_is_plain(path);
	if (plain)
		path = path_clean(a, path);
	if (path && plain && cgroup_relative(path) && *root->base)
		path = arena_printf(a, "%s%s", root->base, path);
	if (!path) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "cgroup path: out of memory");
		return NULL;
	}
	if (!plain || !cgroup_relative(path)) {
		err_set(e, RC_INVALID_ARGUMENT, "the cgroup path is not usable");
		return NULL;
	}
	return path;
}
