/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which block devices of the host a container shall have. containerd writes a node and a rule of
 * its own for each one that was asked for (WithDevices, and CRI's of the same name); for a
 * privileged container it writes nodes of all that the host has, and one rule that allows
 * everything. So a node whose number no rule allows by name is not asked for: it goes, since by its
 * number the guest's own disks would be meant.
 */
#include "shim/bundle.h"

#define READ  1u
#define WRITE 2u
#define MKNOD 4u
#define ALL   (READ | WRITE | MKNOD)

/* What the rules say of one device. */
struct right {
	uint32_t major, minor;
	unsigned int access;
};

struct rights {
	struct right v[BUNDLE_DEVICES_MAX];
	size_t n;
};

/* --- values --- */

static bool number_of(yyjson_val *object, const char *key, uint32_t *out)
{
	yyjson_val *v = yyjson_obj_get(object, key);

	if (!yyjson_is_uint(v) || yyjson_get_uint(v) > UINT32_MAX)
		return false;
	*out = (uint32_t)yyjson_get_uint(v);
	return true;
}

/* As runc reads it: what is not there is everything. */
static unsigned int access_of(yyjson_val *rule)
{
	yyjson_val *v = yyjson_obj_get(rule, "access");
	unsigned int access = 0;

	if (!yyjson_is_str(v) || yyjson_get_len(v) == 0)
		return ALL;
	for (const char *p = yyjson_get_str(v); *p; p++)
		access |= *p == 'r' ? READ : *p == 'w' ? WRITE : *p == 'm' ? MKNOD : 0;
	return access;
}

/* One or all of the host's; "c" is of others. */
static bool is_of_blocks(yyjson_val *rule)
{
	yyjson_val *type = yyjson_obj_get(rule, "type");

	return !yyjson_is_str(type) || yyjson_get_len(type) == 0 ||
	       yyjson_equals_str(type, "a") || yyjson_equals_str(type, "b");
}

/* --- rules --- */

static struct right *find(struct rights *r, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].major == major && r->v[i].minor == minor)
			return &r->v[i];
	return NULL;
}

/* Of this device alone, by its number. */
static int allow(struct rights *r, yyjson_val *rule, struct err *e)
{
	struct right *found;
	uint32_t major, minor;

	if (!yyjson_equals_str(yyjson_obj_get(rule, "type"), "b") ||
	    !number_of(rule, "major", &major) || !number_of(rule, "minor", &minor))
		return 0;
	found = find(r, major, minor);
	if (!found && r->n == COUNT_OF(r->v))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "linux.resources.devices: of more than %d block devices",
			       BUNDLE_DEVICES_MAX);
	if (!found) {
		found = &r->v[r->n++];
		*found = (struct right){ .major = major, .minor = minor };
	}
	found->access |= access_of(rule);
	return 0;
}

/* Of all that it is of. */
static void deny(struct rights *r, yyjson_val *rule)
{
	uint32_t major, minor;
	bool any_major = !number_of(rule, "major", &major),
	     any_minor = !number_of(rule, "minor", &minor);

	if (!is_of_blocks(rule))
		return;
	for (size_t i = 0; i < r->n; i++)
		if ((any_major || r->v[i].major == major) && (any_minor || r->v[i].minor == minor))
			r->v[i].access &= ~access_of(rule);
}

/* In their order: the later one counts. */
static int read_rules(struct rights *r, yyjson_val *rules, struct err *e)
{
	yyjson_val *rule;
	yyjson_arr_iter it;

	if (!yyjson_arr_iter_init(rules, &it))
		return 0;
	while ((rule = yyjson_arr_iter_next(&it))) {
		if (!yyjson_is_true(yyjson_obj_get(rule, "allow")))
			deny(r, rule);
		else if (allow(r, rule, e) < 0)
			return -1;
	}
	return 0;
}

/* --- nodes --- */

/* false: of another type, or one that the guest's agent will refuse. */
static bool is_block(yyjson_val *node, struct bundle_device *out)
{
	yyjson_val *path = yyjson_obj_get(node, "path");

	if (!yyjson_equals_str(yyjson_obj_get(node, "type"), "b") || !yyjson_is_str(path) ||
	    yyjson_get_len(path) == 0 || strlen(yyjson_get_str(path)) != yyjson_get_len(path))
		return false;
	out->path = yyjson_get_str(path);
	return number_of(node, "major", &out->major) && number_of(node, "minor", &out->minor);
}

static ssize_t index_of(const struct bundle *b, const struct bundle_device *d)
{
	for (size_t i = 0; i < b->n_devices; i++) {
		const struct bundle_device *other = &b->devices[i];

		if (other->major == d->major && other->minor == d->minor &&
		    str_eq(other->path, d->path))
			return (ssize_t)i;
	}
	return -1;
}

static int read_nodes(struct bundle *b, struct rights *r, yyjson_val *nodes, struct err *e)
{
	struct bundle_device d;
	const struct right *right;
	yyjson_val *node;
	yyjson_arr_iter it;

	if (!yyjson_arr_iter_init(nodes, &it))
		return 0;
	while ((node = yyjson_arr_iter_next(&it))) {
		right = is_block(node, &d) ? find(r, d.major, d.minor) : NULL;
		if (!right || !right->access || index_of(b, &d) >= 0)
			continue;
		if (b->n_devices == BUNDLE_DEVICES_MAX)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.devices: more than %d block devices",
				       BUNDLE_DEVICES_MAX);
		d.readonly = !(right->access & WRITE);
		b->devices[b->n_devices++] = d;
	}
	return 0;
}

int bundle_find_devices(struct arena *a, struct bundle *b, struct err *e)
{
	yyjson_val *section = b->doc ? yyjson_obj_get(yyjson_doc_get_root(b->doc), "linux") : NULL;
	struct rights *r = ARENA_NEW(a, struct rights);

	b->n_devices = 0;
	b->devices = ARENA_ARRAY(a, struct bundle_device, BUNDLE_DEVICES_MAX);
	if (!r || !b->devices)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	if (read_rules(r, yyjson_obj_get(yyjson_obj_get(section, "resources"), "devices"), e) < 0)
		return -1;
	return read_nodes(b, r, yyjson_obj_get(section, "devices"), e);
}

/* --- for the guest --- */

static bool is_wanted(const struct bundle *b, yyjson_val *node, bool *seen)
{
	struct bundle_device d;
	ssize_t i;

	if (!is_block(node, &d))
		return true;
	i = index_of(b, &d);
	/* ctr writes a node twice where it was asked for twice, or is one of all: the guest would
	 * refuse the second */
	if (i < 0 || seen[i])
		return false;
	seen[i] = true;
	return true;
}

void bundle_drop_devices(const struct bundle *b, yyjson_mut_val *root)
{
	yyjson_val *section = yyjson_obj_get(yyjson_doc_get_root(b->doc), "linux"), *node;
	yyjson_mut_val *copy = yyjson_mut_obj_get(yyjson_mut_obj_get(root, "linux"), "devices"), *v;
	bool seen[BUNDLE_DEVICES_MAX] = { false };
	yyjson_arr_iter it;

	if (!yyjson_arr_iter_init(yyjson_obj_get(section, "devices"), &it))
		return;
	/* once around: the copy has as many in the same order (yyjson_mut_arr_iter_remove() of 0.10
	 * skips the one that follows) */
	while ((node = yyjson_arr_iter_next(&it))) {
		v = yyjson_mut_arr_remove_first(copy);
		if (v && is_wanted(b, node, seen))
			yyjson_mut_arr_append(copy, v);
	}
}
