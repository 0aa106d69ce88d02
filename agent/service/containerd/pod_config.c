/* SPDX-License-Identifier: Apache-2.0 */
#include "service/containerd/pod_config.h"

#include "mote.pb-c.h"
#include "service/containerd/any.h"
#include "service/convert.h"

/* As containerd makes it. */
static const char *const shm_options[] = { "nosuid", "noexec", "nodev", "mode=1777",
					   "size=67108864" };

static const struct storage_req shm = {
	.driver = "ephemeral",
	.source = "shm",
	.fstype = "tmpfs",
	.mount_point = SANDBOX_DIR "/shm",
	.options = (char **)shm_options,
	.n_options = COUNT_OF(shm_options),
};

/* A word of a list must not make a line of its own. */
static bool is_word(const char *s)
{
	return *s && !s[strcspn(s, " \t\r\n")];
}

/* "search A B" of all words. */
static int add_line(struct arena *a, struct sandbox_spec *out, const char *key, char **v, size_t n,
		    struct err *e)
{
	char *line = arena_strdup(a, key);

	for (size_t i = 0; line && i < n; i++) {
		if (!is_word(v[i]))
			return err_set(e, RC_INVALID_ARGUMENT, "dns_config: %s \"%.64s\"", key, v[i]);
		line = arena_printf(a, "%s %s", line, v[i]);
	}
	if (!line)
		return err_sys(e, ENOMEM, "dns_config");
	if (n)
		out->dns[out->n_dns++] = line;
	return 0;
}

static int read_dns(const Runtime__V1__DNSConfig *in, struct arena *a, struct sandbox_spec *out,
		    struct err *e)
{
	if (!in || in->n_servers + in->n_searches + in->n_options == 0)
		return 0;
	out->n_dns = 0;
	out->dns = ARENA_ARRAY(a, char *, in->n_servers + 2);
	if (!out->dns)
		return err_sys(e, ENOMEM, "dns_config");
	if (add_line(a, out, "search", in->searches, in->n_searches, e) < 0)
		return -1;
	for (size_t i = 0; i < in->n_servers; i++)
		if (add_line(a, out, "nameserver", &in->servers[i], 1, e) < 0)
			return -1;
	return add_line(a, out, "options", in->options, in->n_options, e);
}

static int read_sysctls(const Runtime__V1__LinuxPodSandboxConfig *in, struct arena *a,
			struct sandbox_spec *out, struct err *e)
{
	size_t n = in ? in->n_sysctls : 0;

	if (!n)
		return 0;
	out->sysctls.v = ARENA_ARRAY(a, struct spec_pair, n);
	if (!out->sysctls.v)
		return err_sys(e, ENOMEM, "sysctls");
	for (size_t i = 0; i < n; i++)
		out->sysctls.v[i] = (struct spec_pair){ in->sysctls[i]->key, in->sysctls[i]->value };
	out->sysctls.n = n;
	return 0;
}

static int add_shm(struct arena *a, struct sandbox_spec *out, struct err *e)
{
	struct storage_req *v = ARENA_ARRAY(a, struct storage_req, out->n_storages + 1);

	if (!v)
		return err_sys(e, ENOMEM, "shm");
	v[0] = shm;
	if (out->n_storages)
		memcpy(v + 1, out->storages, out->n_storages * sizeof(*v));
	out->storages = v;
	out->n_storages++;
	return 0;
}

int pod_config_take(const Runtime__V1__PodSandboxConfig *in, struct arena *a,
		    struct sandbox_spec *out, struct err *e)
{
	if (*in->hostname)
		out->hostname = in->hostname;
	out->pod_files = true;
	if (read_dns(in->dns_config, a, out, e) < 0 || read_sysctls(in->linux, a, out, e) < 0)
		return -1;
	return add_shm(a, out, e);
}

/* Some hosts write it in JSON. No message begins like that. */
static int read_pod(const Google__Protobuf__Any *any, struct arena *a, struct sandbox_spec *out,
		    struct err *e)
{
	const Runtime__V1__PodSandboxConfig *in;

	if (any->value.len && any->value.data[0] == '{')
		in = pod_config_json(any->value.data, any->value.len, a, e);
	else
		in = (void *)any_open(any, &runtime__v1__pod_sandbox_config__descriptor, a, e);
	if (!in)
		return err_ctx(e, "options");
	return pod_config_take(in, a, out, e);
}

static int read_own(const Mote__V1__SandboxOptions *in, struct arena *a, struct sandbox_spec *out,
		    struct err *e)
{
	struct module *modules = ARENA_ARRAY(a, struct module, in->n_kernel_modules);

	out->hostname = in->hostname;
	out->dns = in->dns;
	out->n_dns = in->n_dns;
	out->guest_hooks = in->guest_hook_path;
	out->storages = convert_storages(in->storages, in->n_storages, a, e);
	out->n_storages = in->n_storages;
	if (!out->storages)
		return -1;
	if (!modules)
		return err_sys(e, ENOMEM, "kernel_modules");
	for (size_t i = 0; i < in->n_kernel_modules; i++)
		modules[i] = (struct module){ .name = in->kernel_modules[i]->name,
					      .parameters = in->kernel_modules[i]->parameters,
					      .n_parameters = in->kernel_modules[i]->n_parameters };
	out->modules = modules;
	out->n_modules = in->n_kernel_modules;
	return 0;
}

static bool is_pod(const Google__Protobuf__Any *any)
{
	return any_is(any, "runtime.v1.PodSandboxConfig") ||
	       any_is(any, "runtime.v1alpha2.PodSandboxConfig");
}

int pod_config_read(const Google__Protobuf__Any *options, struct arena *a,
		    struct sandbox_spec *out, struct err *e)
{
	const Mote__V1__SandboxOptions *own;

	*out = (struct sandbox_spec){ .hostname = "", .guest_hooks = "" };
	if (any_is(options, "mote.v1.SandboxOptions")) {
		own = (void *)any_open(options, &mote__v1__sandbox_options__descriptor, a, e);
		if (!own || read_own(own, a, out, e) < 0)
			return err_ctx(e, "options");
		options = own->config;
	}
	return is_pod(options) ? read_pod(options, a, out, e) : 0;
}
