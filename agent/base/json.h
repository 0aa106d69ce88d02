/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON through yyjson, with all memory from an arena: nothing to free, a hard budget.
 * The only header that shows yyjson's types; include it where JSON is read.
 */
#ifndef MOTE_BASE_JSON_H
#define MOTE_BASE_JSON_H

#include <yyjson.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* Strict RFC 8259. NULL with e set: "JSON: byte 17: …" (the text itself is not quoted), or
 * RESOURCE_EXHAUSTED. */
yyjson_doc *json_read(struct arena *a, const char *text, size_t len, struct err *e);

/* A mutable document whose memory is the arena's. NULL when there is none. */
yyjson_mut_doc *json_new(struct arena *a);

/* Writes doc into the arena (flags as yyjson_write_flag); *len without terminator. NULL with e set.
 */
char *json_write(struct arena *a, yyjson_mut_doc *doc, uint32_t flags, size_t *len, struct err *e);

/* Appends "text" with quotes, escaped; invalid UTF-8 becomes U+FFFD. Needs no arena: for log lines.
 */
void json_add_string(struct str *s, const char *text);

#endif
