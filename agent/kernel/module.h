/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules of the kernel, loaded as depmod's lists below /lib/modules/RELEASE say (modules.dep(5)); no
 * program is run. Files that modprobe would read besides (modprobe.d, aliases, soft dependencies) play
 * no part.
 */
#ifndef MOTE_KERNEL_MODULE_H
#define MOTE_KERNEL_MODULE_H

#include "base/err.h"

struct module {
	const char *name; /* '-' and '_' are alike */
	char *const *parameters; /* "name=value" */
	size_t n_parameters;
};

/* Loads it with its parameters, what it needs before without. One that is loaded already, or part of the
 * kernel, is fine. NOT_FOUND names the module and the list that lacks it, INVALID_ARGUMENT a bad name or
 * parameter; what the kernel refuses is told with the file. WAITS for the module's start: jobs only. */
int module_load(const struct module *m, struct err *e);

/* The parsers, for tests. Is the file's name (of a path of n bytes) that module's? */
bool module_is_file_of(const char *path, size_t n, const char *name);

/* The line of the module in a modules.dep, which is taken apart: *path is its file, *needs the files
 * that it needs, divided by blanks, what is needed first last. false: there is no such line. */
bool module_find(char *dep, const char *name, char **path, char **needs);

/* Does a modules.builtin name it? */
bool module_is_listed(const char *builtin, const char *name);

/* All parameters as the kernel splits them: a value with a blank is quoted. -EINVAL: one has a quote or
 * a control character, or they are too long together. */
int module_join(const struct module *m, char *out, size_t cap);

#endif
