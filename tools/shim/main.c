/* SPDX-License-Identifier: Apache-2.0 */
/* containerd-shim-mote-v2: runs pods of containerd in virtual machines. See docs/containerd.md. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "shim/bootstrap.h"
#include "shim/flags.h"
#include "shim/start.h"

#define NAME "io.containerd.mote.v2"

static int print_info(struct err *e)
{
	struct arena a;
	uint8_t *out;
	size_t len;
	int rc;

	arena_init(&a, 4096);
	out = bootstrap_info(&a, NAME, MOTE_VERSION, &len);
	rc = out ? io_write_full(STDOUT_FILENO, out, len) : -ENOMEM;
	arena_fini(&a);
	return rc < 0 ? err_sys(e, -rc, "answer") : 0;
}

static int check_names(const struct shim_flags *f, struct err *e)
{
	if (!flags_is_name(f->namespace))
		return err_set(e, RC_INVALID_ARGUMENT, "-namespace: missing, or no name");
	if (!flags_is_name(f->id))
		return err_set(e, RC_INVALID_ARGUMENT, "-id: missing, or no name");
	return 0;
}

static int run(char *const *argv, struct err *e)
{
	struct shim_flags f;

	if (flags_read(argv, &f, e) < 0)
		return -1;
	if (f.version || f.help) {
		printf("%s:\n  Version:  %s\n", argv[0], MOTE_VERSION);
		if (f.help)
			puts("containerd starts it: see containerd-shim-mote-v2(8)");
		return 0;
	}
	if (f.info)
		return print_info(e);
	if (!f.action || (!str_eq(f.action, "start") && !str_eq(f.action, "delete")))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "neither start nor delete: containerd starts this program");
	if (check_names(&f, e) < 0)
		return -1;
	return str_eq(f.action, "start") ? cmd_start(&f, e) : cmd_delete(&f, e);
}

int main(int argc UNUSED, char **argv)
{
	struct err e = { 0 };

	umask(0022);
	if (run(argv, &e) == 0)
		return 0;
	fprintf(stderr, "containerd-shim-mote-v2: %s\n", e.msg);
	return 1;
}
