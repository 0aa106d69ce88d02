/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line options from a table, which the help text is made of too. "-it", "-eNAME", "-e
 * NAME", "--env NAME", "--env=NAME"; options and arguments may mix; what comes after "--" is left
 * alone. Allocates from an arena, never waits.
 */
#ifndef MOTE_LIB_OPT_H
#define MOTE_LIB_OPT_H

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

enum opt_kind {
	OPT_FLAG,	/* bool */
	OPT_TEXT,	/* const char * */
	OPT_LIST,	/* struct opt_list: may be given many times */
	OPT_PARSE,	/* parse() gets a pointer to the member */
};

struct opt {
	const char *name;	/* long name; NULL ends the table */
	char letter;		/* 0: none */
	const char *value;	/* what the help calls the value; NULL for a flag */
	const char *help;	/* may hold '\n' */
	enum opt_kind kind;
	size_t offset;		/* of the member in the command's struct */
	/* Says what is wrong, not which option. */
	int (*parse)(const char *text, void *member, struct err *e);
};

struct opt_list {
	const char **items;	/* NULL-terminated once there is one */
	size_t n;
};

struct opt_rest {
	struct opt_list args;	/* what is no option */
	const char *const *after; /* what follows "--", NULL-terminated; NULL: there is no "--" */
	size_t n_after;
};

/* argv[0] is not looked at; argv is NULL-terminated, as main gets it. -1 with e: INVALID_ARGUMENT
 * naming the option. */
int opt_read(struct arena *a, const struct opt *table, void *into, char *const *argv,
	     struct opt_rest *rest, struct err *e);

/* One line or more for each option. */
void opt_print_help(FILE *out, const struct opt *table);

#endif
