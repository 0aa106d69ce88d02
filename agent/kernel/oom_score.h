/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's choice of whom to kill for memory. Another init may shield the agent, and children inherit
 * that: what they become is not what was meant. Never waits.
 */
#ifndef MOTE_KERNEL_OOM_SCORE_H
#define MOTE_KERNEL_OOM_SCORE_H

#include "base/err.h"

/* At the start: remembers whether this process is shielded. */
void oom_score_know(void);

/* In a child that becomes another program: as if nobody had shielded us. 0 or -errno. */
int oom_score_restore(void);

#endif
