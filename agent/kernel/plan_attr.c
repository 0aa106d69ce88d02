/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing mounts by a descriptor of their root: mount_setattr(2), Linux 5.12; before it a remount
 * by mount(2) of the one mount, which names all flags that shall be there.
 */
#include <fcntl.h>
#include <sys/statfs.h>

#include "kernel/plan_ops.h"
#include "kernel/sys.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

#define PER_MOUNT                                                                                  \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | \
	 MS_STRICTATIME | MS_NOSYMFOLLOW)
#define ATIMES ((unsigned long)(MS_NOATIME | MS_RELATIME | MS_STRICTATIME))

/* Those that belong to the filesystem are not in it. Of the access times, one field, the last of
 * the table wins. */
static const struct {
	unsigned long flag;
	uint64_t attr;
} bits[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ MS_NODEV, MOUNT_ATTR_NODEV },
	{ MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ MS_RELATIME, MOUNT_ATTR_RELATIME },
	{ MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
};

uint64_t plan_attr_of_flags(unsigned long flags)
{
	uint64_t attr = 0;

	for (size_t i = 0; i < COUNT_OF(bits); i++) {
		if (!(flags & bits[i].flag))
			continue;
		if (bits[i].flag & ATIMES)
			attr &= ~(uint64_t)MOUNT_ATTR__ATIME;
		attr |= bits[i].attr;
	}
	return attr;
}

bool plan_has_setattr(void)
{
	return sys_mount_setattr(-1, "", 0, NULL, 0) != -ENOSYS;
}

static int setattr(int fd, unsigned int recursive, const struct sys_mount_attr *attr)
{
	if (!attr->attr_set && !attr->attr_clr && !attr->propagation)
		return 0;
	return sys_mount_setattr(fd, "", AT_EMPTY_PATH | recursive, attr, sizeof(*attr));
}

int plan_set_recursive(int fd, const struct plan_op *op)
{
	struct sys_mount_attr attr = { .attr_set = op->rec_set, .attr_clr = op->rec_clear };

	return setattr(fd, AT_RECURSIVE, &attr);
}

int plan_set_propagation(int fd, unsigned long propagation)
{
	struct sys_mount_attr attr = { .propagation = propagation & ~(unsigned long)MS_REC };
	int r = setattr(fd, propagation & MS_REC ? AT_RECURSIVE : 0, &attr);

	return r == -ENOSYS ? plan_mount_on(fd, NULL, NULL, propagation, NULL) : r;
}

/* What the mount has now: a remount that leaves one out would clear it. */
static unsigned long flags_of_mount(int fd)
{
	static const struct {
		unsigned long have, flag;
	} map[] = {
		{ 0x0001, MS_RDONLY },   { 0x0002, MS_NOSUID },      { 0x0004, MS_NODEV },
		{ 0x0008, MS_NOEXEC },   { 0x0400, MS_NOATIME },     { 0x0800, MS_NODIRATIME },
		{ 0x1000, MS_RELATIME }, { 0x2000, MS_NOSYMFOLLOW },
	};
	unsigned long flags = 0;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return 0;
	for (size_t i = 0; i < COUNT_OF(map); i++)
		if ((unsigned long)fs.f_flags & map[i].have)
			flags |= map[i].flag;
	return flags;
}

bool plan_flags_change(unsigned long set, unsigned long clear)
{
	return (set | clear) & PER_MOUNT;
}

int plan_change_flags(int fd, unsigned long set, unsigned long clear)
{
	struct sys_mount_attr attr = { 0 };
	unsigned long have;
	int r;

	set &= PER_MOUNT;
	clear &= PER_MOUNT & ~set;
	if (!plan_flags_change(set, clear))
		return 0;
	attr.attr_set = plan_attr_of_flags(set);
	attr.attr_clr = plan_attr_of_flags(clear & ~ATIMES);
	/* Leaving one kind of access time means relatime, as the recursive words have it; that a
	 * mount is not relatime or not strictatime cannot be said at all. */
	if ((set & ATIMES) || (clear & MS_NOATIME))
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	r = setattr(fd, 0, &attr);
	if (r != -ENOSYS)
		return r;
	have = flags_of_mount(fd) & ~clear;
	if (set & ATIMES)
		have &= ~ATIMES;
	else if (clear & MS_NOATIME) /* a remount that names no access time leaves it */
		have |= MS_RELATIME;
	return plan_mount_on(fd, NULL, NULL, MS_REMOUNT | MS_BIND | have | set, NULL);
}
