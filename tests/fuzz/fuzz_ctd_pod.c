/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd's front is told of pods and tasks, as bytes of the wire: CreateSandbox's options, and
 * Create's with a spec in JSON, into the model and through its rules. */
#include <stdlib.h>

#include "base/path.h"
#include "container/spec_json.h"
#include "containerd_task.pb-c.h"
#include "mote.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/pod_config.h"
#include "service/containerd/task_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pod(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "mote.v1.SandboxOptions", "runtime.v1.PodSandboxConfig",
					     "other" };
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct sandbox_spec spec;
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 4 << 20);
	any.type_url = (char *)types[data[0] % COUNT_OF(types)];
	any.value.data = (uint8_t *)data + 1;
	any.value.len = size - 1;
	if (pod_config_read(&any, &a, &spec, &e) < 0) {
		if (!err_is_set(&e))
			abort();
	} else {
		if (!spec.hostname || !spec.guest_hooks)
			abort();
		for (size_t i = 0; spec.pod_files && i < spec.n_dns; i++)
			if (!spec.dns[i])
				abort();
		spec_validate_sysctls(&spec.sysctls, &e);
	}
	arena_fini(&a);
}

static void task(const uint8_t *data, size_t size)
{
	static const struct container_host host = { .run_dir = "/run/kata-containers" };
	struct container c = { .host = &host, .id = "c" };
	struct sandbox_container what = { .container = &c };
	const struct task_spec in = { &what, data[0] & 2, data[0] & 4 ? "/run/b" : "",
				      data[0] & 8 ? "/run/r" : "", data[0] & 16 };
	struct err e = { 0 };

	arena_init(&c.arena, 4 << 20);
	c.spec = spec_new(&c.arena);
	if (!c.spec)
		abort();
	if (spec_json_read((const char *)data + 1, size - 1, &c.arena, c.spec, &e) == 0 &&
	    task_spec_adapt(&in, &e) == 0) {
		for (size_t i = 0; i < NS_TYPES; i++)
			if (c.spec->linux.ns[i].path)
				abort();
		if (c.spec->linux.ns[NS_NET].want)
			abort();
		if (spec_validate(c.spec, &e) == 0 && *c.spec->root.path != '/')
			abort();
	} else if (!err_is_set(&e)) {
		abort();
	}
	arena_fini(&c.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		task(data, size);
	else
		pod(data, size);
	return 0;
}
