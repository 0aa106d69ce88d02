/* SPDX-License-Identifier: Apache-2.0 */
/* What is plugged into a running machine. Processors and memory come into use with either version of the
 * control groups: a boot each, and all the rest in the first. */
#include "lib/cases.h"

static int run(const char *name, const struct CMUnitTest *const *tables, const char *cmdline)
{
	static struct rig r;

	r = (struct rig){ .vm_opts = { .cmdline = cmdline } };
	hotplug_of(&r);
	return cases_main(RIG_VM, name, tables, &r);
}

int main(void)
{
	static const struct CMUnitTest *const all[] = { cases_hotplug, cases_plug, NULL }, *const v1[] = { cases_hotplug, NULL };
	int first = run("a machine that grows, cgroup version 2", all, "maxcpus=1 agent.hotplug_timeout=20");

	return first ? first : run("a machine that grows, cgroup version 1", v1, "maxcpus=1 systemd.unified_cgroup_hierarchy=0");
}
