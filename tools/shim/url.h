/* SPDX-License-Identifier: Apache-2.0 */
/* Where containerd wants a process's stdio: the forms of its stdin, stdout and stderr fields. Pure.
 */
#ifndef MOTE_SHIM_URL_H
#define MOTE_SHIM_URL_H

#include "base/err.h"
#include "base/mem.h"

enum url_kind {
	URL_NONE,   /* "": nowhere */
	URL_FIFO,   /* /path, fifo:///path */
	URL_FILE,   /* file:///path: appended to, made with its directories when missing */
	URL_BINARY, /* binary:///path?key=value: a program that takes the output */
	URL_STREAM, /* anything?streaming_id=ID: containerd itself opens the stream ID */
};

struct url_pair {
	const char *key, *value;
};

struct url {
	enum url_kind kind;
	const char *path;            /* FIFO, FILE, BINARY: absolute, without ".." */
	const char *stream;          /* STREAM: 1 to 255 bytes */
	const struct url_pair *args; /* BINARY: the query, in the order of its text */
	size_t n_args;
};

/* All of out is a's. -1 with e: INVALID_ARGUMENT that says why, not which field. */
int url_parse(struct arena *a, const char *text, struct url *out, struct err *e);

#endif
