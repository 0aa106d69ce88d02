/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of motectl share. */
#ifndef MOTECTL_H
#define MOTECTL_H

#include "base/err.h"
#include "event/loop.h"
#include "lib/opt.h"

enum {
	STATUS_FAILED = 1,	/* what was asked for did not work */
	STATUS_USAGE = 2,	/* it was not understood */
	STATUS_OWN = 125,	/* `run`: motectl failed, not the container */
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
};

/* Each gets the arguments from its own name on, NULL-terminated, and returns the exit status. */
int cmd_run(char **argv);
int cmd_vm(char **argv);
int cmd_image(char **argv);
int cmd_call(char **argv);
int cmd_list(char **argv);
int cmd_describe(char **argv);

/* "motectl: TEXT" on stderr; returns status. */
int complain(int status, const struct err *e);

/* As opt_read(). 0: go on. Else the command returns *status at once: help was printed (*help set
 * and 0), or the mistake (STATUS_USAGE). */
int read_options(struct arena *a, const struct opt *table, void *into, const bool *help,
		 const char *usage, char **argv, struct opt_rest *rest, int *status);

/* A second look at the arguments: between min and max of them, else a message; 0 or -1. */
int check_arguments(const struct opt_rest *rest, size_t min, size_t max, const char *usage);

#endif
