/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things sit on the root bus, so that a host can tell the guest about them:
 *   0x02 a PCI bridge, when a drive wants one    0x03 vsock    0x08.. shares    0x10.. drives
 *
 * The console is the first serial port: it speaks from the kernel's first line on, which a virtio
 * console does not.
 */
#include "vm/vm_args.h"

#include "base/num.h"
#include "base/str.h"

#define ARGS_MAX	160
#define SLOT_BRIDGE	0x02
#define SLOT_VSOCK	0x03
#define SLOT_SHARES	0x08
#define SLOT_DRIVES	0x10

/* Cgroup v2 whichever agent is inside, unless the caller says what he wants. */
#define HIERARCHY	"systemd.unified_cgroup_hierarchy"
#define CMDLINE_V2	" cgroup_no_v1=all " HIERARCHY "=1"

struct args {
	struct arena *arena;
	const char **argv;
	size_t n;
	bool failed;	/* no room or no memory: told once, at the end */
};

static void add(struct args *a, const char *text)
{
	if (!text || a->n == ARGS_MAX) {
		a->failed = true;
		return;
	}
	a->argv[a->n++] = text;
}

static void addf(struct args *a, const char *option, const char *fmt, ...) PRINTF(3, 4);
static void addf(struct args *a, const char *option, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(a, option);
	add(a, arena_vprintf(a->arena, fmt, ap));
	va_end(ap);
}

/* A value inside a comma-separated option: QEMU reads ",," as one comma. */
static const char *escape(struct args *a, const char *text)
{
	char *out, *to;
	size_t size;

	if (!num_mul(strlen(text), 2, &size) || !(out = to = arena_alloc(a->arena, size + 1))) {
		a->failed = true;
		return "";
	}
	for (; *text; text++) {
		if (*text == ',')
			*to++ = ',';
		*to++ = *text;
	}
	return out;
}

static void add_machine(struct args *a, const struct vm_plan *p)
{
	unsigned int mb = p->opts->memory_mb ? p->opts->memory_mb : VM_MEMORY_MB;
	bool tcg = str_eq(p->accel, "tcg");
	bool shared = p->kernel_cid == 0 || p->opts->n_shares > 0;	/* vhost-user needs it */

	add(a, p->qemu);
	addf(a, "-machine", "%s,accel=%s%s", p->arch->machine, p->accel,
	     shared ? ",memory-backend=mem" : "");
	if (shared)
		addf(a, "-object", "memory-backend-memfd,id=mem,size=%uM,share=on", mb);
	addf(a, "-cpu", "%s", tcg ? p->arch->cpu : "host");
	addf(a, "-smp", "%u", p->opts->cpus ? p->opts->cpus : 1);
	addf(a, "-m", "%uM", mb);
	add(a, "-nodefaults");
	add(a, "-no-user-config");
	add(a, "-no-reboot");
	addf(a, "-display", "none");
	addf(a, "-vga", "none");
}

static void add_boot(struct args *a, const struct vm_plan *p)
{
	const char *more = p->opts->cmdline ? p->opts->cmdline : "";
	const char *clock = p->tsc_khz ? arena_printf(a->arena, " tsc_early_khz=%u", p->tsc_khz) : "";

	addf(a, "-kernel", "%s", p->kernel);
	if (p->initrd)
		addf(a, "-initrd", "%s", p->initrd);
	if (!clock)
		a->failed = true;
	addf(a, "-append", "%s%s%s%s%s", p->arch->cmdline, strstr(more, HIERARCHY "=") ? "" : CMDLINE_V2,
	     clock ? clock : "", *more ? " " : "", more);
}

static void add_channels(struct args *a, const struct vm_plan *p)
{
	addf(a, "-chardev", "socket,id=qmp,fd=%d", p->qmpfd);
	addf(a, "-mon", "chardev=qmp,mode=control");
	addf(a, "-chardev", "socket,id=console,fd=%d", p->consolefd);
	addf(a, "-serial", "chardev:console");
	if (p->kernel_cid) {
		addf(a, "-device", "vhost-vsock-pci,vhostfd=%d,guest-cid=%u,bus=pcie.0,addr=0x%02x",
		     p->vsockfd, p->kernel_cid, SLOT_VSOCK);
		return;
	}
	addf(a, "-chardev", "socket,id=vsock,fd=%d", p->vsockfd);
	addf(a, "-device", "vhost-user-vsock-pci,chardev=vsock,bus=pcie.0,addr=0x%02x", SLOT_VSOCK);
}

/* Slot of drive i on its bus: those behind the bridge count from 1, the others from SLOT_DRIVES. */
static unsigned int drive_slot(const struct vm_opts *o, size_t i)
{
	unsigned int slot = o->drives[i].flags & VM_DRIVE_BRIDGE ? 1 : SLOT_DRIVES;

	for (size_t k = 0; k < i; k++)
		slot += (o->drives[k].flags & VM_DRIVE_BRIDGE) ==
			(o->drives[i].flags & VM_DRIVE_BRIDGE);
	return slot;
}

const char *vm_drive_pci_path(const struct vm_opts *o, size_t i, char buf[VM_PCI_PATH])
{
	struct str s;

	str_init(&s, buf, VM_PCI_PATH);
	if (o->drives[i].flags & VM_DRIVE_BRIDGE)
		str_addf(&s, "%02x/", SLOT_BRIDGE);
	str_addf(&s, "%02x", drive_slot(o, i));
	return buf;
}

static void add_drives(struct args *a, const struct vm_opts *o)
{
	bool bridge = false;

	for (size_t i = 0; i < o->n_drives; i++) {
		const struct vm_drive *d = &o->drives[i];
		bool behind = d->flags & VM_DRIVE_BRIDGE;

		if (behind && !bridge)
			addf(a, "-device",
			     "pci-bridge,id=bridge,chassis_nr=1,shpc=off,bus=pcie.0,addr=0x%02x",
			     SLOT_BRIDGE);
		bridge = bridge || behind;
		addf(a, "-drive", "if=none,id=drive%zu,format=raw,file=%s%s", i, escape(a, d->file),
		     d->flags & VM_DRIVE_READONLY ? ",readonly=on" : "");
		addf(a, "-device", "virtio-blk-pci,drive=drive%zu,bus=%s,addr=0x%02x%s%s", i,
		     behind ? "bridge" : "pcie.0", drive_slot(o, i), d->serial ? ",serial=" : "",
		     d->serial ? escape(a, d->serial) : "");
	}
}

static void add_shares(struct args *a, const struct vm_plan *p)
{
	for (size_t i = 0; i < p->opts->n_shares; i++) {
		addf(a, "-chardev", "socket,id=share%zu,fd=%d", i, p->share_fds[i]);
		addf(a, "-device",
		     "vhost-user-fs-pci,chardev=share%zu,tag=%s,bus=pcie.0,addr=0x%02zx", i,
		     escape(a, p->opts->shares[i].tag), SLOT_SHARES + i);
	}
}

const char **vm_args_build(struct arena *arena, const struct vm_plan *p, struct err *e)
{
	struct args a = { .arena = arena, .argv = ARENA_ARRAY(arena, const char *, ARGS_MAX + 1) };

	if (p->opts->n_drives > VM_DRIVES || p->opts->n_shares > VM_SHARES) {
		err_set(e, RC_INVALID_ARGUMENT, "more than %d drives or %d shares", VM_DRIVES,
			VM_SHARES);
		return NULL;
	}
	if (!a.argv) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	add_machine(&a, p);
	add_boot(&a, p);
	add_channels(&a, p);
	add_drives(&a, p->opts);
	add_shares(&a, p);
	for (const char *const *x = p->opts->extra; x && *x; x++)
		add(&a, *x);
	if (a.failed) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "QEMU's command line is too long");
		return NULL;
	}
	return a.argv;
}
