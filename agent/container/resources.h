/* SPDX-License-Identifier: Apache-2.0 */
/* A container's group: making it, its limits and device rules. For container.c. */
#ifndef MOTE_CONTAINER_RESOURCES_H
#define MOTE_CONTAINER_RESOURCES_H

#include "container/container.h"

/* Job only. The group of c with everything its spec says of it. */
int resources_make(const struct container *c, struct err *e);

/* The container is being removed: limits that are under way fail. */
void resources_forget(const struct container *c);

/* The device rules that hold for a container with this spec and these rules: the nodes that the
 * spec has made, then the rules, then what every container may use. For resources.c and its test.
 * NULL: no memory. */
struct cgroup_device_rule *resources_device_rules(const struct spec *s,
						  const struct spec_resources *res, struct arena *a,
						  size_t *n);

#endif
