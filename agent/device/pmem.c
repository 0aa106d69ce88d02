/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent memory by node: "/dev/pmem0", or a partition of it, "/dev/pmem0p1". */
#include "device/rows.h"

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

static int check(const char *id, struct err *e)
{
	const char *prefix = "/dev/pmem";
	const char *s = id + strlen(prefix);
	size_t n = str_starts(id, prefix) ? digits(s) : 0;

	if (n && n < 8 && s[n] == 'p' && digits(s + n + 1))
		n += 1 + digits(s + n + 1);
	if (n == 0 || n > 16 || s[n])
		return err_set(e, RC_INVALID_ARGUMENT,
			       "device node \"%.64s\": not of the form /dev/pmemN", id);
	return 0;
}

const struct device_row device_row_pmem = {
	.what = "nvdimm", .subsystem = "block", .check = check, .find = device_find_node,
	.open = device_open_disk,
};
