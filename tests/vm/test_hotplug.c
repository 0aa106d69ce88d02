/* SPDX-License-Identifier: Apache-2.0 */
/* Processors and memory that come into use later, with either version of the control groups: a boot each. */
#include "lib/cases.h"

static int run(const char *name, const char *cmdline)
{
	static const struct CMUnitTest *const tables[] = { cases_hotplug, NULL };
	static struct rig r;

	r = (struct rig){ .vm_opts = { .cmdline = cmdline } };
	hotplug_of(&r);
	return cases_main(RIG_VM, name, tables, &r);
}

int main(void)
{
	int first = run("a machine that grows, cgroup version 2", "maxcpus=1");

	return first ? first : run("a machine that grows, cgroup version 1", "maxcpus=1 systemd.unified_cgroup_hierarchy=0");
}
