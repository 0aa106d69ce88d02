/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int open_for(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dirfd, path, flags | O_CLOEXEC | O_NOCTTY, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

ssize_t io_read_full(int fd, void *buf, size_t n)
{
	size_t done = 0;

	if (n > SSIZE_MAX)
		return -EINVAL;
	while (done < n) {
		ssize_t r = read(fd, (char *)buf + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int io_write_full(int fd, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(fd, (const char *)buf + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EIO;
		done += (size_t)r;
	}
	return 0;
}

/* The terminator's byte is read into too: when it is filled, the file does not fit. */
ssize_t io_read_file(int dirfd, const char *path, char *buf, size_t cap)
{
	AUTO_FD fd = -1;
	ssize_t n;

	if (cap == 0)
		return -EINVAL;
	buf[0] = '\0';
	fd = open_for(dirfd, path, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	n = io_read_full(fd, buf, cap);
	if (n >= 0 && (size_t)n == cap)
		n = -EFBIG;
	buf[n < 0 ? 0 : n] = '\0';
	return n;
}

/* st_size is a hint only: proc files have 0, sysfs files 4096. */
static size_t first_cap(int fd, size_t max)
{
	struct stat st;
	size_t cap = 1024;

	if (fstat(fd, &st) == 0 && st.st_size > 0)
		cap = (uint64_t)st.st_size < max ? (size_t)st.st_size + 1 : max + 1;
	return MIN(cap, max + 1);
}

ssize_t io_read_file_arena(int dirfd, const char *path, struct arena *a, size_t max, char **out)
{
	AUTO_FD fd = -1;
	size_t len = 0, cap;
	char *buf = NULL;

	max = MIN(max, (size_t)SSIZE_MAX / 2);
	fd = open_for(dirfd, path, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	for (cap = first_cap(fd, max);; cap = MIN(2 * cap, max + 1)) {
		char *bigger = arena_alloc(a, cap);
		ssize_t n;

		if (!bigger)
			return -ENOMEM;
		if (len)
			memcpy(bigger, buf, len);
		buf = bigger;
		n = io_read_full(fd, buf + len, cap - len);
		if (n < 0)
			return n;
		len += (size_t)n;
		if (len < cap)
			break;
		if (cap > max)
			return -EFBIG;
	}
	buf[len] = '\0';
	*out = buf;
	return (ssize_t)len;
}

ssize_t io_read_line(int dirfd, const char *path, char *buf, size_t cap)
{
	static const char white[] = { ' ', '\t', '\r', '\n', '\v', '\f' };
	ssize_t n = io_read_file(dirfd, path, buf, cap);

	while (n > 0 && memchr(white, buf[n - 1], sizeof(white)))
		buf[--n] = '\0';
	return n;
}

int io_write_file(int dirfd, const char *path, const char *text)
{
	AUTO_FD fd = open_for(dirfd, path, O_WRONLY, 0);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* O_NONBLOCK: a FIFO in the file's place gives ENXIO instead of waiting for a reader. */
int io_create_file(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	AUTO_FD fd = open_for(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK,
			      mode);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EEXIST;
	/* Before the data, which may be secret. */
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return -errno;
	return io_write_full(fd, data, n);
}

int io_map(int fd, size_t max, const void **out, size_t *len)
{
	struct stat st;
	void *map;

	*out = NULL;
	*len = 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return 0;
	if ((uintmax_t)st.st_size > max)
		return -EFBIG;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*out = map;
	*len = (size_t)st.st_size;
	return 0;
}

void io_unmap(const void *p, size_t len)
{
	if (p)
		munmap((void *)p, len);
}
