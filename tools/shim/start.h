/* SPDX-License-Identifier: Apache-2.0 */
/* The short-lived commands, and the long-lived server that one of them leaves behind. */
#ifndef MOTE_SHIM_START_H
#define MOTE_SHIM_START_H

#include <limits.h>

#include "base/err.h"
#include "base/mem.h"
#include "shim/flags.h"

/* A file's path for the socket of the server of a pod: the same for whoever asks on behalf of the
 * same containerd. socket_dir "": the usual one. */
int start_socket_path(const char *socket_dir, const struct shim_flags *f, const char *group,
		      char out[108], struct err *e);

/* A connection to the server there; -1: there is none. */
int start_connect(const char *path);

static inline const char *start_pick(const char *first, const char *second)
{
	return first && *first ? first : second;
}

/* Finds or makes the pod's server, and answers on stdout. -1 with e. */
int cmd_start(const struct shim_flags *f, struct err *e);

/* What a dead shim left, or one that is given up; answers on stdout. */
int cmd_delete(const struct shim_flags *f, struct err *e);

struct serve_opts {
	const char *ns, *id;       /* id: the pod's */
	const char *socket;        /* path */
	const char *ttrpc_address; /* containerd's */
	bool debug;
};

/* Serves until the pod is gone. ready(arg) is called once when calls are taken; with an error
 * before that -1 with e. The exit status. */
int serve(const struct serve_opts *o, void (*ready)(void *arg), void *arg, struct err *e);

#endif
