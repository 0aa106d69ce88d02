/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of other buses than PCI's own, and those that CDI files describe. */
#include "lib/cases.h"

int main(void)
{
	static const struct CMUnitTest *const tables[] = { cases_bus, cases_cdi, NULL };
	static struct rig r = { .vm_opts = { .cmdline = "agent.hotplug_timeout=20 agent.cdi_timeout=30 agent.visible_cdi_devices=true" } };

	buses_of(&r);
	return cases_main(RIG_VM, "other buses", tables, &r);
}
