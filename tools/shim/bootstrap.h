/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd tells a shim that it starts, and what it is told back. Two dialects: since 2.3
 * protobuf both ways (BootstrapParams, BootstrapResult); before, the runtime's options come as an
 * Any, and JSON goes back, which all since 1.7 understand. Pure; the input is not trusted.
 */
#ifndef MOTE_SHIM_BOOTSTRAP_H
#define MOTE_SHIM_BOOTSTRAP_H

#include "base/err.h"
#include "base/mem.h"
#include "shim/flags.h"

#define BOOTSTRAP_MAX (1u << 20) /* bytes of stdin */

struct bootstrap {
	bool is_params;            /* the newer dialect */
	const char *ttrpc_address; /* containerd's, "" when it was not told */
	const char *socket_dir;    /* "" : the usual one */
	bool debug;
};

/* Which dialect it is shows in the id and the namespace, which both ways say: bytes of the older
 * one may happen to decode as the newer. Texts are a's. Never fails: what is neither is the older
 * one with options that nobody knows. */
void bootstrap_read(struct arena *a, const uint8_t *data, size_t len,
		    const struct shim_flags *flags, struct bootstrap *out);

struct bootstrap_result {
	unsigned int version; /* of the Task service: 2 or 3 */
	const char *address;  /* unix:///path */
};

/* The answer in the dialect of b, in a; NULL: no memory. */
uint8_t *bootstrap_answer(struct arena *a, const struct bootstrap *b,
			  const struct bootstrap_result *r, size_t *len);

/* Messages of -info and delete, in a; NULL: no memory. */
uint8_t *bootstrap_info(struct arena *a, const char *name, const char *version, size_t *len);
uint8_t *bootstrap_deleted(struct arena *a, uint32_t pid, uint32_t status, int64_t seconds,
			   size_t *len);

#endif
