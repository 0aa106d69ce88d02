/* SPDX-License-Identifier: Apache-2.0 */
/* The real agent in a VM with version 1 of the control groups: what may differ there, in one boot. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = { cases_life, cases_limits, cases_greedy, cases_task_limits, cases_inside_v1,
							     cases_guest, NULL };
	static struct rig r = { .vm_opts = { .cmdline = "systemd.unified_cgroup_hierarchy=0" } };

	r.programs = cases_inside_programs;
	return cases_main(RIG_VM, "agent in a VM with cgroup v1", tables, &r);
}
