/* SPDX-License-Identifier: Apache-2.0 */
/* Measured values of one kind, and what describes many of them in few words. */
#ifndef MOTE_TESTS_SAMPLES_H
#define MOTE_TESTS_SAMPLES_H

#include "base/defs.h"

#define SAMPLES_MAX 8192

struct samples {
	double value[SAMPLES_MAX];
	size_t n;
	bool sorted; /* until the next one comes */
};

void samples_clear(struct samples *s);

/* More than SAMPLES_MAX are left out: -ENOSPC. */
int samples_add(struct samples *s, double value);

/* The smallest value that at least part (0..1) of all are not above: 0 is the least, 0.5 the
 * median, 1 the greatest. Always a value that was measured. NAN without any. Sorts. */
double samples_at(struct samples *s, double part);

static inline double samples_median(struct samples *s)
{
	return samples_at(s, 0.5);
}

#endif
