/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts say of a container in its annotations. For the files of this directory. */
#ifndef MOTE_SANDBOX_SAID_H
#define MOTE_SANDBOX_SAID_H

#include "container/container.h"

/* A container of a pod, and not the pod's pause container; false also when nothing is said. */
bool said_is_pod_container(const struct container *c);

/* The pod's pause container, by what its host says. */
bool said_is_pod_sandbox(const struct container *c);

/* As the pod's spec calls it, or NULL. */
const char *said_name(const struct container *c);

#endif
