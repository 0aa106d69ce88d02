/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spec from the text of a config.json (OCI runtime spec 1.2). Members that are not in the
 * specification are ignored, as are the sections of other systems (runtimes MUST ignore unknown
 * properties); those that are must have their type and stand there once, null is "not said", a text
 * with a NUL byte is refused. Depth and time are bounded: the text is read without recursion, and
 * looked at only where the specification has something. Everything is copied into the arena; the
 * rules of spec_validate come after. Pure.
 */
#ifndef MOTE_CONTAINER_SPEC_JSON_H
#define MOTE_CONTAINER_SPEC_JSON_H

#include "container/spec.h"

#define SPEC_JSON_MAX	(4u << 20)	/* bytes of text, at most */

/* Fills an empty spec (spec_new). -1 with e: INVALID_ARGUMENT "linux.devices[3].type: a string is
 * wanted, not number", RESOURCE_EXHAUSTED when the arena is. A process without capabilities gets
 * five empty sets, as in other runtimes. */
int spec_json_read(const char *text, size_t len, struct arena *a, struct spec *out, struct err *e);

/* The process of an exec: an object as "process" in a config.json. NULL with e. */
struct spec_process *spec_json_read_process(const char *text, size_t len, struct arena *a,
					    struct err *e);

/* Limits alone: an object as "linux.resources" in a config.json. NULL with e. */
struct spec_resources *spec_json_read_resources(const char *text, size_t len, struct arena *a,
						struct err *e);

#endif
