/* SPDX-License-Identifier: Apache-2.0 */
/* image: what the image builder knows of a file; its programs read images in every format. */
#include <limits.h>
#include <stdio.h>

#include "base/str.h"
#include "motectl/motectl.h"

static const char usage[] = "motectl image inspect [--json] FILE | check FILE";

/* "inspect" and "check" lie in $MOTE_ROOTFS_BUILDER, else in the installation or the checkout that
 * motectl lies in. */
static int find_program(const char *name, char out[PATH_MAX], struct err *e)
{
	static const char *const places[] = { "../libexec/mote/rootfs-builder",
					      "../../rootfs-builder" };
	const char *named = getenv("MOTE_ROOTFS_BUILDER"), *slash;
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct str s;

	slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;
	for (size_t i = 0; i < (named && *named ? 1 : COUNT_OF(places)); i++) {
		str_init(&s, out, PATH_MAX);
		if (named && *named)
			str_addf(&s, "%s/%s", named, name);
		else if (slash)
			str_addf(&s, "%.*s/%s/%s", (int)(slash - self), self, places[i], name);
		if (str_ok(&s) && access(out, X_OK) == 0)
			return 0;
	}
	return err_set(e, RC_NOT_FOUND, "the image builder's '%s' was not found; $MOTE_ROOTFS_BUILDER "
		       "may name its directory", name);
}

int cmd_image(char **argv)
{
	const char *name = argv[1];
	char path[PATH_MAX];
	struct err e = { 0 };

	if (name && (str_eq(name, "--help") || str_eq(name, "-h"))) {
		printf("usage: %s\n\n  inspect  format, partitions, dm-verity, flavour, agent, contents by size\n"
		       "  check    what a host expects of it; status 1 when something is wrong\n", usage);
		return 0;
	}
	if (!name || (!str_eq(name, "inspect") && !str_eq(name, "check"))) {
		fprintf(stderr, "motectl: %s\nusage: %s\n",
			name ? "image: inspect or check" : "an argument is missing", usage);
		return STATUS_USAGE;
	}
	if (find_program(name, path, &e) < 0)
		return complain(STATUS_FAILED, &e);
	execv(path, argv + 1);
	err_sys(&e, errno, "execute %s", path);
	return complain(STATUS_FAILED, &e);
}
