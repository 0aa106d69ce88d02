/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one error value. It is filled where what was attempted is known, gets
 * context on the way up, and is returned or logged, never both. A zeroed
 * struct err means success. The same 256 bytes cross from a forked child to
 * PID 1, so there is exactly one error format. Nothing here allocates or waits.
 *
 * Two tiers: leaf functions return -errno and stay silent; functions that take
 * `struct err *e` (last parameter, never NULL) return 0 or -1 (or a descriptor or -1).
 *
 * Arguments, environment values and file contents never enter a message.
 */
#ifndef MOTE_BASE_ERR_H
#define MOTE_BASE_ERR_H

#include "base/defs.h"

/* gRPC status codes: the numbers that travel in a ttrpc reply. */
enum rc {
	RC_OK = 0,
	RC_CANCELLED = 1,
	RC_UNKNOWN = 2,
	RC_INVALID_ARGUMENT = 3,
	RC_DEADLINE_EXCEEDED = 4,
	RC_NOT_FOUND = 5,
	RC_ALREADY_EXISTS = 6,
	RC_PERMISSION_DENIED = 7,
	RC_RESOURCE_EXHAUSTED = 8,
	RC_FAILED_PRECONDITION = 9,
	RC_ABORTED = 10,
	RC_OUT_OF_RANGE = 11,
	RC_UNIMPLEMENTED = 12,
	RC_INTERNAL = 13,
	RC_UNAVAILABLE = 14,
	RC_DATA_LOSS = 15,
	RC_UNAUTHENTICATED = 16,
};

struct err {
	uint16_t rc;   /* enum rc; RC_OK: not set */
	uint16_t sys;  /* errno behind it, or 0 */
	char msg[252]; /* "outer: inner: reason", always terminated */
};

_Static_assert(sizeof(struct err) == 256, "the error is one message of 256 bytes");

/* Each returns -1, so that `return err_set(e, …)` reads well. The first error wins:
 * setting an error that is set already keeps the old one. A message that is too
 * long is cut at its end and ends in "...". */
int err_set(struct err *e, enum rc rc, const char *fmt, ...) PRINTF(3, 4) COLD;

/* As err_set; the code comes from err_rc_of(errnum) and ": strerror (ENAME)" is appended.
 * errnum is a positive errno. */
int err_sys(struct err *e, int errnum, const char *fmt, ...) PRINTF(3, 4) COLD;

/* Puts "context: " in front of the message of a set error. Context that does not
 * fit is dropped whole: the innermost reason is never cut. */
int err_ctx(struct err *e, const char *fmt, ...) PRINTF(2, 3) COLD;

void err_clear(struct err *e);

static inline bool err_is_set(const struct err *e)
{
	return e->rc != RC_OK;
}

/* ENOENT NOT_FOUND, EEXIST ALREADY_EXISTS, EINVAL INVALID_ARGUMENT, EPERM and EACCES
 * PERMISSION_DENIED, ENOMEM ENOSPC EMFILE ENFILE EDQUOT RESOURCE_EXHAUSTED, EBUSY
 * FAILED_PRECONDITION, ETIMEDOUT DEADLINE_EXCEEDED, ENOSYS EOPNOTSUPP UNIMPLEMENTED,
 * ECANCELED CANCELLED, else INTERNAL. */
enum rc err_rc_of(int errnum);

/* "NOT_FOUND"; "CODE_99" never happens on our side but a peer may send anything: "?" then. */
const char *err_rc_name(int rc);

/* "ENOENT"; "E?" when unknown. */
const char *err_errno_name(int errnum);

/* Makes an error that came from another process safe to use: terminates the
 * text, turns control bytes into '?', and an unset code into INTERNAL. */
void err_sanitize(struct err *e);

#endif
