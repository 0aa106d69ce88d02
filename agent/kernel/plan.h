/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shall happen to a file tree, as data: made by pure functions (storage drivers, the rootfs
 * code), run by one executor in a job or in a container's own child, and undone from the same data.
 * Targets are resolved inside the plan's root (path.h); sources are paths of the guest unless
 * PLAN_SOURCE_IN_ROOT is set. Running a plan can wait: never in PID 1's loop. Making one never
 * does.
 */
#ifndef MOTE_KERNEL_PLAN_H
#define MOTE_KERNEL_PLAN_H

#include <sys/mount.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"

enum plan_kind {
	/* target and its parents; `mode` for what is made; with PLAN_SET_OWNER also chmod and
	 * chown of an existing one */
	PLAN_MKDIR,
	/* fstype from source on target with ms_flags and data; the target is made when missing */
	PLAN_MOUNT,
	/* source on target (MS_REC in ms_flags: the tree), then the other ms_flags by
	 * mount_setattr or remount; the target is made after the source's type. A bind on the
	 * root itself lies over rootfd: reopen that. */
	PLAN_BIND,
	/* ms_flags (and data) on the mount at target; with MS_BIND on that mount alone: adds */
	PLAN_REMOUNT,
	/* MS_SHARED/MS_SLAVE/MS_PRIVATE/MS_UNBINDABLE (|MS_REC) in propagation, on target */
	PLAN_PROPAGATE,
	/* target is a link to source; an equal one is fine, another is replaced */
	PLAN_SYMLINK,
	/* mode (with type), dev, uid, gid; an equal node is fine */
	PLAN_MKNOD,
	/* target unreadable: /dev/null over a file, an empty read-only tmpfs over a directory;
	 * missing is fine */
	PLAN_MASK,
	/* target bound on itself, recursively, read-only; missing is fine */
	PLAN_READONLY,
	/* mode & 07777; never through a symlink */
	PLAN_CHMOD,
	/* uid, gid; (uid_t)-1 leaves one alone; never through a symlink */
	PLAN_CHOWN,
	/* lazily; not mounted is fine */
	PLAN_UMOUNT,
	PLAN_KINDS
};

enum plan_flags {
	PLAN_OPTIONAL = 0x1,	 /* a missing source or target (ENOENT) is success */
	PLAN_SKIP_MOUNTED = 0x2, /* success when the target is a mount of the same fstype already
				  * (a bind: of the same source); then not undone either */
	PLAN_SOURCE_IN_ROOT = 0x4,
	PLAN_SET_OWNER = 0x8,
	PLAN_TMPCOPYUP = 0x10,	/* what the directory held is copied onto the new tmpfs */
	PLAN_NO_UNDO = 0x20,	/* stays when the plan is undone */
	PLAN_PROC_GUARD = 0x40, /* the container rule: nothing may be mounted on the root, nor on
				 * or below /proc but proc itself and the known harmless files */
	PLAN_NOFOLLOW = 0x80,	/* the target's last component must not be a symlink */
	PLAN_KEEP_MODE = 0x100, /* the new filesystem's root gets the mode of the directory that it
				 * covers, if that was there */
	/* a bind of `sourcefd`, which who runs the plan fills in; source is its name in errors */
	PLAN_SOURCE_FD = 0x200,
	/* a bind of the device with op's `mode` (type) and `dev`: source where it is that one, else
	 * the node that sysfs names */
	PLAN_SOURCE_DEVICE = 0x400,
	/* a node gets the permission bits of the guest's node of that number, if there is one */
	PLAN_GUEST_MODE = 0x800,
	PLAN_SOURCE_STRICT = 0x1000, /* a bind's source is reached without following any symlink */
};

/* The ids of an id-mapped bind, as the lines of a uid_map (user_namespaces(7)): on the filesystem,
 * as seen through the mount, count. */
struct plan_idmap {
	const char *uid_map, *gid_map;
	bool recursive;
};

#define PLAN_ATTR_RDONLY 0x1 /* MOUNT_ATTR_RDONLY, for planners that have no name for it */

struct plan_op {
	enum plan_kind kind;
	unsigned int flags;		/* enum plan_flags */
	const char *what;		/* for errors: "storage 2 (blk)"; may be NULL */
	const char *source, *target, *fstype, *data;
	int sourcefd;			/* -1; see PLAN_SOURCE_FD and plan_open_idmaps */
	const struct plan_idmap *idmap;	/* NULL: none */
	unsigned long ms_flags;		/* MS_* of mount(2) without propagation */
	unsigned long ms_clear;		/* a bind or remount: MS_* that the source's mount may have
					 * and this one shall not; EPERM where they are locked */
	unsigned long propagation;	/* MS_SHARED… (|MS_REC), after the mount; 0: none */
	uint64_t rec_set, rec_clear;	/* MOUNT_ATTR_* applied recursively (rro, rnosuid, …) */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	dev_t dev;
};

struct plan {
	struct arena *a;	/* owns the ops and their strings */
	struct plan_op *ops;
	size_t n, cap;
};

void plan_init(struct plan *p, struct arena *a);

/* Appends a zeroed op of the kind (uid, gid and sourcefd -1) and returns it to be filled; strings are
 * borrowed: they must live as long as the plan. NULL with e: no memory. */
struct plan_op *plan_add(struct plan *p, enum plan_kind kind, const char *target, struct err *e);

/* Runs ops[0..n) below rootfd. *done counts the ops that were carried out, also on failure: what
 * plan_undo needs. -1 with e: "mount /dev/vdb on /run/x: wrong fs type, bad option, bad
 * superblock (EINVAL)". */
int plan_run(const struct plan *p, int rootfd, size_t *done, struct err *e);

/* Opens the sources of the ops with an idmap as mapped trees (their sourcefd), for who will not be
 * able to when the plan is run: a process of a user namespace of its own. They are close-on-exec;
 * plan_close_sources closes them. WAITS. -1 with e naming the op. */
int plan_open_idmaps(struct plan *p, struct err *e);
void plan_close_sources(struct plan *p);

/* Undoes ops[0..done) in reverse: unmounts what was mounted, removes the directories that are
 * empty again, that of the op which failed too. Best effort; the first failure in e. */
int plan_undo(const struct plan *p, int rootfd, size_t done, struct err *e);

/* The plan as text, one line an op, for golden tests and debug logs. In the arena; NULL: no
 * memory. */
char *plan_print(const struct plan *p, struct arena *a);

#endif
