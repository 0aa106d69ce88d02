/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A config.json in the JSON form of Kata's protobuf message, by the schema alone: members are found
 * by their names whatever their case. What the schema has no field for is left out and named.
 */
#ifndef MOTE_TESTS_SPEC_KATA_H
#define MOTE_TESTS_SPEC_KATA_H

#include "base/err.h"
#include "base/mem.h"

#define SPEC_KATA_LOST_MAX	64

struct spec_kata {
	char *text;
	const char *lost[SPEC_KATA_LOST_MAX];	/* "process.scheduler", "domainname", … */
	size_t n_lost;
};

/* 0, or -1 with e when the text is no JSON. */
int spec_kata_from(const char *text, struct arena *a, struct spec_kata *out, struct err *e);

#endif
