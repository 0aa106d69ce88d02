/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/last_word.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"

static int open_log(const char *path)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* not for reading yet: that alone can wake a device */
	AUTO_FD found = root < 0 ? -errno : path_open_strict(root, path, O_PATH | O_NOFOLLOW);
	char at[32];
	struct stat st;
	int fd;

	if (found < 0)
		return found;
	if (fstat(found, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
	fd = open(path_of_fd(found, at), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void to_utf8(const char *bytes, size_t left, struct str *out)
{
	while (left) {
		size_t n = str_utf8_len(bytes, left);

		if (n)
			str_add_n(out, bytes, n);
		else
			str_add(out, "\xef\xbf\xbd"); /* U+FFFD */
		n = MAX(n, (size_t)1);
		bytes += n;
		left -= n;
	}
}

int last_word_read(const char *path, int out, struct err *e)
{
	char bytes[LAST_WORD_BYTES], text[LAST_WORD_MAX + 1];
	struct str s = STR_OVER(text);
	AUTO_FD fd = open_log(path);
	ssize_t n;
	int r;

	if (fd == -ENOENT)
		return 0;
	if (fd == -EINVAL || fd == -ELOOP)
		return err_set(e, RC_FAILED_PRECONDITION, "%.128s: %s", path,
			       fd == -ELOOP ? "reached by a symbolic link" : "not a regular file");
	n = fd < 0 ? fd : io_read_full(fd, bytes, sizeof(bytes));
	if (n < 0)
		return err_sys(e, (int)-n, "read %.128s", path);
	to_utf8(bytes, (size_t)n, &s);
	r = io_write_full(out, s.buf, s.len);
	return r < 0 ? err_sys(e, -r, "read %.128s", path) : 0;
}
