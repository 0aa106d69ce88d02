/* SPDX-License-Identifier: Apache-2.0 */
#include "service/containerd/task_spec.h"

#include "base/path.h"

/* Paths of namespaces are those of the host's /proc, where some process stands for the pod. Here
 * the network is the machine's, ipc and uts are the pod's (which the model gives to those that have
 * no path), and a process namespace that is shared is the pod's. */
static void adapt_namespaces(const struct task_spec *in, struct spec *s)
{
	in->what->share_pid = in->what->share_pid || s->linux.ns[NS_PID].path;
	s->linux.ns[NS_NET].want = false;
	for (size_t i = 0; i < NS_TYPES; i++)
		s->linux.ns[i].path = NULL;
}

static int adapt_root(const struct task_spec *in, struct spec *s, struct err *e)
{
	struct arena *a = &in->what->container->arena;
	const char *path = s->root.path;

	if (*in->rootfs)
		path = arena_strdup(a, in->rootfs);
	else if (!path)
		return err_set(e, RC_INVALID_ARGUMENT, "root.path: missing");
	else if (*path != '/' && *in->bundle)
		path = path_join(a, in->bundle, path);
	s->root.path = path;
	return path ? 0 : err_sys(e, ENOMEM, "root.path");
}

/* --- the pod's files --- */

static const struct {
	const char *at, *source;
} files[] = {
	{ "/etc/hosts", SANDBOX_DIR "/hosts" },
	{ "/etc/hostname", SANDBOX_DIR "/hostname" },
	{ "/etc/resolv.conf", SANDBOX_DIR "/resolv.conf" },
	{ "/dev/shm", SANDBOX_DIR "/shm" },
};

#define SHM (COUNT_OF(files) - 1)

/* From the second on: not read-only. */
static const char *const options_of_files[] = { "ro", "bind", "rprivate", NULL };

static struct spec_mount *mount_at(struct spec *s, struct arena *a, const char *at)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const char *clean = path_clean(a, s->mounts[i].destination);

		if (clean && str_eq(clean, at))
			return &s->mounts[i];
	}
	return NULL;
}

static bool is_own_shm(const struct spec_mount *m)
{
	return str_eq(m->type, "tmpfs");
}

/* In the order of the list: what lies below another mount comes after it. */
static int adapt_mounts(const struct task_spec *in, struct spec *s, struct err *e)
{
	struct arena *a = &in->what->container->arena;
	struct spec_mount *v = ARENA_ARRAY(a, struct spec_mount, s->n_mounts + COUNT_OF(files));

	if (!v)
		return err_sys(e, ENOMEM, "mounts");
	if (s->n_mounts)
		memcpy(v, s->mounts, s->n_mounts * sizeof(*v));
	s->mounts = v;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct spec_mount *m = mount_at(s, a, files[i].at);
		bool ro = i != SHM && s->root.readonly;

		if (m && (i != SHM || !is_own_shm(m)))
			continue;
		if (!m)
			m = &v[s->n_mounts++];
		*m = (struct spec_mount){
			.destination = files[i].at,
			.source = files[i].source,
			.type = "bind",
			.options = { (char **)options_of_files + !ro, 2 + ro },
		};
	}
	return 0;
}

int task_spec_adapt(const struct task_spec *in, struct err *e)
{
	struct spec *s = in->what->container->spec;

	if (!s->process)
		return err_set(e, RC_INVALID_ARGUMENT, "process: missing");
	s->process->terminal = in->terminal;
	s->process->apparmor_if_there = true;
	adapt_namespaces(in, s);
	if (adapt_root(in, s, e) < 0)
		return -1;
	return in->pod_files ? adapt_mounts(in, s, e) : 0;
}

/* --- the root file system --- */

static const struct {
	const char *type, *driver;
} kinds[] = {
	{ "bind", "bind" }, { "overlay", "overlayfs" }, { "erofs", "blk" }, { "ext4", "blk" },
	{ "xfs", "blk" }, { "squashfs", "blk" }, { "virtiofs", "virtio-fs" },
};

int task_spec_rootfs(const char *type, const char *source, char **options, size_t n_options,
		     const char *mount_point, struct arena *a, struct storage_req *out,
		     struct err *e)
{
	const char *driver = NULL;
	char **wanted = ARENA_ARRAY(a, char *, n_options + 1);
	size_t n = 0;

	if (!wanted)
		return err_sys(e, ENOMEM, "rootfs");
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (str_eq(kinds[i].type, type))
			driver = kinds[i].driver;
	if (!driver)
		return err_set(e, RC_INVALID_ARGUMENT, "rootfs: type \"%.32s\" is not known here", type);
	for (size_t i = 0; i < n_options; i++)
		if (!str_eq(options[i], "loop")) /* a disk already */
			wanted[n++] = options[i];
	*out = (struct storage_req){
		.driver = driver,
		.source = source,
		.fstype = type,
		.options = wanted,
		.n_options = n,
		.mount_point = mount_point,
	};
	return 0;
}
