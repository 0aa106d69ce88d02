/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's front of the real agent: one boot for all cases. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = { cases_task, cases_task_io, cases_task_events, cases_task_limits,
							    cases_task_pod, NULL };
	static struct rig r;

	return cases_main(RIG_VM, "containerd's front in a VM", tables, &r);
}
