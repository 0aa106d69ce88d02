/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating groups and setting limits: the home of libcgroup, in jobs only (cgroup.h says why). The
 * library finds the mounts by itself; it is started once per process. Three things it leaves undone
 * are done here: version 2's root must have its controllers enabled before (cgroup_setup_root),
 * files that the kernel may lack are looked for first (it treats a missing one as fatal), and
 * version 1's new cpusets are empty until somebody copies the parent's.
 */
#include <fcntl.h>
#include <libcgroup.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"

#define PATH_BYTES	512

/* 0, or a positive errno; *text says more when there is none. */
static int errno_of(int code, const char **text)
{
	*text = cgroup_strerror(code);
	switch (code) {
	case 0:
		return 0;
	case ECGOTHER:
	case ECGROUPNOTCREATED:
	case ECGCANTSETVALUE:
		return cgroup_get_last_errno() ? cgroup_get_last_errno() : EIO;
	case ECGROUPNOTEXIST:
	case ECGROUPVALUENOTEXIST:
		return ENOENT;
	case ECGROUPNOTALLOWED:
	case ECGROUPNOTOWNER:
		return EPERM;
	default:
		return 0;
	}
}

static int fail(struct err *e, int code, const char *verb, const char *path)
{
	const char *text;
	int errnum = errno_of(code, &text);

	if (errnum)
		return err_sys(e, errnum, "%s cgroup %s", verb, path);
	return err_set(e, RC_INTERNAL, "%s cgroup %s: %s", verb, path, text);
}

/* Without one of ours the library takes its own, which prints to standard output. */
static void say_nothing(void *data, int level, const char *fmt, va_list ap)
{
	(void)data;
	(void)level;
	(void)fmt;
	(void)ap;
}

static int start(struct err *e)
{
	static bool started;
	int code;

	if (started)
		return 0;
	cgroup_set_logger(say_nothing, CGROUP_LOG_ERROR, NULL);
	code = cgroup_init();
	if (code)
		return fail(e, code, "find the mounts of", "hierarchies");
	started = true;
	return 0;
}

/* Copies a cpuset's file from the parent when it is empty. */
static int inherit(int parentfd, int fd, const char *file)
{
	char text[1024];
	ssize_t n = io_read_line(fd, file, text, sizeof(text));

	if (n != 0)
		return n < 0 ? (int)n : 0;
	n = io_read_line(parentfd, file, text, sizeof(text));
	return n < 0 ? (int)n : io_write_file(fd, file, text);
}

/* Version 1: without CPUs and memory nodes no process can join. From the top down. */
static int fill_cpusets(const struct cgroup_root *root, const char *at)
{
	AUTO_FD fd = openat(root->fd, "cpuset", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	while (r == 0 && *at) {
		char name[256];
		struct str s = STR_OVER(name);
		size_t n = strcspn(at, "/");
		int sub;

		str_add_n(&s, at, n);
		if (!str_ok(&s))
			return -ENAMETOOLONG;
		sub = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			return -errno;
		r = inherit(fd, sub, "cpuset.cpus");
		if (r == 0)
			r = inherit(fd, sub, "cpuset.mems");
		auto_close(&fd);
		fd = sub;
		at += n + (at[n] == '/');
	}
	return r;
}

static struct cgroup *group_new(const struct cgroup_root *root, const char *at,
				unsigned int controllers, struct err *e)
{
	struct cgroup *group = cgroup_new_cgroup(at);

	for (size_t i = 0; group && i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_of(root, i);

		if (!name || !(controllers & cgroup_controller_names[i].bit))
			continue;
		if (!cgroup_add_controller(group, name))
			cgroup_free(&group);
	}
	if (!group)
		err_set(e, RC_RESOURCE_EXHAUSTED, "cgroup %s: out of memory", at);
	return group;
}

static const char *usable(const struct cgroup_root *root, const char *path, struct err *e)
{
	const char *at = cgroup_relative(path);

	if (root->version == CGROUP_VERSION_NONE)
		err_set(e, RC_FAILED_PRECONDITION, "no cgroups are mounted");
	else if (!at || strlen(at) >= PATH_BYTES)
		err_set(e, RC_INVALID_ARGUMENT, "the cgroup path is not usable");
	else
		return at;
	return NULL;
}

/* Version 2: a container that may write in its group must not make more below it than its removal,
 * which is PID 1's, can look through. Kernels before 4.14 have no such files. */
static int bound_below(const struct cgroup_root *root, const char *path)
{
	static const struct {
		const char *file;
		unsigned int most;
	} bounds[] = { { "cgroup.max.depth", CGROUP_DEPTH_MAX }, { "cgroup.max.descendants", 4096 } };
	AUTO_FD fd = cgroup_open(root, path, 0);
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; i < COUNT_OF(bounds) && r == 0; i++) {
		char text[16];
		struct str s = STR_OVER(text);

		str_addf(&s, "%u", bounds[i].most);
		r = io_write_file(fd, bounds[i].file, text);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

int cgroup_create(const struct cgroup_root *root, const char *path, struct err *e)
{
	const char *at = usable(root, path, e);
	struct cgroup *group;
	int code, r;

	if (!at || start(e) < 0)
		return -1;
	group = group_new(root, at, root->controllers, e);
	if (!group)
		return -1;
	code = cgroup_create_cgroup(group, 1);
	cgroup_free(&group);
	if (code)
		return fail(e, code, "create", at);
	r = root->version == CGROUP_VERSION_2 ? bound_below(root, path) : 0;
	if (r < 0)
		return err_sys(e, -r, "bound what is below cgroup %s", at);
	if (root->version != CGROUP_VERSION_1 || !(root->controllers & CGROUP_CPUSET))
		return 0;
	r = fill_cpusets(root, at);
	return r < 0 ? err_sys(e, -r, "fill the cpuset of cgroup %s", at) : 0;
}

static struct cgroup_controller *controller_of(const struct cgroup_root *root, struct cgroup *group,
					       unsigned int bit)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		if (cgroup_controller_names[i].bit == bit) {
			const char *name = cgroup_controller_of(root, i);
			struct cgroup_controller *c =
				name ? cgroup_get_controller(group, name) : NULL;

			return c || !name ? c : cgroup_add_controller(group, name);
		}
	return NULL;
}

static bool is_unlimited(const struct cgroup_value *v)
{
	return str_starts(v->value, "max") || str_eq(v->value, "-1");
}

static int cannot(const struct cgroup_value *v, const char *what, struct err *e)
{
	return err_set(e, RC_FAILED_PRECONDITION, "%s cannot be set: the kernel has no such %s",
		       v->file, what);
}

/* 1: the file is there. 0: it is not, and need not be. */
static int wants(const struct cgroup_root *root, const char *path, const struct cgroup_value *v,
		 struct err *e)
{
	bool may_lack = v->optional || is_unlimited(v);
	AUTO_FD fd = -1;

	if (!(root->controllers & v->controller))
		return may_lack ? 0 : cannot(v, "controller", e);
	fd = cgroup_open(root, path, root->version == CGROUP_VERSION_1 ? v->controller : 0);
	if (fd < 0)
		return err_sys(e, -fd, "open cgroup %s", path);
	if (faccessat(fd, v->file, F_OK, 0) == 0)
		return 1;
	return may_lack ? 0 : cannot(v, "file", e);
}

/* Version 1 keeps memory <= memory plus swap at every moment: when memory grows beyond the
 * present sum, the sum goes first. */
static void order_for_growth(const struct cgroup_root *root, const char *path,
			     struct cgroup_value *v, size_t n)
{
	AUTO_FD fd =
		root->version == CGROUP_VERSION_1 ? cgroup_open(root, path, CGROUP_MEMORY) : -1;
	struct cgroup_value *memory = NULL, *swap = NULL, old;
	char text[32];

	for (size_t i = 0; i < n; i++) {
		if (str_eq(v[i].file, "memory.limit_in_bytes"))
			memory = &v[i];
		else if (str_eq(v[i].file, "memory.memsw.limit_in_bytes"))
			swap = &v[i];
	}
	if (fd < 0 || !memory || !swap || io_read_line(fd, swap->file, text, sizeof(text)) <= 0)
		return;
	if (!is_unlimited(memory) && strtoull(memory->value, NULL, 10) <= strtoull(text, NULL, 10))
		return;
	old = *memory;
	*memory = *swap;
	*swap = old;
}

static int fill(const struct cgroup_root *root, const char *path, struct cgroup *group,
		const struct cgroup_value *v, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct cgroup_controller *c;
		int r = wants(root, path, &v[i], e);

		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		c = controller_of(root, group, v[i].controller);
		if (!c || cgroup_set_value_string(c, v[i].file, v[i].text ? v[i].text : v[i].value))
			return err_set(e, RC_RESOURCE_EXHAUSTED,
				       "limits of cgroup %s: out of memory", path);
	}
	return 0;
}

int cgroup_limit(const struct cgroup_root *root, const char *path, const struct cgroup_limits *l,
		 struct err *e)
{
	const char *at = usable(root, path, e);
	struct cgroup_value values[CGROUP_VALUES];
	struct cgroup *group;
	size_t n;
	int code = 0, r;

	if (!at || cgroup_limits_values(root->version, l, values, &n, e) < 0)
		return -1;
	if (n == 0)
		return 0;
	if (start(e) < 0)
		return -1;
	order_for_growth(root, path, values, n);
	group = group_new(root, at, 0, e);
	if (!group)
		return -1;
	r = fill(root, path, group, values, n, e);
	if (r == 0)
		code = cgroup_modify_cgroup(group);
	cgroup_free(&group);
	if (code)
		return fail(e, code, "set the limits of", at);
	return r;
}
