/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "event/job.h"

#define INFINIBAND "/dev/infiniband"

static void next(struct devices *d);

/* --- checks ----------------------------------------------------------------------------------- */

static int check_options(const struct sandbox_device *dev, struct err *e)
{
	struct device_need need;
	size_t n = 0;

	for (size_t i = 0; i < dev->n_options; i++) {
		struct vfio_option o;
		int r = vfio_option_parse(dev->options[i], &o, e);

		if (r < 0 || (r && device_need_set(&need, DEVICE_PCI, o.guest, e) < 0))
			return err_ctx(e, "options[%zu]", i);
		n += (size_t)r;
	}
	if (n > DEVICES_PCI_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "options: %zu devices, more than %d", n,
			       DEVICES_PCI_MAX);
	if (n || device_type_class(dev->type) != DEVICE_TYPE_VFIO)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, "options: no device of the guest in them");
}

static int check_one(const struct sandbox_device *dev, struct device_need *need, struct err *e)
{
	if (!*dev->type)
		return err_set(e, RC_INVALID_ARGUMENT, "type: missing");
	if (!*dev->id && !*dev->vm_path)
		return err_set(e, RC_INVALID_ARGUMENT, "id and vm_path: missing");
	if (!*dev->container_path)
		return err_set(e, RC_INVALID_ARGUMENT, "container_path: missing");
	if (device_type_class(dev->type) != DEVICE_TYPE_PLAIN)
		return check_options(dev, e);
	return device_need_of_type(need, dev->type, dev->id, dev->vm_path, e);
}

/* All of the request, before the first wait. */
static int check_all(const struct devices *d, struct err *e)
{
	struct device_need need;
	size_t at;

	for (size_t i = 0; i < d->n; i++)
		if (check_one(&d->list[i], &need, e) < 0)
			return err_ctx(e, "devices[%zu]", i);
	if (spec_devices_check(d->to->spec, d->changes, d->n_changes, &at, e) < 0)
		return err_ctx(e, "devices[%zu]", d->of[at]);
	return 0;
}

/* --- one after another ------------------------------------------------------------------------ */

static void fail(struct devices *d, struct err *e)
{
	err_ctx(e, "devices[%zu] (%.64s)", d->at, d->list[d->at].container_path);
	d->done(d->owner, e);
}

static struct spec_device_change *change_of(struct devices *d)
{
	for (size_t i = 0; i < d->n_changes; i++)
		if (d->of[i] == d->at)
			return &d->changes[i];
	return NULL;
}

static void set_node(struct devices *d, mode_t type, const struct device_found *f)
{
	struct spec_device_change *c = change_of(d);

	c->type = type;
	c->major = f->major;
	c->minor = f->minor;
	d->at++;
	next(d);
}

static void on_plain(void *owner, const struct err *e, const struct device_found *f)
{
	struct devices *d = owner;
	struct err err = *e;

	if (err_is_set(e))
		fail(d, &err);
	else
		set_node(d, S_IFBLK, f);
}

static int wait_for(struct devices *d, const struct device_need *need, device_wait_fn fn,
		    struct err *e)
{
	uint64_t until = MIN(d->deadline_ms, clock_after(d->sandbox->opts.hotplug_timeout_ms));

	return device_wait_start(d->sandbox->monitor, need, until, fn, d, e) ? 0 : -1;
}

/* --- handed through: its PCI devices, their group's node --------------------------------------- */

static void on_group(void *owner, const struct err *e, const struct device_found *f)
{
	struct devices *d = owner;
	struct err err = *e;

	if (!err_is_set(e)) {
		struct spec_device_change *c = change_of(d);

		c->node = arena_strdup(&d->to->arena, f->node);
		if (c->node) {
			set_node(d, S_IFCHR, f);
			return;
		}
		err_sys(&err, ENOMEM, "%s", f->node);
	}
	fail(d, &err);
}

static int bind_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	const struct devices *d = arg;
	uint32_t group;

	if (vfio_bind(device_monitor_sysroot(d->sandbox->monitor), d->pci, d->n_pci, &group, e) < 0)
		return -1;
	if (out_cap >= sizeof(group))
		memcpy(out, &group, *out_len = sizeof(group));
	return 0;
}

static void on_bound(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct devices *d = owner;
	struct err err = *e;
	struct device_need need;
	uint32_t group = 0;
	char node[32];
	struct str s = STR_OVER(node);

	if (!err_is_set(&err) && out_len != sizeof(group))
		err_set(&err, RC_INTERNAL, "vfio: no answer");
	if (!err_is_set(&err)) {
		memcpy(&group, out, sizeof(group));
		str_addf(&s, VFIO_GROUPS_DIR "/%u", group);
		if (device_need_set(&need, DEVICE_VFIO, node, &err) == 0 &&
		    wait_for(d, &need, on_group, &err) == 0)
			return;
	}
	fail(d, &err);
}

/* All PCI devices of this one are there. */
static void pci_ready(struct devices *d)
{
	struct job_opts opts = { .what = "vfio-pci",
				 .deadline_ms = d->deadline_ms,
				 .out_max = sizeof(uint32_t) };
	struct err e = { 0 };

	if (device_type_class(d->list[d->at].type) != DEVICE_TYPE_VFIO) {
		d->at++;
		next(d);
	} else if (!job_start(d->sandbox->loop, &opts, bind_job, d, on_bound, d, &e)) {
		fail(d, &e);
	}
}

static void next_option(struct devices *d);

static void on_pci(void *owner, const struct err *e, const struct device_found *f)
{
	struct devices *d = owner;
	struct err err = *e;
	struct vfio_option o;
	bdf_t guest = 0;

	if (!err_is_set(&err) &&
	    vfio_option_parse(d->list[d->at].options[d->option], &o, &err) > 0) {
		if (!bdf_parse(f->node, &guest))
			err_set(&err, RC_INTERNAL, "PCI device %s: no address", f->node);
		else
			pci_map_add(&d->to->pci, o.host, guest, &d->to->kept, &err);
	}
	if (err_is_set(&err)) {
		err_ctx(&err, "options[%zu]", d->option);
		fail(d, &err);
		return;
	}
	d->pci[d->n_pci++] = guest;
	d->option++;
	next_option(d);
}

static void next_option(struct devices *d)
{
	const struct sandbox_device *dev = &d->list[d->at];
	struct device_need need;
	struct err e = { 0 };

	for (; d->option < dev->n_options; d->option++) {
		struct vfio_option o;

		if (vfio_option_parse(dev->options[d->option], &o, &e) == 0)
			continue;
		if (err_is_set(&e) || device_need_set(&need, DEVICE_PCI, o.guest, &e) < 0 ||
		    wait_for(d, &need, on_pci, &e) < 0)
			fail(d, &e);
		return;
	}
	pci_ready(d);
}

/* --- the end ---------------------------------------------------------------------------------- */

static int add_infiniband(struct devices *d, int dirfd, const char *name, struct err *e)
{
	struct arena *a = &d->to->arena;
	struct spec_device node = { .path = arena_printf(a, INFINIBAND "/%s", name) };
	struct stat st;

	if (!node.path)
		return err_sys(e, ENOMEM, "%s", INFINIBAND);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(st.st_mode))
		return 0;
	node.type = S_IFCHR;
	node.major = major(st.st_rdev);
	node.minor = minor(st.st_rdev);
	node.mode = st.st_mode & 07777;
	node.mode_set = true;
	node.uid = st.st_uid;
	node.gid = st.st_gid;
	return spec_devices_add(d->to->spec, &node, CGROUP_DEV_ALL, a, e);
}

/* What a network adapter that was handed through is used by. On devtmpfs: nothing waits. */
static int add_all_infiniband(struct devices *d, struct err *e)
{
	DIR *dir = opendir(INFINIBAND);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return 0; /* no such adapter */
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = add_infiniband(d, dirfd(dir), entry->d_name, e);
	closedir(dir);
	return r;
}

static int finish(struct devices *d, struct err *e)
{
	struct spec *s = d->to->spec;
	bool through = false;

	for (size_t i = 0; i < d->n; i++)
		through = through || device_type_class(d->list[i].type) != DEVICE_TYPE_PLAIN;
	if (spec_devices_change(s, d->changes, d->n_changes, &d->to->arena, e) < 0 ||
	    (through && add_all_infiniband(d, e) < 0))
		return -1;
	return s->process ? pci_env_rewrite(&s->process->env, &d->to->pci, &d->to->arena, e) : 0;
}

static int begin(struct devices *d, struct err *e)
{
	const struct sandbox_device *dev = &d->list[d->at];
	struct device_need need;

	d->option = d->n_pci = 0;
	if (device_type_class(dev->type) != DEVICE_TYPE_PLAIN) {
		next_option(d);
		return 0;
	}
	return check_one(dev, &need, e) < 0 ? -1 : wait_for(d, &need, on_plain, e);
}

static void next(struct devices *d)
{
	struct err e = { 0 };

	if (d->at < d->n) {
		if (begin(d, &e) < 0)
			fail(d, &e);
		return;
	}
	finish(d, &e);
	d->done(d->owner, &e);
}

static int list_changes(struct devices *d)
{
	d->changes = ARENA_ARRAY(&d->to->arena, struct spec_device_change, d->n);
	d->of = ARENA_ARRAY(&d->to->arena, size_t, d->n);
	if (!d->changes || !d->of)
		return -1;
	for (size_t i = 0; i < d->n; i++) {
		const struct sandbox_device *dev = &d->list[i];
		enum device_type_class class = device_type_class(dev->type);

		if (class == DEVICE_TYPE_GUEST_DRIVER)
			continue; /* what it is in the guest, its driver decides */
		d->changes[d->n_changes].path = dev->container_path;
		if (class == DEVICE_TYPE_PLAIN)
			d->changes[d->n_changes].guest = *dev->id ? dev->id : dev->vm_path;
		d->of[d->n_changes++] = i;
	}
	return 0;
}

int devices_start(struct devices *d, sandbox_done_fn done, void *owner, struct err *e)
{
	d->done = done;
	d->owner = owner;
	d->at = d->n_changes = 0;
	if (!d->n)
		return 0;
	if (d->n > DEVICES_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "devices: %zu, more than %d", d->n,
			       DEVICES_MAX);
	if (list_changes(d) < 0)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "devices: out of memory");
	if (check_all(d, e) < 0)
		return -1;
	next(d);
	return 1;
}
