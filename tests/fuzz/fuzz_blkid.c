/* SPDX-License-Identifier: Apache-2.0 */
/* An image of 1 MiB whose bytes come from the input: (offset in 16-byte steps, length, bytes)… */
#include <sys/mman.h>

#include "kernel/blkid.h"

#define IMAGE	(1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FD fd = memfd_create("image", MFD_CLOEXEC);
	struct err e = { 0 };
	char type[32];

	if (fd < 0 || ftruncate(fd, IMAGE) < 0)
		return 0;
	while (size > 3) {
		off_t at = (off_t)(data[0] | data[1] << 8) * 16;
		size_t n = MIN((size_t)data[2], size - 3);

		if (n && pwrite(fd, data + 3, n, at) != (ssize_t)n)
			return 0;
		data += 3 + n;
		size -= 3 + n;
	}
	if (blkid_fstype_of(fd, type, sizeof(type), &e) == 0 && !*type)
		abort();
	return 0;
}
