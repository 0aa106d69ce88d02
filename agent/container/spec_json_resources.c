/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources from JSON. A table says which members are numbers and where they go; the lists
 * are read by hand. The first error sticks, and what follows it is harmless.
 */
#include "container/spec_json_resources.h"

#define ROOT "linux.resources"

struct reader {
	struct arena *a;
	struct err *e;
};

/* --- values --- */

static void bad(struct reader *r, const char *field, const char *why)
{
	err_set(r->e, RC_INVALID_ARGUMENT, ROOT ".%s: %s", field, why);
}

static bool absent(yyjson_val *v)
{
	return !v || yyjson_is_null(v);
}

/* A member that must be an object; NULL when it is absent, or is none. */
static yyjson_val *object(struct reader *r, yyjson_val *in, const char *name)
{
	yyjson_val *v = yyjson_obj_get(in, name);

	if (absent(v))
		return NULL;
	if (yyjson_is_obj(v))
		return v;
	bad(r, name, "not an object");
	return NULL;
}

static yyjson_val *array(struct reader *r, yyjson_val *in, const char *name)
{
	yyjson_val *v = yyjson_obj_get(in, name);

	if (absent(v))
		return NULL;
	if (yyjson_is_arr(v))
		return v;
	bad(r, name, "not an array");
	return NULL;
}

/* Above INT64_MAX only "no limit" is written, as the largest number there is. */
static int64_t whole(struct reader *r, const char *field, yyjson_val *v, int64_t otherwise)
{
	if (absent(v))
		return otherwise;
	if (yyjson_is_sint(v))
		return yyjson_get_sint(v);
	if (yyjson_is_uint(v))
		return (int64_t)MIN(yyjson_get_uint(v), (uint64_t)INT64_MAX);
	bad(r, field, "not a whole number");
	return otherwise;
}

static uint64_t whole_u64(struct reader *r, const char *field, yyjson_val *v)
{
	if (yyjson_is_uint(v))
		return yyjson_get_uint(v);
	bad(r, field, "not a whole number above 0");
	return 0;
}

static bool flag(struct reader *r, const char *field, yyjson_val *v)
{
	if (!absent(v) && !yyjson_is_bool(v))
		bad(r, field, "not true or false");
	return yyjson_is_true(v);
}

/* "" when absent; a NUL inside would end it early for the kernel. */
static const char *word(struct reader *r, const char *field, yyjson_val *v)
{
	const char *s = yyjson_get_str(v);

	if (absent(v))
		return "";
	if (!s || strlen(s) != yyjson_get_len(v)) {
		bad(r, field, "not a text");
		return "";
	}
	s = arena_strdup(r->a, s);
	if (!s)
		err_sys(r->e, ENOMEM, ROOT);
	return s ? s : "";
}

static void *list(struct reader *r, size_t n, size_t size)
{
	void *p = n ? arena_calloc(r->a, n, size) : NULL;

	if (n && !p)
		err_sys(r->e, ENOMEM, ROOT);
	return p;
}

#define LIST(r, type, n) ((type *)list((r), (n), sizeof(type)))

/* --- numbers --- */

#define AT(member) offsetof(struct cgroup_limits, member)

static const struct {
	const char *object, *name, *field;
	size_t at; /* of an int64_t */
} numbers[] = {
	{ "memory", "limit", "memory.limit", AT(memory) },
	{ "memory", "reservation", "memory.reservation", AT(reservation) },
	{ "memory", "swap", "memory.swap", AT(swap) },
	{ "memory", "kernel", "memory.kernel", AT(kernel) },
	{ "memory", "kernelTCP", "memory.kernelTCP", AT(kernel_tcp) },
	{ "memory", "swappiness", "memory.swappiness", AT(swappiness) },
	{ "cpu", "shares", "cpu.shares", AT(cpu_shares) },
	{ "cpu", "quota", "cpu.quota", AT(cpu_quota) },
	{ "cpu", "burst", "cpu.burst", AT(cpu_burst) },
	{ "cpu", "period", "cpu.period", AT(cpu_period) },
	{ "cpu", "realtimeRuntime", "cpu.realtimeRuntime", AT(rt_runtime) },
	{ "cpu", "realtimePeriod", "cpu.realtimePeriod", AT(rt_period) },
	{ "cpu", "idle", "cpu.idle", AT(cpu_idle) },
	{ "pids", "limit", "pids.limit", AT(pids) },
	{ "blockIO", "weight", "blockIO.weight", AT(block_weight) },
	{ "blockIO", "leafWeight", "blockIO.leafWeight", AT(block_leaf_weight) },
	{ "network", "classID", "network.classID", AT(net_class_id) },
};

static void read_numbers(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		yyjson_val *from = object(r, in, numbers[i].object);

		*(int64_t *)((char *)out + numbers[i].at) = whole(
			r, numbers[i].field, yyjson_obj_get(from, numbers[i].name), CGROUP_UNSET);
	}
}

static void read_others(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	yyjson_val *memory = object(r, in, "memory"), *cpu = object(r, in, "cpu");

	out->disable_oom_killer =
		flag(r, "memory.disableOOMKiller", yyjson_obj_get(memory, "disableOOMKiller"));
	out->use_hierarchy = flag(r, "memory.useHierarchy", yyjson_obj_get(memory, "useHierarchy"));
	out->check_usage =
		flag(r, "memory.checkBeforeUpdate", yyjson_obj_get(memory, "checkBeforeUpdate"));
	out->cpus = word(r, "cpu.cpus", yyjson_obj_get(cpu, "cpus"));
	out->mems = word(r, "cpu.mems", yyjson_obj_get(cpu, "mems"));
}

/* --- devices --- */

static void read_device(struct reader *r, yyjson_val *in, size_t i, struct cgroup_device_rule *out)
{
	const char *type = word(r, "devices.type", yyjson_obj_get(in, "type"));
	const char *access = word(r, "devices.access", yyjson_obj_get(in, "access"));
	const char *why;

	*out = (struct cgroup_device_rule){
		.allow = flag(r, "devices.allow", yyjson_obj_get(in, "allow")),
		.type = *type ? *type : 'a',
		.major = whole(r, "devices.major", yyjson_obj_get(in, "major"), -1),
		.minor = whole(r, "devices.minor", yyjson_obj_get(in, "minor"), -1),
	};
	if (*type && type[1])
		out->type = '?';
	if (spec_parse_device_access(access, &out->access) < 0)
		out->access = ~0u;
	if (out->type == 'a' && !*access)
		out->access = CGROUP_DEV_ALL;
	why = cgroup_device_rule_error(out);
	if (why)
		err_set(r->e, RC_INVALID_ARGUMENT, ROOT ".devices[%zu]: %s", i, why);
}

static void read_devices(struct reader *r, yyjson_val *in, struct spec_resources *out)
{
	yyjson_val *v = array(r, in, "devices"), *item;
	size_t i, n;

	out->devices = LIST(r, struct cgroup_device_rule, yyjson_arr_size(v));
	if (!out->devices)
		return;
	yyjson_arr_foreach(v, i, n, item)
	{
		read_device(r, item, i, &out->devices[i]);
		out->n_devices = i + 1;
	}
}

/* --- lists of limits --- */

static void read_weights(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	yyjson_val *v = array(r, in, "weightDevice"), *item;
	const char *field = "blockIO.weightDevice";
	size_t i, n;

	out->block_weights = LIST(r, struct cgroup_block_weight, yyjson_arr_size(v));
	if (!out->block_weights)
		return;
	yyjson_arr_foreach(v, i, n, item)
	{
		out->block_weights[i] = (struct cgroup_block_weight){
			whole(r, field, yyjson_obj_get(item, "major"), -1),
			whole(r, field, yyjson_obj_get(item, "minor"), -1),
			whole(r, field, yyjson_obj_get(item, "weight"), CGROUP_UNSET),
			whole(r, field, yyjson_obj_get(item, "leafWeight"), CGROUP_UNSET),
		};
		out->n_block_weights = i + 1;
	}
}

static void read_rates(struct reader *r, yyjson_val *in, const char *name,
		       struct cgroup_block_rates *out)
{
	yyjson_val *v = array(r, in, name), *item;
	size_t i, n;

	out->v = LIST(r, struct cgroup_block_rate, yyjson_arr_size(v));
	if (!out->v)
		return;
	yyjson_arr_foreach(v, i, n, item)
	{
		out->v[i] = (struct cgroup_block_rate){
			whole(r, name, yyjson_obj_get(item, "major"), -1),
			whole(r, name, yyjson_obj_get(item, "minor"), -1),
			whole_u64(r, name, yyjson_obj_get(item, "rate")),
		};
		out->n = i + 1;
	}
}

static void read_block_io(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	static const char *const names[CGROUP_BLOCK_RATES] = {
		[CGROUP_READ_BPS] = "throttleReadBpsDevice",
		[CGROUP_WRITE_BPS] = "throttleWriteBpsDevice",
		[CGROUP_READ_IOPS] = "throttleReadIOPSDevice",
		[CGROUP_WRITE_IOPS] = "throttleWriteIOPSDevice",
	};
	yyjson_val *v = object(r, in, "blockIO");

	read_weights(r, v, out);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		read_rates(r, v, names[i], &out->block_rates[i]);
}

static void read_hugepages(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	yyjson_val *v = array(r, in, "hugepageLimits"), *item;
	size_t i, n;

	out->hugepages = LIST(r, struct cgroup_hugepage, yyjson_arr_size(v));
	if (!out->hugepages)
		return;
	yyjson_arr_foreach(v, i, n, item)
	{
		out->hugepages[i] = (struct cgroup_hugepage){
			word(r, "hugepageLimits.pageSize", yyjson_obj_get(item, "pageSize")),
			whole_u64(r, "hugepageLimits.limit", yyjson_obj_get(item, "limit")),
		};
		out->n_hugepages = i + 1;
	}
}

static void read_priorities(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	yyjson_val *v = array(r, object(r, in, "network"), "priorities"), *item;
	size_t i, n;

	out->net_priorities = LIST(r, struct cgroup_priority, yyjson_arr_size(v));
	if (!out->net_priorities)
		return;
	yyjson_arr_foreach(v, i, n, item)
	{
		int64_t priority = whole(r, "network.priorities.priority",
					 yyjson_obj_get(item, "priority"), 0);

		if (priority < 0 || priority > UINT32_MAX)
			bad(r, "network.priorities.priority", "out of range");
		out->net_priorities[i] = (struct cgroup_priority){
			word(r, "network.priorities.name", yyjson_obj_get(item, "name")),
			(uint32_t)priority,
		};
		out->n_net_priorities = i + 1;
	}
}

static void read_rdma(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	yyjson_val *v = object(r, in, "rdma"), *key, *item;
	size_t i, n;

	out->rdma = LIST(r, struct cgroup_rdma, yyjson_obj_size(v));
	if (!out->rdma)
		return;
	yyjson_obj_foreach(v, i, n, key, item)
	{
		out->rdma[i] = (struct cgroup_rdma){
			word(r, "rdma", key),
			whole(r, "rdma.hcaHandles", yyjson_obj_get(item, "hcaHandles"),
			      CGROUP_UNSET),
			whole(r, "rdma.hcaObjects", yyjson_obj_get(item, "hcaObjects"),
			      CGROUP_UNSET),
		};
		out->n_rdma = i + 1;
	}
}

static void read_unified(struct reader *r, yyjson_val *in, struct cgroup_limits *out)
{
	yyjson_val *v = object(r, in, "unified"), *key, *item;
	size_t i, n;

	out->unified = LIST(r, struct cgroup_unified, yyjson_obj_size(v));
	if (!out->unified)
		return;
	yyjson_obj_foreach(v, i, n, key, item)
	{
		out->unified[i] = (struct cgroup_unified){ word(r, "unified", key),
							   word(r, "unified", item) };
		out->n_unified = i + 1;
	}
}

struct spec_resources *spec_json_resources(struct arena *a, yyjson_val *v, struct err *e)
{
	struct reader r = { a, e };
	struct spec_resources *out = spec_resources_new(a);

	if (!out) {
		err_sys(e, ENOMEM, ROOT);
		return NULL;
	}
	if (!yyjson_is_obj(v)) {
		err_set(e, RC_INVALID_ARGUMENT, ROOT ": not an object");
		return NULL;
	}
	read_numbers(&r, v, &out->limits);
	read_others(&r, v, &out->limits);
	read_devices(&r, v, out);
	read_block_io(&r, v, &out->limits);
	read_hugepages(&r, v, &out->limits);
	read_priorities(&r, v, &out->limits);
	read_rdma(&r, v, &out->limits);
	read_unified(&r, v, &out->limits);
	return err_is_set(e) ? NULL : out;
}
