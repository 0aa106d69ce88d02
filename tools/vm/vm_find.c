/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_find.h"

#include "base/str.h"

struct row {
	const char *what, *variable;
	const char *name; /* NULL: as the architecture says */
	const char *installed;		/* directory beside the program's own, of an installation */
	const char *const *places;	/* whole paths; NULL-terminated */
	bool program;
};

static const char *const no_places[] = { NULL };
static const char *const virtiofsd_places[] = { "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd",
						NULL };

static const struct row rows[] = {
	[VM_FIND_QEMU] = { "QEMU", "MOTE_QEMU", NULL, NULL, no_places, true },
	[VM_FIND_VSOCK_DEVICE] = { "the vsock device", "MOTE_VSOCK_DEVICE", "vhost-device-vsock",
				   "../libexec/mote", no_places, true },
	[VM_FIND_VIRTIOFSD] = { "virtiofsd", "MOTE_VIRTIOFSD", "virtiofsd", NULL, virtiofsd_places,
				true },
	[VM_FIND_KERNEL] = { "the guest kernel", "MOTE_KERNEL", "vmlinuz", "../share/mote",
			     no_places, false },
	[VM_FIND_INITRD] = { "the initrd", "MOTE_INITRD", "initrd.img", "../share/mote", no_places,
			     false },
};

static bool try_path(char out[PATH_MAX], bool program, const char *dir, size_t n, const char *sub,
		     const char *name)
{
	struct str s;

	str_init(&s, out, PATH_MAX);
	str_add_n(&s, dir, n);
	str_addf(&s, "%s%s/%s", sub ? "/" : "", sub ? sub : "", name);
	return str_ok(&s) && access(out, program ? X_OK : R_OK) == 0;
}

int vm_find_in_path(const char *name, char out[PATH_MAX])
{
	const char *path = getenv("PATH");
	struct str s;

	if (strchr(name, '/')) {
		str_init(&s, out, PATH_MAX);
		str_add(&s, name);
		return str_ok(&s) && access(out, X_OK) == 0 ? 0 : -ENOENT;
	}
	for (path = path ? path : "/usr/bin:/bin"; *path; path += *path == ':') {
		size_t n = strcspn(path, ":");

		if (n && try_path(out, true, path, n, NULL, name))
			return 0;
		path += n;
	}
	return -ENOENT;
}

static bool find_in_build(const struct row *r, char out[PATH_MAX])
{
	const char *dir = getenv("MOTE_BUILD");

	return dir && *dir && try_path(out, r->program, dir, strlen(dir), NULL, r->name);
}

static bool find_beside(const struct row *r, char out[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;

	if (!slash)
		return false;
	if (try_path(out, r->program, self, (size_t)(slash - self), NULL, r->name))
		return true;
	return r->installed &&
	       try_path(out, r->program, self, (size_t)(slash - self), r->installed, r->name);
}

int vm_find(enum vm_find_what what, const struct vm_arch *arch, char out[PATH_MAX], struct err *e)
{
	struct row row = rows[what];
	const struct row *r = &row;
	const char *named = getenv(r->variable);
	struct str s;

	if (!row.name)
		row.name = (arch ? arch : vm_arch_host())->qemu;
	if (named && *named) {
		str_init(&s, out, PATH_MAX);
		str_add(&s, named);
		if (str_ok(&s) && access(out, r->program ? X_OK : R_OK) == 0)
			return 0;
		return err_set(e, RC_NOT_FOUND, "%s: $%s names '%.100s', which is not there",
			       r->what, r->variable, named);
	}
	if (find_in_build(r, out) || find_beside(r, out))
		return 0;
	for (const char *const *p = r->places; *p; p++) {
		str_init(&s, out, PATH_MAX);
		str_add(&s, *p);
		if (access(out, X_OK) == 0)
			return 0;
	}
	if (r->program && vm_find_in_path(r->name, out) == 0)
		return 0;
	return err_set(e, RC_NOT_FOUND, "%s (%s) was not found; $%s may name it", r->what, r->name,
		       r->variable);
}
