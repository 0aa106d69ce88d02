/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/guest_hooks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

static const struct {
	const char *name;
	size_t list;
} stages[] = {
	{ "prestart", offsetof(struct spec_hooks, prestart) },
	{ "poststart", offsetof(struct spec_hooks, poststart) },
	{ "poststop", offsetof(struct spec_hooks, poststop) },
};

static bool is_program(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & 0111);
}

static int no_dots(const struct dirent *d)
{
	return !str_eq(d->d_name, ".") && !str_eq(d->d_name, "..");
}

static size_t add_name(const char *stage, const char *name, char *out, size_t cap)
{
	size_t a = strlen(stage), b = strlen(name);

	if (a + b + 2 > cap) {
		log_warn("hooks", "%s/%s: too many guest hooks", stage, name);
		return 0;
	}
	memcpy(out, stage, a);
	out[a] = '/';
	memcpy(out + a + 1, name, b + 1);
	return a + b + 2;
}

static size_t scan_stage(int top, const char *stage, char *out, size_t cap)
{
	AUTO_FD fd = openat(top, stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **found = NULL;
	char path[32];
	int n = fd < 0 ? 0 : scandir(path_of_fd(fd, path), &found, no_dots, alphasort);
	size_t used = 0;

	if (n < 0 || (fd < 0 && errno != ENOENT))
		log_warn("hooks", "guest hooks %s: %s", stage, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (is_program(fd, found[i]->d_name))
			used += add_name(stage, found[i]->d_name, out + used, cap - used);
		free(found[i]);
	}
	free(found);
	return used;
}

size_t guest_hooks_scan(const char *dir, char *out, size_t cap)
{
	AUTO_FD top = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t used = 0;

	if (top < 0)
		log_warn("hooks", "guest hooks in %s: %s", dir, strerror(errno));
	for (size_t i = 0; i < COUNT_OF(stages) && top >= 0; i++)
		used += scan_stage(top, stages[i].name, out + used, cap - used);
	return used;
}

static int take_one(const char *dir, const char *entry, const char *stage, struct arena *a,
		    struct spec_hook *out)
{
	char **argv = ARENA_ARRAY(a, char *, 3);

	out->path = arena_printf(a, "%s/%s", dir, entry);
	if (!argv || !out->path)
		return -ENOMEM;
	argv[0] = arena_strdup(a, entry + strlen(stage) + 1);
	argv[1] = arena_strdup(a, stage);
	out->args = (struct spec_strings){ argv, 2 };
	return argv[0] && argv[1] ? 0 : -ENOMEM;
}

static bool is_of(const char *entry, const char *stage)
{
	return str_starts(entry, stage) && entry[strlen(stage)] == '/';
}

static int take_stage(const char *dir, const char *list, size_t len, size_t stage, struct arena *a,
		      struct spec_hooks *out)
{
	struct spec_hook_list *l = (void *)((char *)out + stages[stage].list);
	const char *name = stages[stage].name;
	int r = 0;

	for (const char *at = list; at < list + len; at += strlen(at) + 1)
		l->n += is_of(at, name);
	l->v = l->n ? ARENA_ARRAY(a, struct spec_hook, l->n) : NULL;
	if (l->n && !l->v)
		r = -ENOMEM;
	l->n = 0;
	for (const char *at = list; at < list + len && r == 0; at += strlen(at) + 1)
		if (is_of(at, name))
			r = take_one(dir, at, name, a, &l->v[l->n++]);
	return r;
}

int guest_hooks_take(const char *dir, const char *list, size_t len, struct arena *a,
		     struct spec_hooks *out)
{
	int r = 0;

	*out = (struct spec_hooks){ 0 };
	if (len && list[len - 1]) /* what a job sends ends in a NUL */
		return -EINVAL;
	for (size_t i = 0; i < COUNT_OF(stages) && r == 0; i++)
		r = take_stage(dir, list, len, i, a, out);
	if (r < 0)
		*out = (struct spec_hooks){ 0 };
	return r;
}
