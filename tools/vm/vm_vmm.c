/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_vmm.h"

#include "base/json.h"

#define ARGS_MAX   64
#define CONFIG_MAX 32768
#define GUEST_CID  3
#define HIERARCHY  "systemd.unified_cgroup_hierarchy"
#define CMDLINE_V2 " cgroup_no_v1=all " HIERARCHY "=1"

char *vmm_cmdline(struct arena *a, const struct vmm_plan *p)
{
	const char *more = p->opts->cmdline ? p->opts->cmdline : "";

	return arena_printf(a, "%s%s%s%s", p->arch->cmdline,
			    strstr(more, HIERARCHY "=") ? "" : CMDLINE_V2, *more ? " " : "", more);
}

static unsigned int memory(const struct vmm_plan *p)
{
	return p->opts->memory_mb ? p->opts->memory_mb : VM_MEMORY_MB;
}

static unsigned int cpus(const struct vmm_plan *p)
{
	return p->opts->cpus ? p->opts->cpus : 1;
}

/* --- Cloud Hypervisor --- */

struct args {
	struct arena *arena;
	const char **argv;
	size_t n;
	bool failed;
};

static void add(struct args *x, const char *text)
{
	if (!text || x->n == ARGS_MAX)
		x->failed = true;
	else
		x->argv[x->n++] = text;
}

static void addf(struct args *x, const char *option, const char *fmt, ...) PRINTF(3, 4);
static void addf(struct args *x, const char *option, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (option)
		add(x, option);
	add(x, arena_vprintf(x->arena, fmt, ap));
	va_end(ap);
}

/* Its options are lists with commas, of which there is no escape. */
static int check_commas(const struct vmm_plan *p, struct err *e)
{
	const char *bad = p->vsock && strchr(p->vsock, ',') ? p->vsock : NULL;

	for (size_t i = 0; i < p->opts->n_drives && !bad; i++)
		bad = strchr(p->opts->drives[i].file, ',') ? p->opts->drives[i].file : NULL;
	for (size_t i = 0; i < p->opts->n_shares && !bad; i++)
		bad = strchr(p->share_sockets[i], ',') ? p->share_sockets[i] : NULL;
	return bad ? err_set(e, RC_INVALID_ARGUMENT, "Cloud Hypervisor takes no comma: '%.100s'",
			     bad)
		   : 0;
}

/* One option may have several values, and then takes all of them at once. */
static void add_devices(struct args *x, const struct vmm_plan *p)
{
	for (size_t i = 0; i < p->opts->n_drives; i++) {
		const struct vm_drive *d = &p->opts->drives[i];

		addf(x, i ? NULL : "--disk", "path=%s,readonly=%s%s%s", d->file,
		     d->flags & VM_DRIVE_READONLY ? "on" : "off", d->serial ? ",serial=" : "",
		     d->serial ? d->serial : "");
	}
	for (size_t i = 0; i < p->opts->n_shares; i++)
		addf(x, i ? NULL : "--fs", "tag=%s,socket=%s,num_queues=1,queue_size=1024",
		     p->opts->shares[i].tag, p->share_sockets[i]);
	for (size_t i = 0; i < p->n_nets; i++)
		addf(x, i ? NULL : "--net", "tap=%s,mac=%s", p->nets[i].tap, p->nets[i].mac);
}

const char **vmm_cloud_hypervisor(struct arena *a, const struct vmm_plan *p, struct err *e)
{
	struct args x = { .arena = a, .argv = ARENA_ARRAY(a, const char *, ARGS_MAX + 1) };

	if (check_commas(p, e) < 0)
		return NULL;
	if (!x.argv) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	add(&x, p->program);
	if (p->api)
		addf(&x, "--api-socket", "%s", p->api);
	addf(&x, "--cpus", "boot=%u", cpus(p));
	/* a file server is another process, which has to see the memory */
	addf(&x, "--memory", "size=%uM%s", memory(p), p->opts->n_shares ? ",shared=on" : "");
	addf(&x, "--kernel", "%s", p->kernel);
	if (p->initrd)
		addf(&x, "--initramfs", "%s", p->initrd);
	addf(&x, "--cmdline", "%s", vmm_cmdline(a, p));
	addf(&x, "--vsock", "cid=%u,socket=%s", p->opts->cid ? p->opts->cid : GUEST_CID, p->vsock);
	add_devices(&x, p);
	addf(&x, "--serial", "tty");
	addf(&x, "--console", "off");
	if (x.failed) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "Cloud Hypervisor's command line is too long");
		return NULL;
	}
	return x.argv;
}

/* --- Firecracker --- */

static void member(struct str *s, const char *key, const char *value)
{
	str_addf(s, "\"%s\":", key);
	json_add_string(s, value);
}

static void add_drives(struct str *s, const struct vm_opts *o)
{
	str_add(s, ",\"drives\":[");
	for (size_t i = 0; i < o->n_drives; i++) {
		str_addf(s, "%s{\"drive_id\":\"drive%zu\",", i ? "," : "", i);
		member(s, "path_on_host", o->drives[i].file);
		str_addf(s, ",\"is_root_device\":false,\"is_read_only\":%s}",
			 o->drives[i].flags & VM_DRIVE_READONLY ? "true" : "false");
	}
	str_add(s, "]");
}

static void add_nets(struct str *s, const struct vmm_plan *p)
{
	str_add(s, ",\"network-interfaces\":[");
	for (size_t i = 0; i < p->n_nets; i++) {
		str_addf(s, "%s{\"iface_id\":\"net%zu\",", i ? "," : "", i);
		member(s, "host_dev_name", p->nets[i].tap);
		str_add(s, ",");
		member(s, "guest_mac", p->nets[i].mac);
		str_add(s, "}");
	}
	str_add(s, "]");
}

char *vmm_firecracker(struct arena *a, const struct vmm_plan *p, struct err *e)
{
	const char *cmdline = vmm_cmdline(a, p);
	char *text = arena_alloc(a, CONFIG_MAX);
	struct str s;

	if (p->opts->n_shares) {
		err_set(e, RC_UNIMPLEMENTED,
			"Firecracker has no virtio-fs: '%.80s' cannot be shared",
			p->opts->shares[0].dir);
		return NULL;
	}
	if (!cmdline || !text) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	str_init(&s, text, CONFIG_MAX);
	str_add(&s, "{\"boot-source\":{");
	member(&s, "kernel_image_path", p->kernel);
	if (p->initrd) {
		str_add(&s, ",");
		member(&s, "initrd_path", p->initrd);
	}
	str_add(&s, ",");
	member(&s, "boot_args", cmdline);
	str_addf(&s, "},\"machine-config\":{\"vcpu_count\":%u,\"mem_size_mib\":%u}", cpus(p),
		 memory(p));
	add_drives(&s, p->opts);
	add_nets(&s, p);
	str_addf(&s, ",\"vsock\":{\"guest_cid\":%u,", p->opts->cid ? p->opts->cid : GUEST_CID);
	member(&s, "uds_path", p->vsock);
	str_add(&s, "}}");
	if (str_ok(&s))
		return text;
	err_set(e, RC_RESOURCE_EXHAUSTED, "Firecracker's configuration is too long");
	return NULL;
}
