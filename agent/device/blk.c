/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks by PCI path (virtio-blk) and by node. A disk counts as there once it has a number in sysfs
 * and a node in /dev, and opens: the kernel makes the directory and the node first, lets it be opened
 * later (ENXIO before), looks for partitions, and sends the event last (device_add_disk() of its
 * block/genhd.c).
 */
#include <ctype.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"
#include "device/rows.h"

int device_parse_numbers(char *text, uint32_t *major, uint32_t *minor)
{
	char *colon = strchr(text, ':');
	uint64_t a, b;

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (num_u64(text, UINT32_MAX, &a) < 0 || num_u64(colon + 1, UINT32_MAX, &b) < 0)
		return -EINVAL;
	*major = (uint32_t)a;
	*minor = (uint32_t)b;
	return 0;
}

/* By the search for partitions, at least. The first number of "stat": Documentation/block/stat.rst. */
static bool was_read(int dirfd)
{
	char stat[256];

	return io_read_line(dirfd, "stat", stat, sizeof(stat)) > 0 && strtoull(stat, NULL, 10) > 0;
}

int device_fill_block(const struct device_tree *t, int dirfd, const char *name, const char *syspath,
		      struct device_found *out)
{
	struct str node = STR_OVER(out->node);
	struct str sys = STR_OVER(out->syspath);
	char numbers[32];

	str_addf(&node, "/dev/%s", name);
	str_add(&sys, syspath);
	if (!str_ok(&node) || !str_ok(&sys))
		return 0;
	if (io_read_line(dirfd, "dev", numbers, sizeof(numbers)) < 0 ||
	    device_parse_numbers(numbers, &out->major, &out->minor) < 0)
		return 0;
	out->was_read = was_read(dirfd);
	return faccessat(t->devfd, name, F_OK, 0) == 0;
}

int device_open_disk(const struct device_tree *t, const struct device_found *found, struct err *e)
{
	const char *name = found->node + strlen("/dev/");
	AUTO_FD fd = openat(t->devfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "open %s", found->node) : 0;
}

struct search {
	const struct device_tree *tree;
	const char *where;	/* sysfs path of the PCI device */
	const char *virtio;	/* "virtio3" */
	struct device_found *out;
};

/* One that was pulled has no size any more, long before its directory goes: del_gendisk() of the kernel's
 * block/genhd.c. Another one may come in its place. */
bool device_is_going(int dirfd)
{
	char size[32];

	return io_read_line(dirfd, "size", size, sizeof(size)) > 0 && str_eq(size, "0");
}

static int see_disk(void *arg, int dirfd, const char *name)
{
	struct search *s = arg;
	char path[DEVICE_PATH_MAX];
	struct str p = STR_OVER(path);
	AUTO_FD fd = device_open_dir(dirfd, name);

	str_addf(&p, "%s/%s/block/%s", s->where, s->virtio, name);
	if (fd < 0 || !str_ok(&p) || device_is_going(fd))
		return 0;
	return device_fill_block(s->tree, fd, name, path, s->out);
}

static int see_virtio(void *arg, int dirfd, const char *name)
{
	struct search *s = arg;
	AUTO_FD fd = -1;
	int r;

	if (!str_starts(name, "virtio"))
		return 0;
	fd = device_open_dir(dirfd, name);
	if (fd < 0)
		return 0;
	s->virtio = name;
	r = device_each(fd, "block", see_disk, s);
	return r == 1;
}

static int check_pci(const char *id, struct err *e)
{
	struct pci_path path;

	return pci_path_parse(id, &path, e);
}

static int find_pci(const struct device_tree *t, const char *id, struct device_found *out,
		    struct err *e)
{
	char where[DEVICE_PATH_MAX];
	struct search s = { .tree = t, .where = where, .out = out };
	AUTO_FD fd = pci_path_open(t->sysfd, id, where, e);

	if (fd < 0)
		return e->rc == RC_NOT_FOUND ? 0 : -1;
	if (device_each(fd, ".", see_virtio, &s) == 1)
		return 1;
	err_set(e, RC_NOT_FOUND, "%s has no disk", strrchr(where, '/') + 1);
	return 0;
}

static int check_node(const char *id, struct err *e)
{
	const char *name = id + strlen("/dev/");
	size_t n = 0;

	if (str_starts(id, "/dev/") && isalnum((unsigned char)*name))
		for (n = 1; isalnum((unsigned char)name[n]) || (name[n] && strchr("._-", name[n]));)
			n++;
	if (n == 0 || n > 31 || name[n])
		return err_set(e, RC_INVALID_ARGUMENT,
			       "device node \"%.64s\": not of the form /dev/NAME", id);
	return 0;
}

/* class/block/NAME links to "../../devices/…". */
static void syspath_of(int sysfd, const char *link, struct str *s)
{
	char target[DEVICE_PATH_MAX];
	ssize_t n = readlinkat(sysfd, link, target, sizeof(target) - 1);
	const char *rest = target;

	target[n > 0 ? n : 0] = '\0';
	while (str_starts(rest, "../"))
		rest += 3;
	str_addf(s, "/sys/%s", n > 0 ? rest : link);
}

int device_find_node(const struct device_tree *t, const char *id, struct device_found *out,
		     struct err *e)
{
	const char *name = id + strlen("/dev/");
	char link[64], path[DEVICE_PATH_MAX];
	struct str l = STR_OVER(link);
	struct str p = STR_OVER(path);
	AUTO_FD fd = -1;

	(void)e;
	str_addf(&l, "class/block/%s", name);
	if (!str_ok(&l))
		return 0;
	fd = device_open_dir(t->sysfd, link);
	if (fd < 0)
		return 0;
	syspath_of(t->sysfd, link, &p);
	return str_ok(&p) ? device_fill_block(t, fd, name, path, out) : 0;
}

const struct device_row device_row_blk_pci = {
	.what = "virtio-blk", .subsystem = "block", .check = check_pci, .find = find_pci,
	.open = device_open_disk,
};

const struct device_row device_row_blk_node = {
	.what = "disk", .subsystem = "block", .check = check_node, .find = device_find_node,
	.open = device_open_disk,
};
