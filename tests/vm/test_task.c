/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's front of the real agent: one boot for all cases. --table: what they show. */
#include "lib/cases.h"

#include "lib/conformance_task.h"

int main(int argc, char **argv)
{
	static const struct CMUnitTest *const tables[] = { cases_task,	      cases_task_io,
							    cases_task_events, cases_task_limits,
							    cases_ports,       cases_task_pod,
							    NULL };
	static struct rig r;

	if (argc > 1 && str_eq(argv[1], "--table"))
		return conformance_task_print(tables) < 0;
	return cases_main(RIG_VM, "containerd's front in a VM", tables, &r);
}
