/* SPDX-License-Identifier: Apache-2.0 */
/* Words that a spec brings: capabilities, limits, namespaces, cgroup paths. */
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_ops.h"
#include "kernel/ns.h"
#include "kernel/rlimit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bases[] = { "", "/system.slice/kata-agent.service/containers" };
	struct err e = { 0 };
	struct arena a;
	char *text, *path;
	uint64_t mask;

	arena_init(&a, 1 << 20);
	text = arena_strndup(&a, (const char *)data, size);
	if (!text)
		return 0;
	if (caps_parse(&text, 1, &mask, &e) == 0 ? !mask : e.rc != RC_INVALID_ARGUMENT)
		abort();
	(void)rlimit_number(text);
	(void)ns_by_name(text);
	err_clear(&e);
	for (size_t i = 0; i < COUNT_OF(bases); i++) {
		struct cgroup_root root = { .fd = -1 };

		memcpy(root.base, bases[i], strlen(bases[i]) + 1);
		err_clear(&e);
		path = cgroup_path_of_spec(&root, &a, text, "id", &e);
		if (path ? !str_starts(path, bases[i]) || path[strlen(bases[i])] != '/' ||
				   !cgroup_relative(path) || strstr(path, "/../")
			 : e.rc != RC_INVALID_ARGUMENT && e.rc != RC_RESOURCE_EXHAUSTED)
			abort();
	}
	arena_fini(&a);
	return 0;
}
