/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM or emulation. That /dev/kvm exists proves nothing: where the processor has no virtualization
 * of its own the node may be there and a guest hangs at its first instructions. So a guest of three
 * instructions has to run and end within a few seconds; the verdict is kept in the user's cache for
 * this boot of the machine and this QEMU.
 */
#ifndef MOTE_VM_ACCEL_H
#define MOTE_VM_ACCEL_H

#include "base/err.h"
#include "event/loop.h"
#include "vm/vm_arch.h"

/* "kvm" or "tcg", and always the latter for a guest of another architecture than this machine's.
 * $MOTE_ACCEL decides when it is set. Turns the loop, for up to 5 s when there is a
 * proof to make. */
const char *vm_accel_choose(struct loop *l, const struct vm_arch *arch, const char *qemu,
			    const bool *cancel);

/* How fast the processor's time stamp counter runs, in kHz; 0: it has none that we know. An emulated
 * guest sees the same counter and takes it for its clock, but measures it against emulated timers:
 * on a busy machine it arrives at a fraction, and its time runs that much faster. So it is told.
 * Waits a few milliseconds. */
uint32_t vm_accel_tsc_khz(void);

#endif
