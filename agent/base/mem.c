/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas: a chain of blocks, the one that is being filled first. Ordinary blocks double from
 * 1 KiB to 64 KiB and shrink to what the budget leaves; a request that does not fit an ordinary
 * block gets a block of its own behind the first, which stays in use. Blocks come zeroed from
 * calloc and their bytes are handed out once, so nothing is cleared twice.
 *
 * A few smallest blocks are kept when their arenas end: every call takes two, and the allocator
 * would take a page from the kernel and give it back for each.
 *
 * Under AddressSanitizer the bytes that were not handed out are poisoned, so that an overrun
 * inside a block is found as if each allocation came from malloc, and no block is kept, so that a
 * use after the end is found too.
 */
#include "base/mem.h"

#include <stdio.h>

#include "base/num.h"

#if MEM_WATCHED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)		((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n)	((void)0)
#endif

#define KEEP		(MEM_WATCHED ? 0 : 4)	/* blocks; two calls at once */
#define BLOCK_MIN	1024
#define BLOCK_MAX	65536
#define ALIGN		16

struct arena_block {
	struct arena_block *next;
	size_t used;	/* bytes of data[] handed out, a multiple of ALIGN */
	size_t room;	/* bytes of data[] */
	size_t grow;	/* what the next ordinary block would like to have, header and all */
	_Alignas(ALIGN) unsigned char data[];
};

static size_t bytes_in_use;
static struct {
	struct arena_block *first;
	size_t n, most;
} kept = { .most = KEEP };

void arena_init(struct arena *a, size_t budget_bytes)
{
	*a = (struct arena){ .budget = budget_bytes };
}

/* What is kept is zeroed first: nobody's data outlives its arena. */
static void give_back(struct arena_block *b)
{
	if (b->room != BLOCK_MIN - sizeof(*b) || kept.n >= kept.most) {
		ASAN_UNPOISON_MEMORY_REGION(b->data, b->room);
		free(b);
		return;
	}
	ASAN_UNPOISON_MEMORY_REGION(b->data, b->room);
	memset(b->data, 0, b->used);
	ASAN_POISON_MEMORY_REGION(b->data, b->room);
	b->used = 0;
	b->next = kept.first;
	kept.first = b;
	kept.n++;
}

static struct arena_block *take(size_t size)
{
	struct arena_block *b = kept.first;

	if (size != BLOCK_MIN || !b)
		return calloc(1, size);
	kept.first = b->next;
	kept.n--;
	return b;
}

void arena_keep_blocks(size_t n)
{
	kept.most = n;
	while (kept.n > n) {
		struct arena_block *b = kept.first;

		kept.first = b->next;
		kept.n--;
		ASAN_UNPOISON_MEMORY_REGION(b->data, b->room);
		free(b);
	}
}

void arena_fini(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		give_back(b);
	}
	bytes_in_use -= a->total;
	a->total = 0;
}

/* A new block with room for `need` bytes (a multiple of ALIGN); linked, counted. */
static struct arena_block *add_block(struct arena *a, size_t need)
{
	size_t grow = a->head ? a->head->grow : BLOCK_MIN;
	size_t left = a->budget - a->total;
	struct arena_block *b;
	size_t size;

	if (!num_add(need, sizeof(*b), &size) || size > left)
		return NULL;
	bool ordinary = size <= grow;

	if (ordinary)
		size = MIN(grow, left);
	b = take(size);
	if (!b)
		return NULL;
	b->room = size - sizeof(*b);
	b->grow = ordinary ? MIN(2 * grow, (size_t)BLOCK_MAX) : grow;
	a->total += size;
	bytes_in_use += size;
	ASAN_POISON_MEMORY_REGION(b->data, b->room);

	if (ordinary || !a->head) {
		b->next = a->head;
		a->head = b;
	} else {
		b->next = a->head->next;
		a->head->next = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->head;
	size_t need;

	if (!num_add(MAX(size, (size_t)1), ALIGN - 1, &need))
		return NULL;
	need &= ~(size_t)(ALIGN - 1);
	if (!b || need > b->room - b->used) {
		b = add_block(a, need);
		if (!b)
			return NULL;
	}
	void *p = b->data + b->used;

	b->used += need;
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (!num_mul(n, size, &bytes))
		return NULL;
	return arena_alloc(a, bytes);
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
	void *copy = p ? arena_alloc(a, n) : NULL;

	if (copy && n)
		memcpy(copy, p, n);
	return copy;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = s ? strnlen(s, n) : 0;
	char *copy = s && len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;

	if (copy)
		memcpy(copy, s, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, s ? strlen(s) + 1 : 0);
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return text;
}

size_t arena_bytes_in_use(void)
{
	return bytes_in_use;
}

void *mem_new(size_t n, size_t size)
{
	size_t bytes;

	/* Checked here although calloc does: sanitizers stop the program there. */
	if (!num_mul(n, size, &bytes))
		return NULL;
	return calloc(1, MAX(bytes, (size_t)1));
}
