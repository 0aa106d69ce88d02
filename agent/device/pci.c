/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kata's PCI paths: the slots from the root bus down to a device, "02/01" or "02.1", in
 * hexadecimal. A host cannot know which bus numbers the guest's kernel gave out, so the path is
 * walked in sysfs: at each bridge the one bus behind it is looked up. Three or more elements with a
 * first one of 20 and above begin with the number of the root complex ("20/00/02").
 *
 * The walk holds directory descriptors, never a path that another thread of the kernel may change
 * meanwhile.
 */
#include <ctype.h>
#include <fcntl.h>

#include "base/num.h"
#include "device/rows.h"

#define SLOT_MAX	0x1f
#define FUNCTION_MAX	7
#define BUS_NAME	16	/* "0000:01", with room for the long domains of some controllers */

static int bad(struct err *e, const char *text, size_t nth, const char *why)
{
	return err_set(e, RC_INVALID_ARGUMENT, "PCI path \"%.64s\": element %zu %s", text, nth,
		       why);
}

/* "1f" or "1f.7" of length n. */
static int parse_element(const char *s, size_t n, uint64_t *slot, uint64_t *function,
			 const char **why)
{
	const char *dot = memchr(s, '.', n);
	size_t digits = dot ? (size_t)(dot - s) : n;
	char buf[8] = { 0 };

	*function = 0;
	*why = "is not SS or SS.F";
	if (digits < 1 || digits > 2)
		return -EINVAL;
	memcpy(buf, s, digits);
	if (num_hex(buf, 0xff, slot) < 0)
		return -EINVAL;
	if (!dot)
		return 0;
	if (n - digits != 2)
		return -EINVAL;
	buf[0] = dot[1];
	buf[1] = '\0';
	if (num_hex(buf, 0xf, function) < 0)
		return -EINVAL;
	if (*function <= FUNCTION_MAX)
		return 0;
	*why = "has a function above 7";
	return -ERANGE;
}

static size_t count_elements(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '/';
	return n;
}

int pci_path_parse(const char *text, struct pci_path *out, struct err *e)
{
	size_t total = count_elements(text);
	size_t nth = 0;

	*out = (struct pci_path){ 0 };
	for (const char *s = text;; s++) {
		size_t n = strcspn(s, "/");
		uint64_t slot, function;
		const char *why;

		if (parse_element(s, n, &slot, &function, &why) < 0)
			return bad(e, text, nth + 1, why);
		if (slot > SLOT_MAX && nth == 0 && total >= 3 && !memchr(s, '.', n)) {
			out->root = (unsigned int)slot;
		} else {
			if (slot > SLOT_MAX)
				return bad(e, text, nth + 1, "has a slot above 1f");
			if (out->n == PCI_PATH_ELEMENTS)
				return bad(e, text, nth + 1, "is one too many");
			out->at[out->n].slot = (unsigned int)slot;
			out->at[out->n++].function = (unsigned int)function;
		}
		nth++;
		s += n;
		if (!*s)
			return 0;
	}
}

/* --- the walk ---------------------------------------------------------------------------- */

/* The length of "0000:01" at the start of s; 0 when it is none. */
static size_t bus_length(const char *s)
{
	size_t n = 0;

	while (isxdigit((unsigned char)s[n]))
		n++;
	if (n < 4 || n > 8 || s[n] != ':' || !isxdigit((unsigned char)s[n + 1]) ||
	    !isxdigit((unsigned char)s[n + 2]))
		return 0;
	return n + 3;
}

/* "0000:01:02.0", whole. */
static bool is_bdf(const char *s)
{
	size_t n = bus_length(s);

	return n && s[n] == ':' && isxdigit((unsigned char)s[n + 1]) &&
	       isxdigit((unsigned char)s[n + 2]) && s[n + 3] == '.' &&
	       isxdigit((unsigned char)s[n + 4]) && !s[n + 5];
}

struct buses {
	size_t n;		/* different ones */
	char first[BUS_NAME];
};

static void add_bus(struct buses *b, const char *name, size_t len)
{
	if (b->n && strncmp(b->first, name, len) == 0 && !b->first[len])
		return;
	if (b->n++ == 0) {
		memcpy(b->first, name, len);
		b->first[len] = '\0';
	}
}

static int see_bus(void *arg, int dirfd, const char *name)
{
	size_t len = bus_length(name);

	(void)dirfd;
	if (len && !name[len])
		add_bus(arg, name, len);
	return 0;
}

static int see_child(void *arg, int dirfd, const char *name)
{
	(void)dirfd;
	if (is_bdf(name))
		add_bus(arg, name, bus_length(name));
	return 0;
}

/* The bus behind the bridge: the only directory of its pci_bus, else what its children's names
 * tell. */
static int bus_behind(int bridge, const char *where, char bus[BUS_NAME], struct err *e)
{
	struct buses b = { 0 };

	device_each(bridge, "pci_bus", see_bus, &b);
	if (!b.n)
		device_each(bridge, ".", see_child, &b);
	if (!b.n)
		return err_set(e, RC_NOT_FOUND, "%s is no bridge", where);
	if (b.n > 1)
		return err_set(e, RC_FAILED_PRECONDITION, "%s has %zu buses behind it", where, b.n);
	memcpy(bus, b.first, BUS_NAME);
	return 0;
}

struct platform {
	char root[16];		/* "pci0000:00" */
	const char *parent;	/* of the platform devices: "platform" */
	struct str *where;
	int fd;
};

/* Machines without ACPI hang the root complex below a platform device, which is called as in the
 * device tree: "4010000000.pcie" on arm64, "30000000.pci" of the bus "soc" on riscv. */
static int see_platform(void *arg, int dirfd, const char *name)
{
	struct platform *p = arg;
	const char *dot = strrchr(name, '.');
	AUTO_FD fd = -1;

	if (!dot || !(str_eq(dot, ".pcie") || str_eq(dot, ".pci")))
		return 0;
	fd = device_open_dir(dirfd, name);
	if (fd < 0)
		return 0;
	p->fd = device_open_dir(fd, p->root);
	if (p->fd < 0)
		return 0;
	str_addf(p->where, "/%s/%s/%s", p->parent, name, p->root);
	return 1;
}

static int root_open(int sysfd, unsigned int number, struct str *where, struct err *e)
{
	static const char *const parents[] = { "platform", "platform/soc" };
	struct platform p = { .where = where, .fd = -1 };
	struct str root = STR_OVER(p.root);
	char path[32];
	struct str s = STR_OVER(path);

	str_addf(&root, "pci0000:%02x", number);
	str_addf(&s, "devices/%s", p.root);
	str_add(where, "/sys/devices");
	p.fd = device_open_dir(sysfd, path);
	if (p.fd >= 0) {
		str_addf(where, "/%s", p.root);
		return p.fd;
	}
	for (size_t i = 0; i < COUNT_OF(parents); i++) {
		str_reset(&s);
		str_addf(&s, "devices/%s", parents[i]);
		p.parent = parents[i];
		if (device_each(sysfd, path, see_platform, &p) == 1)
			return p.fd;
	}
	return err_set(e, RC_NOT_FOUND, "no root complex %s", p.root);
}

int pci_path_open(int sysfd, const char *text, char where[DEVICE_PATH_MAX], struct err *e)
{
	struct str s;
	struct pci_path path;
	char bus[BUS_NAME];
	struct str b = STR_OVER(bus);
	AUTO_FD fd = -1;

	str_init(&s, where, DEVICE_PATH_MAX);
	if (pci_path_parse(text, &path, e) < 0)
		return -1;
	fd = root_open(sysfd, path.root, &s, e);
	if (fd < 0)
		return -1;
	str_addf(&b, "0000:%02x", path.root);
	for (size_t i = 0; i < path.n; i++) {
		char name[BUS_NAME + 8];
		struct str n = STR_OVER(name);
		int next;

		if (i > 0 && bus_behind(fd, strrchr(where, '/') + 1, bus, e) < 0)
			return -1;
		str_addf(&n, "%s:%02x.%x", bus, path.at[i].slot, path.at[i].function);
		next = device_open_dir(fd, name);
		if (next == -ENOENT)
			return err_set(e, RC_NOT_FOUND, "no PCI device %s", name);
		if (next < 0)
			return err_sys(e, -next, "%s", name);
		close(fd);
		fd = next;
		str_addf(&s, "/%s", name);
	}
	return str_ok(&s) ? TAKE_FD(fd) :
			    err_set(e, RC_INTERNAL, "PCI path \"%.64s\": too deep", text);
}

int pci_path_resolve(const char *sysroot, const char *pci_path, char out[DEVICE_PATH_MAX],
		     struct err *e)
{
	struct device_tree t;
	int fd;

	if (device_tree_open(sysroot, &t, e) < 0)
		return -1;
	fd = pci_path_open(t.sysfd, pci_path, out, e);
	device_tree_close(&t);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

void pci_path_of_syspath(const char *syspath, struct str *s)
{
	const char *root = strstr(syspath, "/pci0000:");
	const char *slash = "";

	if (!root)
		return;
	root += strlen("/pci0000:");
	if (!str_starts(root, "00")) {
		str_add_n(s, root, strcspn(root, "/"));
		slash = "/";
	}
	for (const char *p = strchr(root, '/'); p; p = strchr(p, '/')) {
		size_t n = strcspn(++p, "/");
		char name[BUS_NAME + 8] = { 0 };

		if (n >= sizeof(name))
			return;
		memcpy(name, p, n);
		if (!is_bdf(name))
			return;
		str_add(s, slash);
		str_add_n(s, name + n - 4, name[n - 1] == '0' ? 2 : 4);
		slash = "/";
	}
}
