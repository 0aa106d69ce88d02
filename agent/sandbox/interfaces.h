/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOTE_SANDBOX_INTERFACES_H
#define MOTE_SANDBOX_INTERFACES_H

#include "network/network.h"
#include "sandbox/sandbox.h"

/* network_interface_set of the interface behind that PCI path (empty: whichever i tells), once it is
 * there. DEADLINE_EXCEEDED "interface not available: …" when it does not come in the time for
 * hotplug. */
void sandbox_interface_set(struct sandbox *s, const struct net_interface *i, const char *pci_path,
			   uint64_t deadline_ms, work_done_fn done, void *owner);

#endif
