/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/random.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "kernel/sys.h"

#define BYTES_MAX	65536
#define CHUNK		512

int random_reseed(const void *data, size_t n)
{
	AUTO_FD fd = -1;
	/* struct rand_pool_info with its data: two ints, then the bytes */
	struct {
		int entropy_bits, bytes;
		unsigned char data[CHUNK];
	} pool;
	const unsigned char *at = data;

	if (n == 0 || n > BYTES_MAX)
		return -EINVAL;
	fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (size_t left = n; left > 0;) {
		size_t take = MIN(left, (size_t)CHUNK);

		pool.entropy_bits = (int)(take * 8);
		pool.bytes = (int)take;
		memcpy(pool.data, at, take);
		if (ioctl(fd, RNDADDENTROPY, &pool) < 0)
			return -errno;
		at += take;
		left -= take;
	}
	return sys_result(ioctl(fd, RNDRESEEDCRNG));
}

int random_bytes(void *buf, size_t n)
{
	unsigned char *at = buf;

	while (n > 0) {
		ssize_t r = getrandom(at, MIN(n, (size_t)256), GRND_NONBLOCK);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}
