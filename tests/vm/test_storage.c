/* SPDX-License-Identifier: Apache-2.0 */
/* Disks and shared directories, as a host gives them to a VM: one boot for all cases. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = { cases_disk, cases_watch, cases_nic, cases_peer, cases_inside_v2, cases_stall, NULL };
	static struct rig r = {
		.vm_opts = { .n_shares = 1, .cmdline = "agent.hotplug_timeout=20" },
	};

	disks_of(&r);
	r.programs = cases_inside_programs;
	return cases_main(RIG_VM, "storages in a VM", tables, &r);
}
