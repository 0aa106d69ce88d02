/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a program a stopped process stands: the return addresses on its stack that lie in the
 * program's own text, innermost first, and their names. The program keeps frame pointers; libraries
 * between its frames need not: they are passed over.
 */
#ifndef MOTE_TESTS_FAULT_STACK_H
#define MOTE_TESTS_FAULT_STACK_H

#include <sys/types.h>

#include "base/defs.h"

struct fault_symbol {
	uint64_t at, size;
	const char *name; /* in the mapped file */
};

enum fault_root { FAULT_ROOT_LOOP, FAULT_ROOT_FORK, FAULT_ROOT_JOB, FAULT_ROOT_STAGE, FAULT_ROOTS };

/* An ELF file of this machine (64 bits, position-independent), mapped. */
struct fault_image {
	const unsigned char *file;
	size_t bytes;
	uint64_t text_at, text_bytes, text_offset; /* address, size, place in the file */
	struct fault_symbol *symbols;
	size_t n_symbols;
	const struct fault_symbol *roots[FAULT_ROOTS];
	dev_t dev;
	ino_t ino;
	uint64_t load; /* what to add in the process; 0: not known yet */
};

/* 0, or -1 with the reason on stderr. */
int fault_image_open(struct fault_image *im, const char *path);
void fault_image_close(struct fault_image *im);

/* Does the process execute this file? */
bool fault_image_is_of(const struct fault_image *im, pid_t pid);

/* The name of the function at a return address; "?". */
const char *fault_image_name(const struct fault_image *im, uint64_t at);

/* Does a chain pass the function where the loop, a job or a stage begins? */
bool fault_image_passes(const struct fault_image *im, enum fault_root root, const uint64_t *frames,
			size_t n);

/* A process that waits in a system call. */
struct fault_place {
	pid_t pid;
	bool child; /* not PID 1 */
	bool alloc; /* the call stands for an allocation */
};

/* How many of `max` were found; 0 also when the chain does not lead to a root. */
size_t fault_stack_read(struct fault_image *im, const struct fault_place *at, uint64_t *frames,
			size_t max);

#endif
