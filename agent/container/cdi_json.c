/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a CDI file. */
#include <sys/stat.h>

#include "container/cdi.h"
#include "container/spec_json_table.h"

#define MODE_MAX 0177777
#define GIDS_MAX 1024

static SPEC_JSON_READER(read_node_type)
{
	struct cdi_node *node = obj;
	const char *name = spec_json_copy(j, at, v);

	(void)m;
	if (name && *name && spec_parse_device_type(name, &node->device.type) < 0)
		spec_json_bad(j, at, "\"%.8s\" is not c, b, u or p", name);
}

static SPEC_JSON_READER(read_permissions)
{
	struct cdi_node *node = obj;
	unsigned int access;

	(void)m;
	node->permissions = spec_json_copy(j, at, v);
	if (node->permissions && spec_parse_device_access(node->permissions, &access) < 0)
		spec_json_bad(j, at, "\"%.8s\" is not of r, w, m", node->permissions);
}

static SPEC_JSON_READER(read_file_mode)
{
	struct cdi_node *node = obj;
	uint64_t mode;

	(void)m;
	if (!spec_json_number(j, at, v, MODE_MAX, &mode))
		return;
	node->device.mode = (mode_t)mode & 07777;
	node->device.mode_set = true;
}

static SPEC_JSON_READER(read_gids)
{
	struct cdi_edits *edits = obj;
	yyjson_val *entry;
	size_t i, n;

	(void)m;
	if (!yyjson_is_arr(v) || yyjson_arr_size(v) > GIDS_MAX) {
		spec_json_bad(j, at, "no list of up to %d numbers", GIDS_MAX);
		return;
	}
	edits->gids = spec_json_alloc(j, yyjson_arr_size(v), sizeof(uint32_t));
	yyjson_arr_foreach(v, i, n, entry) {
		const struct spec_json_at here = { at, NULL, i };
		uint64_t gid;

		if (!edits->gids || !spec_json_number(j, &here, entry, UINT32_MAX - 1, &gid))
			return;
		edits->gids[edits->n_gids++] = (uint32_t)gid;
	}
}

#define N(field) offsetof(struct cdi_node, field)

static const struct spec_json_object node = {
	sizeof(struct cdi_node), NULL, {
		ROW("path", spec_json_word, N(device.path), .required = true),
		ROW("hostPath", spec_json_text, N(host_path)),
		ROW("type", read_node_type, 0),
		ROW("major", spec_json_i64, N(device.major)),
		ROW("minor", spec_json_i64, N(device.minor)),
		ROW("fileMode", read_file_mode, 0),
		ROW("permissions", read_permissions, 0),
		ROW("uid", spec_json_u32, N(device.uid)),
		ROW("gid", spec_json_u32, N(device.gid)),
		{ 0 },
	},
};

#define M(field) offsetof(struct spec_mount, field)

static void preset_mount(void *obj)
{
	struct spec_mount *m = obj;

	m->source = m->type = "";
}

static const struct spec_json_object mount = {
	sizeof(struct spec_mount), preset_mount, {
		ROW("hostPath", spec_json_word, M(source), .required = true),
		ROW("containerPath", spec_json_word, M(destination), .required = true),
		ROW("type", spec_json_word, M(type)),
		ROW("options", spec_json_strings, M(options)),
		{ 0 },
	},
};

#define H(field) offsetof(struct cdi_hook, field)

static const struct spec_json_object hook = {
	sizeof(struct cdi_hook), NULL, {
		ROW("hookName", spec_json_word, H(stage), .required = true),
		ROW("path", spec_json_word, H(hook.path), .required = true),
		ROW("args", spec_json_strings, H(hook.args)),
		ROW("env", spec_json_strings, H(hook.env)),
		ROW("timeout", spec_json_u32, H(hook.timeout_s)),
		{ 0 },
	},
};

#define E(field) offsetof(struct cdi_edits, field)

static const struct spec_json_object edits = {
	sizeof(struct cdi_edits), NULL, {
		ROW("env", spec_json_strings, E(env)),
		ROW("deviceNodes", spec_json_list, E(nodes), .extra = E(n_nodes), .object = &node),
		ROW("mounts", spec_json_list, E(mounts), .extra = E(n_mounts), .object = &mount),
		ROW("hooks", spec_json_list, E(hooks), .extra = E(n_hooks), .object = &hook),
		ROW("additionalGids", read_gids, 0),
		{ 0 },
	},
};

static const struct spec_json_object device = {
	sizeof(struct cdi_device), NULL, {
		ROW("name", spec_json_word, offsetof(struct cdi_device, name), .required = true),
		ROW("containerEdits", spec_json_struct, offsetof(struct cdi_device, edits),
		    .object = &edits),
		{ 0 },
	},
};

#define F(field) offsetof(struct cdi_file, field)

static const struct spec_json_object file = {
	sizeof(struct cdi_file), NULL, {
		ROW("cdiVersion", spec_json_word, F(version), .required = true),
		ROW("kind", spec_json_word, F(kind), .required = true),
		ROW("devices", spec_json_list, F(devices), .extra = F(n_devices), .object = &device),
		ROW("containerEdits", spec_json_struct, F(edits), .object = &edits),
		{ 0 },
	},
};

int cdi_read(struct arena *a, const char *text, size_t len, struct cdi_file *out, struct err *e)
{
	const struct spec_json_at top = { NULL, "", 0 };
	struct spec_json j = { a, e };
	yyjson_doc *doc = json_read(a, text, len, e);

	*out = (struct cdi_file){ 0 };
	if (!doc)
		return -1;
	spec_json_object(&j, &top, yyjson_doc_get_root(doc), &file, out);
	return err_is_set(e) ? -1 : 0;
}
