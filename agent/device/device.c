/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of device kinds, and one look at sysfs. A kind is a file with a check of its id's form
 * and a search of sysfs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "device/rows.h"

static const struct device_row *const rows[] = {
	[DEVICE_BLK_PCI] = &device_row_blk_pci,
	[DEVICE_BLK_NODE] = &device_row_blk_node,
	[DEVICE_SCSI] = &device_row_scsi,
	[DEVICE_PMEM] = &device_row_pmem,
	[DEVICE_NET_PCI] = &device_row_net_pci,
	[DEVICE_PCI] = &device_row_pci,
	[DEVICE_VFIO] = &device_row_vfio,
};

_Static_assert(COUNT_OF(rows) == DEVICE_KINDS, "every kind has a row");

/* What a host may call a device of a container (Kata's Device.type); `node`: the kind when only a
 * path is given. */
static const struct type {
	const char *name;
	enum device_kind id, node;
	const char *missing;	/* why this agent has none */
} types[] = {
	{ "blk", DEVICE_BLK_PCI, DEVICE_BLK_NODE, NULL },
	{ "mmioblk", DEVICE_NONE, DEVICE_BLK_NODE, NULL },
	{ "nvdimm", DEVICE_NONE, DEVICE_PMEM, NULL },
	{ "scsi", DEVICE_SCSI, DEVICE_NONE, NULL },
	{ "blk-ccw", DEVICE_NONE, DEVICE_NONE, "channel devices exist on s390x only" },
	{ "vfio-pci", DEVICE_NONE, DEVICE_NONE, "described by its options alone" },
	{ "vfio-pci-gk", DEVICE_NONE, DEVICE_NONE, "described by its options alone" },
	{ "vfio-ap", DEVICE_NONE, DEVICE_NONE, "crypto adapters exist on s390x only" },
	{ "vfio-ap-cold", DEVICE_NONE, DEVICE_NONE, "crypto adapters exist on s390x only" },
};

const char *const device_type_names[] = { "blk", "mmioblk", "nvdimm", "scsi", "vfio-pci",
					  "vfio-pci-gk", NULL };

enum device_type_class device_type_class(const char *type)
{
	if (str_eq(type, "vfio-pci"))
		return DEVICE_TYPE_VFIO;
	return str_eq(type, "vfio-pci-gk") ? DEVICE_TYPE_GUEST_DRIVER : DEVICE_TYPE_PLAIN;
}

const struct device_row *device_row(enum device_kind kind)
{
	return (unsigned int)kind < COUNT_OF(rows) ? rows[kind] : NULL;
}

int device_need_set(struct device_need *n, enum device_kind kind, const char *id, struct err *e)
{
	const struct device_row *row = device_row(kind);
	struct str s = STR_OVER(n->id);

	n->kind = DEVICE_NONE;
	if (!row)
		return err_set(e, RC_INTERNAL, "device kind %d: unknown", (int)kind);
	str_add(&s, id);
	if (!str_ok(&s))
		return err_set(e, RC_INVALID_ARGUMENT, "device \"%.64s...\" (%s): too long", id,
			       row->what);
	if (row->check(id, e) < 0)
		return -1;
	n->kind = kind;
	return 0;
}

int device_need_of_type(struct device_need *n, const char *type, const char *id, const char *node,
			struct err *e)
{
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		const struct type *t = &types[i];

		if (!str_eq(t->name, type))
			continue;
		if (t->missing)
			return err_set(e, RC_UNIMPLEMENTED, "device type %s: %s", type, t->missing);
		if (t->id != DEVICE_NONE && !str_empty(id))
			return device_need_set(n, t->id, id, e);
		if (t->node != DEVICE_NONE && !str_empty(node))
			return device_need_set(n, t->node, node, e);
		return err_set(e, RC_INVALID_ARGUMENT, "device of type %s: %s missing", type,
			       t->id != DEVICE_NONE ? "id" : "vm_path");
	}
	return err_set(e, RC_INVALID_ARGUMENT,
		       "device type \"%.32s\": unknown; this agent has blk, mmioblk, nvdimm, scsi, vfio-pci, "
		       "vfio-pci-gk",
		       type);
}

/* --- looking --------------------------------------------------------------------------- */

int device_open_dir(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int device_each(int dirfd, const char *path, device_entry_fn fn, void *arg)
{
	int fd = device_open_dir(dirfd, path);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		int error = fd < 0 ? fd : -errno;

		if (fd >= 0)
			close(fd);
		return error;
	}
	while (r == 0 && (errno = 0, d = readdir(dir)))
		if (d->d_name[0] != '.')
			r = fn(arg, fd, d->d_name);
	if (!d && r == 0)
		r = -errno;
	closedir(dir);
	return r;
}

int device_tree_open(const char *sysroot, struct device_tree *t, struct err *e)
{
	t->devfd = -1;
	t->sysfd = open(sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->sysfd >= 0)
		t->devfd = openat(t->sysfd, "../dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->devfd >= 0)
		return 0;
	err_sys(e, errno, "open %s%s", sysroot, t->sysfd < 0 ? "" : "/../dev");
	device_tree_close(t);
	return -1;
}

void device_tree_close(struct device_tree *t)
{
	auto_close(&t->sysfd);
	auto_close(&t->devfd);
}

int device_look(const char *sysroot, const struct device_need *need, struct device_found *out,
		struct err *e)
{
	const struct device_row *row = device_row(need->kind);
	struct device_tree t;
	int r;

	if (!row)
		return err_set(e, RC_INTERNAL, "a need without a device");
	if (device_tree_open(sysroot, &t, e) < 0)
		return -1;
	*out = (struct device_found){ 0 };
	r = row->find(&t, need->id, out, e);
	device_tree_close(&t);
	return r < 0 ? err_ctx(e, "device %s (%s)", need->id, row->what) : r;
}

int device_find(const char *sysroot, const struct device_need *need, struct device_found *out,
		struct err *e)
{
	int r = device_look(sysroot, need, out, e);

	if (r == 0)
		err_clear(e);
	return r;
}

/* --- telling what is there -------------------------------------------------------------- */

struct listing {
	struct str *s;
	size_t n, left_out;
};

static int list_one(void *arg, int dirfd, const char *name)
{
	struct listing *l = arg;
	char link[DEVICE_PATH_MAX], text[96], pci[64];
	struct str item = STR_OVER(text);
	struct str path = STR_OVER(pci);
	ssize_t n = readlinkat(dirfd, name, link, sizeof(link) - 1);
	struct stat st;

	link[n > 0 ? n : 0] = '\0';
	/* Partitions and the devices without hardware behind them are no answer to what a host
	 * plugged. */
	str_addf(&item, "%s/partition", name);
	if (fstatat(dirfd, text, &st, 0) == 0 || strstr(link, "/virtual/"))
		return 0;
	pci_path_of_syspath(link, &path);
	str_reset(&item);
	str_addf(&item, "%s%s%s%s", l->n ? ", " : "", name, path.len ? " at " : "", pci);
	if (!str_ok(&item) || l->s->len + item.len + 32 > l->s->cap) {
		l->left_out++;
		return 0;
	}
	str_add(l->s, text);
	l->n++;
	return 0;
}

void device_describe(const char *sysroot, const char *subsystem, struct str *s)
{
	struct listing l = { .s = s };
	char path[64];
	struct str p = STR_OVER(path);
	AUTO_FD sysfd = device_open_dir(AT_FDCWD, sysroot);

	str_addf(&p, str_eq(subsystem, "pci") ? "bus/%s/devices" : "class/%s", subsystem);
	if (sysfd >= 0)
		device_each(sysfd, path, list_one, &l);
	if (l.left_out)
		str_addf(s, " and %zu more", l.left_out);
	else if (!l.n)
		str_add(s, "none");
}
