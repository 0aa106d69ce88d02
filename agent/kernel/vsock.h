/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about vsock. Never waits. */
#ifndef MOTE_KERNEL_VSOCK_H
#define MOTE_KERNEL_VSOCK_H

#include "base/defs.h"

#define VSOCK_CID_HOST	2u

/* This machine's context id. 0 or -errno (-ENOENT, -ENODEV: no vsock here). */
int vsock_local_cid(uint32_t *cid);

#endif
