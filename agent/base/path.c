/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths resolved inside a root. Opening is openat2(RESOLVE_IN_ROOT)'s work. What also makes
 * directories, and kernels without openat2, use the walk below, with the same meaning: it
 * opens one component at a time with O_NOFOLLOW from a descriptor and expands symlinks itself,
 * an absolute one from the root. ".." never asks the kernel for a parent, which a rename may have moved
 * out of the root: the walk keeps the names that led to where it is (no symlinks among them) and
 * goes down again from the root without the last one. A race can therefore make a walk fail
 * or end at another place inside the root, never outside.
 */
#include "base/path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "base/str.h"

#define SYMLINK_MAX	40	/* as the kernel */
#define RACE_RETRIES	128

#ifndef SYS_openat2
#define SYS_openat2	437
#endif

static bool openat2_missing;	/* ENOSYS was seen */

struct walk {
	int rootfd;
	int dirfd;		/* where the walk is: O_PATH, owned */
	mode_t mkdir_mode;	/* missing directories are made with it; 0: they are an error */
	unsigned int links;	/* symlinks expanded so far; SYMLINK_MAX: one more is refused */
	struct str done;	/* names from the root to dirfd, each with a slash behind it */
	struct str rest;	/* what is left to resolve */
	char done_buf[PATH_MAX];
	char rest_buf[PATH_MAX];
};

static int open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int set_dir(struct walk *w, int fd)
{
	if (fd < 0)
		return fd;
	auto_close(&w->dirfd);
	w->dirfd = fd;
	return 0;
}

static int go_to_root(struct walk *w)
{
	str_reset(&w->done);
	return set_dir(w, open_dir(w->rootfd, "."));
}

/* Makes and opens it; what cannot be opened is not left behind. The agent has no threads, so the
 * umask can be put aside for a moment. */
static int make_dir(int dirfd, const char *name, mode_t mode)
{
	mode_t mask = umask(0);
	int r = mkdirat(dirfd, name, mode) < 0 ? -errno : 0;
	int fd;

	umask(mask);
	if (r < 0 && r != -EEXIST)
		return r;
	fd = open_dir(dirfd, name);
	if (fd < 0 && r == 0)
		unlinkat(dirfd, name, AT_REMOVEDIR);
	return fd;
}

static int go_down(struct walk *w, const char *name)
{
	int fd = open_dir(w->dirfd, name);
	int r;

	if (fd == -ENOENT && w->mkdir_mode)
		fd = make_dir(w->dirfd, name, w->mkdir_mode);
	r = set_dir(w, fd);
	if (r < 0)
		return r;
	str_add(&w->done, name);
	str_add_char(&w->done, '/');
	return str_ok(&w->done) ? 0 : -ENAMETOOLONG;
}

static int go_up(struct walk *w)
{
	char names[PATH_MAX];
	char *at = names, *slash;
	size_t len = w->done.len;
	int r;

	if (len == 0)
		return 0;
	/* Without the last name and the slash behind it. */
	do
		len--;
	while (len > 0 && w->done.buf[len - 1] != '/');
	memcpy(names, w->done.buf, len);
	names[len] = '\0';

	r = go_to_root(w);
	for (; r == 0 && (slash = strchr(at, '/')); at = slash + 1) {
		*slash = '\0';
		r = go_down(w, at);
	}
	return r;
}

/* The text of symlink `name`, terminated; 0 when it is no symlink or does not exist. */
static ssize_t read_link(int dirfd, const char *name, char *buf, size_t cap)
{
	ssize_t n = readlinkat(dirfd, name, buf, cap);

	if (n < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	if ((size_t)n >= cap)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}

/* proc's magic links (exe, root, fd/N…) show a path or "type:[id]"; its other links are relative. */
static bool is_magic(int dirfd, const char *text)
{
	struct statfs fs;

	if (*text != '/' && !strchr(text, ':'))
		return false;
	return fstatfs(dirfd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* Puts a symlink's text in front of the rest. */
static int expand(struct walk *w, char *text, size_t len)
{
	char joined[PATH_MAX];
	struct str s = STR_OVER(joined);

	if (++w->links > SYMLINK_MAX || is_magic(w->dirfd, text))
		return -ELOOP;
	str_add_n(&s, text, len);
	str_add(&s, w->rest.buf);
	if (!str_ok(&s))
		return -ENAMETOOLONG;
	str_reset(&w->rest);
	str_add_n(&w->rest, joined, s.len);
	return *text == '/' ? go_to_root(w) : 0;
}

/* Takes the first component and the slashes before it off the rest. "" when there is none.
 * What stays begins with a slash when one followed the component. */
static int next_name(struct walk *w, char name[NAME_MAX + 1])
{
	const char *from = w->rest.buf + strspn(w->rest.buf, "/");
	size_t len = strcspn(from, "/");

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, from, len);
	name[len] = '\0';
	from += len;
	w->rest.len -= (size_t)(from - w->rest.buf);
	memmove(w->rest.buf, from, w->rest.len + 1);
	return 0;
}

enum walk_last {
	LAST_DIR,	/* the last component is a directory to enter, too */
	LAST_NAME,	/* stop before it, when it is no symlink */
	LAST_NOFOLLOW,	/* stop before it, symlink or not */
};

/* Goes through the rest. With LAST_NAME and LAST_NOFOLLOW, last is the name to use below w->dirfd,
 * or "" when the path ends in a slash, "." or "..", and means w->dirfd itself. */
static int walk_rest(struct walk *w, enum walk_last how, char last[NAME_MAX + 1])
{
	char name[NAME_MAX + 1], text[PATH_MAX];

	last[0] = '\0';
	for (;;) {
		int r = next_name(w, name);
		bool ends = w->rest.len == 0 && how != LAST_DIR;
		ssize_t n;

		if (r < 0 || !*name)
			return r;
		if (str_eq(name, "."))
			continue;
		if (str_eq(name, "..")) {
			r = go_up(w);
			if (r < 0)
				return r;
			continue;
		}
		n = ends && how == LAST_NOFOLLOW ? 0 : read_link(w->dirfd, name, text, sizeof(text));
		if (n < 0)
			return (int)n;
		if (n == 0 && ends) {
			memcpy(last, name, sizeof(name));
			return 0;
		}
		r = n > 0 ? expand(w, text, (size_t)n) : go_down(w, name);
		if (r < 0)
			return r;
	}
}

enum links { FOLLOW, STRICT };

/* Sets out from the root; the caller closes w->dirfd whatever this returns. */
static int walk_path(struct walk *w, int rootfd, const char *path, size_t len, mode_t mkdir_mode,
		     enum links links, enum walk_last how, char last[NAME_MAX + 1])
{
	int r;

	w->rootfd = rootfd;
	w->dirfd = -1;
	w->mkdir_mode = mkdir_mode;
	w->links = links == STRICT ? SYMLINK_MAX : 0;
	str_init(&w->done, w->done_buf, sizeof(w->done_buf));
	str_init(&w->rest, w->rest_buf, sizeof(w->rest_buf));
	str_add_n(&w->rest, path, len);
	if (!str_ok(&w->rest))
		return -ENAMETOOLONG;
	r = go_to_root(w);
	return r < 0 ? r : walk_rest(w, how, last);
}

/* Opens `name`, which was no symlink a moment ago. */
static int open_last(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	struct stat st;

	if (fd < 0)
		return -errno;
	/* O_PATH with O_NOFOLLOW opens a symlink itself. */
	if ((flags & O_PATH) && !(flags & O_NOFOLLOW) &&
	    (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode))) {
		close(fd);
		return -ELOOP;
	}
	return fd;
}

static int open_walking(int rootfd, const char *path, int flags, mode_t mode, enum links links)
{
	bool excl = (flags & O_CREAT) && (flags & O_EXCL);
	enum walk_last how = excl || (flags & O_NOFOLLOW) ? LAST_NOFOLLOW : LAST_NAME;
	char last[NAME_MAX + 1];
	struct walk w;
	int r;

	r = walk_path(&w, rootfd, path, strlen(path), 0, links, how, last);
	if (r == 0)
		r = open_last(w.dirfd, *last ? last : ".", flags, mode);
	auto_close(&w.dirfd);
	return r;
}

static int open_resolving(int rootfd, const char *path, int flags, mode_t mode, enum links links)
{
	bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = (unsigned int)flags | O_CLOEXEC,
		.mode = creates ? mode & 07777 : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
			   (links == STRICT ? RESOLVE_NO_SYMLINKS : 0),
	};

	path += strspn(path, "/");
	if (!*path)
		path = ".";
	/* EAGAIN: a rename or mount somewhere while ".." was resolved. */
	for (int i = 0; i < RACE_RETRIES && !openat2_missing; i++) {
		int fd = (int)syscall(SYS_openat2, rootfd, path, &how, sizeof(how));

		if (fd >= 0)
			return fd;
		if (errno == ENOSYS)
			openat2_missing = true;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return openat2_missing ? open_walking(rootfd, path, flags, mode, links) : -EAGAIN;
}

int path_open_in(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolving(rootfd, path, flags, mode, FOLLOW);
}

int path_open_strict(int rootfd, const char *path, int flags)
{
	return open_resolving(rootfd, path, flags, 0, STRICT);
}

static int mkdirs(int rootfd, const char *path, size_t len, mode_t mode, enum links links)
{
	char last[NAME_MAX + 1];
	struct walk w;
	int r;

	r = walk_path(&w, rootfd, path, len, mode, links, LAST_DIR, last);
	if (r == 0)
		return w.dirfd;
	auto_close(&w.dirfd);
	return r;
}

int path_mkdirs_in(int rootfd, const char *path, mode_t mode)
{
	return mkdirs(rootfd, path, strlen(path), mode, FOLLOW);
}

static int open_parent(int rootfd, const char *path, mode_t mkdir_mode, enum links links,
		       const char **name)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;

	if (!*last || str_eq(last, ".") || str_eq(last, ".."))
		return -EINVAL;
	*name = last;
	return mkdirs(rootfd, path, (size_t)(last - path), mkdir_mode, links);
}

int path_parent_in(int rootfd, const char *path, mode_t mkdir_mode, const char **name)
{
	return open_parent(rootfd, path, mkdir_mode, FOLLOW, name);
}

int path_parent_strict(int rootfd, const char *path, mode_t mkdir_mode, const char **name)
{
	return open_parent(rootfd, path, mkdir_mode, STRICT, name);
}

static int open_file_target(int dirfd, const char *name)
{
	AUTO_FD made = -1;
	AUTO_FD fd = -1;
	struct stat st;

	made = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (made < 0 && errno != EEXIST)
		return -errno;
	if (made >= 0 && fchmod(made, 0644) < 0)
		return -errno;
	fd = open_last(dirfd, name, O_PATH, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? -EISDIR : TAKE_FD(fd);
}

int path_target_in(int rootfd, const char *path, mode_t type)
{
	char last[NAME_MAX + 1];
	struct walk w;
	int r;

	if (type == S_IFDIR)
		return path_mkdirs_in(rootfd, path, 0755);
	if (type != S_IFREG)
		return -EINVAL;
	r = walk_path(&w, rootfd, path, strlen(path), 0755, FOLLOW, LAST_NAME, last);
	if (r == 0)
		r = *last ? open_file_target(w.dirfd, last) : -EISDIR;
	auto_close(&w.dirfd);
	return r;
}

const char *path_of_fd(int fd, char buf[32])
{
	snprintf(buf, 32, "/proc/self/fd/%d", fd);
	return buf;
}
