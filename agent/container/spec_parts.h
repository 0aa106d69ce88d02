/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the rules share; for spec*.c only. */
#ifndef MOTE_CONTAINER_SPEC_PARTS_H
#define MOTE_CONTAINER_SPEC_PARTS_H

#include "container/spec.h"

/* INVALID_ARGUMENT "field: why". */
int spec_bad(struct err *e, const char *field, const char *why);

/* "system_u:system_r:container_t:s0:c1,c2": the shape that the kernel's policy files use. */
bool spec_label_is_context(const char *label);

#endif
