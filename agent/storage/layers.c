/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/layers.h"

#include "base/num.h"
#include "base/path.h"
#include "storage/driver.h"

#define DRIVER	"erofs.multi-layer"
#define OWN	"X-kata."
#define RUN_DIR "/run/kata-containers"
#define MOUNT0	"{{ mount 0 }}"
#define MOUNT1	"{{ mount 1 }}"

bool layers_is_one(const struct storage_req *r)
{
	for (size_t i = 0; i < r->n_options; i++)
		if (str_eq(r->options[i], OWN "multi-layer=true"))
			return true;
	return str_eq(r->driver, DRIVER);
}

/* --- options ---------------------------------------------------------------------------------- */

static int copy_text(char *to, size_t cap, const char *value, const char *what, struct err *e)
{
	struct str s;

	str_init(&s, to, cap);
	str_add(&s, value);
	return str_ok(&s) ? 0 : err_set(e, RC_INVALID_ARGUMENT, "%s: too long", what);
}

static int read_number(const char *value, uint64_t max, uint64_t *out, const char *what,
		       struct err *e)
{
	if (num_u64(value, max, out) == 0)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, "%s: \"%.32s\" is no number", what, value);
}

static int read_verity(struct storage_layer *l, const char *key, const char *value, struct err *e)
{
	struct verity *v = &l->verity;
	uint64_t n = 0;

	if (str_eq(key, "roothash"))
		return copy_text(v->root_hash, sizeof(v->root_hash), value, key, e);
	if (str_eq(key, "salt"))
		return copy_text(v->salt, sizeof(v->salt), value, key, e);
	if (str_eq(key, "algorithm"))
		return copy_text(v->algorithm, sizeof(v->algorithm), value, key, e);
	if (str_eq(key, "hashoffset"))
		return read_number(value, INT64_MAX, &v->hash_offset, key, e);
	if (str_eq(key, "no-superblock")) {
		v->no_superblock = str_eq(value, "true");
		return 0;
	}
	if (str_eq(key, "hashtype")) {
		v->set_hash_type = true;
		if (read_number(value, 1, &n, key, e) < 0)
			return -1;
		v->hash_type = (uint32_t)n;
		return 0;
	}
	if (!str_eq(key, "blocksize") && !str_eq(key, "hashsize"))
		return err_set(e, RC_UNIMPLEMENTED, "option dmverity.%.32s: not supported", key);
	if (read_number(value, UINT32_MAX, &n, key, e) < 0)
		return -1;
	*(*key == 'b' ? &v->data_block : &v->hash_block) = (uint32_t)n;
	return 0;
}

/* One of ours: KEY or KEY=VALUE. */
static int read_own(struct storage_layer *l, const char *option, struct arena *a, struct err *e)
{
	const char *equals = strchr(option, '=');
	const char *value = equals ? equals + 1 : "";
	char *key = arena_strndup(a, option, equals ? (size_t)(equals - option) : strlen(option));
	uint64_t n = 0;

	if (!key)
		return storage_no_memory(e);
	if (str_eq(key, "multi-layer"))
		return 0;
	if (str_eq(key, "overlay-upper") || str_eq(key, "overlay-lower")) {
		l->role |= str_eq(key, "overlay-upper") ? LAYER_UPPER : LAYER_LOWER;
		return 0;
	}
	if (str_eq(key, "gpt-partitioned") || str_eq(key, "dmverity-enabled")) {
		bool *to = *key == 'g' ? &l->partitioned : &l->checked;

		*to = str_eq(value, "true");
		return 0;
	}
	if (str_eq(key, "partition-number")) {
		if (read_number(value, 128, &n, key, e) < 0)
			return -1;
		l->partition = (uint32_t)n;
		return 0;
	}
	if (str_eq(key, "mkdir.path")) {
		l->n_dirs++;
		return 0;
	}
	if (str_starts(key, "dmverity."))
		return read_verity(l, key + strlen("dmverity."), value, e);
	return err_set(e, RC_UNIMPLEMENTED, "option %s%.64s: not supported", OWN, key);
}

static int check_layer(struct storage_layer *l, struct err *e)
{
	if (!l->role) /* told by its file system alone */
		l->role = str_eq(l->r->fstype, "erofs") ? LAYER_LOWER : LAYER_UPPER;
	if (l->role == (LAYER_UPPER | LAYER_LOWER))
		return err_set(e, RC_INVALID_ARGUMENT, "both upper and lower");
	if (l->role == LAYER_UPPER && !str_eq(l->r->fstype, "ext4"))
		return err_set(e, RC_INVALID_ARGUMENT, "the upper layer is ext4, not \"%s\"",
			       l->r->fstype);
	if (l->role == LAYER_LOWER && !str_eq(l->r->fstype, "erofs"))
		return err_set(e, RC_INVALID_ARGUMENT, "a lower layer is erofs, not \"%s\"",
			       l->r->fstype);
	if (l->partitioned != (l->partition > 0))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "gpt-partitioned and partition-number go together");
	if (l->role == LAYER_UPPER && (l->partitioned || l->checked))
		return err_set(e, RC_INVALID_ARGUMENT, "the upper layer is a whole disk, unchecked");
	/* never mounted unchecked where the host relies on it */
	if (!l->checked && *l->verity.root_hash)
		return err_set(e, RC_INVALID_ARGUMENT, "a root hash without dmverity-enabled=true");
	if (l->checked && (!*l->verity.root_hash || !l->verity.hash_offset))
		return err_set(e, RC_INVALID_ARGUMENT, "dmverity: roothash or hashoffset missing");
	return 0;
}

static int read_layer(struct storage_layer *l, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < l->r->n_options; i++)
		if (str_starts(l->r->options[i], OWN) &&
		    read_own(l, l->r->options[i] + strlen(OWN), a, e) < 0)
			return -1;
	return check_layer(l, e);
}

int layers_read(const struct storage_req *reqs, size_t n, const char *mount_point, struct arena *a,
		struct storage_layer *out, struct err *e)
{
	size_t count = 0, upper = 0;

	for (size_t i = 0; i < n; i++) {
		const char *point = layers_is_one(&reqs[i]) ?
					    storage_mount_point(a, reqs[i].mount_point) : "";

		if (!point)
			return storage_no_memory(e);
		if (!*point || !str_eq(point, mount_point))
			continue;
		if (count == LAYERS_MAX)
			return err_set(e, RC_INVALID_ARGUMENT, "more than %d layers", LAYERS_MAX);
		out[count] = (struct storage_layer){ .r = &reqs[i] };
		if (read_layer(&out[count], a, e) < 0)
			return err_ctx(e, "layer %zu", count);
		upper += out[count++].role == LAYER_UPPER;
	}
	if (upper > 1)
		return err_set(e, RC_INVALID_ARGUMENT, "%zu upper layers", upper);
	if (upper == count)
		return err_set(e, RC_INVALID_ARGUMENT, "no lower layer");
	return (int)count;
}

int layers_need(const struct storage_layer *l, struct device_need *out, struct err *e)
{
	const char *name = str_eq(l->r->driver, DRIVER) ? "blk" : l->r->driver;
	const struct storage_driver *d = storage_driver_find(name, e);

	if (!d)
		return -1;
	if (d->need)
		return d->need(l->r, out, e);
	return err_set(e, RC_INVALID_ARGUMENT, "driver %s: no disk, and so no layer", name);
}

/* --- the plan --------------------------------------------------------------------------------- */

/* The mount of one layer on base/name, with the options that are not ours. */
static int plan_layer(struct storage_layer *l, const char *node, char *at, struct arena *a,
		      struct storage_plan *out, struct err *e)
{
	char **opts = ARENA_ARRAY(a, char *, l->r->n_options + 1);
	struct storage_req r = *l->r;
	struct plan_op *op;
	size_t n = 0;

	l->node = arena_strdup(a, node);
	if (!opts || !l->node)
		return storage_no_memory(e);
	for (size_t i = 0; i < r.n_options; i++)
		if (!str_starts(r.options[i], OWN) && !str_eq(r.options[i], "loop"))
			opts[n++] = r.options[i];
	r.mount_point = at;
	op = storage_add_mount(out, &r, l->node, r.fstype, opts, n, e);
	if (!op)
		return -1;
	if (l->role == LAYER_LOWER)
		op->ms_flags |= MS_RDONLY;
	l->op = (size_t)(op - out->plan.ops);
	return 0;
}

/* PATH or PATH:MODE…, which begins with where a layer is mounted. */
static int plan_dir(const char *value, const char *base, struct arena *a, struct storage_plan *out,
		    struct err *e)
{
	size_t n = strcspn(value, ":");
	bool lower = str_starts(value, MOUNT1);
	char *path;

	if (!lower && !str_starts(value, MOUNT0))
		return err_set(e, RC_INVALID_ARGUMENT, "mkdir.path %.96s: does not begin with \"%s\"",
			       value, MOUNT0);
	path = arena_printf(a, "%s/%s%.*s", base, lower ? "lower-0" : "upper",
			    (int)(n - strlen(MOUNT0)), value + strlen(MOUNT0));
	if (!path)
		return storage_no_memory(e);
	if (!path_is_plain(path) || value[strlen(MOUNT0)] != '/')
		return err_set(e, RC_INVALID_ARGUMENT, "mkdir.path %.96s: with \"..\" in it", value);
	path = path_clean(a, path);
	if (!path)
		return storage_no_memory(e);
	return plan_add(&out->plan, PLAN_MKDIR, path, e) ? 0 : -1;
}

static int plan_dirs(const struct storage_req *r, const char *base, struct arena *a,
		     struct storage_plan *out, struct err *e)
{
	for (size_t i = 0; i < r->n_options; i++) {
		const char *value = storage_option_value(r->options[i], OWN "mkdir.path");

		if (value && plan_dir(value, base, a, out, e) < 0)
			return -1;
	}
	return 0;
}

static int plan_overlay(size_t lowers, const char *base, const char *mount_point, struct arena *a,
			struct storage_plan *out, struct err *e)
{
	const struct storage_req r = { .mount_point = mount_point };
	size_t cap = (lowers + 1) * (strlen(base) + 32);
	char *text = arena_alloc(a, cap), *opts[3];
	struct str s;

	opts[1] = arena_printf(a, "upperdir=%s/upper/upper", base);
	opts[2] = arena_printf(a, "workdir=%s/upper/work", base);
	if (!text || !opts[1] || !opts[2])
		return storage_no_memory(e);
	str_init(&s, text, cap);
	str_add(&s, "lowerdir=");
	for (size_t i = 0; i < lowers; i++)
		str_addf(&s, "%s%s/lower-%zu", i ? ":" : "", base, i);
	opts[0] = text;
	for (size_t i = 1; i < 3; i++)
		if (!plan_add(&out->plan, PLAN_MKDIR, strchr(opts[i], '/'), e))
			return -1;
	return storage_add_mount(out, &r, "overlay", "overlay", opts, 3, e) ? 0 : -1;
}

int layers_plan(struct storage_layer *v, size_t n, const struct device_found *nodes,
		const char *container_id, const char *mount_point, struct arena *a,
		struct storage_plan *out, struct err *e)
{
	char *base = arena_printf(a, RUN_DIR "/%s/multi-layer",
				  container_id ? container_id : "sandbox");
	size_t lowers = 0;

	*out = (struct storage_plan){ .layers = v, .n_layers = n, .layers_base = base };
	plan_init(&out->plan, a);
	if (!base)
		return storage_no_memory(e);
	if (storage_place_check(mount_point, e) < 0)
		return err_ctx(e, "mount point");
	for (int role = LAYER_UPPER; role <= LAYER_LOWER; role++) {
		for (size_t i = 0; i < n; i++) {
			char *at = role == LAYER_UPPER ? arena_printf(a, "%s/upper", base) :
							 arena_printf(a, "%s/lower-%zu", base, lowers);

			if (!at)
				return storage_no_memory(e);
			if ((int)v[i].role != role)
				continue;
			if (plan_layer(&v[i], nodes[i].node, at, a, out, e) < 0)
				return err_ctx(e, "layer %zu", i);
			lowers += role == LAYER_LOWER;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (plan_dirs(v[i].r, base, a, out, e) < 0)
			return err_ctx(e, "layer %zu", i);
	return plan_overlay(lowers, base, mount_point, a, out, e);
}

/* --- as a driver: a layer that is alone ------------------------------------------------------- */

static int need(const struct storage_req *r, struct device_need *out, struct err *e)
{
	const struct storage_layer one = { .r = r };

	return layers_need(&one, out, e);
}

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	struct arena *a = out->plan.a;
	struct storage_layer *one = ARENA_ARRAY(a, struct storage_layer, 1);

	if (!one)
		return storage_no_memory(e);
	if (layers_read(r, 1, r->mount_point, a, one, e) < 0)
		return -1;
	return layers_plan(one, 1, ctx->device, ctx->container_id, r->mount_point, a, out, e);
}

const struct storage_driver storage_layers = { DRIVER, need, plan };
