/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dm-verity by the device mapper's own calls: a read-only device whose every block is checked against a
 * root hash when it is read (Documentation/admin-guide/device-mapper/verity.rst of the kernel). A block
 * that was changed is an input/output error.
 */
#ifndef MOTE_KERNEL_VERITY_H
#define MOTE_KERNEL_VERITY_H

#include "base/err.h"
#include "base/str.h"

#define VERITY_SUPERBLOCK 512 /* bytes of it that are looked at */
#define VERITY_NAME_MAX	  127

/* Zeros are what nobody has said. The root hash alone is trusted: with any other value wrong, the first
 * block that is read is refused. */
struct verity {
	char root_hash[129], salt[513]; /* hexadecimal; salt "-": none */
	char algorithm[33];		/* "sha256" */
	uint64_t hash_offset;		/* bytes, on the same device: behind the data */
	uint32_t data_block, hash_block;
	uint64_t data_blocks;
	uint32_t hash_type; /* 1, or 0 with set_hash_type */
	bool set_hash_type, no_superblock;
};

/* Takes from the superblock what is not said yet. -1 with e FAILED_PRECONDITION: none, or of another
 * version; INVALID_ARGUMENT: it says something else than what was said. Pure. */
int verity_read_superblock(struct verity *v, const uint8_t sb[VERITY_SUPERBLOCK], struct err *e);

/* Without a superblock: the usual values, and the data end where the hashes begin. Checks all. Pure. */
int verity_complete(struct verity *v, struct err *e);

/* The parameters of the target, for a device of that number. Pure. */
void verity_table(const struct verity *v, uint32_t major, uint32_t minor, struct str *out);

/* Makes the device over `node`; out: its own node. What v leaves open is read there. WAITS: jobs
 * only. ALREADY_EXISTS, FAILED_PRECONDITION (no device mapper, or the device is of no use). */
int verity_open(const char *name, struct verity *v, const char *node, char out[32], struct err *e);

/* Takes it away; when it is still in use, as soon as it is not. One that is not there is fine. WAITS:
 * jobs only. */
int verity_close(const char *name, struct err *e);

#endif
