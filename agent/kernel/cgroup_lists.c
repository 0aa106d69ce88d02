/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of an OCI spec's resources as rows: block I/O, huge pages, network priorities, RDMA and
 * version 2's own files. One line a device, since the kernel takes one at a time. Pure.
 */
#include "base/str.h"
#include "kernel/cgroup_ops.h"
#include "kernel/cgroup_values.h"

#define WEIGHT_MIN 10
#define WEIGHT_MAX 1000
#define NUMBER_MAX ((int64_t)INT32_MAX) /* of a device */

/* --- block I/O --- */

static bool weight_given(int64_t w)
{
	return w != CGROUP_UNSET && w != 0;
}

static bool weight_is_good(int64_t w)
{
	return !weight_given(w) || (w >= WEIGHT_MIN && w <= WEIGHT_MAX);
}

/* io.weight counts from 1 to 10000. */
static int64_t io_weight_of(int64_t w)
{
	return 1 + (w - WEIGHT_MIN) * 9999 / (WEIGHT_MAX - WEIGHT_MIN);
}

/* BFQ's file where that scheduler is built in, the other one else. device: "8:0 ", or "". */
static int add_weight(struct cgroup_values *r, enum cgroup_version v, const char *device, int64_t w,
		      struct err *e)
{
	bool v1 = v == CGROUP_VERSION_1, one = device && *device;
	const char *bfq =
		v1 ? one ? "blkio.bfq.weight_device" : "blkio.bfq.weight" : "io.bfq.weight";
	const char *other = v1 ? one ? "blkio.weight_device" : "blkio.weight" : "io.weight";
	const char *text;

	if (!weight_given(w))
		return 0;
	text = device ? arena_printf(r->a, "%s%lld", device, (long long)w) : NULL;
	if (cgroup_row(r, CGROUP_IO, bfq, text, CGROUP_VALUE_OR_NEXT, e) < 0)
		return -1;
	if (!v1)
		text = arena_printf(r->a, "%s%lld", device, (long long)io_weight_of(w));
	return cgroup_row(r, CGROUP_IO, other, text, 0, e);
}

/* Of a scheduler that is gone since Linux 5.0: its files are looked for all the same. */
static int add_leaf_weight(struct cgroup_values *r, enum cgroup_version v, const char *device,
			   int64_t w, struct err *e)
{
	if (!weight_given(w))
		return 0;
	if (v == CGROUP_VERSION_2)
		return cgroup_no_file("blockIO.leafWeight", v, e);
	return cgroup_row(r, CGROUP_IO,
			  device && *device ? "blkio.leaf_weight_device" : "blkio.leaf_weight",
			  device ? arena_printf(r->a, "%s%lld", device, (long long)w) : NULL, 0, e);
}

static int check_number(const char *field, int64_t major, int64_t minor, struct err *e)
{
	if (major < 0 || minor < 0 || major > NUMBER_MAX || minor > NUMBER_MAX)
		return cgroup_bad(field, "not the number of a device", e);
	return 0;
}

static int add_weights(struct cgroup_values *r, enum cgroup_version v,
		       const struct cgroup_limits *l, struct err *e)
{
	if (!weight_is_good(l->block_weight) || !weight_is_good(l->block_leaf_weight))
		return cgroup_bad("blockIO.weight", "not in 10..1000", e);
	if (add_weight(r, v, "", l->block_weight, e) < 0 ||
	    add_leaf_weight(r, v, "", l->block_leaf_weight, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n_block_weights; i++) {
		const struct cgroup_block_weight *w = &l->block_weights[i];
		const char *device =
			arena_printf(r->a, "%lld:%lld ", (long long)w->major, (long long)w->minor);

		if (check_number("blockIO.weightDevice", w->major, w->minor, e) < 0)
			return -1;
		if (!weight_is_good(w->weight) || !weight_is_good(w->leaf_weight))
			return cgroup_bad("blockIO.weightDevice", "not in 10..1000", e);
		if (add_weight(r, v, device, w->weight, e) < 0 ||
		    add_leaf_weight(r, v, device, w->leaf_weight, e) < 0)
			return -1;
	}
	return 0;
}

static const struct {
	const char *field, *v1, *v2;
} rates[CGROUP_BLOCK_RATES] = {
	[CGROUP_READ_BPS] = { "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device",
			      "rbps" },
	[CGROUP_WRITE_BPS] = { "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device",
			       "wbps" },
	[CGROUP_READ_IOPS] = { "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device",
			       "riops" },
	[CGROUP_WRITE_IOPS] = { "blockIO.throttleWriteIOPSDevice",
				"blkio.throttle.write_iops_device", "wiops" },
};

/* Version 1 takes 0 for "no limit", version 2 a word. */
static const char *rate_text(struct arena *a, enum cgroup_version v, const char *word,
			     const struct cgroup_block_rate *b)
{
	long long major = b->major, minor = b->minor;
	unsigned long long rate = b->rate;

	if (v == CGROUP_VERSION_1)
		return arena_printf(a, "%lld:%lld %llu", major, minor, rate);
	if (!rate)
		return arena_printf(a, "%lld:%lld %s=max", major, minor, word);
	return arena_printf(a, "%lld:%lld %s=%llu", major, minor, word, rate);
}

static int add_rates(struct cgroup_values *r, enum cgroup_version v, const struct cgroup_limits *l,
		     size_t kind, struct err *e)
{
	const struct cgroup_block_rates *list = &l->block_rates[kind];

	for (size_t i = 0; i < list->n; i++) {
		const struct cgroup_block_rate *b = &list->v[i];

		if (check_number(rates[kind].field, b->major, b->minor, e) < 0 ||
		    cgroup_row(r, CGROUP_IO, v == CGROUP_VERSION_1 ? rates[kind].v1 : "io.max",
			       rate_text(r->a, v, rates[kind].v2, b),
			       b->rate ? 0 : CGROUP_VALUE_OPTIONAL, e) < 0)
			return -1;
	}
	return 0;
}

/* --- huge pages --- */

/* "2MB", as in the file's name. */
static bool is_page_size(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n && n < 12 && text[n] && strchr("KMG", text[n]) && str_eq(text + n + 1, "B");
}

static int add_hugepages(struct cgroup_values *r, enum cgroup_version v,
			 const struct cgroup_limits *l, struct err *e)
{
	const char *suffix = v == CGROUP_VERSION_1 ? "limit_in_bytes" : "max";

	for (size_t i = 0; i < l->n_hugepages; i++) {
		const struct cgroup_hugepage *h = &l->hugepages[i];
		const char *text = arena_printf(r->a, "%llu", (unsigned long long)h->limit);

		if (!is_page_size(h->page_size))
			return cgroup_bad("hugepageLimits", "pageSize is not like 2MB", e);
		if (cgroup_row(r, CGROUP_HUGETLB,
			       arena_printf(r->a, "hugetlb.%s.%s", h->page_size, suffix), text, 0,
			       e) < 0)
			return -1;
		/* What is reserved counts too, where the kernel counts it: a program that maps more
		 * than it may use is told at once, and not killed later. */
		if (cgroup_row(r, CGROUP_HUGETLB,
			       arena_printf(r->a, "hugetlb.%s.rsvd.%s", h->page_size, suffix), text,
			       CGROUP_VALUE_OPTIONAL, e) < 0)
			return -1;
	}
	return 0;
}

/* --- network, RDMA --- */

/* One word of a line of the kernel's. */
static bool is_word(const char *text)
{
	if (!*text || strlen(text) > 64)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text == 127)
			return false;
	return true;
}

static int add_priorities(struct cgroup_values *r, enum cgroup_version v,
			  const struct cgroup_limits *l, struct err *e)
{
	for (size_t i = 0; i < l->n_net_priorities; i++) {
		const struct cgroup_priority *p = &l->net_priorities[i];

		if (v == CGROUP_VERSION_2)
			return cgroup_no_file("network.priorities", v, e);
		if (!is_word(p->name))
			return cgroup_bad("network.priorities", "no name of an interface", e);
		if (cgroup_row(r, CGROUP_NET_PRIO, "net_prio.ifpriomap",
			       arena_printf(r->a, "%s %u", p->name, p->priority), 0, e) < 0)
			return -1;
	}
	return 0;
}

static int add_rdma(struct cgroup_values *r, const struct cgroup_limits *l, struct err *e)
{
	for (size_t i = 0; i < l->n_rdma; i++) {
		const struct cgroup_rdma *d = &l->rdma[i];
		char text[192];
		struct str s = STR_OVER(text);

		if (!is_word(d->device))
			return cgroup_bad("rdma", "no name of a device", e);
		if (d->handles == CGROUP_UNSET && d->objects == CGROUP_UNSET)
			continue;
		str_addf(&s, "%s", d->device);
		if (d->handles != CGROUP_UNSET)
			str_addf(&s, " hca_handle=%lld", (long long)d->handles);
		if (d->objects != CGROUP_UNSET)
			str_addf(&s, " hca_object=%lld", (long long)d->objects);
		if (cgroup_row(r, CGROUP_RDMA, "rdma.max", arena_strdup(r->a, text), 0, e) < 0)
			return -1;
	}
	return 0;
}

/* --- unified --- */

/* Files of version 2's core that are limits. The others move processes, kill or freeze them. */
static bool is_core_limit(const char *key)
{
	static const char *const limits[] = { "cgroup.max.depth", "cgroup.max.descendants",
					      "cgroup.pressure" };

	for (size_t i = 0; i < COUNT_OF(limits); i++)
		if (str_eq(key, limits[i]))
			return true;
	return false;
}

/* CONTROLLER.PARAMETER, one plain file name. */
static bool is_unified_key(const char *key)
{
	const char *dot = strchr(key, '.');

	return dot && dot != key && dot[1] && strlen(key) < 128 &&
	       !key[strspn(key, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")];
}

static unsigned int controller_of_key(const char *key)
{
	size_t n = strcspn(key, ".");

	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_names[i].v2;

		if (name && strlen(name) == n && memcmp(name, key, n) == 0)
			return cgroup_controller_names[i].bit;
	}
	return 0;
}

static int add_lines(struct cgroup_values *r, unsigned int controller,
		     const struct cgroup_unified *u, struct err *e)
{
	for (const char *at = u->value; *at;) {
		size_t n = strcspn(at, "\n");

		if (n && cgroup_row(r, controller, u->key, arena_strndup(r->a, at, n), 0, e) < 0)
			return -1;
		at += n + (at[n] == '\n');
	}
	return 0;
}

static int add_unified(struct cgroup_values *r, enum cgroup_version v,
		       const struct cgroup_limits *l, struct err *e)
{
	for (size_t i = 0; i < l->n_unified; i++) {
		const struct cgroup_unified *u = &l->unified[i];
		unsigned int controller = controller_of_key(u->key);

		if (v != CGROUP_VERSION_2)
			return cgroup_no_file("unified", v, e);
		if (!is_unified_key(u->key))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.resources.unified: \"%.64s\" is not the name of a "
				       "controller's file",
				       u->key);
		if (str_starts(u->key, "cgroup.") && !is_core_limit(u->key))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.resources.unified: \"%.64s\" is no limit", u->key);
		if (!controller && !is_core_limit(u->key))
			return err_set(e, RC_FAILED_PRECONDITION,
				       "linux.resources.unified: \"%.64s\" is of a controller "
				       "that this agent does not use",
				       u->key);
		if (add_lines(r, controller, u, e) < 0)
			return -1;
	}
	return 0;
}

int cgroup_list_values(enum cgroup_version v, const struct cgroup_limits *l,
		       struct cgroup_values *r, struct err *e)
{
	if (add_weights(r, v, l, e) < 0)
		return -1;
	for (size_t kind = 0; kind < CGROUP_BLOCK_RATES; kind++)
		if (add_rates(r, v, l, kind, e) < 0)
			return -1;
	if (add_hugepages(r, v, l, e) < 0 || add_priorities(r, v, l, e) < 0 ||
	    add_rdma(r, l, e) < 0)
		return -1;
	return add_unified(r, v, l, e);
}
