/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/kmsg.h"

#include <fcntl.h>

#include "base/num.h"

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* a kernel that cannot go to the end gives the old records too: they do no harm */
	(void)lseek(fd, 0, SEEK_END);
	return fd;
}

int kmsg_parse(char *buf, size_t len, struct kmsg *out)
{
	char *comma, *text, *end;
	uint64_t priority;

	buf[len] = '\0';
	comma = strchr(buf, ',');
	text = strchr(buf, ';');
	if (!comma || !text || comma > text)
		return -EINVAL;
	*comma = '\0';
	if (num_u64(buf, UINT32_MAX, &priority) < 0)
		return -EINVAL;
	text++;
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	*out = (struct kmsg){ .level = priority & 7, .facility = (unsigned int)(priority >> 3), .text = text };
	return 0;
}

int kmsg_read(int fd, char buf[KMSG_MAX], struct kmsg *out)
{
	for (;;) {
		ssize_t n = read(fd, buf, KMSG_MAX - 1);

		if (n == 0 || (n < 0 && errno == EAGAIN))
			return 0;
		if (n < 0 && errno != EINTR && errno != EPIPE)
			return -errno;
		if (n > 0 && kmsg_parse(buf, (size_t)n, out) == 0)
			return 1;
	}
}
