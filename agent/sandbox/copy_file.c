/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/copy_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"

/* Beside the file, and of one length whatever the name: the name's hash (FNV-1a) tells two apart. */
static void part_name(const char *name, char out[32])
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	snprintf(out, 32, ".mote-%016llx", (unsigned long long)hash);
}

static int check(const struct copy_file *f, struct err *e)
{
	if (!path_is_plain(f->path) || !str_starts(f->path, COPY_FILE_DIR "/"))
		return err_set(e, RC_INVALID_ARGUMENT, "path: not below %s", COPY_FILE_DIR);
	if (f->size < 0 || f->offset < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "file_size and offset are not below 0");
	if (f->uid < -1 || f->gid < -1)
		return err_set(e, RC_INVALID_ARGUMENT, "uid %d, gid %d: not ids", f->uid, f->gid);
	if (S_ISREG(f->mode) &&
	    (f->offset > f->size || f->len > (uint64_t)(f->size - f->offset)))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "%zu bytes at %lld are more than the file_size of %lld", f->len,
			       (long long)f->offset, (long long)f->size);
	if (S_ISLNK(f->mode) && (!f->len || memchr(f->data, '\0', f->len)))
		return err_set(e, RC_INVALID_ARGUMENT, "data is no place for a link to lead to");
	return 0;
}

/* Who owns the directories that are made, nobody says but of the last. */
static int open_parent(int top, const struct copy_file *f, const char **name, struct err *e)
{
	const char *inside = f->path + strlen(COPY_FILE_DIR);
	AUTO_FD root = path_mkdirs_in(top, COPY_FILE_DIR, 0755);
	bool missing;
	int fd;

	if (root < 0)
		return err_sys(e, -root, "open %s", COPY_FILE_DIR);
	fd = path_parent_in(root, inside, 0, name);
	missing = fd == -ENOENT;
	if (missing)
		fd = path_parent_in(root, inside, f->dir_mode & 0777, name);
	if (fd < 0)
		return err_sys(e, -fd, "the directory of it");
	if (missing && fchownat(fd, "", (uid_t)f->uid, (gid_t)f->gid, AT_EMPTY_PATH) < 0) {
		err_sys(e, errno, "change the owner of its directory");
		auto_close(&fd);
		return -1;
	}
	return fd;
}

/* --- what it becomes: each at once in the place of what was there --- */

static int remove_directory(int dirfd, const char *name, struct err *e)
{
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	r = path_remove_tree(dirfd, name);
	return r < 0 ? err_sys(e, -r, "remove the directory that is there") : 0;
}

static int own(const struct copy_file *f, int dirfd, const char *name, struct err *e)
{
	if (fchownat(dirfd, name, (uid_t)f->uid, (gid_t)f->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "change its owner");
	return 0;
}

static int put(int dirfd, const char *part, const char *name, struct err *e)
{
	if (remove_directory(dirfd, name, e) < 0)
		return -1;
	if (renameat(dirfd, part, dirfd, name) < 0)
		return err_sys(e, errno, "put it in its place");
	return 0;
}

static int copy_directory(const struct copy_file *f, int dirfd, const char *name, struct err *e)
{
	AUTO_FD fd = -1;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
	    unlinkat(dirfd, name, 0) < 0)
		return err_sys(e, errno, "remove the file that is there");
	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the directory");
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open the directory");
	if (fchown(fd, (uid_t)f->uid, (gid_t)f->gid) < 0 || fchmod(fd, f->mode & 07777) < 0)
		return err_sys(e, errno, "set the directory's owner and mode");
	return 0;
}

static int copy_link(const struct copy_file *f, int dirfd, const char *part, const char *name,
		     struct err *e)
{
	char target[4096];

	if (f->len >= sizeof(target))
		return err_sys(e, ENAMETOOLONG, "where the link leads");
	memcpy(target, f->data, f->len);
	target[f->len] = '\0';
	(void)unlinkat(dirfd, part, 0);
	if (symlinkat(target, dirfd, part) < 0)
		return err_sys(e, errno, "make the link");
	return own(f, dirfd, part, e) < 0 ? -1 : put(dirfd, part, name, e);
}

static int write_piece(const struct copy_file *f, int fd, struct err *e)
{
	struct stat st;
	size_t at = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "look at what is there of it");
	if (f->offset > st.st_size)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "bytes %lld to %lld are missing: go on at %lld", (long long)st.st_size,
			       (long long)f->offset, (long long)st.st_size);
	while (at < f->len) {
		ssize_t n = pwrite(fd, (const char *)f->data + at, f->len - at, f->offset + (off_t)at);

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "write");
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Whatever is in its place goes: it may be another file's second name. */
static int begin_part(int dirfd, const char *part, struct err *e)
{
	int fd = unlinkat(dirfd, part, 0) < 0 && errno != ENOENT ?
			 -1 :
			 openat(dirfd, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(e, errno, "make a new file for it") : fd;
}

/* A container may see the directory, and have put a pipe, a device or another file's second name there:
 * neither is opened. */
static int resume_part(const struct copy_file *f, int dirfd, const char *part, struct err *e)
{
	AUTO_FD at = openat(dirfd, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	char path[32];
	int fd;

	if (at < 0 && errno == ENOENT)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "bytes 0 to %lld are missing: go on at 0", (long long)f->offset);
	if (at < 0 || fstat(at, &st) < 0)
		return err_sys(e, errno, "look at what is there of it");
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "what is there of it is not the agent's: begin again at 0");
	fd = open(path_of_fd(at, path), O_WRONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open what is there of it") : fd;
}

/* 1: whole. */
static int copy_piece(const struct copy_file *f, int dirfd, const char *part, struct err *e)
{
	AUTO_FD fd = f->offset ? resume_part(f, dirfd, part, e) : begin_part(dirfd, part, e);
	struct stat st;

	if (fd < 0)
		return -1;
	if (write_piece(f, fd, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "look at what is there of it");
	if (st.st_size > f->size)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "%lld bytes have come of a file_size of %lld: begin again at 0",
			       (long long)st.st_size, (long long)f->size);
	if (st.st_size < f->size)
		return 0;
	if (fchown(fd, (uid_t)f->uid, (gid_t)f->gid) < 0 || fchmod(fd, f->mode & 07777) < 0)
		return err_sys(e, errno, "set its owner and mode");
	return 1;
}

static int copy_regular(const struct copy_file *f, int dirfd, const char *part, const char *name,
			struct err *e)
{
	int whole = copy_piece(f, dirfd, part, e);

	return whole > 0 ? put(dirfd, part, name, e) : whole;
}

int copy_file_below(int top, const struct copy_file *f, struct err *e)
{
	const char *name;
	char part[32];
	AUTO_FD dirfd = -1;
	int r;

	if (check(f, e) < 0)
		return err_ctx(e, "copy %.128s", f->path);
	dirfd = open_parent(top, f, &name, e);
	if (dirfd < 0)
		return err_ctx(e, "copy %.128s", f->path);
	part_name(name, part);
	if (S_ISREG(f->mode))
		r = copy_regular(f, dirfd, part, name, e);
	else if (S_ISLNK(f->mode))
		r = copy_link(f, dirfd, part, name, e);
	else if (S_ISDIR(f->mode))
		r = copy_directory(f, dirfd, name, e);
	else
		r = err_set(e, RC_INVALID_ARGUMENT,
			    "file_mode 0%o: not a file, a directory or a link", f->mode);
	return r < 0 ? err_ctx(e, "copy %.128s", f->path) : 0;
}

int copy_file(const struct copy_file *f, struct err *e)
{
	AUTO_FD top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return top < 0 ? err_sys(e, errno, "open /") : copy_file_below(top, f, e);
}
