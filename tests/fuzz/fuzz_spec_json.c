/* SPDX-License-Identifier: Apache-2.0 */
/* A config.json from arbitrary text, through the rules to the plan of the file tree. The golden
 * specs are where it begins. */
#include <stdlib.h>

#include "base/path.h"
#include "container/rootfs.h"
#include "container/spec_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the rest of the agent takes for granted of a spec that was read. */
static void check(const struct spec *s)
{
	for (size_t i = 0; i < s->n_mounts; i++)
		if (!s->mounts[i].destination || !s->mounts[i].source || !s->mounts[i].type)
			abort();
	for (size_t i = 0; i < s->annotations.n; i++)
		if (!s->annotations.v[i].key || !s->annotations.v[i].value)
			abort();
	if (s->process && (!s->process->caps || (s->process->args.n &&
						 s->process->args.v[s->process->args.n])))
		abort();
}

static void follow(const struct spec *s, struct arena *a)
{
	const struct rootfs_facts facts = { .cgroup2 = true, .cgroup_path = "/c",
					    .user_ns = s->linux.ns[NS_USER].want };
	struct err e = { 0 };
	struct plan p;

	check(s);
	plan_init(&p, a);
	if (spec_validate(s, &e) == 0 && rootfs_plan(s, &facts, &p, &e) == 0) {
		for (size_t i = 0; i < p.n; i++)
			if (!path_is_plain(p.ops[i].target))
				abort();
	} else if (!err_is_set(&e)) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct arena a;
	struct spec *s;

	arena_init(&a, 1 << 20);
	s = spec_new(&a);
	if (!s)
		abort();
	if (spec_json_read((const char *)data, size, &a, s, &e) == 0)
		follow(s, &a);
	else if (!err_is_set(&e) || e.rc == RC_INTERNAL)
		abort();
	err_clear(&e);
	if (!spec_json_read_process((const char *)data, size, &a, &e) && !err_is_set(&e))
		abort();
	arena_fini(&a);
	return 0;
}
