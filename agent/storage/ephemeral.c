/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory as a filesystem: tmpfs with its options (size=, mode=, …), or huge pages, which are
 * reserved first. fsgid=GID is ours: the group of the root directory, with the set-group-ID bit.
 *
 * It lives as long as the sandbox, so that a container that is started anew finds its files: one
 * that is there already is taken as it is.
 */
#include "base/num.h"
#include "storage/driver.h"

#define SETGID		02000
#define MAX_PIECES	2048
#define HUGEPAGES	"/sys/kernel/mm/hugepages"

/* The options, one by one: hosts also send several in one string ("pagesize=2097152,
 * size=4194304"). */
struct options {
	char **v;	/* without fsgid= */
	size_t n;
	unsigned int given;	/* enum given */
	gid_t gid;
	mode_t mode;
	uint64_t page_bytes, size_bytes;
};

enum given { GIVEN_GID = 0x1, GIVEN_MODE = 0x2, GIVEN_PAGE = 0x4, GIVEN_SIZE = 0x8 };

static int parse_bytes(const char *key, const char *text, uint64_t *out, struct err *e)
{
	if (num_u64(text, INT64_MAX, out) == 0)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, "%s=%.32s: not a number of bytes", key, text);
}

static int read_piece(const struct storage_req *r, struct options *o, char *piece, struct err *e)
{
	const char *value = storage_option_value(piece, "fsgid");

	if (value) {
		o->given |= GIVEN_GID;
		return storage_parse_gid(value, &o->gid, e);
	}
	o->v[o->n++] = piece;
	value = storage_option_value(piece, "mode");
	if (value) {
		o->given |= GIVEN_MODE;
		return storage_parse_mode(value, &o->mode, e);
	}
	if (!str_eq(r->fstype, "hugetlbfs"))
		return 0;	/* tmpfs understands more forms of a size than we do */
	value = storage_option_value(piece, "pagesize");
	if (value) {
		o->given |= GIVEN_PAGE;
		return parse_bytes("pagesize", value, &o->page_bytes, e);
	}
	value = storage_option_value(piece, "size");
	if (value) {
		o->given |= GIVEN_SIZE;
		return parse_bytes("size", value, &o->size_bytes, e);
	}
	return 0;
}

static int split(const struct storage_req *r, struct arena *a, struct options *o, struct err *e)
{
	size_t pieces = 0;

	for (size_t i = 0; i < r->n_options; i++) {
		pieces++;
		for (const char *s = r->options[i]; *s; s++)
			pieces += *s == ',';
	}
	if (pieces > MAX_PIECES)
		return err_set(e, RC_INVALID_ARGUMENT, "%zu options: more than %d", pieces,
			       MAX_PIECES);
	o->v = ARENA_ARRAY(a, char *, pieces);
	if (!o->v)
		return storage_no_memory(e);
	for (size_t i = 0; i < r->n_options; i++) {
		for (const char *s = r->options[i];; s++) {
			size_t n = strcspn(s, ",");
			char *piece = arena_strndup(a, s, n);

			if (!piece)
				return storage_no_memory(e);
			if (n && read_piece(r, o, piece, e) < 0)
				return -1;
			s += n;
			if (!*s)
				break;
		}
	}
	return 0;
}

static int plan_hugepages(const struct options *o, struct storage_plan *out, struct err *e)
{
	if ((o->given & (GIVEN_PAGE | GIVEN_SIZE)) != (GIVEN_PAGE | GIVEN_SIZE))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "hugetlbfs: options pagesize=BYTES and size=BYTES missing");
	if (o->page_bytes < 1024 || (o->page_bytes & (o->page_bytes - 1)))
		return err_set(e, RC_INVALID_ARGUMENT, "hugetlbfs: no page has %llu bytes",
			       (unsigned long long)o->page_bytes);
	out->hugepages_count = o->size_bytes / o->page_bytes + (o->size_bytes % o->page_bytes != 0);
	out->hugepages_dir = arena_printf(out->plan.a, HUGEPAGES "/hugepages-%llukB",
					  (unsigned long long)(o->page_bytes / 1024));
	return out->hugepages_dir ? 0 : storage_no_memory(e);
}

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	const char *fstype = *r->fstype ? r->fstype : "tmpfs";
	bool huge = str_eq(fstype, "hugetlbfs");
	struct options o = { .mode = huge ? 0755 : 01777 };	/* the filesystems' own defaults */
	struct plan_op *op;

	(void)ctx;
	if (!huge && !str_eq(fstype, "tmpfs") && !str_eq(fstype, "ramfs"))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "ephemeral: fstype \"%s\" is not tmpfs, ramfs or hugetlbfs", fstype);
	if (split(r, out->plan.a, &o, e) < 0 || (huge && plan_hugepages(&o, out, e) < 0))
		return -1;
	out->flags |= STORAGE_KEEP;
	op = storage_add_mount(out, r, *r->source ? r->source : fstype, fstype, o.v, o.n, e);
	if (!op)
		return -1;
	op->flags |= PLAN_SKIP_MOUNTED;
	if (!(o.given & GIVEN_GID))
		return 0;
	op = plan_add(&out->plan, PLAN_CHOWN, r->mount_point, e);
	if (!op)
		return -1;
	op->gid = o.gid;
	op = plan_add(&out->plan, PLAN_CHMOD, r->mount_point, e);
	if (!op)
		return -1;
	op->mode = o.mode | SETGID;
	return 0;
}

const struct storage_driver storage_ephemeral = { "ephemeral", NULL, plan };
