/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the containers' groups lie. PID 1 has the whole tree. Below another init there is one writer for
 * each group (systemd's rule: CGROUP_DELEGATION), and ours is the one that was delegated: systemd marks
 * it by an extended attribute, and leaves alone what is below.
 *
 *	OWN			delegated; version 2 allows no process in it once it has controllers to give
 *	OWN/agent		this process, its jobs, hooks
 *	OWN/containers		base: what the specs' paths are relative to, so that none can name OWN/agent
 *
 * Version 1 has a tree a controller, of which systemd uses some. The group's path is that of systemd's own
 * tree in all of them; processes may stay where they are.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"

#define AGENT_GROUP	 "/agent"
#define CONTAINERS_GROUP "/containers"
#define PATH_BYTES	 (sizeof(((struct cgroup_root *)0)->base))

/* --- which group is ours --- */

/* The trees that an init may keep its processes in, the first one counts. */
static const struct tree {
	enum cgroup_version version;
	const char *dir;	/* below the mount point */
	const char *key;	/* of its line in /proc/self/cgroup */
} trees[] = {
	{ CGROUP_VERSION_2, "", "0::" },
	{ CGROUP_VERSION_1, "/unified", "0::" },	/* systemd's "hybrid" set-up */
	{ CGROUP_VERSION_1, "/systemd", "name=systemd:" },
};

/* The path behind the key of a line "N:CONTROLLERS:PATH". */
static int path_in(const char *text, const char *key, char out[PATH_BYTES])
{
	struct str s;

	str_init(&s, out, PATH_BYTES);
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, "\n");
		const char *colon = *key == '0' ? NULL : memchr(line, ':', len);
		const char *at = colon ? colon + 1 : line;

		if (!str_starts(at, key))
			continue;
		at += strlen(key);
		str_add_n(&s, at, len - (size_t)(at - line));
		return str_ok(&s) ? 0 : -ENAMETOOLONG;
	}
	return -ENOENT;
}

/* systemd.exec's Delegate= leaves "1" in both on recent versions, in the first alone on those before 251. */
static bool is_delegated(const struct cgroup_root *root, const struct tree *t, const char *own)
{
	static const char *const names[] = { "trusted.delegate", "user.delegate" };
	char dir[sizeof(root->path) + PATH_BYTES + 16], mark[8];
	struct str s = STR_OVER(dir);

	str_addf(&s, "%s%s%s", root->path, t->dir, own);
	for (size_t i = 0; str_ok(&s) && i < COUNT_OF(names); i++)
		if (getxattr(dir, names[i], mark, sizeof(mark)) == 1 && mark[0] == '1')
			return true;
	return false;
}

/* 1: own is this process's group, and delegated. 0: there is none such. */
static int find_own(const struct cgroup_root *root, char own[PATH_BYTES], struct err *e)
{
	char text[4096];
	ssize_t n = io_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));

	if (n < 0)
		return err_sys(e, (int)-n, "read /proc/self/cgroup");
	for (size_t i = 0; i < COUNT_OF(trees); i++) {
		int r = trees[i].version == root->version ? path_in(text, trees[i].key, own) : -ENOENT;

		if (r == -ENAMETOOLONG)
			return err_sys(e, ENAMETOOLONG, "the control group of this process");
		if (r == 0 && cgroup_relative(own) && is_delegated(root, &trees[i], own))
			return 1;
	}
	return 0;
}

/* --- taking it --- */

static int join(const struct cgroup_root *root, const char *own, struct err *e)
{
	char group[PATH_BYTES + 16];
	struct str s = STR_OVER(group);
	int r;

	str_addf(&s, "%s" AGENT_GROUP, own);
	if (mkdirat(root->fd, cgroup_relative(group), 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create cgroup %s", group);
	r = cgroup_add_pid(root, group, 0);
	return r < 0 ? err_sys(e, -r, "join cgroup %s", group) : 0;
}

/* Controllers are those of the group from here on: others are not ours to hand down. */
static int settle(struct cgroup_root *root, const char *own, struct err *e)
{
	char at[PATH_BYTES + 2];
	struct str s = STR_OVER(at);
	int r;

	if (join(root, own, e) < 0)
		return -1;
	str_addf(&s, "%s/", cgroup_relative(own));
	r = cgroup_read_controllers(root, at);
	if (r < 0)
		return err_sys(e, -r, "the controllers of cgroup %s", own);
	if (mkdirat(root->fd, cgroup_relative(root->base), 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create cgroup %s", root->base);
	return 0;
}

int cgroup_take_own(struct cgroup_root *root, struct err *e)
{
	char own[PATH_BYTES];
	struct str s = STR_OVER(root->base);
	int r;

	if (root->version == CGROUP_VERSION_NONE)
		return 0;
	r = find_own(root, own, e);
	if (r <= 0)
		return r;
	str_addf(&s, "%s" CONTAINERS_GROUP, own);
	if (!str_ok(&s)) {
		str_reset(&s);
		return err_sys(e, ENAMETOOLONG, "the control group of this process");
	}
	/* The init has killed them already; what dies slower than that keeps its groups. */
	(void)cgroup_kill(root, root->base);
	(void)cgroup_remove(root, root->base);
	if (root->version == CGROUP_VERSION_2 && settle(root, own, e) < 0) {
		str_reset(&s);
		return -1;
	}
	return 1;
}

/* Each on its own: one that the kernel refuses (cpu with realtime processes about) must not take
 * the others along. */
static void hand_down_at(const struct cgroup_root *root, const char *group, size_t len)
{
	char file[PATH_BYTES + 32];
	struct str f = STR_OVER(file);

	str_add_n(&f, group, len);
	str_addf(&f, "%scgroup.subtree_control", len ? "/" : "");
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_of(root, i);
		char text[32];
		struct str s = STR_OVER(text);

		if (!name)
			continue;
		str_addf(&s, "+%s", name);
		(void)io_write_file(root->fd, file, text);
	}
}

void cgroup_hand_down(const struct cgroup_root *root)
{
	const char *base = cgroup_relative(root->base);

	if (root->version != CGROUP_VERSION_2)
		return;
	if (!base) {
		hand_down_at(root, "", 0);
		return;
	}
	hand_down_at(root, base, strlen(base) - strlen(CONTAINERS_GROUP));
	hand_down_at(root, base, strlen(base));
}
