/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of the host by its mount tag. The tag that every host uses may have been mounted
 * before the agent was started. */
#include "storage/driver.h"

#define PREMOUNT_TAG	"kataShared"

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	struct plan_op *op;

	(void)ctx;
	if (!*r->source)
		return err_set(e, RC_INVALID_ARGUMENT, "virtio-fs: source (the mount tag) missing");
	if (*r->fstype && !str_eq(r->fstype, "virtiofs"))
		return err_set(e, RC_INVALID_ARGUMENT, "virtio-fs: fstype \"%s\" is not virtiofs",
			       r->fstype);
	op = storage_add_mount(out, r, r->source, "virtiofs", r->options, r->n_options, e);
	if (!op)
		return -1;
	/* mount(2) does not wait for the host's server: whoever comes first would hang in its place. */
	out->ask_path = r->mount_point;
	if (str_eq(r->source, PREMOUNT_TAG))
		op->flags |= PLAN_SKIP_MOUNTED;
	return 0;
}

const struct storage_driver storage_virtiofs = { "virtio-fs", NULL, plan };
