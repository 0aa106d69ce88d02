/* SPDX-License-Identifier: Apache-2.0 */
/* What the rig (tests/lib/rig.h) uses of cmocka, for a program that is no test: a failure ends it.
 */
#ifndef MOTE_BENCH_PLAIN_CMOCKA_H
#define MOTE_BENCH_PLAIN_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>

#define fail_msg(...)                         \
	do {                                  \
		fputs("bench: ", stderr);     \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr);          \
		exit(1);                      \
	} while (0)

#define assert_non_null(p)                        \
	do {                                      \
		if (!(p))                         \
			fail_msg("%s: NULL", #p); \
	} while (0)

#endif
