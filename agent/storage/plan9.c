/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of the host by its mount tag, over the 9p protocol: what hosts without a virtio-fs server
 * share. It comes over virtio and nothing else: the kernel's client also knows sockets and inherited
 * descriptors, which would be this agent's.
 */
#include "storage/driver.h"

#define PREMOUNT_TAG	"kataShared"

/* Hosts send several options in one text. -1: another transport than virtio. */
static int check_transport(const char *option, bool *said, struct err *e)
{
	for (const char *s = option;; s++) {
		size_t n = strcspn(s, ",");

		if (str_starts(s, "trans=") && (n != strlen("trans=virtio") ||
						strncmp(s, "trans=virtio", n) != 0))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "9p: option %.*s: the transport is virtio",
				       (int)MIN(n, (size_t)64), s);
		*said = *said || str_starts(s, "trans=");
		s += n;
		if (!*s)
			return 0;
	}
}

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	static char transport[] = "trans=virtio";
	char **opts = ARENA_ARRAY(out->plan.a, char *, r->n_options + 1);
	struct plan_op *op;
	size_t n = 0;
	bool said = false;

	(void)ctx;
	if (!opts)
		return storage_no_memory(e);
	if (!*r->source)
		return err_set(e, RC_INVALID_ARGUMENT, "9p: source (the mount tag) missing");
	if (*r->fstype && !str_eq(r->fstype, "9p"))
		return err_set(e, RC_INVALID_ARGUMENT, "9p: fstype \"%s\" is not 9p", r->fstype);
	for (size_t i = 0; i < r->n_options; i++) {
		if (check_transport(r->options[i], &said, e) < 0)
			return -1;
		opts[n++] = r->options[i];
	}
	if (!said)
		opts[n++] = transport;
	op = storage_add_mount(out, r, r->source, "9p", opts, n, e);
	if (!op)
		return -1;
	out->ask_path = r->mount_point;
	if (str_eq(r->source, PREMOUNT_TAG))
		op->flags |= PLAN_SKIP_MOUNTED;
	return 0;
}

const struct storage_driver storage_9p = { "9p", NULL, plan };
