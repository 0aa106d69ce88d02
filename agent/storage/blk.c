/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks: one plan for all of them, the drivers differ in how the host names the device. The
 * filesystem is what the request says; where it says none, what is on the disk. A host may ask for
 * a new one to be made.
 */
#include "base/str.h"
#include "storage/driver.h"

enum wish { WISH_NONE, WISH_MKFS };

static int read_wishes(const struct storage_req *r, enum wish *out, struct err *e)
{
	*out = WISH_NONE;
	for (size_t i = 0; i < r->n_driver_options; i++) {
		const char *opt = r->driver_options[i];

		/* Never mounted in the clear instead: the host relies on the encryption. */
		if (storage_option_value(opt, "encryption_key"))
			return err_set(e, RC_UNIMPLEMENTED, "encryption_key: needs a confidential "
				       "data hub, which this agent has not");
		if (str_eq(opt, "create_filesystem") || str_eq(opt, "create_filesystem=true"))
			*out = WISH_MKFS;
	}
	if (*out == WISH_MKFS && *r->fstype && !str_eq(r->fstype, "ext4"))
		return err_set(e, RC_INVALID_ARGUMENT, "create_filesystem: makes ext4, not %s",
			       r->fstype);
	return 0;
}

/* What cannot be had is said before the device is waited for, also of a layer (layers_need). */
static int need_disk(const struct storage_req *r, enum device_kind kind, struct device_need *out,
		     struct err *e)
{
	enum wish wish;

	return read_wishes(r, &wish, e) < 0 ? -1 : device_need_set(out, kind, r->source, e);
}

static int need_blk(const struct storage_req *r, struct device_need *out, struct err *e)
{
	return need_disk(r, str_starts(r->source, "/dev/") ? DEVICE_BLK_NODE : DEVICE_BLK_PCI, out, e);
}

static int need_node(const struct storage_req *r, struct device_need *out, struct err *e)
{
	return need_disk(r, DEVICE_BLK_NODE, out, e);
}

static int need_scsi(const struct storage_req *r, struct device_need *out, struct err *e)
{
	return need_disk(r, DEVICE_SCSI, out, e);
}

static int need_pmem(const struct storage_req *r, struct device_need *out, struct err *e)
{
	return need_disk(r, DEVICE_PMEM, out, e);
}

static int plan_disk(const struct storage_req *r, const struct storage_ctx *ctx,
		     struct storage_plan *out, struct err *e)
{
	const char *node = arena_strdup(out->plan.a, ctx->device->node);
	const char *fstype = r->fstype;
	struct plan_op *op;
	enum wish wish;

	if (!node)
		return storage_no_memory(e);
	if (read_wishes(r, &wish, e) < 0)
		return -1;
	if (wish == WISH_MKFS) {
		out->mkfs_device = node;
		fstype = "ext4";
	} else if (!*fstype) {
		out->detect_device = node;
	}
	op = storage_add_mount(out, r, node, fstype, r->options, r->n_options, e);
	if (!op)
		return -1;
	out->detect_op = (size_t)(op - out->plan.ops);
	return 0;
}

static bool is_dax(const char *s, size_t n)
{
	return (n == strlen("dax") && strncmp(s, "dax", n) == 0) ||
	       (n == strlen("dax=always") && strncmp(s, "dax=always", n) == 0);
}

/* Of the mount's data: hosts ask for direct access without knowing the guest's kernel, or what the
 * device lets it do. The files are the same without. */
static int plan_no_dax(struct storage_plan *out, const char *data, struct err *e)
{
	char *text = arena_alloc(out->plan.a, strlen(data) + 1);
	bool has = false;
	struct str s;

	if (!text)
		return storage_no_memory(e);
	str_init(&s, text, strlen(data) + 1);
	for (;; data++) {
		size_t n = strcspn(data, ",");

		has = has || is_dax(data, n);
		if (!is_dax(data, n)) {
			str_add(&s, s.len ? "," : "");
			str_add_n(&s, data, n);
		}
		data += n;
		if (!*data)
			break;
	}
	out->no_dax = has ? text : NULL;
	return 0;
}

static int plan_pmem(const struct storage_req *r, const struct storage_ctx *ctx,
		     struct storage_plan *out, struct err *e)
{
	const char *data;

	if (plan_disk(r, ctx, out, e) < 0)
		return -1;
	data = out->plan.ops[out->detect_op].data;
	return data ? plan_no_dax(out, data, e) : 0;
}

const struct storage_driver storage_blk = { "blk", need_blk, plan_disk };
const struct storage_driver storage_mmioblk = { "mmioblk", need_node, plan_disk };
const struct storage_driver storage_scsi = { "scsi", need_scsi, plan_disk };
const struct storage_driver storage_nvdimm = { "nvdimm", need_pmem, plan_pmem };
