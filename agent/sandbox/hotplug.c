/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/hotplug.h"

#include "base/clock.h"
#include "base/log.h"
#include "event/work.h"
#include "sandbox/machine.h"
#include "sandbox/members.h"

#define MEMORY_MS 60000 /* for one round: the kernel initializes gigabytes of pages */

static int memory_job(void *arg UNUSED, int out UNUSED, struct err *e)
{
	const struct machine_online all = { 0 };

	return machine_online(&all, e);
}

static void memory_done(void *owner, const struct err *e, const void *out UNUSED, size_t len UNUSED)
{
	struct hotplug *h = owner;

	h->running = false;
	if (err_is_set(e))
		log_error("sandbox", "plugged memory: %s", e->msg);
	if (h->again) /* there is more: whatever became of this round */
		hotplug_memory(h);
}

void hotplug_memory(struct hotplug *h)
{
	const struct work_opts opts = { .what = "put plugged memory into use",
					.deadline_ms = clock_after(MEMORY_MS) };

	h->again = h->running;
	if (h->running)
		return;
	h->running = true;
	work_start(h->loop, &opts, memory_job, NULL, memory_done, h);
}

/* The sandbox's own descriptor of the hierarchies is closed in a job. */
int hotplug_follow_cpus(const struct sandbox *s, struct err *e)
{
	struct cgroup_root root;
	struct member *m;
	int r = cgroup_detect(s->cgroups.path, &root);

	if (r < 0)
		return err_sys(e, -r, "control groups at %s", s->cgroups.path);
	LIST_EACH(m, &s->containers, struct member, node) {
		const struct container *c = m->container;

		if (r == 0 && c->cgroup_path)
			r = cgroup_follow_cpus(&root, c->cgroup_path, !c->has_cpuset, e);
	}
	cgroup_root_fini(&root);
	return r;
}
