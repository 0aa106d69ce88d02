/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/kmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmsg m;
	char *buf;

	if (size >= KMSG_MAX)
		return 0;
	buf = malloc(size + 1); /* exactly, so that a byte too far is seen */
	if (!buf)
		return 0;
	if (size)
		memcpy(buf, data, size);
	if (kmsg_parse(buf, size, &m) == 0 &&
	    (m.level > 7 || m.text < buf || m.text + strlen(m.text) > buf + size))
		abort();
	free(buf);
	return 0;
}
