/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table: what is measured, in what unit, beside what, and what may come out. */
#ifndef MOTE_BENCH_ROWS_H
#define MOTE_BENCH_ROWS_H

#include <stdio.h>

#include "lib/samples.h"

enum row_id {
	ROW_AGENT_SIZE,
	ROW_INITRD_SIZE,
	ROW_KERNEL_SIZE,
	ROW_MEMORY_IDLE,
	ROW_MEMORY_CONTAINER,
	ROW_MEMORY_EXEC,
	ROW_BOOT,
	ROW_HEALTH,
	ROW_HEALTH_P99,
	ROW_LIFE,
	ROW_EXEC,
	ROW_BULK,
	ROW_BULK_LARGE,
	ROW_STORAGES,
	ROW_COPY,
	ROW_ROUTES,
	ROW_CARDS,
	ROW_PLUG,
	ROW_MANY,
	ROW_POD_START, /* from here on: beside containerd, where its packages can be had */
	ROW_POD_SANDBOX,
	ROW_POD_TAPS,
	ROW_POD_MACHINE,
	ROW_POD_GUEST,
	ROW_POD_INTERFACES,
	ROW_POD_CREATE,
	ROW_POD_BEGIN,
	ROW_POD_STDOUT,
	ROW_SHIM_MEMORY,
	ROWS,
};

struct row {
	bool measured;
	double value, floor;             /* NAN: none */
	struct samples *values, *floors; /* what they come from; NULL: one measurement */
	char why[160];                   /* it was not measured, or has no floor; may be empty */
};

struct rows {
	struct row row[ROWS];
};

/* A value that was measured once. */
void rows_set(struct rows *r, enum row_id id, double value);

/* Medians (or another rank, 0..1) of many; the samples must outlive the rows. */
void rows_set_samples(struct rows *r, enum row_id id, double part, struct samples *values,
		      struct samples *floors);

/* The row of a name ("boot"), or ROWS. */
enum row_id rows_find(const char *name);

/* Why there is no value, or no floor. Kept when the other comes later. */
void rows_tell_why(struct rows *r, enum row_id id, const char *why);

/* How many were not measured (of those that every run has), and how many miss their budget. */
size_t rows_missing(const struct rows *r);
size_t rows_over(const struct rows *r);

void rows_print(const struct rows *r, FILE *out, bool spread);

/* about: more members of the object, "\"a\":1,", or "". */
void rows_print_json(const struct rows *r, FILE *out, const char *about);

#endif
