/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage requests of any content: there is an error, or a plan whose every target lies below a
 * place where a host may mount. The input is texts with a zero byte after each: driver, flags,
 * source, fstype, mount point, container, then options, of which those that begin with "!" are
 * driver options.
 */
#include "base/path.h"
#include "storage/driver.h"

#define MAX_TEXTS	24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_confined(const struct storage_plan *sp)
{
	if (sp->plan.n == 0)
		abort();
	for (size_t i = 0; i < sp->plan.n; i++) {
		const struct plan_op *op = &sp->plan.ops[i];

		if (!path_is_plain(op->target) || !storage_place_length(op->target))
			abort();
		if (op->kind == PLAN_BIND) {
			if (!(op->flags & PLAN_SOURCE_STRICT) || !path_is_plain(op->source) ||
			    !storage_place_length(op->source))
				abort();
			continue;
		}
		if (op->kind != PLAN_MKDIR && op->kind != PLAN_MOUNT && op->kind != PLAN_CHMOD &&
		    op->kind != PLAN_CHOWN)
			abort();
		if (op->ms_flags & (MS_BIND | MS_REMOUNT | MS_MOVE))
			abort();
	}
	if (sp->detect_device &&
	    (sp->detect_op >= sp->plan.n || sp->plan.ops[sp->detect_op].kind != PLAN_MOUNT))
		abort();
	if (sp->no_dax && strlen(sp->no_dax) >= strlen(sp->plan.ops[sp->detect_op].data))
		abort();
	if (sp->watch_source && (!path_is_plain(sp->watch_source) ||
				 !storage_place_length(sp->watch_source) ||
				 !storage_place_length(sp->watch_target)))
		abort();
	if (sp->group_path && !storage_place_length(sp->group_path))
		abort();
	if (sp->hugepages_dir &&
	    !str_starts(sp->hugepages_dir, "/sys/kernel/mm/hugepages/hugepages-"))
		abort();
}

static void try(const struct storage_driver *d, const struct storage_req *r, const char *container)
{
	struct device_found found = { .node = "/dev/vda" };
	struct storage_ctx ctx = { .container_id = *container ? container : NULL };
	struct device_need need = { 0 };
	struct storage_plan sp;
	struct arena a;
	struct err e = { 0 };

	if (d->need && d->need(r, &need, &e) == 0)
		ctx.device = &found;
	err_clear(&e);
	arena_init(&a, 1 << 20);
	if (storage_plan_make(d, r, &ctx, &a, &sp, &e) == 0) {
		if (err_is_set(&e))
			abort();
		check_confined(&sp);
		if (!plan_print(&sp.plan, &a))
			abort();
	} else if (!err_is_set(&e)) {
		abort();
	}
	arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *t[MAX_TEXTS], *options[MAX_TEXTS],
	     *driver_options[MAX_TEXTS];
	struct storage_req r = { .options = options, .driver_options = driver_options };
	const struct storage_driver *d;
	struct err e = { 0 };
	size_t n = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *s = text; n < MAX_TEXTS && s <= text + size; s += strlen(s) + 1)
		t[n++] = s;
	while (n < 6)
		t[n++] = text + size;
	for (size_t i = 6; i < n; i++) {
		if (*t[i] == '!')
			driver_options[r.n_driver_options++] = t[i] + 1;
		else
			options[r.n_options++] = t[i];
	}
	r.driver = t[0];
	r.flags = (unsigned int)(unsigned char)*t[1] & 7;
	r.source = t[2];
	r.fstype = t[3];
	r.mount_point = t[4];
	d = storage_driver_find(r.driver, &e);
	if (d)
		try(d, &r, t[5]);
	else if (!err_is_set(&e))
		abort();
	free(text);
	return 0;
}
