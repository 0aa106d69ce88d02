/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words that every file uses: attributes, ownership macros, counting.
 * Depends on libc alone, allocates nothing, never waits.
 */
#ifndef MOTE_BASE_DEFS_H
#define MOTE_BASE_DEFS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define COUNT_OF(a)                     (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK                      __attribute__((warn_unused_result))
#define PRINTF(f, a)                    __attribute__((format(printf, f, a)))
#define NORETURN                        __attribute__((noreturn))
#define COLD                            __attribute__((cold))
#define UNUSED                          __attribute__((unused))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define MIN(a, b)                              \
	({                                     \
		__typeof__(a) min_a = (a);     \
		__typeof__(b) min_b = (b);     \
		min_a < min_b ? min_a : min_b; \
	})
#define MAX(a, b)                              \
	({                                     \
		__typeof__(a) max_a = (a);     \
		__typeof__(b) max_b = (b);     \
		max_a > max_b ? max_a : max_b; \
	})

/* Hands a value over: the source becomes neutral, so that its cleanup does nothing. */
#define TAKE_PTR(p)                         \
	({                                  \
		__typeof__(p) take_p = (p); \
		(p) = NULL;                 \
		take_p;                     \
	})
#define TAKE_FD(fd)                 \
	({                          \
		int take_fd = (fd); \
		(fd) = -1;          \
		take_fd;            \
	})

/* Closed or freed when the variable leaves its scope; always initialise at the declaration. */
#define AUTO_FD   __attribute__((cleanup(auto_close))) int
#define AUTO_FREE __attribute__((cleanup(auto_free)))

/* close() once: after EINTR the descriptor is gone on Linux (close(2)). errno survives. */
static inline void auto_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void auto_free(void *p)
{
	free(*(void **)p);
}

static inline bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Protobuf hands out "" or NULL for what was not sent. */
static inline bool str_empty(const char *s)
{
	return !s || !*s;
}

static inline bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

#endif
