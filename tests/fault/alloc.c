/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into an agent of its own: before each allocation, whoever makes it (the agent, a library,
 * libc), the process asks by a system call that no kernel has (lib/fault.h), and fails if so
 * told. Nothing else changes: memory comes from the sanitizer as ever.
 *
 * Not instrumented, and without data of its own: the first allocations come before the sanitizer
 * is ready.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lib/fault_alloc.h"

#define PLAIN __attribute__((no_sanitize("address", "undefined")))

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void *reallocarray(void *p, size_t n, size_t size);
char *strdup(const char *s);
char *strndup(const char *s, size_t max);

void *__interceptor_malloc(size_t n);
void *__interceptor_calloc(size_t n, size_t size);
void *__interceptor_realloc(void *p, size_t n);
size_t __sanitizer_get_current_allocated_bytes(void);

PLAIN static int fails(size_t n)
{
	int saved = errno;
	int failed = syscall(FAULT_ALLOC, n, __sanitizer_get_current_allocated_bytes()) < 0 &&
		     errno == ENOMEM;

	errno = failed ? ENOMEM : saved;
	return failed;
}

PLAIN void *malloc(size_t n)
{
	return fails(n) ? NULL : __interceptor_malloc(n);
}

PLAIN void *calloc(size_t n, size_t size)
{
	return fails(n) ? NULL : __interceptor_calloc(n, size);
}

PLAIN void *realloc(void *p, size_t n)
{
	return fails(n) ? NULL : __interceptor_realloc(p, n);
}

PLAIN void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

/* The sanitizer's own would not ask. */
PLAIN char *strndup(const char *s, size_t max)
{
	size_t n = strnlen(s, max);
	char *copy = malloc(n + 1);

	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

PLAIN char *strdup(const char *s)
{
	return strndup(s, strlen(s));
}
