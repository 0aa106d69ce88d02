/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spec as text, for golden files: one line for each thing that is said, "linux.cgroupsPath =
 * /pod/c1", under the names of a config.json and in a fixed order; maps are sorted.
 */
#ifndef MOTE_TESTS_SPEC_DUMP_H
#define MOTE_TESTS_SPEC_DUMP_H

#include "base/str.h"
#include "container/spec.h"

/* In the arena; fails the test when it does not fit. */
char *spec_dump(const struct spec *s, struct arena *a);

/* linux.resources: what the agent limits. */
void spec_dump_resources(struct str *out, const struct spec_resources *r);

#endif
