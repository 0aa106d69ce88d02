/* SPDX-License-Identifier: Apache-2.0 */
/* Root file systems of several disks and partitions, checked as they are read. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = { cases_layers, NULL };
	static struct rig r = { .vm_opts = { .cmdline = "agent.hotplug_timeout=20" } };

	layers_of(&r);
	return cases_main(RIG_VM, "layers", tables, &r);
}
