/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules, what both versions share, and version 1's lists: that kernel knows one default and
 * exceptions from it, so a run of rules is first folded into that shape.
 */
#include "kernel/cgroup_devices.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"
#include "base/str.h"

#define NUMBER_MAX  ((int64_t)INT32_MAX)
#define LIST_BYTES  65536
#define ARENA_BYTES (4u << 20)

const char *cgroup_device_rule_error(const struct cgroup_device_rule *r)
{
	if (r->type != 'a' && r->type != 'b' && r->type != 'c')
		return "the type is not a, b or c";
	if (r->major < -1 || r->minor < -1 || r->major > NUMBER_MAX || r->minor > NUMBER_MAX)
		return "not the number of a device";
	if (r->access & ~CGROUP_DEV_ALL || !r->access)
		return "the access is not of r, w, m";
	/* The kernel of version 1 would take it for all devices, whatever else it says. */
	if (r->type == 'a' && (r->major >= 0 || r->minor >= 0 || r->access != CGROUP_DEV_ALL))
		return "type a with a number or without rwm";
	return NULL;
}

const struct cgroup_device_rule *cgroup_device_defaults(size_t *n)
{
	static const struct cgroup_device_rule rules[] = {
		{ true, 'c', -1, -1, CGROUP_DEV_MKNOD }, { true, 'b', -1, -1, CGROUP_DEV_MKNOD },
		{ true, 'c', 1, 3, CGROUP_DEV_ALL },    /* null */
		{ true, 'c', 1, 5, CGROUP_DEV_ALL },    /* zero */
		{ true, 'c', 1, 7, CGROUP_DEV_ALL },    /* full */
		{ true, 'c', 1, 8, CGROUP_DEV_ALL },    /* random */
		{ true, 'c', 1, 9, CGROUP_DEV_ALL },    /* urandom */
		{ true, 'c', 5, 0, CGROUP_DEV_ALL },    /* tty */
		{ true, 'c', 5, 1, CGROUP_DEV_ALL },    /* console */
		{ true, 'c', 5, 2, CGROUP_DEV_ALL },    /* ptmx */
		{ true, 'c', 136, -1, CGROUP_DEV_ALL }, /* pts */
		{ true, 'c', 10, 200, CGROUP_DEV_ALL }, /* tun */
	};

	*n = COUNT_OF(rules);
	return rules;
}

/* --- version 1: folding --- */

static bool same_device(const struct cgroup_device_rule *a, const struct cgroup_device_rule *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool covers(int64_t wide, int64_t narrow)
{
	return wide < 0 || narrow < 0 || wide == narrow;
}

/* Some device is in both. */
static bool overlap(const struct cgroup_device_rule *a, const struct cgroup_device_rule *b)
{
	return a->type == b->type && covers(a->major, b->major) && covers(a->minor, b->minor);
}

static void add_exception(struct cgroup_device_lists *l, const struct cgroup_device_rule *r)
{
	for (size_t i = 0; i < l->n; i++) {
		if (same_device(&l->v[i], r)) {
			l->v[i].access |= r->access;
			return;
		}
	}
	l->v[l->n++] = *r;
}

/* Takes an exception back. Of one that is wider, or narrower, the kernel takes nothing back. */
static int drop_exception(struct cgroup_device_lists *l, const struct cgroup_device_rule *r,
			  size_t rule, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!overlap(&l->v[i], r) || !(l->v[i].access & r->access))
			continue;
		if (!same_device(&l->v[i], r))
			return err_set(e, RC_FAILED_PRECONDITION,
				       "linux.resources.devices[%zu]: cgroup version 1 cannot take "
				       "back a part of another rule",
				       rule);
		l->v[i].access &= ~r->access;
		if (!l->v[i].access)
			l->v[i--] = l->v[--l->n];
	}
	return 0;
}

int cgroup_device_lists(const struct cgroup_device_rule *rules, size_t n, struct arena *a,
			struct cgroup_device_lists *out, struct err *e)
{
	*out = (struct cgroup_device_lists){ .v = ARENA_ARRAY(a, struct cgroup_device_rule,
							      n + 1) };
	if (!out->v)
		return err_sys(e, ENOMEM, "device rules");
	for (size_t i = 0; i < n; i++) {
		if (rules[i].type == 'a') {
			out->allow = rules[i].allow;
			out->n = 0;
		} else if (rules[i].allow != out->allow) {
			add_exception(out, &rules[i]);
		} else if (drop_exception(out, &rules[i], i, e) < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- version 1: writing --- */

static void add_rule_number(struct str *s, char before, int64_t number)
{
	if (number < 0)
		str_addf(s, "%c*", before);
	else
		str_addf(s, "%c%lld", before, (long long)number);
}

static int write_rule(int fd, bool allow, const struct cgroup_device_rule *r)
{
	char text[64];
	struct str s = STR_OVER(text);

	str_add_char(&s, r->type);
	add_rule_number(&s, ' ', r->major);
	add_rule_number(&s, ':', r->minor);
	str_add_char(&s, ' ');
	str_add(&s, r->access & CGROUP_DEV_READ ? "r" : "");
	str_add(&s, r->access & CGROUP_DEV_WRITE ? "w" : "");
	str_add(&s, r->access & CGROUP_DEV_MKNOD ? "m" : "");
	return io_write_file(fd, allow ? "devices.allow" : "devices.deny", text);
}

static int parse_number(char *text, int64_t *out)
{
	uint64_t n;

	*out = -1;
	if (str_eq(text, "*"))
		return 0;
	if (num_u64(text, (uint64_t)NUMBER_MAX, &n) < 0)
		return -EINVAL;
	*out = (int64_t)n;
	return 0;
}

/* "c 1:3 rwm" */
static int parse_line(char *line, struct cgroup_device_rule *out)
{
	char *colon = strchr(line, ':'), *space = colon ? strchr(colon, ' ') : NULL;

	if (!*line || line[1] != ' ' || !space)
		return -EINVAL;
	*colon = *space = '\0';
	*out = (struct cgroup_device_rule){ .type = *line };
	for (const char *at = space + 1; *at; at++)
		out->access |= *at == 'r'   ? CGROUP_DEV_READ
			       : *at == 'w' ? CGROUP_DEV_WRITE
					    : CGROUP_DEV_MKNOD;
	if (parse_number(line + 2, &out->major) < 0)
		return -EINVAL;
	return parse_number(colon + 1, &out->minor);
}

/* What the list had and the new one has not. */
static int drop_old(int fd, const struct cgroup_device_lists *l, struct cgroup_device_rule old)
{
	for (size_t i = 0; i < l->n; i++)
		if (same_device(&l->v[i], &old))
			old.access &= ~l->v[i].access;
	return old.access ? write_rule(fd, false, &old) : 0;
}

/* First what is new is allowed, then what is old is denied: what is in both never goes. The default
 * itself cannot change so; then everything is said anew. 1: it was not possible. */
static int change_lists(int fd, const struct cgroup_device_lists *l)
{
	static char text[LIST_BYTES]; /* touched in jobs only */
	ssize_t n = io_read_file(fd, "devices.list", text, sizeof(text));
	char *save = text, *line;
	int r = 0;

	if (n < 0)
		return (int)n;
	if (l->allow || *text == 'a')
		return 1;
	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = write_rule(fd, true, &l->v[i]);
	while (r == 0 && (line = strsep(&save, "\n"))) {
		struct cgroup_device_rule old = { 0 };

		if (!*line)
			continue;
		r = parse_line(line, &old);
		if (r == 0)
			r = drop_old(fd, l, old);
	}
	return r;
}

int cgroup_device_lists_set(int fd, const struct cgroup_device_lists *l, unsigned int flags)
{
	int r = flags & CGROUP_DEVICES_UPDATE ? change_lists(fd, l) : 1;

	if (r <= 0)
		return r;
	r = io_write_file(fd, l->allow ? "devices.allow" : "devices.deny", "a");
	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = write_rule(fd, !l->allow, &l->v[i]);
	return r;
}

/* --- both --- */

static int set_v1(const struct cgroup_root *root, const char *path,
		  const struct cgroup_device_rule *rules, size_t n, struct arena *a,
		  unsigned int flags, struct err *e)
{
	AUTO_FD fd = cgroup_open(root, path, CGROUP_DEVICES);
	struct cgroup_device_lists lists;
	int r;

	if (fd == -ENODEV)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "device rules: the kernel has no devices controller");
	if (fd < 0)
		return err_sys(e, -fd, "device rules: open cgroup %s", path);
	if (cgroup_device_lists(rules, n, a, &lists, e) < 0)
		return -1;
	r = cgroup_device_lists_set(fd, &lists, flags);
	return r < 0 ? err_sys(e, -r, "device rules of cgroup %s", path) : 0;
}

/* What kernels without the program's type, the hook or the call say. */
static bool means_lacking(int r)
{
	return r == -EINVAL || r == -ENOSYS || r == -EPERM || r == -EOPNOTSUPP;
}

static int set_v2(const struct cgroup_root *root, const char *path,
		  const struct cgroup_device_rule *rules, size_t n, struct arena *a, struct err *e)
{
	AUTO_FD group = cgroup_open(root, path, 0);
	AUTO_FD fd = group < 0 ? group : openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cgroup_bpf_insn *insns;
	size_t n_insns;
	int r;

	if (group < 0 || fd < 0)
		return err_sys(e, group < 0 ? -group : errno, "device rules: open cgroup %s", path);
	insns = cgroup_device_program(rules, n, a, &n_insns);
	if (!insns)
		return err_sys(e, ENOMEM, "device rules");
	r = cgroup_device_program_set(fd, insns, n_insns);
	if (means_lacking(r))
		return err_set(e, RC_FAILED_PRECONDITION,
			       "device rules: the kernel takes no device program (%s)",
			       err_errno_name(-r));
	return r < 0 ? err_sys(e, -r, "device rules of cgroup %s", path) : 0;
}

int cgroup_devices_set(const struct cgroup_root *root, const char *path,
		       const struct cgroup_device_rule *rules, size_t n, unsigned int flags,
		       struct err *e)
{
	struct arena a;
	int r;

	if (root->version == CGROUP_VERSION_NONE)
		return err_set(e, RC_FAILED_PRECONDITION, "device rules: no cgroups are mounted");
	arena_init(&a, ARENA_BYTES);
	if (root->version == CGROUP_VERSION_1)
		r = set_v1(root, path, rules, n, &a, flags, e);
	else
		r = set_v2(root, path, rules, n, &a, e);
	arena_fini(&a);
	return r;
}
