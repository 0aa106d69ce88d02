/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces by PCI path: below the virtio device, or right below the PCI device (passed
 * through). */
#include "base/io.h"
#include "base/num.h"
#include "device/rows.h"

static int check(const char *id, struct err *e)
{
	struct pci_path path;

	return pci_path_parse(id, &path, e);
}

/* One whose number cannot be read has another name by now, and is not there yet: the kernel tells
 * of the change. */
static int see_interface(void *arg, int dirfd, const char *name)
{
	struct device_found *out = arg;
	struct str node = STR_OVER(out->node);
	char path[sizeof(out->node) + sizeof("/ifindex")], text[16];
	struct str p = STR_OVER(path);
	uint64_t n;

	str_add(&node, name);
	str_addf(&p, "%s/ifindex", name);
	if (!str_ok(&node) || io_read_line(dirfd, path, text, sizeof(text)) < 0 ||
	    num_u64(text, INT32_MAX, &n) < 0)
		return 0;
	out->ifindex = (unsigned int)n;
	return n > 0;
}

struct search {
	const char *where;
	struct device_found *out;
};

/* dirfd's directory, or its child `name`, has net/IF in it. */
static int look(struct search *s, int fd, const char *name)
{
	struct str sys = STR_OVER(s->out->syspath);

	if (device_each(fd, "net", see_interface, s->out) != 1)
		return 0;
	str_addf(&sys, "%s%s%s/net/%s", s->where, name ? "/" : "", name ? name : "", s->out->node);
	return str_ok(&sys);
}

static int see_virtio(void *arg, int dirfd, const char *name)
{
	AUTO_FD fd = str_starts(name, "virtio") ? device_open_dir(dirfd, name) : -1;

	return fd >= 0 ? look(arg, fd, name) : 0;
}

static int find(const struct device_tree *t, const char *id, struct device_found *out,
		struct err *e)
{
	char where[DEVICE_PATH_MAX];
	struct search s = { .where = where, .out = out };
	AUTO_FD fd = pci_path_open(t->sysfd, id, where, e);

	if (fd < 0)
		return e->rc == RC_NOT_FOUND ? 0 : -1;
	out->major = out->minor = 0;
	if (look(&s, fd, NULL) == 1 || device_each(fd, ".", see_virtio, &s) == 1)
		return 1;
	err_set(e, RC_NOT_FOUND, "%s has no network interface", strrchr(where, '/') + 1);
	return 0;
}

const struct device_row device_row_net_pci = {
	.what = "network interface", .subsystem = "net", .check = check, .find = find,
};
