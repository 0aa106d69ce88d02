/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a host's PCI devices are in the guest, and the environment of a process that was told where
 * they are on the host: device plugins set PCIDEVICE_<resource>=ADDRESS,… and, as JSON,
 * PCIDEVICE_<resource>_INFO. Pure.
 */
#ifndef MOTE_CONTAINER_PCI_ENV_H
#define MOTE_CONTAINER_PCI_ENV_H

#include "base/bdf.h"
#include "container/spec.h"

struct pci_pair {
	bdf_t host, guest;
};

/* Of one container, over all its devices. */
struct pci_map {
	struct pci_pair *v;
	size_t n;
};

/* One more, in an array of a's. ALREADY_EXISTS: another guest address for this host's. */
int pci_map_add(struct pci_map *m, bdf_t host, bdf_t guest, struct arena *a, struct err *e);

/* Rewrites the variables whose addresses are all in the map, each with its _INFO; a value that is no
 * list of addresses, and a list with an address that is not in the map, stay as they are. New texts
 * are a's; the list itself is changed in place. RESOURCE_EXHAUSTED. */
int pci_env_rewrite(struct spec_strings *env, const struct pci_map *m, struct arena *a,
		    struct err *e);

#endif
