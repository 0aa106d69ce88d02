/* SPDX-License-Identifier: Apache-2.0 */
/* The table of "linux" in a config.json. */
#include <sys/stat.h>

#include "container/spec_json_resources.h"
#include "container/spec_json_table.h"

#define MODE_MAX	0177777	/* Go's hosts send the type's bits along */

const struct spec_json_object spec_json_id_map = {
	sizeof(struct spec_id_map), NULL, {
		ROW("containerID", spec_json_u32, offsetof(struct spec_id_map, container_id),
		    .required = true),
		ROW("hostID", spec_json_u32, offsetof(struct spec_id_map, host_id),
		    .required = true),
		ROW("size", spec_json_u32, offsetof(struct spec_id_map, size), .required = true),
		{ 0 },
	},
};

/* --- namespaces ---------------------------------------------------------------------------- */

struct ns_entry {
	const char *type, *path;
};

static const struct spec_json_object ns_entry = {
	sizeof(struct ns_entry), NULL, {
		ROW("type", spec_json_word, offsetof(struct ns_entry, type), .required = true),
		ROW("path", spec_json_text, offsetof(struct ns_entry, path)),
		{ 0 },
	},
};

static SPEC_JSON_READER(read_namespace)
{
	const struct spec_json_at type_at = { at, "type", 0 };
	struct spec_namespace *all = (struct spec_namespace *)(void *)((char *)obj + m->offset);
	struct ns_entry entry = { 0 };
	int type;

	spec_json_object(j, at, v, &ns_entry, &entry);
	if (err_is_set(j->e))
		return;
	type = ns_by_name(entry.type);
	if (type < 0) {
		spec_json_bad(j, &type_at, "unknown \"%.20s\"", entry.type);
		return;
	}
	if (all[type].want)
		spec_json_bad(j, at, "a second %s namespace", entry.type);
	all[type] = (struct spec_namespace){ true, entry.path };
}

static SPEC_JSON_READER(read_namespaces)
{
	yyjson_val *entry;
	size_t i, n;

	if (!yyjson_is_arr(v)) {
		spec_json_bad(j, at, "a list is wanted, not %s", yyjson_get_type_desc(v));
		return;
	}
	yyjson_arr_foreach(v, i, n, entry) {
		const struct spec_json_at here = { at, NULL, i };

		if (!err_is_set(j->e))
			read_namespace(j, &here, entry, m, obj);
	}
}

/* --- devices ------------------------------------------------------------------------------- */

/* Numbers that are missing are no numbers. */
static void preset_device(void *obj)
{
	struct spec_device *d = obj;

	d->major = d->minor = -1;
}

static SPEC_JSON_READER(read_device_type)
{
	struct spec_device *d = obj;
	const char *name = spec_json_copy(j, at, v);

	(void)m;
	if (name && spec_parse_device_type(name, &d->type) < 0)
		spec_json_bad(j, at, "\"%.8s\" is not c, b, u or p", name);
}

static SPEC_JSON_READER(read_file_mode)
{
	struct spec_device *d = obj;
	uint64_t mode;

	(void)m;
	if (!spec_json_number(j, at, v, MODE_MAX, &mode))
		return;
	d->mode = (uint32_t)mode & 07777;
	d->mode_set = true;
}

#define D(field)	offsetof(struct spec_device, field)

static const struct spec_json_object device = {
	sizeof(struct spec_device), preset_device, {
		ROW("path", spec_json_text, D(path), .required = true),
		ROW("type", read_device_type, 0, .required = true),
		ROW("major", spec_json_i64, D(major)),
		ROW("minor", spec_json_i64, D(minor)),
		ROW("fileMode", read_file_mode, 0),
		ROW("uid", spec_json_u32, D(uid)),
		ROW("gid", spec_json_u32, D(gid)),
		{ 0 },
	},
};

/* The key is the interface's name here, the value has its name in the container. */
static SPEC_JSON_READER(read_net_devices)
{
	static const struct spec_json_object net_device = {
		sizeof(const char *), NULL, { ROW("name", spec_json_word, 0), { 0 } },
	};
	struct spec_pairs *out = (struct spec_pairs *)(void *)((char *)obj + m->offset);
	yyjson_val *key, *value;
	size_t i, n;

	if (!yyjson_is_obj(v)) {
		spec_json_bad(j, at, "an object is wanted, not %s", yyjson_get_type_desc(v));
		return;
	}
	out->v = spec_json_alloc(j, yyjson_obj_size(v), sizeof(*out->v));
	yyjson_obj_foreach(v, i, n, key, value) {
		const struct spec_json_at here = { at, yyjson_get_str(key), 0 };
		const char *name = "";

		if (!out->v || err_is_set(j->e))
			return;
		spec_json_object(j, &here, value, &net_device, &name);
		out->v[out->n++] = (struct spec_pair){ spec_json_copy(j, at, key), name };
	}
}

/* --- seccomp ------------------------------------------------------------------------------- */

#define A(field)	offsetof(struct seccomp_arg, field)

static const struct spec_json_object seccomp_arg = {
	sizeof(struct seccomp_arg), NULL, {
		ROW("index", spec_json_u32, A(index), .required = true),
		ROW("value", spec_json_u64, A(value), .required = true),
		ROW("valueTwo", spec_json_u64, A(value_two)),
		ROW("op", spec_json_word, A(op), .required = true),
		{ 0 },
	},
};

#define R(field)	offsetof(struct seccomp_rule, field)

static const struct spec_json_object seccomp_rule = {
	sizeof(struct seccomp_rule), NULL, {
		ROW("names", spec_json_strings, R(names), .extra = R(n_names), .required = true),
		ROW("action", spec_json_word, R(action), .required = true),
		ROW("errnoRet", spec_json_some_u32, R(errno_ret)),
		ROW("args", spec_json_list, R(args), .extra = R(n_args), .object = &seccomp_arg),
		{ 0 },
	},
};

#define F(field)	offsetof(struct seccomp_spec, field)

static const struct spec_json_object seccomp = {
	sizeof(struct seccomp_spec), NULL, {
		ROW("defaultAction", spec_json_word, F(default_action), .required = true),
		ROW("defaultErrnoRet", spec_json_some_u32, F(default_errno)),
		ROW("architectures", spec_json_strings, F(arches), .extra = F(n_arches)),
		ROW("flags", spec_json_strings, F(flags), .extra = F(n_flags)),
		ROW("listenerPath", spec_json_text, F(listener_path)),
		ROW("listenerMetadata", spec_json_text, F(listener_metadata)),
		ROW("syscalls", spec_json_list, F(rules),
		    .extra = F(n_rules), .object = &seccomp_rule),
		{ 0 },
	},
};

/* --- personality, clocks, memory, RDT ------------------------------------------------------- */

struct personality {
	uint32_t domain;
	struct spec_strings flags;
};

static const struct spec_json_object personality_object = {
	sizeof(struct personality), NULL, {
		ROW("domain", spec_json_choice, offsetof(struct personality, domain),
		    .words = spec_personalities, .required = true),
		ROW("flags", spec_json_strings, offsetof(struct personality, flags)),
		{ 0 },
	},
};

/* The specification has no flags yet. */
static SPEC_JSON_READER(read_personality)
{
	const struct spec_json_at flags_at = { at, "flags", 0 };
	struct spec_u64 *out = (struct spec_u64 *)(void *)((char *)obj + m->offset);
	struct personality p = { 0 };

	spec_json_object(j, at, v, &personality_object, &p);
	if (p.flags.n)
		spec_json_bad(j, &flags_at, "unknown \"%.40s\"", p.flags.v[0]);
	*out = (struct spec_u64){ p.domain, true };
}

#define O(field)	offsetof(struct spec_time_offset, field)

static const struct spec_json_object time_offset = {
	sizeof(struct spec_time_offset), NULL, {
		ROW("secs", spec_json_i64, O(secs)),
		ROW("nanosecs", spec_json_u32, O(nanosecs)),
		{ 0 },
	},
};

#define L(field)	offsetof(struct spec_linux, field)

static const struct spec_json_object time_offsets = {
	sizeof(struct spec_linux), NULL, {
		ROW("monotonic", spec_json_struct, L(monotonic),
		    .extra = L(monotonic.set), .object = &time_offset),
		ROW("boottime", spec_json_struct, L(boottime),
		    .extra = L(boottime.set), .object = &time_offset),
		{ 0 },
	},
};

/* A map of clocks: another one is no unknown property but a clock that cannot be shifted. */
static SPEC_JSON_READER(read_time_offsets)
{
	yyjson_val *key, *value;
	size_t i, n;

	spec_json_object(j, at, v, m->object, obj);
	yyjson_obj_foreach(v, i, n, key, value)
		if (!yyjson_equals_str(key, "monotonic") && !yyjson_equals_str(key, "boottime"))
			spec_json_bad(j, at, "unknown \"%.40s\"", yyjson_get_str(key));
}

static const struct spec_json_object memory_policy = {
	sizeof(struct spec_memory_policy), NULL, {
		ROW("mode", spec_json_choice, offsetof(struct spec_memory_policy, mode),
		    .words = spec_memory_modes, .required = true),
		ROW("nodes", spec_json_text, offsetof(struct spec_memory_policy, nodes)),
		ROW("flags", spec_json_bits, offsetof(struct spec_memory_policy, flags),
		    .words = spec_memory_flags),
		{ 0 },
	},
};

static const struct spec_json_object intel_rdt = {
	sizeof(struct spec_intel_rdt), NULL, {
		ROW("closID", spec_json_text, offsetof(struct spec_intel_rdt, clos_id)),
		ROW("l3CacheSchema", spec_json_text,
		    offsetof(struct spec_intel_rdt, l3_cache_schema)),
		ROW("memBwSchema", spec_json_text, offsetof(struct spec_intel_rdt, mem_bw_schema)),
		ROW("schemata", spec_json_strings, offsetof(struct spec_intel_rdt, schemata)),
		ROW("enableMonitoring", spec_json_bool, offsetof(struct spec_intel_rdt, monitoring),
		    ),
		{ 0 },
	},
};

static SPEC_JSON_READER(read_resources)
{
	struct spec_resources **out = (struct spec_resources **)(void *)((char *)obj + m->offset);

	(void)at;
	*out = spec_json_resources(j->a, v, j->e);
}

/* --- the whole ------------------------------------------------------------------------------ */

const struct spec_json_object spec_json_linux = {
	sizeof(struct spec_linux), NULL, {
		ROW("uidMappings", spec_json_list, L(uid_maps),
		    .extra = L(n_uid_maps), .object = &spec_json_id_map),
		ROW("gidMappings", spec_json_list, L(gid_maps),
		    .extra = L(n_gid_maps), .object = &spec_json_id_map),
		ROW("sysctl", spec_json_pairs, L(sysctl)),
		ROW("resources", read_resources, L(resources)),
		ROW("cgroupsPath", spec_json_text, L(cgroups_path)),
		ROW("namespaces", read_namespaces, L(ns)),
		ROW("devices", spec_json_list, L(devices),
		    .extra = L(n_devices), .object = &device),
		ROW("netDevices", read_net_devices, L(net_devices)),
		ROW("seccomp", spec_json_pointer, L(seccomp), .object = &seccomp),
		ROW("rootfsPropagation", spec_json_text, L(rootfs_propagation)),
		ROW("maskedPaths", spec_json_strings, L(masked_paths)),
		ROW("readonlyPaths", spec_json_strings, L(readonly_paths)),
		ROW("mountLabel", spec_json_text, L(mount_label)),
		ROW("personality", read_personality, L(personality)),
		ROW("timeOffsets", read_time_offsets, 0, .object = &time_offsets),
		ROW("memoryPolicy", spec_json_pointer, L(memory_policy), .object = &memory_policy),
		ROW("intelRdt", spec_json_pointer, L(intel_rdt), .object = &intel_rdt),
		{ 0 },
	},
};
