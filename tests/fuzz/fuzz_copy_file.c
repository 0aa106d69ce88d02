/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of CopyFile: whatever is sent in whatever order, nothing outside of the share changes, and
 * a call that fails says why. The input is requests of eight bytes and a text each: type and mode, path,
 * size, offset, and the data, of which a link is made too.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "sandbox/copy_file.h"

#define MAX_REQUESTS 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Few, so that one request meets what another one left; "link" may lead anywhere. */
static const char *const names[] = { "a",      "a/b",	 "a/b/c", "link",  "link/x", "link/../y", "a.txt",
				     "a/link", "a/../z", "../x",  "",	   ".",	     "a//b" };
static const char *const targets[] = { "/", "..", "../../../..", "/outside", "../outside/secret", "a", "link" };
static const unsigned int types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFREG | S_ISUID, S_IFIFO, S_IFBLK, 0 };

static int top = -1;
static char dir[] = "/dev/shm/mote-fuzz-XXXXXX";

static void end(void)
{
	(void)path_remove_tree(AT_FDCWD, dir);
}

static void start(void)
{
	AUTO_FD fd = -1;

	if (!mkdtemp(dir) || (top = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(top, "outside", 0755) < 0)
		abort();
	fd = openat(top, "outside/secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, "secret", 6) != 6)
		abort();
	if (atexit(end) != 0)
		abort();
}

static void look_outside(void)
{
	AUTO_FD fd = openat(top, "outside/secret", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat dir, file;
	char text[8];

	if (fd < 0 || read(fd, text, sizeof(text)) != 6 || memcmp(text, "secret", 6) != 0)
		abort();
	if (fstatat(top, "outside", &dir, 0) < 0 || fstat(fd, &file) < 0)
		abort();
	if ((dir.st_mode & 07777) != 0755 || dir.st_nlink != 2 || (file.st_mode & 07777) != 0644 ||
	    dir.st_uid != geteuid() || file.st_uid != geteuid() || file.st_nlink != 1)
		abort();
}

static size_t request(const uint8_t *in, size_t size)
{
	char path[128];
	struct copy_file f = { .path = path };
	struct err e = { 0 };
	size_t used = MIN(size - 8, (size_t)in[5] % 64);
	int r;

	snprintf(path, sizeof(path), COPY_FILE_DIR "/%s", names[in[1] % COUNT_OF(names)]);
	f.mode = types[in[0] % COUNT_OF(types)] | (in[2] & 0777);
	f.dir_mode = 0700 | in[2];
	f.uid = in[3] & 1 ? -1 : (int32_t)geteuid();
	f.gid = in[3] & 2 ? -1 : (int32_t)getegid();
	f.size = (int8_t)in[4];
	f.offset = (int8_t)in[6];
	f.data = in + 8;
	f.len = used;
	if (S_ISLNK(f.mode) && in[7] < 128) {
		f.data = targets[in[7] % COUNT_OF(targets)];
		f.len = strlen(f.data);
	}
	r = copy_file_below(top, &f, &e);
	if ((r < 0) != (e.rc != 0) || (r < 0 && !*e.msg))
		abort();
	return 8 + used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (top < 0)
		start();
	for (int i = 0; i < MAX_REQUESTS && size > 8; i++) {
		size_t used = request(data, size);

		data += used;
		size -= used;
	}
	look_outside();
	(void)path_remove_tree(top, "run");
	return 0;
}
