/* SPDX-License-Identifier: Apache-2.0 */
/* The copy and its following (check-code: job). */
#include "storage/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/plan.h"
#include "storage/driver.h"

#define DEPTH_MAX	8
#define MARK		".mote-new-"	/* of a name that is being written; never taken from the source */
#define EVENTS		(IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVE | IN_CLOSE_WRITE | \
			 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define MAGIC_FUSE	0x65735546
#define MAGIC_9P	0x01021997

/* Where both are: a directory's descriptor, and a name in it. */
struct ends {
	int from, to;
	const char *name;	/* of both, but at the top */
	const char *to_name;
};

struct round {
	size_t entries, dirs, bytes;
	int inotify;		/* -1: none */
	bool changed;
	bool later;		/* the source went on meanwhile: look again soon */
	bool too_large;
};

static int sync_one(struct round *r, const struct ends *at, unsigned int depth);
static int sync_dir(struct round *r, const struct ends *at, unsigned int depth);

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return S_ISREG(b->st_mode) && a->st_size == b->st_size && a->st_mode == b->st_mode &&
	       a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A name for what is being made; one at a time in a directory. */
static const char *mark_name(const char *name, char buf[NAME_MAX + 1])
{
	struct str s;

	str_init(&s, buf, NAME_MAX + 1);
	str_addf(&s, MARK "%.200s", name);
	return buf;
}

/* What is in the way of a rename is of another kind. */
static int put_in_place(int to, const char *made, const char *name)
{
	int r;

	if (renameat(to, made, to, name) == 0)
		return 0;
	r = -errno;
	if (r == -EISDIR || r == -ENOTDIR || r == -EEXIST || r == -ENOTEMPTY) {
		path_remove_tree(to, name);
		r = renameat(to, made, to, name) < 0 ? -errno : 0;
	}
	if (r < 0)
		unlinkat(to, made, 0);
	return r;
}

/* --- files ------------------------------------------------------------------------------------ */

/* At most what is left: the file may grow while it is read. */
static int copy_data(struct round *r, int in, int out)
{
	char buf[16384];

	for (;;) {
		ssize_t n = read(in, buf, sizeof(buf));

		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r->bytes += (size_t)n;
		r->too_large = r->bytes > WATCH_BYTES;
		if (r->too_large)
			return 0;
		if (io_write_full(out, buf, (size_t)n) < 0)
			return -EIO;
	}
}

static int copy_file(struct round *r, const struct ends *at, int in, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char made[NAME_MAX + 1];
	AUTO_FD out = -1;
	int result;

	mark_name(at->to_name, made);
	path_remove_tree(at->to, made);
	out = openat(at->to, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	result = copy_data(r, in, out);
	if (result == 0 && (fchown(out, st->st_uid, st->st_gid) < 0 ||
			    fchmod(out, st->st_mode & 07777) < 0 || futimens(out, times) < 0))
		result = -errno;
	if (result < 0 || r->too_large) {
		unlinkat(at->to, made, 0);
		return result;
	}
	r->changed = true;
	return put_in_place(at->to, made, at->to_name);
}

static int sync_file(struct round *r, const struct ends *at)
{
	AUTO_FD in = openat(at->from, at->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st, is;

	if (in < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0; /* changed meanwhile: the next round */
	if (fstatat(at->to, at->to_name, &is, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(&st, &is)) {
		r->bytes += (size_t)st.st_size;
		r->too_large = r->bytes > WATCH_BYTES;
		return 0;
	}
	return copy_file(r, at, in, &st);
}

/* --- links ------------------------------------------------------------------------------------ */

/* Does the link lead to that? */
static bool leads_to(int dirfd, const char *name, const char *target)
{
	char is[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, is, sizeof(is) - 1);

	return n >= 0 && (size_t)n == strlen(target) && memcmp(is, target, (size_t)n) == 0;
}

/* The directory beside the link, once more: it was whole when the link was made to lead to it, and need not have
 * been when it was copied. Does not count twice. */
static int sync_led_to(struct round *r, const struct ends *at, const char *target, unsigned int depth)
{
	const struct ends led = { at->from, at->to, target, target };
	const struct round sums = *r;
	struct stat st;
	int result;

	if (strchr(target, '/') || str_eq(target, ".") || str_eq(target, "..") ||
	    fstatat(at->from, target, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	r->entries = r->dirs = r->bytes = 0;
	result = sync_dir(r, &led, depth);
	r->entries = sums.entries;
	r->dirs = sums.dirs;
	r->bytes = sums.bytes;
	return result;
}

static int sync_link(struct round *r, const struct ends *at, unsigned int depth)
{
	char target[PATH_MAX], made[NAME_MAX + 1];
	ssize_t n = readlinkat(at->from, at->name, target, sizeof(target) - 1);
	struct stat st;
	int result;

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : -errno;
	target[n] = '\0';
	if (leads_to(at->to, at->to_name, target))
		return 0;
	result = sync_led_to(r, at, target, depth);
	if (result < 0 || r->too_large)
		return result;
	if (!leads_to(at->from, at->name, target)) { /* what it led to may have been on its way out */
		r->later = true;
		return 0;
	}
	/* The source went on while it was read: what this leads to has not been copied. */
	if (*target != '/' && faccessat(at->from, target, F_OK, 0) == 0 &&
	    fstatat(at->to, target, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r->later = true;
		return 0;
	}
	mark_name(at->to_name, made);
	path_remove_tree(at->to, made);
	if (symlinkat(target, at->to, made) < 0)
		return -errno;
	r->changed = true;
	return put_in_place(at->to, made, at->to_name);
}

/* --- directories ------------------------------------------------------------------------------ */

enum pass { PASS_FILES, PASS_LINKS };

static int sync_entry(struct round *r, int from, int to, const char *name, enum pass pass,
		      unsigned int depth)
{
	const struct ends at = { from, to, name, name };
	struct stat st;

	if (str_starts(name, MARK))
		return 0;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode) != (pass == PASS_LINKS))
		return 0;
	return sync_one(r, &at, depth);
}

/* Its entries from the first one on; NULL with errno. */
static DIR *open_entries(int dirfd)
{
	AUTO_FD fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		(void)TAKE_FD(fd); /* the stream's now */
	return dir;
}

static int each(struct round *r, int from, int to, enum pass pass, unsigned int depth)
{
	DIR *dir = open_entries(from);
	struct dirent *d;
	int result = 0;

	if (!dir)
		return -errno;
	while (result == 0 && !r->too_large && (d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			result = sync_entry(r, from, to, d->d_name, pass, depth);
	closedir(dir);
	return result;
}

/* --- what is gone ----------------------------------------------------------------------------- */

/* An entry of the top, whatever is looked at below it. */
struct top {
	int from, to;
	const char *name;
};

/* Does a link of the copy lead there, which leads elsewhere in the source by now? Then what the source has no more
 * of it is of the state that the copy still shows. */
static bool is_shown(const struct top *t)
{
	DIR *dir = open_entries(t->to);
	struct dirent *d;
	bool shown = false;

	while (dir && !shown && (d = readdir(dir)))
		shown = leads_to(t->to, d->d_name, t->name) && !leads_to(t->from, d->d_name, t->name);
	if (dir)
		closedir(dir);
	return shown;
}

static int remove_gone(struct round *r, int from, int to, const struct top *top);

static int remove_below(struct round *r, int from, int to, const struct top *top, const char *name)
{
	AUTO_FD f = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD t = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return f < 0 || t < 0 ? 0 : remove_gone(r, f, t, top);
}

static int remove_if_gone(struct round *r, int from, int to, const struct top *top, const char *name, bool links)
{
	const struct top own = { from, to, name }, *of = top ? top : &own;
	struct stat st, source;

	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode) != links)
		return 0;
	if (fstatat(from, name, &source, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? remove_below(r, from, to, of, name) : 0;
	if (errno != ENOENT)
		return 0;
	if ((top || !links) && is_shown(of)) {
		r->later = true;
		return 0;
	}
	path_remove_tree(to, name);
	r->changed = true;
	return 0;
}

/* What the source has no more, after all that is new; links first. */
static int remove_gone(struct round *r, int from, int to, const struct top *top)
{
	int result = 0;

	for (int links = 1; links >= 0 && result == 0; links--) {
		DIR *dir = open_entries(to);
		struct dirent *d;

		if (!dir)
			return -errno;
		while (result == 0 && (d = readdir(dir)))
			if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
				result = remove_if_gone(r, from, to, top, d->d_name, links);
		closedir(dir);
	}
	return result;
}

/* --- both ------------------------------------------------------------------------------------- */

static int open_target_dir(struct round *r, const struct ends *at, const struct stat *st)
{
	int fd = openat(at->to, at->to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat is;

	if (fd < 0) {
		if (errno != ENOENT)
			path_remove_tree(at->to, at->to_name);
		if (mkdirat(at->to, at->to_name, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(at->to, at->to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r->changed = true;
	}
	if (fd < 0 || fstat(fd, &is) < 0)
		return fd < 0 ? -errno : fd;
	if (is.st_uid != st->st_uid || is.st_gid != st->st_gid)
		(void)!fchown(fd, st->st_uid, st->st_gid);
	if ((is.st_mode & 07777) != (st->st_mode & 07777))
		(void)!fchmod(fd, st->st_mode & 07777);
	return fd;
}

static void watch_dir(const struct round *r, int fd)
{
	char path[32];

	if (r->inotify >= 0)
		(void)inotify_add_watch(r->inotify, path_of_fd(fd, path), EVENTS);
}

static int sync_dir(struct round *r, const struct ends *at, unsigned int depth)
{
	AUTO_FD from = openat(at->from, at->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD to = -1;
	struct stat st;
	int result;

	if (from < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	if (fstat(from, &st) < 0)
		return -errno;
	watch_dir(r, from); /* before it is read: what comes later is an event */
	to = open_target_dir(r, at, &st);
	if (to < 0)
		return to;
	result = each(r, from, to, PASS_FILES, depth + 1);
	if (result == 0 && !r->too_large)
		result = each(r, from, to, PASS_LINKS, depth + 1);
	if (result == 0 && !depth && !r->too_large && !r->later)
		result = remove_gone(r, from, to, NULL);
	return result;
}

/* One entry, whatever it is; what is no file, link or directory is left out. */
static int sync_one(struct round *r, const struct ends *at, unsigned int depth)
{
	struct stat st;

	if (fstatat(at->from, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && depth ? 0 : -errno;
	if (S_ISDIR(st.st_mode)) {
		r->too_large = ++r->dirs > WATCH_ENTRIES || depth > DEPTH_MAX;
		return r->too_large ? 0 : sync_dir(r, at, depth);
	}
	r->too_large = ++r->entries > WATCH_ENTRIES;
	if (r->too_large)
		return 0;
	if (S_ISLNK(st.st_mode))
		return depth ? sync_link(r, at, depth) : -ELOOP;
	return S_ISREG(st.st_mode) ? sync_file(r, at) : 0;
}

/* --- rounds ----------------------------------------------------------------------------------- */

struct pair {
	int from, to;		/* the directories that hold them */
	const char *from_name, *to_name;
};

static void pair_close(struct pair *p)
{
	auto_close(&p->from);
	auto_close(&p->to);
}

static int pair_open(struct pair *p, const char *source, const char *target, struct err *e)
{
	*p = (struct pair){ .from = -1, .to = -1 };
	p->from = storage_open_parent(source, 0, &p->from_name, e);
	if (p->from < 0)
		return err_ctx(e, "source");
	p->to = storage_open_parent(target, 0755, &p->to_name, e);
	if (p->to >= 0)
		return 0;
	pair_close(p);
	return -1;
}

/* A watched source that is one file: its directory tells of it. */
static int round_run(const struct pair *p, struct round *r, struct err *e)
{
	const struct ends at = { p->from, p->to, p->from_name, p->to_name };
	int result;

	watch_dir(r, p->from);
	result = sync_one(r, &at, 0);
	if (result < 0)
		return err_sys(e, -result, "copy %s", p->from_name);
	return r->too_large ? WATCH_TOO_LARGE : r->changed ? WATCH_CHANGED : WATCH_SAME;
}

int watch_copy(const char *source, const char *target, struct err *e)
{
	struct pair p;
	int result;

	if (pair_open(&p, source, target, e) < 0)
		return -1;
	for (int i = 0; i < 8; i++) {
		struct round r = { .inotify = -1 };

		result = round_run(&p, &r, e);
		if (result < 0 || !r.later)
			break;
	}
	if (result == WATCH_TOO_LARGE)
		path_remove_tree(p.to, p.to_name);
	pair_close(&p);
	return result;
}

int watch_bind(const char *source, const char *target, struct err *e)
{
	struct plan_op op = {
		.kind = PLAN_BIND, .source = source, .target = target, .sourcefd = -1,
		.ms_flags = MS_BIND, .flags = PLAN_SOURCE_STRICT | PLAN_NOFOLLOW,
	};
	struct plan plan = { .ops = &op, .n = 1 };
	AUTO_FD dirfd = storage_open_parent(target, 0755, &op.target, e);
	size_t done;

	return dirfd < 0 ? -1 : plan_run(&plan, dirfd, &done, e);
}

/* Does its file system tell of what others do to it? */
static bool has_events(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type != MAGIC_FUSE && fs.f_type != MAGIC_9P;
}

static void wait_for_change(const struct round *r, bool events)
{
	struct pollfd p = { .fd = r->inotify, .events = POLLIN };
	int ms = r->later ? 100 : events && r->inotify >= 0 ? -1 : WATCH_POLL_MS;

	while (poll(&p, 1, ms) < 0 && errno == EINTR)
		;
}

int watch_follow(const char *source, const char *target, struct err *e)
{
	for (;;) {
		struct round r = { .inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK) };
		AUTO_FD events = r.inotify;
		struct err failed = { 0 };
		struct pair p;
		bool told;
		int result;

		/* A source that is gone may come again: what was copied stays. */
		if (pair_open(&p, source, target, &failed) < 0) {
			wait_for_change(&r, false);
			continue;
		}
		told = has_events(p.from);
		result = round_run(&p, &r, &failed);
		if (result == WATCH_TOO_LARGE)
			path_remove_tree(p.to, p.to_name);
		pair_close(&p);
		if (result == WATCH_TOO_LARGE)
			return watch_bind(source, target, e);
		if (result < 0 && failed.sys != ENOENT && failed.sys != ESTALE) {
			*e = failed;
			return -1;
		}
		wait_for_change(&r, told && result >= 0);
	}
}
