/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating groups and setting limits: the home of libcgroup, in jobs only (cgroup.h says why). The
 * library finds the mounts by itself; it is started once per process. Three things it leaves undone
 * are done here: version 2's root must have its controllers enabled before (cgroup_hand_down),
 * files that the kernel may lack are looked for first (it treats a missing one as fatal), and
 * version 1's new cpusets are empty until somebody copies the parent's.
 */
#include <fcntl.h>
#include <libcgroup.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_limits.h"
#include "kernel/cgroup_ops.h"

#define PATH_BYTES	512
#define GROUPS_BELOW	"4096"
#define LIMITS_ARENA	(4u << 20)	/* of a job, for the rows */

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

/* Version 2: a container that may write in its group makes no more below it than its removal can
 * look through in a moment. Kernels before 4.14 have no such file. */
static int bound_below(const struct cgroup_root *root, const char *path)
{
	AUTO_FD fd = cgroup_open(root, path, 0);
	int r = fd < 0 ? fd : io_write_file(fd, "cgroup.max.descendants", GROUPS_BELOW);

	return r == -ENOENT ? 0 : r;
}

/* The group above is there and hands down every controller. */
static bool parent_is_ready(const struct cgroup_root *root, const char *at)
{
	char file[PATH_BYTES + 32], words[512];
	const char *slash = strrchr(at, '/');
	struct str s = STR_OVER(file);

	str_add_n(&s, at, slash ? (size_t)(slash - at) : 0);
	str_addf(&s, "%scgroup.subtree_control", slash ? "/" : "");
	if (io_read_file(root->fd, file, words, sizeof(words)) < 0)
		return false;
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_of(root, i);

		if (name && !cgroup_has_word(words, name))
			return false;
	}
	return true;
}

/* Version 2: below a group that is ready a new one is a directory and no more. The library would
 * write every controller into every group above again, and each such write makes the kernel walk
 * all groups there are. 1: made, or there already. */
static int make_below_ready(const struct cgroup_root *root, const char *at, struct err *e)
{
	if (root->version != CGROUP_VERSION_2 || !parent_is_ready(root, at))
		return 0;
	if (mkdirat(root->fd, at, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create cgroup %s", at);
	return 1;
}

static int make_by_library(const struct cgroup_root *root, const char *at, struct err *e)
{
	struct cgroup *group;
	int code;

	if (start(e) < 0)
		return -1;
	group = group_new(root, at, root->controllers, e);
	if (!group)
		return -1;
	code = cgroup_create_cgroup(group, 1);
	cgroup_free(&group);
	return code ? fail(e, code, "create", at) : 0;
}

int cgroup_create(const struct cgroup_root *root, const char *path, struct err *e)
{
	const char *at = usable(root, path, e);
	int r;

	if (!at)
		return -1;
	r = make_below_ready(root, at, e);
	if (r < 0 || (r == 0 && make_by_library(root, at, e) < 0))
		return -1;
	r = root->version == CGROUP_VERSION_2 ? bound_below(root, path) : 0;
	if (r < 0)
		return err_sys(e, -r, "bound what is below cgroup %s", at);
	if (root->version != CGROUP_VERSION_1 || !(root->controllers & CGROUP_CPUSET))
		return 0;
	r = cgroup_fill_cpusets(root, at);
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

/* --- limits --- */

static int cannot(const struct cgroup_value *v, const char *what, struct err *e)
{
	return err_set(e, RC_FAILED_PRECONDITION, "%s cannot be set: the kernel has no such %s",
		       v->file, what);
}

/* The group's directory that has the files of a controller. */
static int open_for(const struct cgroup_root *root, const char *path, unsigned int controller)
{
	return cgroup_open(root, path, root->version == CGROUP_VERSION_1 ? controller : 0);
}

/* 1: the file is there. 0: it is not, and need not be. */
static int wants(const struct cgroup_root *root, const char *path, const struct cgroup_value *v,
		 struct err *e)
{
	bool may_lack = v->flags & (CGROUP_VALUE_OPTIONAL | CGROUP_VALUE_OR_NEXT);
	AUTO_FD fd = -1;

	if (v->controller && !(root->controllers & v->controller))
		return may_lack ? 0 : cannot(v, "controller", e);
	fd = open_for(root, path, v->controller);
	if (fd < 0)
		return err_sys(e, -fd, "open cgroup %s", path);
	if (faccessat(fd, v->file, F_OK, 0) == 0)
		return 1;
	return may_lack ? 0 : cannot(v, "file", e);
}

/* The library knows files by their controller; those of version 2's core have none. */
static int write_core(const struct cgroup_root *root, const char *path,
		      const struct cgroup_value *v, struct err *e)
{
	AUTO_FD fd = cgroup_open(root, path, 0);
	int r = fd < 0 ? fd : io_write_file(fd, v->file, v->text);

	if (r >= 0)
		return 0;
	return err_sys(e, -r, "write \"%.64s\" to %s of cgroup %s", v->text, v->file, path);
}

/* One file at a time: the library's own list says of a failure no more than that there was one. */
static int write_value(const struct cgroup_root *root, const char *at, const struct cgroup_value *v,
		       struct err *e)
{
	struct cgroup *group = group_new(root, at, 0, e);
	struct cgroup_controller *c;
	char verb[160];
	struct str s = STR_OVER(verb);
	int code = 0;

	if (!group)
		return -1;
	c = controller_of(root, group, v->controller);
	if (!c || cgroup_set_value_string(c, v->file, v->text))
		err_set(e, RC_RESOURCE_EXHAUSTED, "limits of cgroup %s: out of memory", at);
	else
		code = cgroup_modify_cgroup(group);
	cgroup_free(&group);
	str_addf(&s, "write \"%.64s\" to %.64s of", v->text, v->file);
	if (code)
		return fail(e, code, verb, at);
	return err_is_set(e) ? -1 : 0;
}

static bool is_unlimited(const char *text)
{
	return str_starts(text, "max") || *text == '-';
}

/* Version 1 keeps memory <= memory plus swap at every moment: when memory grows beyond the
 * present sum, the sum goes first. */
static void order_for_growth(const struct cgroup_root *root, const char *path,
			     struct cgroup_values *v)
{
	AUTO_FD fd =
		root->version == CGROUP_VERSION_1 ? cgroup_open(root, path, CGROUP_MEMORY) : -1;
	struct cgroup_value *memory = NULL, *swap = NULL, old;
	char text[32];

	for (size_t i = 0; i < v->n; i++) {
		if (str_eq(v->v[i].file, "memory.limit_in_bytes"))
			memory = &v->v[i];
		else if (str_eq(v->v[i].file, "memory.memsw.limit_in_bytes"))
			swap = &v->v[i];
	}
	if (fd < 0 || !memory || !swap || io_read_line(fd, swap->file, text, sizeof(text)) <= 0)
		return;
	if (!is_unlimited(memory->text) &&
	    strtoull(memory->text, NULL, 10) <= strtoull(text, NULL, 10))
		return;
	old = *memory;
	*memory = *swap;
	*swap = old;
}

/* The first word of a file as a number: CGROUP_UNSET when there is no file, -1 for "max". */
static int64_t present(const struct cgroup_root *root, const char *path, unsigned int controller,
		       const char *file)
{
	AUTO_FD fd = open_for(root, path, controller);
	char text[64];
	int64_t n;

	if (fd < 0 || io_read_line(fd, file, text, sizeof(text)) <= 0)
		return CGROUP_UNSET;
	text[strcspn(text, " \n")] = '\0';
	if (str_eq(text, "max"))
		return -1;
	return num_i64(text, 0, INT64_MAX, &n) < 0 ? CGROUP_UNSET : n;
}

static bool given(int64_t v)
{
	return v != CGROUP_UNSET && v != 0;
}

/* Version 2 has one file where OCI has two fields, and swap without memory where OCI has the sum:
 * what an update leaves out is what holds now. */
static void complete(const struct cgroup_root *root, const char *path, struct cgroup_limits *l)
{
	if (root->version != CGROUP_VERSION_2)
		return;
	if (given(l->swap) && l->swap > 0 && !given(l->memory))
		l->memory = present(root, path, CGROUP_MEMORY, "memory.max");
	if (given(l->cpu_period) && !given(l->cpu_quota))
		l->cpu_quota = present(root, path, CGROUP_CPU, "cpu.max");
}

static int check_usage(const struct cgroup_root *root, const char *path,
		       const struct cgroup_limits *l, struct err *e)
{
	const char *file = root->version == CGROUP_VERSION_1 ? "memory.usage_in_bytes" :
							       "memory.current";
	int64_t usage;

	if (!l->check_usage || !given(l->memory) || l->memory < 0)
		return 0;
	usage = present(root, path, CGROUP_MEMORY, file);
	if (usage <= l->memory)
		return 0;
	return err_set(e, RC_FAILED_PRECONDITION,
		       "linux.resources.memory.limit: %lld bytes are in use, more than %lld",
		       (long long)usage, (long long)l->memory);
}

static int write_values(const struct cgroup_root *root, const char *path,
			const struct cgroup_values *values, struct err *e)
{
	for (size_t i = 0; i < values->n; i++) {
		const struct cgroup_value *v = &values->v[i];
		int r = wants(root, path, v, e);

		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		if (v->controller ? write_value(root, cgroup_relative(path), v, e) < 0 :
				    write_core(root, path, v, e) < 0)
			return -1;
		if (v->flags & CGROUP_VALUE_OR_NEXT)
			i++;
	}
	return 0;
}

static int limit(const struct cgroup_root *root, const char *path, const struct cgroup_limits *l,
		 struct arena *a, struct err *e)
{
	struct cgroup_limits whole = *l;
	struct cgroup_values values;

	complete(root, path, &whole);
	if (cgroup_limits_values(root->version, &whole, a, &values, e) < 0)
		return -1;
	if (values.n == 0)
		return 0;
	if (check_usage(root, path, &whole, e) < 0 || start(e) < 0)
		return -1;
	order_for_growth(root, path, &values);
	return write_values(root, path, &values, e);
}

int cgroup_limit(const struct cgroup_root *root, const char *path, const struct cgroup_limits *l,
		 struct err *e)
{
	struct arena a;
	int r;

	if (!usable(root, path, e))
		return -1;
	arena_init(&a, LIMITS_ARENA);
	r = limit(root, path, l, &a, e);
	arena_fini(&a);
	return r;
}
