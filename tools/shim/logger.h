/* SPDX-License-Identifier: Apache-2.0 */
/* binary://: a program that takes a process's output, as containerd has them: stdout on descriptor
 * 3, stderr on 4, and 5, which it closes when it is ready. */
#ifndef MOTE_SHIM_LOGGER_H
#define MOTE_SHIM_LOGGER_H

#include "base/err.h"
#include "event/loop.h"
#include "shim/url.h"

struct logger_opts {
	const char *ns, *id;       /* CONTAINER_NAMESPACE, CONTAINER_ID */
	const struct url *program; /* its arguments are the query's keys and values in turn */
};

/* The ends to write to; err NULL: there is no second output. Turns the loop until the program is
 * ready, up to 10 s. -1 with e, and then the program is killed. It ends by itself when the outputs
 * are closed. */
int logger_start(struct loop *l, const struct logger_opts *o, int *out, int *err, struct err *e);

#endif
