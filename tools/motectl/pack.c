/* SPDX-License-Identifier: Apache-2.0 */
#include "motectl/pack.h"

#include "base/clock.h"
#include "vm/vm_find.h"
#include "vm/vm_proc.h"

#define ARGS	10
#define IMAGE	"\1"	/* stand for the two paths in the rows */
#define DIR	"\2"

struct packer {
	const char *program, *fstype;
	const char *const args[ARGS];	/* those after the program */
	const char *all_root;		/* only for who is not root */
};

/* Without compression: the image lives for one run. */
static const struct packer packers[] = {
	{ "mkfs.erofs", "erofs", { "--quiet", IMAGE, DIR }, "--all-root" },
	{ "mksquashfs",
	  "squashfs",
	  { DIR, IMAGE, "-noappend", "-quiet", "-no-progress", "-noI", "-noD", "-noF" },
	  "-all-root" },
};

static int run(struct loop *l, const struct packer *k, const char *program, const char *dir,
	       const char *image, const bool *cancel, struct err *e)
{
	const char *argv[ARGS + 3] = { program };
	struct vm_proc_opts opts = { .name = k->program, .argv = argv };
	struct vm_proc p;
	size_t n = 1;
	int rc;

	if (geteuid() != 0 && k->all_root[1] == '-')
		argv[n++] = k->all_root;
	for (size_t i = 0; i < ARGS && k->args[i]; i++)
		argv[n++] = str_eq(k->args[i], IMAGE) ? image
			    : str_eq(k->args[i], DIR) ? dir
						      : k->args[i];
	if (geteuid() != 0 && k->all_root[1] != '-')
		argv[n++] = k->all_root;
	if (vm_proc_start(l, &p, &opts, e) < 0)
		return -1;
	rc = vm_proc_wait(&p, CLOCK_NEVER, cancel);
	if (rc == -ECANCELED)
		err_set(e, RC_CANCELLED, "interrupted");
	else if (p.status != 0)
		rc = vm_proc_explain(&p, e);
	vm_proc_stop(&p);
	return rc < 0 ? -1 : 0;
}

int pack_directory(struct loop *l, const char *dir, const char *image, const bool *cancel,
		   const char **fstype, struct err *e)
{
	char program[PATH_MAX];

	for (size_t i = 0; i < COUNT_OF(packers); i++) {
		if (vm_find_in_path(packers[i].program, program) < 0)
			continue;
		*fstype = packers[i].fstype;
		return run(l, &packers[i], program, dir, image, cancel, e) < 0
			       ? err_ctx(e, "pack %s", dir)
			       : 0;
	}
	return err_set(e, RC_NOT_FOUND,
		       "pack %s: neither mkfs.erofs (erofs-utils) nor mksquashfs is installed",
		       dir);
}
