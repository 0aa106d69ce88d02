/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual machine monitors other than QEMU, as what they are started with: pure functions of the
 * same options. Both have the vsock as a socket of the host (hvsock://, ttrpc/address.h), which
 * spares the device beside them. The launcher itself starts QEMU alone; these are for who has the
 * other two.
 */
#ifndef MOTE_VM_VMM_H
#define MOTE_VM_VMM_H

#include "vm/vm.h"
#include "vm/vm_arch.h"

#define VMM_NETS 4

struct vmm_net {
	const char *tap, *mac;
};

/* What the options do not say. */
struct vmm_plan {
	const struct vm_opts *opts; /* extra, fds, siblings and joins are QEMU's: not looked at */
	const struct vm_arch *arch;
	const char *program, *kernel, *initrd; /* initrd NULL: none */
	const char *vsock;                     /* path of the socket that the monitor makes */
	const char *api;                       /* of its control socket; NULL: none */
	const char *share_sockets[VM_SHARES];  /* of the virtiofsd of each share */
	struct vmm_net nets[VMM_NETS];
	size_t n_nets;
};

/* Cloud Hypervisor's argv, NULL-terminated, in a. NULL with e. */
const char **vmm_cloud_hypervisor(struct arena *a, const struct vmm_plan *p, struct err *e);

/* The text of Firecracker's --config-file. It has neither virtio-fs (UNIMPLEMENTED with shares) nor
 * disks that come later: a shim's root file systems would have to be there at the boot. */
char *vmm_firecracker(struct arena *a, const struct vmm_plan *p, struct err *e);

/* The kernel's command line of both, in a: NULL when there is no memory. */
char *vmm_cmdline(struct arena *a, const struct vmm_plan *p);

#endif
