/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountinfo (proc(5)): "36 35 98:0 /root /target opts [shared:N master:N unbindable]… - fstype
 * source super". Blanks, tabs, newlines and backslashes in names are octal escapes. Questions about
 * one descriptor go to statx(2) (mount root: Linux 5.8), and to /proc/self/fdinfo where it does not
 * say.
 */
#include "kernel/mountinfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/sys.h"

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
	       s[2] <= '7';
}

static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (*s == '\\' && is_octal(s + 1)) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* The next field, cut off; NULL at the end of the line. */
static char *field(char **cursor)
{
	char *at = *cursor + strspn(*cursor, " ");
	char *end = at + strcspn(at, " \n");

	if (at == end)
		return NULL;
	*cursor = *end ? end + 1 : end;
	*end = '\0';
	return at;
}

static int parse_uint(const char *s, unsigned int *out)
{
	uint64_t v;
	int r = num_u64(s, UINT32_MAX, &v);

	if (r == 0)
		*out = (unsigned int)v;
	return r;
}

static int parse_dev(char *s, struct mountinfo *m)
{
	char *colon = strchr(s, ':');

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	return parse_uint(s, &m->major) < 0 || parse_uint(colon + 1, &m->minor) < 0 ? -EINVAL : 0;
}

/* The optional fields up to the "-"; unknown ones are skipped, as the kernel may add some. */
static int parse_tags(char **cursor, struct mountinfo *m)
{
	for (;;) {
		const char *tag = field(cursor);

		if (!tag)
			return -EINVAL;
		if (str_eq(tag, "-"))
			return 0;
		if (str_starts(tag, "shared:") && parse_uint(tag + 7, &m->shared) < 0)
			return -EINVAL;
		if (str_starts(tag, "master:") && parse_uint(tag + 7, &m->master) < 0)
			return -EINVAL;
		if (str_eq(tag, "unbindable"))
			m->unbindable = true;
	}
}

int mountinfo_parse(char *line, struct mountinfo *out)
{
	char *f[6];

	*out = (struct mountinfo){ 0 };
	for (size_t i = 0; i < COUNT_OF(f); i++) {
		f[i] = field(&line);
		if (!f[i])
			return -EINVAL;
	}
	if (num_u64(f[0], UINT64_MAX, &out->id) < 0 ||
	    num_u64(f[1], UINT64_MAX, &out->parent) < 0 || parse_dev(f[2], out) < 0 ||
	    parse_tags(&line, out) < 0)
		return -EINVAL;
	out->root = f[3];
	out->target = f[4];
	out->options = f[5];
	out->fstype = field(&line);
	out->source = field(&line);
	out->super = field(&line);
	if (!out->fstype || !out->source)
		return -EINVAL;
	/* The kernel prints an empty source as nothing at all: two fields are left then. */
	if (!out->super) {
		out->super = out->source;
		out->source = out->super + strlen(out->super);
	}
	unescape(out->root);
	unescape(out->target);
	unescape(out->fstype);
	unescape(out->source);
	unescape(out->super);
	return 0;
}

int mountinfo_each(const char *path, mountinfo_fn fn, void *arg)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && getline(&line, &cap, f) >= 0) {
		struct mountinfo m;

		if (mountinfo_parse(line, &m) == 0)
			r = fn(arg, &m);
	}
	if (r == 0 && ferror(f))
		r = -EIO;
	free(line);
	fclose(f);
	return r;
}

#define DONT_SYNC	0x4000	/* AT_STATX_DONT_SYNC: what is cached will do */

static int get_statx(int fd, unsigned int mask, struct sys_statx *st)
{
	memset(st, 0, sizeof(*st));
	return sys_result(syscall(SYS_statx, fd, "", AT_EMPTY_PATH | DONT_SYNC, mask, st));
}

/* "mnt_id:\t27" in /proc/self/fdinfo/N, since Linux 3.15. */
static int id_of_fdinfo(int fd, uint64_t *id)
{
	char path[48], text[1024];
	struct str s = STR_OVER(path);
	char *at;
	ssize_t n;

	str_addf(&s, "/proc/self/fdinfo/%d", fd);
	n = io_read_file(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	at = strstr(text, "mnt_id:");
	if (!at)
		return -ENODATA;
	at += strlen("mnt_id:");
	at += strspn(at, " \t");
	at[strcspn(at, "\n")] = '\0';
	return num_u64(at, UINT64_MAX, id);
}

int mountinfo_mount_id(int fd, uint64_t *id)
{
	struct sys_statx st;
	int r = get_statx(fd, SYS_STATX_MNT_ID, &st);

	if (r == 0 && (st.mask & SYS_STATX_MNT_ID)) {
		*id = st.mnt_id;
		return 0;
	}
	return id_of_fdinfo(fd, id);
}

struct id_search {
	uint64_t id;
	char *buf;
	size_t cap;
};

/* Before Linux 5.8: the root of a mount is a directory whose parent lies in another mount, or
 * "/" itself. */
static int is_mount_old(int fd)
{
	AUTO_FD up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat a, b;
	uint64_t here, there;
	int r;

	if (up < 0)
		return errno == ENOTDIR ? -ENOSYS : -errno;
	r = mountinfo_mount_id(fd, &here);
	if (r == 0)
		r = mountinfo_mount_id(up, &there);
	if (r < 0)
		return r;
	if (here != there)
		return 1;
	if (fstat(fd, &a) < 0 || fstat(up, &b) < 0)
		return -errno;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int mountinfo_is_mount(int fd)
{
	struct sys_statx st;
	int r = get_statx(fd, 0, &st);

	if (r < 0 && r != -ENOSYS)
		return r;
	if (r == 0 && (st.attributes_mask & SYS_STATX_MOUNT_ROOT))
		return st.attributes & SYS_STATX_MOUNT_ROOT ? 1 : 0;
	return is_mount_old(fd);
}

static int copy_text(char *buf, size_t cap, const char *text)
{
	struct str s;

	str_init(&s, buf, cap);
	str_add(&s, text);
	return str_ok(&s) ? 0 : -ENAMETOOLONG;
}

static int match_id(void *arg, const struct mountinfo *m)
{
	struct id_search *s = arg;

	if (m->id != s->id)
		return 0;
	return copy_text(s->buf, s->cap, m->fstype) < 0 ? -ENAMETOOLONG : 1;
}

/* The kernel's own filesystems, for the time before /proc is there. tmpfs stands for devtmpfs
 * too. */
static const char *name_of_magic(unsigned long magic)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {
		{ SYS_PROC_MAGIC, "proc" },	{ 0x62656572, "sysfs" },
		{ SYS_TMPFS_MAGIC, "tmpfs" },	{ 0x1cd1, "devpts" },
		{ SYS_CGROUP_MAGIC, "cgroup" }, { SYS_CGROUP2_MAGIC, "cgroup2" },
		{ 0x858458f6, "ramfs" },	{ 0x19800202, "mqueue" },
		{ 0x64626720, "debugfs" },	{ 0x74726163, "tracefs" },
		{ 0x73636673, "securityfs" },	{ 0xcafe4a11, "bpf" },
		{ SYS_NSFS_MAGIC, "nsfs" },
	};

	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (known[i].magic == magic)
			return known[i].name;
	return NULL;
}

int mountinfo_fstype(int fd, char *buf, size_t cap)
{
	struct id_search s = { .buf = buf, .cap = cap };
	struct statfs fs;
	const char *name;
	int r = mountinfo_mount_id(fd, &s.id);

	if (r == 0) {
		r = mountinfo_each("/proc/self/mountinfo", match_id, &s);
		if (r != 0 && r != -ENOENT)
			return r < 0 ? r : 0;
	}
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	name = name_of_magic((unsigned long)fs.f_type & 0xffffffffUL);
	return name ? copy_text(buf, cap, name) : -ENODATA;
}

static int match_root(void *arg, const struct mountinfo *m)
{
	char *fstype = arg;

	if (str_eq(m->target, "/"))
		return copy_text(fstype, 32, m->fstype);	/* the last one is the one on top */
	return 0;
}

int mountinfo_root_is_rootfs(void)
{
	char fstype[32] = "";
	int r = mountinfo_each("/proc/self/mountinfo", match_root, fstype);

	if (r < 0)
		return r;
	return str_eq(fstype, "rootfs") ? 1 : 0;
}
