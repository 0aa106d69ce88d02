/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/blocks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "shim/bundle.h"
#include "shim/shim.h"

#define UEVENT_MAX 4096
#define HELD_MS	   500 /* others look as we do, for a moment: udev, mkfs, another pod's shim */
#define RETRY_MS   50

/* --- the host's --- */

static bool has_number(const struct stat *st, uint32_t major, uint32_t minor)
{
	return S_ISBLK(st->st_mode) && major(st->st_rdev) == major && minor(st->st_rdev) == minor;
}

/* The line "DEVNAME=…" of its uevent: a path below /dev. */
static int read_name(const char *root, uint32_t major, uint32_t minor, char *out)
{
	char text[UEVENT_MAX], file[PATH_MAX], *line, *next;
	struct str path = STR_OVER(file), p;
	AUTO_FD fd = -1;
	ssize_t n;

	str_addf(&path, "%s/sys/dev/block/%u:%u/uevent", root, major, minor);
	fd = str_ok(&path) ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	n = fd < 0 ? -errno : io_read_full(fd, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!str_starts(line, "DEVNAME="))
			continue;
		str_init(&p, out, PATH_MAX);
		str_addf(&p, "%s/dev/%s", root, line + strlen("DEVNAME="));
		return str_ok(&p) && path_is_plain(out) ? 0 : -EINVAL;
	}
	return -ENOENT;
}

int block_find(const char *root, uint32_t major, uint32_t minor, char *path)
{
	struct stat st;
	struct str p;
	int rc;

	/* udev's; a host without it has the kernel's names alone */
	str_init(&p, path, PATH_MAX);
	str_addf(&p, "%s/dev/block/%u:%u", root, major, minor);
	if (str_ok(&p) && stat(path, &st) == 0 && has_number(&st, major, minor))
		return 0;
	rc = read_name(root, major, minor, path);
	if (rc == 0 && stat(path, &st) < 0)
		rc = -errno;
	return rc < 0 || has_number(&st, major, minor) ? rc : -ENOENT;
}

/* With O_EXCL the kernel refuses what somebody has claimed: a mount, a part of another device,
 * swap. */
static int open_unheld(struct shim *s, const char *path)
{
	uint64_t deadline = clock_after(HELD_MS), until;
	int fd;

	while ((fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC)) < 0 &&
	       errno == EBUSY && clock_ms() < deadline)
		for (until = clock_after(RETRY_MS); clock_ms() < until;)
			loop_once(s->loop, RETRY_MS);
	return fd < 0 ? -errno : fd;
}

/* A descriptor, and is it one that nobody can write to? */
static int open_device(struct shim *s, const struct bundle_device *d, const char *path,
		       bool *readonly, struct err *e)
{
	AUTO_FD claim = open_unheld(s, path);
	AUTO_FD fd = -1;
	uint64_t size = 0;
	struct stat st;
	int ro = 0;

	if (claim == -EBUSY)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "%s is in use by the host: mounted, or a part of another device",
			       path);
	/* the claim goes at once: another pod may look */
	fd = claim < 0 ? claim : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, RC_FAILED_PRECONDITION, "open %s: %s", path,
			       strerror(claim < 0 ? -claim : errno));
	if (fstat(fd, &st) < 0 || !has_number(&st, d->major, d->minor))
		return err_set(e, RC_FAILED_PRECONDITION, "%s is another device", path);
	if (ioctl(fd, BLKROGET, &ro) < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0)
		return err_set(e, RC_FAILED_PRECONDITION, "%s: %s", path, strerror(errno));
	if (!size)
		return err_set(e, RC_FAILED_PRECONDITION, "%s has no size: nothing is in it", path);
	*readonly = ro;
	return TAKE_FD(fd);
}

/* --- slots --- */

static int slot_of(const struct shim *s, const struct block *b)
{
	for (int slot = 1; slot <= DISKS_SLOTS; slot++) {
		const struct block *x = &s->blocks[slot];

		if (x->taken && x->readonly == b->readonly && x->major == b->major &&
		    x->minor == b->minor)
			return slot;
	}
	return 0;
}

static int plug(struct shim *s, const struct bundle_device *d, const char *path, struct block *b,
		struct err *e)
{
	bool readonly = false;
	/* held until QEMU has it: a number that is in use is not given to another device */
	AUTO_FD fd = open_device(s, d, path, &readonly, e);
	int slot;

	if (fd < 0)
		return -1;
	b->readonly = b->readonly || readonly;
	slot = slot_of(s, b); /* of a container that may write, and cannot */
	if (slot > 0)
		return slot;
	slot = disk_add(s, path, b->readonly, e);
	if (slot < 0 && e->rc == RC_INTERNAL)
		e->rc = RC_FAILED_PRECONDITION; /* by QEMU: another's lock, mostly */
	if (slot > 0)
		s->blocks[slot] = *b;
	return slot;
}

static int find_and_plug(struct shim *s, const struct bundle_device *d, struct err *e)
{
	struct block b = { true, d->readonly, d->major, d->minor };
	char path[PATH_MAX];
	int slot = slot_of(s, &b), rc;

	if (slot > 0)
		return slot;
	rc = block_find("", d->major, d->minor, path);
	if (rc < 0)
		return err_set(e, RC_FAILED_PRECONDITION, "the host has no such block device: %s",
			       strerror(-rc));
	return plug(s, d, path, &b, e);
}

int block_add(struct shim *s, struct task *t, const struct bundle_device *d, char path[DISK_PATH],
	      struct err *e)
{
	int slot = find_and_plug(s, d, e);

	if (slot < 0)
		return err_ctx(e, "device %.64s (%u:%u)", d->path, d->major, d->minor);
	t->blocks |= 1u << slot;
	disk_path(slot, path);
	return 0;
}

static bool is_used(const struct shim *s, int slot)
{
	struct task *t;

	LIST_EACH(t, &s->tasks, struct task, node)
		if (t->blocks & (1u << slot))
			return true;
	return false;
}

void block_remove(struct shim *s, struct task *t)
{
	uint32_t had = t->blocks;

	t->blocks = 0;
	for (int slot = 1; slot <= DISKS_SLOTS; slot++) {
		if (!(had & (1u << slot)) || is_used(s, slot))
			continue;
		/* one that is on its way out is nobody's: who wants it plugs it anew */
		s->blocks[slot].taken = false;
		disk_remove(s, slot);
	}
}
