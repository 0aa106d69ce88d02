/* SPDX-License-Identifier: Apache-2.0 */
/* CreateSandbox, DestroySandbox, GetGuestDetails. */
#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"
#include "kernel/seccomp.h"
#include "service/convert.h"
#include "service/kata/kata.h"

static const struct module *modules_of(const Grpc__CreateSandboxRequest *req, struct arena *a,
				       struct err *e)
{
	struct module *v = ARENA_ARRAY(a, struct module, req->n_kernel_modules);

	if (!v)
		err_sys(e, ENOMEM, "kernel_modules");
	for (size_t i = 0; v && i < req->n_kernel_modules; i++)
		v[i] = (struct module){ .name = req->kernel_modules[i]->name,
					.parameters = req->kernel_modules[i]->parameters,
					.n_parameters = req->kernel_modules[i]->n_parameters };
	return v;
}

void kata_create_sandbox(struct call *c)
{
	const Grpc__CreateSandboxRequest *req = (const void *)c->req;
	struct sandbox_spec *spec = ARENA_NEW(&c->arena, struct sandbox_spec);
	struct err e = { 0 };

	if (!spec) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "CreateSandbox: no memory");
		return;
	}
	*spec = (struct sandbox_spec){
		.id = req->sandbox_id,
		.hostname = req->hostname,
		.dns = req->dns,
		.n_dns = req->n_dns,
		.guest_hooks = req->guest_hook_path,
		.modules = modules_of(req, &c->arena, &e),
		.n_modules = req->n_kernel_modules,
		.storages = convert_storages(req->storages, req->n_storages, &c->arena, &e),
		.n_storages = req->n_storages,
	};
	if (err_is_set(&e))
		call_fail(c, &e);
	else
		sandbox_create(kata_of(c)->sandbox, spec, verb_deadline(c), verb_answer, c);
}

void kata_destroy_sandbox(struct call *c)
{
	sandbox_destroy(kata_of(c)->sandbox, verb_deadline(c), verb_answer, c);
}

/* Hexadecimal, without prefix; a kernel without memory hotplug has no such file. */
static int memory_block_size(uint64_t *out, struct err *e)
{
	char text[32];
	ssize_t n = io_read_line(AT_FDCWD, "/sys/devices/system/memory/block_size_bytes", text,
				 sizeof(text));

	*out = 0;
	if (n == -ENOENT)
		return 0;
	if (n < 0 || num_hex(text, UINT64_MAX, out) < 0)
		return err_set(e, RC_INTERNAL,
			       "/sys/devices/system/memory/block_size_bytes: not a number");
	return 0;
}

static size_t count_names(const char *const *names)
{
	size_t n = 0;

	while (names[n])
		n++;
	return n;
}

void kata_get_guest_details(struct call *c)
{
	static const char *const features[] = { "seccomp", NULL };
	const Grpc__GuestDetailsRequest *req = (const void *)c->req;
	const struct sandbox *s = kata_of(c)->sandbox;
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;
	struct err e = { 0 };

	if (req->mem_block_size && memory_block_size(&reply.mem_block_size_bytes, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	if (req->mem_hotplug_probe)
		reply.support_mem_hotplug_probe =
			access("/sys/devices/system/memory/probe", F_OK) == 0;
	details.version = (char *)s->opts.version;
	details.init_daemon = (s->opts.flags & SANDBOX_INIT) != 0;
	details.storage_handlers = (char **)storage_driver_names();
	details.n_storage_handlers = count_names(storage_driver_names());
	details.device_handlers = (char **)device_type_names;
	details.n_device_handlers = count_names(device_type_names);
	details.supports_seccomp = seccomp_filter_supported();
	details.extra_features = (char **)features;
	details.n_extra_features = details.supports_seccomp ? 1 : 0;
	reply.agent_details = &details;
	call_reply(c, &reply.base);
}
