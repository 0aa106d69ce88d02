/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory by lifetime. An arena is a chain of blocks with a hard byte budget,
 * freed at once; there are three lifetimes: a call, a container, the process.
 * What must outlive a call is copied into the longer arena by one function per type.
 * Never waits; every allocation can fail and returns NULL.
 */
#ifndef MOTE_BASE_MEM_H
#define MOTE_BASE_MEM_H

#include <stdarg.h>

#include "base/defs.h"

/* 1 when AddressSanitizer watches: then nothing that was freed is kept for the next one, so that a use
 * after the end and an overrun are found. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define MEM_WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(MEM_WATCHED)
#define MEM_WATCHED 1
#endif
#ifndef MEM_WATCHED
#define MEM_WATCHED 0
#endif

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t budget; /* bytes of all blocks, at most */
	size_t total;  /* bytes of all blocks, now */
};

/* Cannot fail: the first block is made at the first allocation. */
void arena_init(struct arena *a, size_t budget_bytes);

/* Frees every block; the arena is empty and usable again with the same budget. */
void arena_fini(struct arena *a);

/* Zeroed, 16-byte aligned; NULL when the budget or the heap is exhausted. size 0 gives a valid
 * pointer. */
void *arena_alloc(struct arena *a, size_t size);

/* arena_alloc(n * size) with the multiplication checked. */
void *arena_calloc(struct arena *a, size_t n, size_t size);

/* Copies; NULL in gives NULL out. */
void *arena_memdup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_calloc((a), (n), sizeof(type)))

/* Bytes that all arenas of this process hold now; 0 again when all are finished
 * (metrics, and the leak tests). */
size_t arena_bytes_in_use(void);

/* How many of the smallest blocks are kept for the next arena when one ends (none under
 * AddressSanitizer). For tests. */
void arena_keep_blocks(size_t n);

/* Heap, for what has its own lifetime: zeroed, the multiplication checked. Freed with free(). */
void *mem_new(size_t n, size_t size);

#endif
