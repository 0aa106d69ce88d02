/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as containerd writes it: "-name value", "-name=value", one dash or two. Pure. */
#ifndef MOTE_SHIM_FLAGS_H
#define MOTE_SHIM_FLAGS_H

#include "base/err.h"

#define SHIM_NAME_MAX 76 /* bytes of a namespace or an id: containerd's own limit */

struct shim_flags {
	const char *namespace; /* NULL: not given, as all others */
	const char *address;   /* containerd's socket */
	const char *publish_binary;
	const char *id;
	const char *bundle;
	const char *action; /* "start", "delete"; NULL: none */
	bool debug, version, info, help;
};

/* argv[0] is not looked at. Texts are argv's. -1 with e: INVALID_ARGUMENT naming the flag. */
int flags_read(char *const *argv, struct shim_flags *out, struct err *e);

/* containerd's rule for a name: letters and digits, with one '.', '_' or '-' between them, 1 to
 * SHIM_NAME_MAX bytes; so it is a file's name too. */
bool flags_is_name(const char *text);

#endif
