/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/devices.h"

#include <sys/stat.h>

#include "base/clock.h"

static void next(struct devices *d);

static int check_one(const struct sandbox_device *dev, struct device_need *need, struct err *e)
{
	if (!*dev->type)
		return err_set(e, RC_INVALID_ARGUMENT, "type: missing");
	if (!*dev->id && !*dev->vm_path)
		return err_set(e, RC_INVALID_ARGUMENT, "id and vm_path: missing");
	if (!*dev->container_path)
		return err_set(e, RC_INVALID_ARGUMENT, "container_path: missing");
	return device_need_of_type(need, dev->type, dev->id, dev->vm_path, e);
}

/* All of the request, before the first wait. */
static int check_all(const struct devices *d, struct err *e)
{
	struct device_need need;
	size_t at;

	if (d->n > DEVICES_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "devices: %zu, more than %d", d->n,
			       DEVICES_MAX);
	for (size_t i = 0; i < d->n; i++)
		if (check_one(&d->list[i], &need, e) < 0)
			return err_ctx(e, "devices[%zu]", i);
	if (spec_devices_check(d->to->spec, d->changes, d->n, &at, e) < 0)
		return err_ctx(e, "devices[%zu]", at);
	return 0;
}

static void fail(struct devices *d, struct err *e)
{
	err_ctx(e, "devices[%zu] (%.64s)", d->at, d->list[d->at].container_path);
	d->done(d->owner, e);
}

static void found(void *owner, const struct err *e, const struct device_found *f)
{
	struct devices *d = owner;
	struct err err = *e;

	if (err_is_set(e)) {
		fail(d, &err);
		return;
	}
	d->changes[d->at].type = S_IFBLK;
	d->changes[d->at].major = f->major;
	d->changes[d->at].minor = f->minor;
	d->at++;
	next(d);
}

static int wait_for(struct devices *d, struct err *e)
{
	const struct sandbox_device *dev = &d->list[d->at];
	uint64_t until = MIN(d->deadline_ms, clock_after(d->sandbox->opts.hotplug_timeout_ms));
	struct device_need need;

	if (check_one(dev, &need, e) < 0)
		return -1;
	return device_wait_start(d->sandbox->monitor, &need, until, found, d, e) ? 0 : -1;
}

static void next(struct devices *d)
{
	struct err e = { 0 };

	if (d->at < d->n) {
		if (wait_for(d, &e) < 0)
			fail(d, &e);
		return;
	}
	spec_devices_change(d->to->spec, d->changes, d->n, &d->to->arena, &e);
	d->done(d->owner, &e);
}

int devices_start(struct devices *d, sandbox_done_fn done, void *owner, struct err *e)
{
	d->done = done;
	d->owner = owner;
	d->at = 0;
	if (!d->n)
		return 0;
	d->changes = ARENA_ARRAY(&d->to->arena, struct spec_device_change, d->n);
	if (!d->changes)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "devices: out of memory");
	for (size_t i = 0; i < d->n; i++)
		d->changes[i].path = d->list[i].container_path;
	return check_all(d, e) < 0 || wait_for(d, e) < 0 ? -1 : 1;
}
