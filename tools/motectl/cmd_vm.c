/* SPDX-License-Identifier: Apache-2.0 */
/* vm: a VM with an agent in it, for as long as someone wants to call it. */
#include <signal.h>
#include <stdio.h>

#include "base/str.h"
#include "lib/parse.h"
#include "motectl/motectl.h"
#include "motectl/signals.h"
#include "vm/vm_image.h"

#define BOOT_MS		60000
#define MEGABYTE	(1u << 20)
#define FOREVER_MS	UINT64_MAX

static const char usage[] = "motectl vm [OPTION...]";

struct vm_cmd_opts {
	bool help, verbose, no_wait;
	struct opt_list append, drives, shares, qemu;
	const char *kernel, *initrd, *image, *accel;
	uint64_t memory, cpus, cid, boot_ms;
};

static int parse_memory(const char *text, void *member, struct err *e)
{
	return parse_size(text, member, e);
}

static int parse_vm_cpus(const char *text, void *member, struct err *e)
{
	return parse_count(text, 64, member, e);
}

static int parse_cid(const char *text, void *member, struct err *e)
{
	return parse_count(text, UINT32_MAX - 1, member, e);
}

static int parse_ms(const char *text, void *member, struct err *e)
{
	return parse_seconds(text, member, e);
}

#define AT(member)	offsetof(struct vm_cmd_opts, member)
static const struct opt table[] = {
	{ "memory", 'm', "SIZE", "(default 256M)", OPT_PARSE, AT(memory), parse_memory },
	{ "cpus", 0, "NUMBER", "(default 1)", OPT_PARSE, AT(cpus), parse_vm_cpus },
	{ "drive", 0, "FILE[,ro]", "a disk over a raw image; the guest's PCI path of it is printed",
	  OPT_LIST, AT(drives), NULL },
	{ "share", 0, "TAG=DIR", "a directory by virtio-fs", OPT_LIST, AT(shares), NULL },
	{ "kernel", 0, "FILE", "guest kernel (default: vmlinuz beside motectl, or installed)",
	  OPT_TEXT, AT(kernel), NULL },
	{ "initrd", 0, "FILE", "with the agent (default: initrd.img, likewise)", OPT_TEXT,
	  AT(initrd), NULL },
	{ "image", 0, "FILE[,nvdimm]",
	  "boot an image of 'make rootfs': an initrd, a disk, or a disk as persistent memory", OPT_TEXT,
	  AT(image), NULL },
	{ "append", 0, "TEXT", "more for the kernel's command line", OPT_LIST, AT(append), NULL },
	{ "qemu", 0, "WORD", "one more word of QEMU's command line, as it stands", OPT_LIST, AT(qemu),
	  NULL },
	{ "accel", 0, "kvm|tcg", "default: kvm where it works", OPT_TEXT, AT(accel), NULL },
	{ "cid", 0, "NUMBER", "vsock number of the guest (default: a free one)", OPT_PARSE, AT(cid),
	  parse_cid },
	{ "boot-timeout", 0, "SECONDS", "for the agent to answer (default 60)", OPT_PARSE,
	  AT(boot_ms), parse_ms },
	{ "no-wait", 0, NULL, "print the address at once, before the agent answers", OPT_FLAG,
	  AT(no_wait), NULL },
	{ "verbose", 'v', NULL, "show the VM's console on stderr", OPT_FLAG, AT(verbose), NULL },
	{ "help", 'h', NULL, "this text", OPT_FLAG, AT(help), NULL },
	{ .name = NULL },
};

struct devices {
	struct vm_drive drives[VM_DRIVES];
	struct vm_share shares[VM_SHARES];
};

static void on_console(void *arg UNUSED, const char *line)
{
	fprintf(stderr, "%s\n", line);
}

static int add_drives(struct arena *a, const struct vm_cmd_opts *o, struct devices *d,
		      struct err *e)
{
	static const char suffix[] = ",ro";

	if (o->drives.n > VM_DRIVES || o->shares.n > VM_SHARES)
		return err_set(e, RC_INVALID_ARGUMENT, "more than %d drives or %d shares",
			       VM_DRIVES, VM_SHARES);
	for (size_t i = 0; i < o->drives.n; i++) {
		const char *text = o->drives.items[i];
		size_t n = strlen(text), cut = strlen(suffix);
		bool readonly = n > cut && str_eq(text + n - cut, suffix);

		d->drives[i].file = arena_strndup(a, text, readonly ? n - cut : n);
		d->drives[i].flags = readonly ? VM_DRIVE_READONLY : 0;
		if (!d->drives[i].file)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	}
	return 0;
}

static int add_shares(struct arena *a, const struct vm_cmd_opts *o, struct devices *d,
		      struct err *e)
{
	for (size_t i = 0; i < o->shares.n; i++) {
		const char *equals = strchr(o->shares.items[i], '=');

		if (!equals || equals == o->shares.items[i])
			return err_set(e, RC_INVALID_ARGUMENT,
				       "option '--share': '%.80s' is not TAG=DIR",
				       o->shares.items[i]);
		d->shares[i].tag =
			arena_strndup(a, o->shares.items[i], (size_t)(equals - o->shares.items[i]));
		d->shares[i].dir = equals + 1;
		if (!d->shares[i].tag)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	}
	return 0;
}

/* Everything that the options name besides words and numbers. How many disks the image has put
 * before the user's own, or -1 with e. */
static int add_devices(struct arena *a, const struct vm_cmd_opts *o, struct devices *d,
		       struct vm_opts *v, struct err *e)
{
	if (o->image && o->initrd)
		return err_set(e, RC_INVALID_ARGUMENT, "--image and --initrd name two roots");
	if (add_drives(a, o, d, e) < 0 || add_shares(a, o, d, e) < 0)
		return -1;
	return o->image ? vm_image_add(a, o->image, v, e) : 0;
}

/* Boots, prints, and waits for the end of the VM or for a signal. */
static int keep(struct loop *l, struct signals *s, const struct vm_opts *v,
		const struct vm_cmd_opts *o, size_t first, struct err *e)
{
	char path[VM_PCI_PATH];
	int rc = 0;

	s->vm = vm_start(l, v, e);
	if (!s->vm)
		return -1;
	if (!o->no_wait)
		rc = vm_wait_ready(s->vm, o->boot_ms ? o->boot_ms : BOOT_MS, e);
	if (rc == 0) {
		puts(vm_address(s->vm));
		for (size_t i = first; i < v->n_drives; i++)
			printf("drive %s: PCI path %s\n", v->drives[i].file,
			       vm_drive_pci_path(v, i, path));
		fflush(stdout);
		rc = vm_wait_exit(s->vm, FOREVER_MS, e);
	}
	if (rc < 0 && !s->cancel && !o->verbose)
		fputs(vm_console(s->vm), stderr);
	return rc;
}

static int run(struct arena *a, const struct vm_cmd_opts *o, struct err *e)
{
	struct signals s = { 0 };
	struct devices d = { 0 };
	struct loop *l = loop_new();
	struct vm_opts v = {
		.kernel = o->kernel,
		.initrd = o->initrd,
		.accel = o->accel,
		.cid = (uint32_t)o->cid,
		.memory_mb = (unsigned int)MIN(o->memory / MEGABYTE, (uint64_t)UINT32_MAX),
		.cpus = (unsigned int)o->cpus,
		.drives = d.drives,
		.n_drives = o->drives.n,
		.shares = d.shares,
		.n_shares = o->shares.n,
		.extra = o->qemu.items, /* NULL-terminated */
		.console = o->verbose ? on_console : NULL,
		.cancel = &s.cancel,
	};
	char *cmdline = arena_strdup(a, "");
	struct vm *vm;
	int rc;

	for (size_t i = 0; cmdline && i < o->append.n; i++)
		cmdline = arena_printf(a, "%s%s%s", cmdline, i ? " " : "", o->append.items[i]);
	v.cmdline = cmdline;
	rc = !l || !cmdline ? -ENOMEM : signals_start(&s, l);
	if (rc < 0) {
		err_sys(e, -rc, "start");
		loop_free(l);
		return STATUS_FAILED;
	}
	rc = add_devices(a, o, &d, &v, e);
	if (rc >= 0)
		rc = keep(l, &s, &v, o, (size_t)rc, e);
	vm = s.vm;
	s.vm = NULL;
	vm_stop(vm, s.cancel ? VM_STOP_KILL : VM_STOP_QUIT);
	signals_stop();
	loop_free(l);
	if (s.cancel)
		err_clear(e);
	return rc < 0 && !s.cancel ? STATUS_FAILED : 0;
}

int cmd_vm(char **argv)
{
	struct vm_cmd_opts o = { 0 };
	struct opt_rest rest;
	struct err e = { 0 };
	struct arena a;
	int status;

	arena_init(&a, 1u << 20);
	if (read_options(&a, table, &o, &o.help, usage, argv, &rest, &status) == 0) {
		if (check_arguments(&rest, 0, 0, usage) < 0)
			status = STATUS_USAGE;
		else
			status = run(&a, &o, &e);
		if (err_is_set(&e))
			complain(status, &e);
	}
	arena_fini(&a);
	return status;
}
