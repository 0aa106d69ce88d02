/* SPDX-License-Identifier: Apache-2.0 */
/* The sanitizer build of the agent as PID 1 of namespaces on this machine. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = {
		cases_life, cases_host, cases_streams, cases_process, cases_errors, cases_bounds,
		cases_spelling, cases_races, cases_hostile, cases_pod, cases_many, cases_network,
		cases_files, cases_metrics, cases_freezer, NULL
	};
	static struct rig r;

	return cases_main(RIG_NAMESPACES, "agent in namespaces", tables, &r);
}
