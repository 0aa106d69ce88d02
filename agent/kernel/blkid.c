/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/blkid.h"

#include <blkid/blkid.h>

#include "base/str.h"

static void free_probe(blkid_probe *pr)
{
	if (*pr)
		blkid_free_probe(*pr);
}

int blkid_fstype_of(int fd, char *buf, size_t cap, struct err *e)
{
	__attribute__((cleanup(free_probe))) blkid_probe pr = blkid_new_probe();
	const char *type;
	struct str s;
	int r;

	str_init(&s, buf, cap);
	if (!pr)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "look for a filesystem: out of memory");
	errno = 0;
	if (blkid_probe_set_device(pr, fd, 0, 0) < 0)
		return err_sys(e, errno ? errno : EIO, "look for a filesystem");
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE);
	blkid_probe_enable_partitions(pr, 0);
	errno = 0;
	r = blkid_do_safeprobe(pr);
	if (r == -2)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "more than one filesystem is on the device");
	if (r < 0)
		return err_sys(e, errno ? errno : EIO, "look for a filesystem");
	if (r > 0 || blkid_probe_lookup_value(pr, "TYPE", &type, NULL) < 0)
		return err_set(e, RC_NOT_FOUND, "there is no known filesystem on the device");
	str_add(&s, type);
	return str_ok(&s) ? 0 : err_sys(e, ENAMETOOLONG, "the filesystem's name");
}
