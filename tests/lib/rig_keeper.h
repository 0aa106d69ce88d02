/* SPDX-License-Identifier: Apache-2.0 */
/* For rig*.c: the process above an agent in namespaces. */
#ifndef MOTE_TESTS_RIG_KEEPER_H
#define MOTE_TESTS_RIG_KEEPER_H

#include "lib/rig.h"

/* $name, or otherwise when it is not set or empty. */
const char *rig_env(const char *name, const char *otherwise);

/* In a mount namespace of one's own that nothing propagates into: takes away what others have mounted below /run,
 * /tmp and /var. Whoever removes a mount point there takes the mount away here as well (Linux 3.18), and what is left
 * after a case would not be what was before. */
void rig_drop_foreign_mounts(void);

/* In a child of the test's: starts the agent as PID 1 of namespaces, writes its pid (as this machine
 * sees it) to `tell`, and exits like the agent once that has ended. SIGTERM, or the test's end, is
 * the agent's end. */
_Noreturn void rig_keep_namespaces(const struct rig *r, int tell);

#endif
