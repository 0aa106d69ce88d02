/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the converters share: an arena, and one error that sticks. After a failure every helper
 * returns something harmless, so that a converter is straight-line code and looks at the error
 * once, at its end.
 */
#ifndef MOTE_SERVICE_READER_H
#define MOTE_SERVICE_READER_H

#include "container/spec.h"

struct reader {
	struct arena *a;
	struct err *e;
};

/* n zeroed objects; NULL when n is 0 or the memory is gone (then e is set). */
void *reader_array(struct reader *r, size_t n, size_t size);

/* A copy; NULL for "" (protobuf's "not said") and for no memory. */
const char *reader_text(struct reader *r, const char *s);

/* The same, but "" stays "". */
const char *reader_word(struct reader *r, const char *s);

struct spec_strings reader_strings(struct reader *r, char *const *v, size_t n);

#define READER_ARRAY(r, type, n) ((type *)reader_array((r), (n), sizeof(type)))

#endif
