/* SPDX-License-Identifier: Apache-2.0 */
/* The real agent as PID 1 of a VM: one boot for all cases. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = {
		cases_life, cases_host, cases_streams, cases_process, cases_errors,
		cases_bounds, cases_races, cases_hostile, cases_pod, cases_many, cases_network,
		cases_files, cases_machine, cases_cgroup, cases_limits, cases_greedy,
		cases_freezer, cases_metrics,
		cases_guest, NULL
	};
	static struct rig r;

	return cases_main(RIG_VM, "agent in a VM", tables, &r);
}
