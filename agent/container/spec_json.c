/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a config.json but for "linux", which has its own file. */
#include "container/spec_json.h"

#include "container/spec_json_resources.h"
#include "container/spec_json_table.h"

/* Memory for the document, while it is read: yyjson takes less than four times the text for what a
 * spec looks like. A text of nothing but brackets would take more, and is refused. */
#define DOC_BYTES(len)	MIN(65536 + (size_t)(len) * 10, (size_t)24 << 20)

/* --- process ----------------------------------------------------------------------------- */

#define P(field)	offsetof(struct spec_process, field)

static const struct spec_json_object console = {
	sizeof(struct spec_process), NULL, {
		ROW("height", spec_json_u16, P(console_rows), .required = true),
		ROW("width", spec_json_u16, P(console_columns), .required = true),
		{ 0 },
	},
};

static SPEC_JSON_READER(read_groups)
{
	struct spec_user *u = obj;
	yyjson_val *entry;
	size_t i, n;

	(void)m;
	if (!yyjson_is_arr(v)) {
		spec_json_bad(j, at, "a list is wanted, not %s", yyjson_get_type_desc(v));
		return;
	}
	u->groups = spec_json_alloc(j, yyjson_arr_size(v), sizeof(*u->groups));
	yyjson_arr_foreach(v, i, n, entry) {
		const struct spec_json_at here = { at, NULL, i };
		uint64_t id;

		if (!u->groups || !spec_json_number(j, &here, entry, UINT32_MAX, &id))
			return;
		u->groups[u->n_groups++] = (uint32_t)id;
	}
}

static SPEC_JSON_READER(read_umask)
{
	struct spec_user *u = obj;

	spec_json_u32(j, at, v, m, obj);
	u->umask_set = true;
}

static const struct spec_json_object user = {
	sizeof(struct spec_user), NULL, {
		ROW("uid", spec_json_u32, offsetof(struct spec_user, uid), .required = true),
		ROW("gid", spec_json_u32, offsetof(struct spec_user, gid), .required = true),
		ROW("umask", read_umask, offsetof(struct spec_user, umask)),
		ROW("additionalGids", read_groups, 0),
		{ 0 },
	},
};

static SPEC_JSON_READER(read_cap_set)
{
	const struct spec_json_member list = { .read = spec_json_strings };
	struct spec_strings names = { 0 };
	uint64_t mask = 0;
	struct err e = { 0 };

	spec_json_strings(j, at, v, &list, &names);
	if (caps_parse(names.v, names.n, &mask, &e) < 0)
		spec_json_bad(j, at, "%s", e.msg);
	memcpy((char *)obj + m->offset, &mask, sizeof(mask));
}

static const struct spec_json_object capabilities = {
	sizeof(struct caps_sets), NULL, {
		ROW("bounding", read_cap_set, offsetof(struct caps_sets, bounding)),
		ROW("effective", read_cap_set, offsetof(struct caps_sets, effective)),
		ROW("inheritable", read_cap_set, offsetof(struct caps_sets, inheritable)),
		ROW("permitted", read_cap_set, offsetof(struct caps_sets, permitted)),
		ROW("ambient", read_cap_set, offsetof(struct caps_sets, ambient)),
		{ 0 },
	},
};

static const struct spec_json_object rlimit = {
	sizeof(struct spec_rlimit), NULL, {
		ROW("type", spec_json_word, offsetof(struct spec_rlimit, type), .required = true),
		ROW("soft", spec_json_u64, offsetof(struct spec_rlimit, soft), .required = true),
		ROW("hard", spec_json_u64, offsetof(struct spec_rlimit, hard), .required = true),
		{ 0 },
	},
};

#define S(field)	offsetof(struct sched_params, field)

static const struct spec_json_object scheduler = {
	sizeof(struct sched_params), NULL, {
		ROW("policy", spec_json_choice, S(policy),
		    .words = spec_sched_policies, .required = true),
		ROW("nice", spec_json_i32, S(nice)),
		ROW("priority", spec_json_u32, S(priority)),
		ROW("flags", spec_json_bits, S(flags), .words = spec_sched_flags),
		ROW("runtime", spec_json_u64, S(runtime_ns)),
		ROW("deadline", spec_json_u64, S(deadline_ns)),
		ROW("period", spec_json_u64, S(period_ns)),
		{ 0 },
	},
};

static const struct spec_json_object io_priority = {
	sizeof(struct spec_io_priority), NULL, {
		ROW("class", spec_json_choice, offsetof(struct spec_io_priority, class),
		    .words = spec_io_classes, .required = true),
		ROW("priority", spec_json_i32, offsetof(struct spec_io_priority, level),
		    .required = true),
		{ 0 },
	},
};

static const struct spec_json_object exec_cpus = {
	sizeof(struct spec_process), NULL, {
		ROW("initial", spec_json_text, P(exec_cpus_initial)),
		ROW("final", spec_json_text, P(exec_cpus_final)),
		{ 0 },
	},
};

static const struct spec_json_object process = {
	sizeof(struct spec_process), NULL, {
		ROW("terminal", spec_json_bool, P(terminal)),
		ROW("consoleSize", spec_json_inline, 0, .object = &console),
		ROW("user", spec_json_struct, P(user), .object = &user),
		ROW("args", spec_json_strings, P(args)),
		ROW("env", spec_json_strings, P(env)),
		ROW("cwd", spec_json_text, P(cwd), .required = true),
		ROW("capabilities", spec_json_pointer, P(caps), .object = &capabilities),
		ROW("rlimits", spec_json_list, P(rlimits),
		    .extra = P(n_rlimits), .object = &rlimit),
		ROW("noNewPrivileges", spec_json_bool, P(no_new_privs)),
		ROW("apparmorProfile", spec_json_text, P(apparmor_profile)),
		ROW("selinuxLabel", spec_json_text, P(selinux_label)),
		ROW("oomScoreAdj", spec_json_some_i64, P(oom_score_adj)),
		ROW("scheduler", spec_json_pointer, P(scheduler), .object = &scheduler),
		ROW("ioPriority", spec_json_struct, P(io_priority),
		    .extra = P(io_priority.set), .object = &io_priority),
		ROW("execCPUAffinity", spec_json_inline, 0, .object = &exec_cpus),
		{ 0 },
	},
};

/* --- root, mounts, hooks ------------------------------------------------------------------- */

static const struct spec_json_object root = {
	sizeof(struct spec_root), NULL, {
		ROW("path", spec_json_text, offsetof(struct spec_root, path), .required = true),
		ROW("readonly", spec_json_bool, offsetof(struct spec_root, readonly)),
		{ 0 },
	},
};

static void preset_mount(void *obj)
{
	struct spec_mount *m = obj;

	m->destination = m->source = m->type = "";
}

#define M(field)	offsetof(struct spec_mount, field)

static const struct spec_json_object mount = {
	sizeof(struct spec_mount), preset_mount, {
		ROW("destination", spec_json_word, M(destination), .required = true),
		ROW("source", spec_json_word, M(source)),
		ROW("type", spec_json_word, M(type)),
		ROW("options", spec_json_strings, M(options)),
		ROW("uidMappings", spec_json_list, M(uid_maps),
		    .extra = M(n_uid_maps), .object = &spec_json_id_map),
		ROW("gidMappings", spec_json_list, M(gid_maps),
		    .extra = M(n_gid_maps), .object = &spec_json_id_map),
		{ 0 },
	},
};

static SPEC_JSON_READER(read_timeout)
{
	spec_json_u32(j, at, v, m, obj);
	if (!((const struct spec_hook *)obj)->timeout_s)
		spec_json_bad(j, at, "not more than 0");
}

#define H(field)	offsetof(struct spec_hook, field)

static const struct spec_json_object hook = {
	sizeof(struct spec_hook), NULL, {
		ROW("path", spec_json_text, H(path), .required = true),
		ROW("args", spec_json_strings, H(args)),
		ROW("env", spec_json_strings, H(env)),
		ROW("timeout", read_timeout, H(timeout_s)),
		{ 0 },
	},
};

#define HOOKS(name, list)                                                \
	ROW(name, spec_json_list, offsetof(struct spec_hooks, list.v),   \
	    .extra = offsetof(struct spec_hooks, list.n), .object = &hook)

static const struct spec_json_object hooks = {
	sizeof(struct spec_hooks), NULL, {
		HOOKS("prestart", prestart),
		HOOKS("createRuntime", create_runtime),
		HOOKS("createContainer", create_container),
		HOOKS("startContainer", start_container),
		HOOKS("poststart", poststart),
		HOOKS("poststop", poststop),
		{ 0 },
	},
};

/* --- the whole ----------------------------------------------------------------------------- */

#define C(field)	offsetof(struct spec, field)

static const struct spec_json_object config = {
	sizeof(struct spec), NULL, {
		ROW("ociVersion", spec_json_text, C(version), .required = true),
		ROW("process", spec_json_pointer, C(process), .object = &process),
		ROW("root", spec_json_struct, C(root), .object = &root),
		ROW("hostname", spec_json_text, C(hostname)),
		ROW("domainname", spec_json_text, C(domainname)),
		ROW("mounts", spec_json_list, C(mounts), .extra = C(n_mounts), .object = &mount),
		ROW("hooks", spec_json_struct, C(hooks), .object = &hooks),
		ROW("annotations", spec_json_pairs, C(annotations)),
		ROW("linux", spec_json_struct, C(linux), .object = &spec_json_linux),
		{ 0 },
	},
};

struct spec_resources *spec_json_read_resources(const char *text, size_t len, struct arena *a,
						struct err *e)
{
	struct spec_resources *out = NULL;
	struct arena scratch;
	yyjson_doc *doc;

	if (len > SPEC_JSON_MAX) {
		err_set(e, RC_INVALID_ARGUMENT, "linux.resources has more than %u bytes",
			SPEC_JSON_MAX);
		return NULL;
	}
	arena_init(&scratch, DOC_BYTES(len));
	doc = json_read(&scratch, text, len, e);
	if (doc)
		out = spec_json_resources(a, yyjson_doc_get_root(doc), e);
	arena_fini(&scratch);
	return out;
}

/* The document's memory is gone when this returns: everything was copied. */
static int read_text(const char *text, size_t len, struct spec_json *j, const char *name,
		     const struct spec_json_object *o, void *out)
{
	const struct spec_json_at top = { NULL, name, 0 };
	struct arena scratch;
	yyjson_doc *doc;

	if (len > SPEC_JSON_MAX)
		return err_set(j->e, RC_INVALID_ARGUMENT, "the spec has more than %u bytes",
			       SPEC_JSON_MAX);
	arena_init(&scratch, DOC_BYTES(len));
	doc = json_read(&scratch, text, len, j->e);
	if (doc)
		spec_json_object(j, &top, yyjson_doc_get_root(doc), o, out);
	arena_fini(&scratch);
	return err_is_set(j->e) ? -1 : 0;
}

int spec_json_read(const char *text, size_t len, struct arena *a, struct spec *out, struct err *e)
{
	struct spec_json j = { a, e };

	if (read_text(text, len, &j, "", &config, out) < 0)
		return -1;
	if (out->process && !out->process->caps)
		out->process->caps = spec_json_alloc(&j, 1, sizeof(*out->process->caps));
	return err_is_set(e) ? -1 : 0;
}

struct spec_process *spec_json_read_process(const char *text, size_t len, struct arena *a,
					    struct err *e)
{
	struct spec_json j = { a, e };
	struct spec_process *out = spec_json_alloc(&j, 1, sizeof(*out));

	return out && read_text(text, len, &j, "process", &process, out) == 0 ? out : NULL;
}
