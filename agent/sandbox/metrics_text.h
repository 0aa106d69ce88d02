/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text in the format of Prometheus (exposition format 0.0.4), made of what the kernel's files say: a
 * family of series is a row that names a file and the shape of its text. Pure. For the files of this
 * directory, and tests.
 */
#ifndef MOTE_SANDBOX_METRICS_TEXT_H
#define MOTE_SANDBOX_METRICS_TEXT_H

#include "base/str.h"

enum metrics_shape {
	METRICS_FIELDS, /* one line of words: items from the first-th on; after a ")", if there is one */
	METRICS_KEYS,	/* "KEY: VALUE kB" or "KEY VALUE" a line: the listed items, letters of either
			   case */
	METRICS_ALL_KEYS,	/* the same, each key is an item */
	METRICS_ALL_SNAKES,	/* the same, "SReclaimable" is s_reclaimable */
	METRICS_ROWS,	/* a line each: the row's name in its first-th word, then the items */
};

enum metrics_unit {
	METRICS_PLAIN,
	METRICS_BYTES,	 /* of a number of kB */
	METRICS_PAGES,	 /* the same of pages */
	METRICS_MS,	 /* of clock ticks */
	METRICS_SECONDS, /* of the sum of all items, in clock ticks */
};

struct metrics_family {
	const char *name, *help;
	const char *type;  /* "gauge" */
	const char *file;  /* "%d" stands for the agent's pid; NULL: not from a file */
	enum metrics_shape shape;
	enum metrics_unit unit;
	unsigned int first;
	const char *items; /* words; "" is one series without such a label */
	const char *row;   /* METRICS_ROWS: the label of a row's name … */
	const char *prefix;	/* … which begins so, and is "total" when it is no longer; or NULL */
};

struct metrics_label {
	const char *name, *value; /* the value: any bytes */
};

#define METRICS_SERIES_MAX 32768 /* more are left out */

struct metrics_text {
	struct str out;
	const struct metrics_family *family; /* whose header is written */
	size_t n_series;
	uint64_t *seen; /* hashes of the series, 2 * METRICS_SERIES_MAX of them, 0: a free place */
};

/* Over buf of cap bytes. 0 or -ENOMEM. */
int metrics_text_init(struct metrics_text *t, char *buf, size_t cap);
void metrics_text_fini(struct metrics_text *t);

/* One more series of the family, behind its header, which comes with the first. A value that is no
 * number, a series that is there already, and one that does not fit are left out. */
void metrics_text_add(struct metrics_text *t, const struct metrics_family *f,
		      const struct metrics_label *labels, size_t n_labels, const char *value);

/* All that the text of the family's file gives. The text is taken apart. */
void metrics_text_add_file(struct metrics_text *t, const struct metrics_family *f, char *text);

#endif
