/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/bundle.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"

#define SHM "/dev/shm"

/* What containerd's CRI and CRI-O call the same things. */
static const char *const type_keys[] = { "io.kubernetes.cri.container-type",
					 "io.kubernetes.cri-o.ContainerType", NULL };
static const char *const sandbox_keys[] = { "io.kubernetes.cri.sandbox-id",
					    "io.kubernetes.cri-o.SandboxID", NULL };
static const char *const memory_keys[] = { "io.kubernetes.cri.sandbox-memory", NULL };
static const char *const quota_keys[] = { "io.kubernetes.cri.sandbox-cpu-quota", NULL };
static const char *const period_keys[] = { "io.kubernetes.cri.sandbox-cpu-period", NULL };

/* Hooks that are the host's, and when they are due. createContainer's would be the host's programs in
 * the guest's namespaces: nobody can run them. startContainer's are the guest's. */
static const struct {
	const char *name;
	unsigned int due;
} host_hooks[] = {
	{ "prestart", BUNDLE_HOOKS_CREATE },
	{ "createRuntime", BUNDLE_HOOKS_CREATE },
	{ "createContainer", 0 },
	{ "poststart", BUNDLE_HOOKS_STARTED },
	{ "poststop", BUNDLE_HOOKS_STOPPED },
};

/* --- reading --- */

static const char *text_of(yyjson_val *v)
{
	/* a text with a zero byte inside is none that anyone could have meant */
	return yyjson_is_str(v) && strlen(yyjson_get_str(v)) == yyjson_get_len(v)
		       ? yyjson_get_str(v)
		       : "";
}

static const char *annotation(yyjson_val *annotations, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *text = text_of(yyjson_obj_get(annotations, *keys));

		if (*text)
			return text;
	}
	return "";
}

static uint64_t number(yyjson_val *annotations, const char *const *keys)
{
	uint64_t n = 0;

	return num_u64(annotation(annotations, keys), INT64_MAX, &n) == 0 ? n : 0;
}

static void find_netns(yyjson_val *root, struct bundle *out)
{
	yyjson_val *list = yyjson_obj_get(yyjson_obj_get(root, "linux"), "namespaces"), *ns;
	yyjson_arr_iter it;

	if (!yyjson_is_arr(list))
		return;
	yyjson_arr_iter_init(list, &it);
	while ((ns = yyjson_arr_iter_next(&it))) {
		if (!yyjson_equals_str(yyjson_obj_get(ns, "type"), "network"))
			continue;
		out->netns = text_of(yyjson_obj_get(ns, "path"));
		out->makes_netns = !*out->netns;
		return;
	}
}

int bundle_parse(struct arena *a, const char *text, size_t len, struct bundle *out, struct err *e)
{
	yyjson_val *root, *annotations;
	uint64_t quota, period;
	const char *type;

	*out = (struct bundle){ .sandbox_id = "", .netns = "", .hostname = "", .root = "" };
	out->doc = json_read(a, text, len, e);
	if (!out->doc)
		return -1;
	root = yyjson_doc_get_root(out->doc);
	annotations = yyjson_obj_get(root, "annotations");
	type = annotation(annotations, type_keys);
	if (str_eq(type, "container") || str_eq(type, "sandbox"))
		out->sandbox_id = annotation(annotations, sandbox_keys);
	out->is_pause = str_eq(type, "sandbox");
	find_netns(root, out);
	for (size_t i = 0; i < COUNT_OF(host_hooks); i++)
		if (yyjson_arr_size(yyjson_obj_get(yyjson_obj_get(root, "hooks"), host_hooks[i].name)))
			out->hooks |= host_hooks[i].due;
	out->hostname = text_of(yyjson_obj_get(root, "hostname"));
	out->root = text_of(yyjson_obj_get(yyjson_obj_get(root, "root"), "path"));
	out->memory = number(annotations, memory_keys);
	quota = number(annotations, quota_keys);
	period = number(annotations, period_keys);
	out->cpus = quota && period ? quota / period + (quota % period != 0) : 0;
	return 0;
}

int bundle_read(struct arena *a, const char *dir, struct bundle *out, struct err *e)
{
	char *path = arena_printf(a, "%s/config.json", dir), *text = NULL;
	ssize_t n = path ? io_read_file_arena(AT_FDCWD, path, a, BUNDLE_SPEC_MAX, &text) : -ENOMEM;

	*out = (struct bundle){ .sandbox_id = "", .netns = "", .hostname = "", .root = "" };
	if (n == -ENOENT)
		return 0;
	if (n < 0)
		return err_sys(e, (int)-n, "%s/config.json", dir);
	return bundle_parse(a, text, (size_t)n, out, e) < 0 ? err_ctx(e, "%s", path) : 0;
}

/* --- for the guest --- */

struct change {
	yyjson_mut_doc *doc;
	const char *pod;
	bundle_carry_fn carry;
	void *arg;
	struct err *e;
};

static const char *mut_text(yyjson_mut_val *object, const char *key)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(object, key);

	return yyjson_mut_is_str(v) ? yyjson_mut_get_str(v) : "";
}

static bool is_bind(yyjson_mut_val *mount)
{
	yyjson_mut_val *options = yyjson_mut_obj_get(mount, "options"), *o;
	yyjson_mut_arr_iter it;

	if (str_eq(mut_text(mount, "type"), "bind"))
		return true;
	if (!yyjson_mut_is_arr(options))
		return false;
	yyjson_mut_arr_iter_init(options, &it);
	while ((o = yyjson_mut_arr_iter_next(&it)))
		if (yyjson_mut_equals_str(o, "bind") || yyjson_mut_equals_str(o, "rbind"))
			return true;
	return false;
}

/* The guest has kernel filesystems of its own: what a host's would show is not this machine. */
static bool is_of_the_kernel(const char *source)
{
	return path_is_plain(source) &&
	       (path_is_below(source, "/proc") || path_is_below(source, "/sys") ||
		path_is_below(source, "/dev"));
}

/* Shared memory is of one kernel: the pod's is the guest's, not the directory that a host makes. */
static int make_shm(struct change *c, yyjson_mut_val *mount)
{
	static const char *const words[] = { "nosuid", "noexec", "nodev", "mode=1777",
					     "size=65536k" };
	yyjson_mut_val *options = yyjson_mut_arr(c->doc);
	bool ok = options;

	for (size_t i = 0; ok && i < COUNT_OF(words); i++)
		ok = yyjson_mut_arr_add_str(c->doc, options, words[i]);
	yyjson_mut_obj_clear(mount);
	ok = ok && yyjson_mut_obj_add_str(c->doc, mount, "destination", SHM) &&
	     yyjson_mut_obj_add_str(c->doc, mount, "type", "tmpfs") &&
	     yyjson_mut_obj_add_str(c->doc, mount, "source", "shm") &&
	     yyjson_mut_obj_add_val(c->doc, mount, "options", options);
	return ok ? 0 : err_set(c->e, RC_RESOURCE_EXHAUSTED, "no memory");
}

/* "…/POD/hosts" on /etc/hosts. */
static bool is_made_by_the_guest(const struct change *c, yyjson_mut_val *mount)
{
	static const char *const files[] = { "hosts", "hostname", "resolv.conf" };
	const char *on = mut_text(mount, "destination"), *source = mut_text(mount, "source"), *at;
	size_t n = strlen(c->pod);

	if (!n || !str_starts(on, "/etc/"))
		return false;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		if (!str_eq(on + strlen("/etc/"), files[i]))
			continue;
		at = strrchr(source, '/');
		return at && str_eq(at + 1, files[i]) && (size_t)(at - source) > n &&
		       at[-(ssize_t)n - 1] == '/' && memcmp(at - n, c->pod, n) == 0;
	}
	return false;
}

static int change_mount(struct change *c, size_t n, yyjson_mut_val *mount)
{
	const char *source = mut_text(mount, "source"), *guest;

	if (!is_bind(mount))
		return 0;
	if (str_eq(mut_text(mount, "destination"), SHM))
		return make_shm(c, mount);
	if (is_of_the_kernel(source))
		return 0;
	guest = c->carry(c->arg, n, source, c->e);
	if (!guest)
		return err_ctx(c->e, "mounts[%zu]", n);
	yyjson_mut_obj_remove_key(mount, "source");
	return yyjson_mut_obj_add_str(c->doc, mount, "source", guest)
		       ? 0
		       : err_set(c->e, RC_RESOURCE_EXHAUSTED, "no memory");
}

static int change_mounts(struct change *c, yyjson_mut_val *root)
{
	yyjson_mut_val *mounts = yyjson_mut_obj_get(root, "mounts"), *m;

	/* n: as the spec counts them, i: as they are left */
	for (size_t n = 0, i = 0; (m = yyjson_mut_arr_get(mounts, i)); n++) {
		if (is_bind(m) && is_made_by_the_guest(c, m)) {
			yyjson_mut_arr_remove(mounts, i);
			continue;
		}
		if (change_mount(c, n, m) < 0)
			return -1;
		i++;
	}
	return 0;
}

char *bundle_for_guest(struct arena *a, const struct bundle *b, const char *pod,
		       bundle_carry_fn carry, void *arg, size_t *len, struct err *e)
{
	struct change c = { json_new(a), pod, carry, arg, e };
	yyjson_mut_val *root = NULL, *hooks;

	if (!b->doc || !yyjson_is_obj(yyjson_doc_get_root(b->doc))) {
		err_set(e, RC_INVALID_ARGUMENT, "config.json: there is none, or it is no object");
		return NULL;
	}
	if (c.doc)
		root = yyjson_val_mut_copy(c.doc, yyjson_doc_get_root(b->doc));
	if (!root) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	yyjson_mut_doc_set_root(c.doc, root);
	hooks = yyjson_mut_obj_get(root, "hooks");
	for (size_t i = 0; i < COUNT_OF(host_hooks); i++)
		yyjson_mut_obj_remove_key(hooks, host_hooks[i].name);
	bundle_drop_devices(b, root);
	if (change_mounts(&c, root) < 0)
		return NULL;
	return json_write(a, c.doc, 0, len, e);
}
