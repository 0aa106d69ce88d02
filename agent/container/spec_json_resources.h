/* SPDX-License-Identifier: Apache-2.0 */
/* The object linux.resources of a config.json (OCI runtime spec 1.2). Pure. */
#ifndef MOTE_CONTAINER_SPEC_JSON_RESOURCES_H
#define MOTE_CONTAINER_SPEC_JSON_RESOURCES_H

#include "base/json.h"
#include "container/spec.h"

/* In the arena, strings too. Members that are not known are left out, as the specification wants.
 * NULL with e: INVALID_ARGUMENT naming the member ("linux.resources.memory.limit: not a whole
 * number"), RESOURCE_EXHAUSTED. */
struct spec_resources *spec_json_resources(struct arena *a, yyjson_val *v, struct err *e);

#endif
