/* SPDX-License-Identifier: Apache-2.0 */
/* The host's clock, as the hypervisor gives it to the guest (drivers/ptp/ptp_kvm_common.c: a PTP
 * clock named "KVM virtual PTP"). */
#ifndef MOTE_KERNEL_PTP_H
#define MOTE_KERNEL_PTP_H

#include <time.h>

#include "base/defs.h"

/* The time of the host's wall. -ENODEV: the hypervisor gives none; other -errno. Does not wait: a
 * read of sysfs and a call of the hypervisor. class_dir: "/sys/class/ptp", and the nodes are in
 * dev_dir, "/dev". */
int ptp_host_time(const char *class_dir, const char *dev_dir, struct timespec *out);

#endif
