/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.Spec and grpc.Storage. Strings that are empty are "not said": proto3 cannot tell the two
 * apart and hosts leave out what their spec does not have. A number that is 0 is "not said" where a
 * host sends 0 for what its spec does not have: fileMode, and errnoret, which one host always sets.
 * The sections of other systems are ignored.
 */
#include "service/convert.h"

#include "service/reader.h"

#define FILE_MODE_MAX	0177777u	/* hosts in Go send the type's bits along */

static void read_mounts(struct reader *r, const Grpc__Spec *in, struct spec *out)
{
	out->mounts = READER_ARRAY(r, struct spec_mount, in->n_mounts);
	for (size_t i = 0; out->mounts && i < in->n_mounts; i++) {
		const Grpc__Mount *m = in->mounts[i];

		out->mounts[i] = (struct spec_mount){
			.destination = reader_word(r, m->destination),
			.source = reader_word(r, m->source),
			.type = reader_word(r, m->type),
			.options = reader_strings(r, m->options, m->n_options),
		};
		out->n_mounts = i + 1;
	}
}

static struct spec_hook_list read_hooks(struct reader *r, const char *stage, Grpc__Hook *const *in,
					size_t n)
{
	struct spec_hook_list out = { .v = READER_ARRAY(r, struct spec_hook, n) };

	for (size_t i = 0; out.v && i < n; i++) {
		const Grpc__Hook *h = in[i];

		if (h->timeout < 0 || h->timeout > UINT32_MAX)
			err_set(r->e, RC_INVALID_ARGUMENT, "hooks.%s[%zu].timeout: out of range",
				stage, i);
		out.v[i] = (struct spec_hook){
			.path = reader_word(r, h->path),
			.args = reader_strings(r, h->args, h->n_args),
			.env = reader_strings(r, h->env, h->n_env),
			.timeout_s = (uint32_t)h->timeout,
		};
		out.n = i + 1;
	}
	return out;
}

static void read_all_hooks(struct reader *r, const Grpc__Hooks *in, struct spec_hooks *out)
{
	if (!in)
		return;
	out->prestart = read_hooks(r, "prestart", in->prestart, in->n_prestart);
	out->create_runtime =
		read_hooks(r, "createRuntime", in->createruntime, in->n_createruntime);
	out->create_container =
		read_hooks(r, "createContainer", in->createcontainer, in->n_createcontainer);
	out->start_container =
		read_hooks(r, "startContainer", in->startcontainer, in->n_startcontainer);
	out->poststart = read_hooks(r, "poststart", in->poststart, in->n_poststart);
	out->poststop = read_hooks(r, "poststop", in->poststop, in->n_poststop);
}

static void read_annotations(struct reader *r, const Grpc__Spec *in, struct spec_pairs *out)
{
	out->v = READER_ARRAY(r, struct spec_pair, in->n_annotations);
	for (size_t i = 0; out->v && i < in->n_annotations; i++) {
		out->v[i].key = reader_word(r, in->annotations[i]->key);
		out->v[i].value = reader_word(r, in->annotations[i]->value);
		out->n = i + 1;
	}
}

/* --- linux ------------------------------------------------------------------------------- */

static void read_sysctl(struct reader *r, const Grpc__Linux *in, struct spec_pairs *out)
{
	out->v = READER_ARRAY(r, struct spec_pair, in->n_sysctl);
	for (size_t i = 0; out->v && i < in->n_sysctl; i++) {
		out->v[i].key = reader_word(r, in->sysctl[i]->key);
		out->v[i].value = reader_word(r, in->sysctl[i]->value);
		out->n = i + 1;
	}
}

/* Older hosts say "mnt" and "net". */
static int namespace_type(const char *name)
{
	if (str_eq(name, "mnt"))
		return NS_MNT;
	return str_eq(name, "net") ? NS_NET : ns_by_name(name);
}

static void read_namespaces(struct reader *r, const Grpc__Linux *in, struct spec_linux *out)
{
	for (size_t i = 0; i < in->n_namespaces; i++) {
		const Grpc__LinuxNamespace *n = in->namespaces[i];
		int type = namespace_type(n->type);

		if (type < 0) {
			err_set(r->e, RC_INVALID_ARGUMENT,
				"linux.namespaces[%zu].type: unknown \"%.20s\"", i, n->type);
			return;
		}
		if (out->ns[type].want) {
			err_set(r->e, RC_INVALID_ARGUMENT,
				"linux.namespaces[%zu]: a second %s namespace", i, n->type);
			return;
		}
		out->ns[type] = (struct spec_namespace){ true, reader_text(r, n->path) };
	}
}

static struct spec_id_map *read_id_maps(struct reader *r, Grpc__LinuxIDMapping *const *in, size_t n,
					size_t *n_out)
{
	struct spec_id_map *out = READER_ARRAY(r, struct spec_id_map, n);

	for (size_t i = 0; out && i < n; i++)
		out[i] = (struct spec_id_map){ in[i]->containerid, in[i]->hostid, in[i]->size };
	*n_out = out ? n : 0;
	return out;
}

static void read_devices(struct reader *r, const Grpc__Linux *in, struct spec_linux *out)
{
	out->devices = READER_ARRAY(r, struct spec_device, in->n_devices);
	for (size_t i = 0; out->devices && i < in->n_devices; i++) {
		const Grpc__LinuxDevice *d = in->devices[i];
		struct spec_device *to = &out->devices[i];

		*to = (struct spec_device){
			.path = reader_word(r, d->path),
			.major = d->major,
			.minor = d->minor,
			.mode = d->filemode & 07777,
			.mode_set = d->filemode != 0,
			.uid = d->uid,
			.gid = d->gid,
		};
		if (d->filemode > FILE_MODE_MAX)
			err_set(r->e, RC_INVALID_ARGUMENT,
				"linux.devices[%zu].fileMode: not in 0..%u", i, FILE_MODE_MAX);
		if (spec_parse_device_type(d->type, &to->type) < 0)
			err_set(r->e, RC_INVALID_ARGUMENT,
				"linux.devices[%zu].type: \"%.8s\" is not c, b, u or p", i,
				d->type);
		out->n_devices = i + 1;
	}
}

static const struct seccomp_arg *read_seccomp_args(struct reader *r, const Grpc__LinuxSyscall *in,
						   size_t rule)
{
	struct seccomp_arg *out = READER_ARRAY(r, struct seccomp_arg, in->n_args);

	for (size_t i = 0; out && i < in->n_args; i++) {
		const Grpc__LinuxSeccompArg *a = in->args[i];

		if (a->index > UINT32_MAX)
			err_set(r->e, RC_INVALID_ARGUMENT,
				"linux.seccomp.syscalls[%zu].args[%zu].index: not 0 to 5", rule, i);
		out[i] = (struct seccomp_arg){
			.index = (unsigned int)a->index,
			.value = a->value,
			.value_two = a->valuetwo,
			.op = reader_word(r, a->op),
		};
	}
	return out;
}

/* One host sets errnoret for every rule, 0 where its spec has none. A rule that refused a call with
 * 0 would tell the caller that it was done. */
static const unsigned int *read_errno(struct reader *r, const Grpc__LinuxSyscall *in)
{
	unsigned int *out;

	if (in->errno_ret_case != GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET || !in->errnoret)
		return NULL;
	out = READER_ARRAY(r, unsigned int, 1);
	if (out)
		*out = in->errnoret;
	return out;
}

static struct seccomp_rule read_seccomp_rule(struct reader *r, const Grpc__LinuxSyscall *in,
					     size_t i)
{
	struct spec_strings names = reader_strings(r, in->names, in->n_names);
	const struct seccomp_arg *args = read_seccomp_args(r, in, i);

	return (struct seccomp_rule){
		.names = names.v,
		.n_names = names.n,
		.action = reader_word(r, in->action),
		.errno_ret = read_errno(r, in),
		.args = args,
		.n_args = args ? in->n_args : 0,
	};
}

static struct seccomp_spec *read_seccomp(struct reader *r, const Grpc__LinuxSeccomp *in)
{
	struct seccomp_spec *out = in ? READER_ARRAY(r, struct seccomp_spec, 1) : NULL;
	struct spec_strings arches, flags;
	struct seccomp_rule *rules;

	if (!out)
		return NULL;
	arches = reader_strings(r, in->architectures, in->n_architectures);
	flags = reader_strings(r, in->flags, in->n_flags);
	rules = READER_ARRAY(r, struct seccomp_rule, in->n_syscalls);
	for (size_t i = 0; rules && i < in->n_syscalls; i++)
		rules[i] = read_seccomp_rule(r, in->syscalls[i], i);
	*out = (struct seccomp_spec){
		.default_action = reader_word(r, in->defaultaction),
		.arches = arches.v,
		.n_arches = arches.n,
		.flags = flags.v,
		.n_flags = flags.n,
		.rules = rules,
		.n_rules = rules ? in->n_syscalls : 0,
	};
	return out;
}

static void read_rdt(struct reader *r, const Grpc__LinuxIntelRdt *in, struct spec_linux *out)
{
	out->intel_rdt = in ? READER_ARRAY(r, struct spec_intel_rdt, 1) : NULL;
	if (out->intel_rdt)
		out->intel_rdt->l3_cache_schema = reader_text(r, in->l3cacheschema);
}

static void read_linux(struct reader *r, const Grpc__Linux *in, struct spec_linux *out)
{
	read_sysctl(r, in, &out->sysctl);
	read_namespaces(r, in, out);
	out->uid_maps = read_id_maps(r, in->uidmappings, in->n_uidmappings, &out->n_uid_maps);
	out->gid_maps = read_id_maps(r, in->gidmappings, in->n_gidmappings, &out->n_gid_maps);
	if (in->resources)
		out->resources = convert_resources(in->resources, r->a, r->e);
	out->cgroups_path = reader_text(r, in->cgroupspath);
	read_devices(r, in, out);
	out->seccomp = read_seccomp(r, in->seccomp);
	out->rootfs_propagation = reader_text(r, in->rootfspropagation);
	out->masked_paths = reader_strings(r, in->maskedpaths, in->n_maskedpaths);
	out->readonly_paths = reader_strings(r, in->readonlypaths, in->n_readonlypaths);
	out->mount_label = reader_text(r, in->mountlabel);
	read_rdt(r, in->intelrdt, out);
}

int convert_spec(const Grpc__Spec *in, struct arena *a, struct spec *out, struct err *e)
{
	struct reader r = { a, e };

	if (!in)
		return err_set(e, RC_INVALID_ARGUMENT, "OCI: the spec is missing");
	if (!in->linux)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "OCI.linux: Spec does not contain linux field");
	if (!in->root || str_empty(in->root->path))
		return err_set(e, RC_INVALID_ARGUMENT, "OCI.root.path: missing");
	out->version = reader_text(&r, in->version);
	out->process = convert_process(in->process, a, e);
	out->root = (struct spec_root){ reader_word(&r, in->root->path), in->root->readonly };
	out->hostname = reader_text(&r, in->hostname);
	read_mounts(&r, in, out);
	read_all_hooks(&r, in->hooks, &out->hooks);
	read_annotations(&r, in, &out->annotations);
	read_linux(&r, in->linux, &out->linux);
	return err_is_set(e) ? -1 : 0;
}

/* --- storages ---------------------------------------------------------------------------- */

static void read_storage(struct reader *r, const Grpc__Storage *in, struct storage_req *out)
{
	struct spec_strings driver_options =
		reader_strings(r, in->driver_options, in->n_driver_options);
	struct spec_strings options = reader_strings(r, in->options, in->n_options);

	*out = (struct storage_req){
		.driver = reader_word(r, in->driver),
		.source = reader_word(r, in->source),
		.fstype = reader_word(r, in->fstype),
		.mount_point = reader_word(r, in->mount_point),
		.driver_options = driver_options.v,
		.n_driver_options = driver_options.n,
		.options = options.v,
		.n_options = options.n,
		.flags = in->shared ? STORAGE_SHARED : 0,
	};
	if (!in->fs_group)
		return;
	out->fs_group = in->fs_group->group_id;
	out->flags |= STORAGE_FS_GROUP;
	if (in->fs_group->group_change_policy == TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch)
		out->flags |= STORAGE_FS_GROUP_ON_ROOT_MISMATCH;
}

struct storage_req *convert_storages(Grpc__Storage *const *in, size_t n, struct arena *a,
				     struct err *e)
{
	struct reader r = { a, e };
	struct storage_req *out = READER_ARRAY(&r, struct storage_req, n + 1);

	for (size_t i = 0; out && i < n; i++)
		read_storage(&r, in[i], &out[i]);
	return err_is_set(e) ? NULL : out;
}

struct sandbox_device *convert_devices(Grpc__Device *const *in, size_t n, struct arena *a,
				       struct err *e)
{
	struct reader r = { a, e };
	struct sandbox_device *out = READER_ARRAY(&r, struct sandbox_device, n + 1);

	for (size_t i = 0; out && i < n; i++) {
		struct spec_strings options = reader_strings(&r, in[i]->options, in[i]->n_options);

		out[i] = (struct sandbox_device){
			.type = reader_word(&r, in[i]->type),
			.id = reader_word(&r, in[i]->id),
			.vm_path = reader_word(&r, in[i]->vm_path),
			.container_path = reader_word(&r, in[i]->container_path),
			.options = options.v,
			.n_options = options.n,
		};
	}
	return err_is_set(e) ? NULL : out;
}

struct sandbox_shared_mount *convert_shared_mounts(Grpc__SharedMount *const *in, size_t n,
						   struct arena *a, struct err *e)
{
	struct reader r = { a, e };
	struct sandbox_shared_mount *out = READER_ARRAY(&r, struct sandbox_shared_mount, n + 1);

	for (size_t i = 0; out && i < n; i++)
		out[i] = (struct sandbox_shared_mount){
			.name = reader_word(&r, in[i]->name),
			.src_ctr = reader_word(&r, in[i]->src_ctr),
			.src_path = reader_word(&r, in[i]->src_path),
			.dst_ctr = reader_word(&r, in[i]->dst_ctr),
			.dst_path = reader_word(&r, in[i]->dst_path),
		};
	return err_is_set(e) ? NULL : out;
}
