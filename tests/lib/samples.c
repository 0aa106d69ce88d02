/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/samples.h"

#include <math.h>

void samples_clear(struct samples *s)
{
	s->n = 0;
	s->sorted = false;
}

int samples_add(struct samples *s, double value)
{
	if (s->n == SAMPLES_MAX)
		return -ENOSPC;
	s->value[s->n++] = value;
	s->sorted = false;
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_at(struct samples *s, double part)
{
	double rank = part * (double)s->n;
	size_t i = rank > 1 ? (size_t)rank : 1;

	if (!s->n)
		return NAN;
	if (!s->sorted)
		qsort(s->value, s->n, sizeof(s->value[0]), compare);
	s->sorted = true;
	if ((double)i < rank)
		i++;
	return s->value[MIN(i, s->n) - 1];
}
