/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a host without a shared filesystem sends piece by piece. A file appears under its name
 * once it is whole; until then it is a hidden file beside it, which another attempt goes on with.
 */
#ifndef MOTE_SANDBOX_COPY_FILE_H
#define MOTE_SANDBOX_COPY_FILE_H

#include "base/err.h"

#define COPY_FILE_DIR "/run/kata-containers/shared/containers"

struct copy_file {
	const char *path;	/* below COPY_FILE_DIR */
	uint32_t mode;		/* with the type: a regular file, a directory or a symbolic link */
	uint32_t dir_mode;	/* of directories above it that are missing */
	int32_t uid, gid;	/* -1: whoever makes it */
	int64_t size, offset;	/* bytes: of the whole; where data belongs */
	const void *data;	/* a link: where it leads */
	size_t len;
};

/* The path is resolved inside the directory: no link leads out of it. A piece that begins behind
 * what is there is FAILED_PRECONDITION with how much that is, so that a host can go on from there.
 * WAITS: jobs only. */
int copy_file(const struct copy_file *f, struct err *e);

/* The same where `top`, a descriptor of a directory, stands for "/". */
int copy_file_below(int top, const struct copy_file *f, struct err *e);

#endif
