/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/module.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/sys.h"

#define NAME_MAX_BYTES	55	    /* MODULE_NAME_LEN of a 64-bit kernel, with its NUL */
#define PARAMETERS_MAX	4096
#define LIST_MAX	(16u << 20) /* a distribution's modules.dep has 600 KB */
#define COMPRESSED_FILE 4	    /* MODULE_INIT_COMPRESSED_FILE of <linux/module.h>, Linux 5.17 */

static const char *const endings[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };

/* --- names and lists --- */

static char alike(char c)
{
	return c == '-' ? '_' : c;
}

static bool is_alike(const char *a, size_t n, const char *name)
{
	if (strlen(name) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (alike(a[i]) != alike(name[i]))
			return false;
	return true;
}

bool module_is_file_of(const char *path, size_t n, const char *name)
{
	const char *slash = memrchr(path, '/', n);
	const char *base = slash ? slash + 1 : path;
	size_t len = n - (size_t)(base - path);

	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		size_t end = strlen(endings[i]);

		if (len > end && memcmp(base + len - end, endings[i], end) == 0 &&
		    is_alike(base, len - end, name))
			return true;
	}
	return false;
}

bool module_find(char *dep, const char *name, char **path, char **needs)
{
	char *line, *rest;

	for (line = dep; line; line = rest) {
		char *colon;

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		colon = strchr(line, ':');
		if (!colon || !module_is_file_of(line, (size_t)(colon - line), name))
			continue;
		*colon = '\0';
		*path = line;
		*needs = colon + 1;
		return true;
	}
	return false;
}

bool module_is_listed(const char *builtin, const char *name)
{
	while (*builtin) {
		size_t n = strcspn(builtin, "\n");

		if (module_is_file_of(builtin, n, name))
			return true;
		builtin += n + (builtin[n] == '\n');
	}
	return false;
}

int module_join(const struct module *m, char *out, size_t cap)
{
	struct str s;

	str_init(&s, out, cap);
	for (size_t i = 0; i < m->n_parameters; i++) {
		const char *p = m->parameters[i], *value = strchr(p, '=');

		for (const char *c = p; *c; c++)
			if ((unsigned char)*c < 0x20 || *c == '"' || *c == 0x7f)
				return -EINVAL;
		if (i)
			str_add_char(&s, ' ');
		if (strchr(p, ' ') && value)
			str_addf(&s, "%.*s=\"%s\"", (int)(value - p), p, value + 1);
		else if (strchr(p, ' '))
			return -EINVAL;
		else
			str_add(&s, p);
	}
	return str_ok(&s) ? 0 : -EINVAL;
}

/* --- loading --- */

static bool name_is_good(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");

	return n && n <= NAME_MAX_BYTES && !name[n] && *name != '.';
}

/* Loaded, or built in with parameters? 1, 0, -errno. */
static int is_there(const char *name)
{
	char path[32 + NAME_MAX_BYTES];
	struct str s = STR_OVER(path);

	str_add(&s, "/sys/module/");
	for (; *name; name++)
		str_add_char(&s, alike(*name));
	if (access(path, F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int load_file(int dirfd, const char *file, const char *parameters)
{
	size_t n = strlen(file);
	bool plain = n > 3 && str_eq(file + n - 3, ".ko");
	AUTO_FD fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : sys_result(syscall(SYS_finit_module, fd, parameters,
						     plain ? 0 : COMPRESSED_FILE));

	if (r == -EOPNOTSUPP && !plain)
		return -ENOPKG;
	return r == -EEXIST ? 0 : r;
}

static int load(int dirfd, const char *dir, const char *file, const char *parameters, struct err *e)
{
	int r = load_file(dirfd, file, parameters);

	if (r == -ENOSYS)
		return err_set(e, RC_FAILED_PRECONDITION, "this kernel takes no modules");
	if (r == -ENOPKG)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "%s/%s: this kernel does not take compressed modules", dir, file);
	return r < 0 ? err_sys(e, -r, "load %s/%s", dir, file) : 0;
}

/* depmod lists what is needed first last. */
static int load_needs(int dirfd, const char *dir, char *needs, struct err *e)
{
	for (;;) {
		size_t n = strlen(needs);
		char *last;

		while (n && needs[n - 1] == ' ')
			needs[--n] = '\0';
		if (!n)
			return 0;
		last = strrchr(needs, ' ');
		if (load(dirfd, dir, last ? last + 1 : needs, "", e) < 0)
			return -1;
		if (!last)
			return 0;
		*last = '\0';
	}
}

/* One that is not there is empty. */
static int read_list(int dirfd, const char *dir, const char *name, struct arena *a, char **text,
		     struct err *e)
{
	static char none[1];
	ssize_t n = dirfd < 0 ? -ENOENT : io_read_file_arena(dirfd, name, a, LIST_MAX, text);

	if (n == -ENOENT)
		*text = none;
	else if (n < 0)
		return err_sys(e, (int)-n, "read %s/%s", dir, name);
	return 0;
}

static int load_listed(const struct module *m, int dirfd, const char *dir, const char *parameters,
		       struct arena *a, struct err *e)
{
	char *text, *path, *needs;

	if (read_list(dirfd, dir, "modules.builtin", a, &text, e) < 0)
		return -1;
	if (module_is_listed(text, m->name))
		return 0;
	if (read_list(dirfd, dir, "modules.dep", a, &text, e) < 0)
		return -1;
	if (!module_find(text, m->name, &path, &needs))
		return err_set(e, RC_NOT_FOUND, "not in %s/modules.dep, nor part of the kernel", dir);
	if (load_needs(dirfd, dir, needs, e) < 0)
		return -1;
	return load(dirfd, dir, path, parameters, e);
}

int module_load(const struct module *m, struct err *e)
{
	char parameters[PARAMETERS_MAX], dir[96];
	struct utsname u;
	struct arena a;
	AUTO_FD dirfd = -1;
	int r;

	if (!name_is_good(m->name))
		return err_set(e, RC_INVALID_ARGUMENT, "not the name of a module");
	if (module_join(m, parameters, sizeof(parameters)) < 0)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "parameters: a quote, a control character, or more than %d bytes",
			       PARAMETERS_MAX - 1);
	r = is_there(m->name);
	if (r < 0)
		return err_sys(e, -r, "look for it in /sys/module");
	if (r)
		return 0;
	if (uname(&u) < 0)
		return err_sys(e, errno, "the kernel's release");
	snprintf(dir, sizeof(dir), "/lib/modules/%s", u.release);
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 && errno != ENOENT)
		return err_sys(e, errno, "open %s", dir);
	arena_init(&a, 4 * LIST_MAX);
	r = load_listed(m, dirfd, dir, parameters, &a, e);
	arena_fini(&a);
	return r;
}
