/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/uevent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const char *s, const char *buf, size_t len)
{
	if (*s && (s < buf || s + strlen(s) > buf + len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uevent u;
	char *buf;

	if (size >= UEVENT_MAX)
		return 0;
	buf = malloc(size + 1);	/* exactly, so that a byte too far is seen */
	if (!buf)
		return 0;
	if (size)
		memcpy(buf, data, size);
	if (uevent_parse(buf, size, &u) == 0) {
		if (u.devpath[0] != '/' || strstr(u.devpath, "/.."))
			abort();
		inside(u.devpath, buf, size);
		inside(u.subsystem, buf, size);
		inside(u.devname, buf, size);
		inside(u.devtype, buf, size);
		inside(u.interface, buf, size);
		inside(u.driver, buf, size);
	}
	free(buf);
	return 0;
}
