/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's front: the sanitizer build of the agent in namespaces on this machine. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = { cases_task, cases_task_io, cases_task_events,
							    cases_task_races, cases_ports, cases_task_pod, NULL };
	static struct rig r;

	return cases_main(RIG_NAMESPACES, "containerd's front in namespaces", tables, &r);
}
