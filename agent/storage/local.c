/* SPDX-License-Identifier: Apache-2.0 */
/* A plain directory of the guest, for volumes that live as long as the sandbox: options mode=OCTAL
 * and fsgid=GID. */
#include "storage/driver.h"

#define SETGID	02000

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	enum { MODE = 0x1, GID = 0x2 };
	unsigned int given = 0;
	mode_t mode = 0755;
	gid_t gid = (gid_t)-1;
	struct plan_op *op;

	(void)ctx;
	for (size_t i = 0; i < r->n_options; i++) {
		const char *value = storage_option_value(r->options[i], "mode");

		if (value && storage_parse_mode(value, &mode, e) < 0)
			return -1;
		given |= value ? MODE : 0;
		value = storage_option_value(r->options[i], "fsgid");
		if (value && storage_parse_gid(value, &gid, e) < 0)
			return -1;
		given |= value ? GID : 0;
	}
	out->flags |= STORAGE_KEEP;
	if (!plan_add(&out->plan, PLAN_MKDIR, r->mount_point, e))
		return -1;
	if (given & GID) {
		op = plan_add(&out->plan, PLAN_CHOWN, r->mount_point, e);
		if (!op)
			return -1;
		op->gid = gid;
	}
	if (given) {
		op = plan_add(&out->plan, PLAN_CHMOD, r->mount_point, e);
		if (!op)
			return -1;
		op->mode = mode | (given & GID ? SETGID : 0);
	}
	return 0;
}

const struct storage_driver storage_local = { "local", NULL, plan };
