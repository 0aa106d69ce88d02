/* SPDX-License-Identifier: Apache-2.0 */
/* Clearing a container away; for container.c and remove.c only. */
#ifndef MOTE_CONTAINER_REMOVE_H
#define MOTE_CONTAINER_REMOVE_H

#include "container/container.h"

/* Kills what lives, waits for it, takes cgroup and bundle away, then calls cleared (which may
 * free c) from the loop or from inside. It goes on until it is done, however long that takes. */
void remove_start(struct container *c, void (*cleared)(struct container *c));

#endif
