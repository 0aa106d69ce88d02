/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/user.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define FILE_MAX	(1u << 20)
#define FIELDS		7
#define NAME_SIZE	64

/* One line of a file of colon-separated fields; lines are cut in place. */
struct lines {
	char *next;
	char *field[FIELDS];
	size_t n;
};

static bool next_line(struct lines *l)
{
	char *line = l->next, *end;

	if (!line || !*line)
		return false;
	end = line + strcspn(line, "\n");
	l->next = *end ? end + 1 : end;
	*end = 0;
	for (l->n = 0; line && l->n < FIELDS; l->n++) {
		char *colon = strchr(line, ':');

		if (colon)
			*colon = 0;
		l->field[l->n] = line;
		line = colon ? colon + 1 : NULL;
	}
	return true;
}

/* The whole file, terminated; NULL when it is not there or not a plain file of a sensible size. */
static char *read_inside(int rootfd, const char *path)
{
	AUTO_FD fd = rootfd < 0 ? -1 : path_open_in(rootfd, path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return NULL;
	text = mem_new(1, (size_t)st.st_size + 1);
	n = text ? io_read_full(fd, text, (size_t)st.st_size) : -1;
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = 0;
	return text;
}

static bool number(const char *text, uint32_t *out)
{
	uint64_t v;

	if (num_u64(text, UINT32_MAX - 1, &v) < 0) /* all ones means "leave it" to the kernel */
		return false;
	*out = (uint32_t)v;
	return true;
}

/* name:password:uid:gid:… — by name, or by number when the text is one. The entry's name goes to
 * `name`. */
static bool find_user(int rootfd, const char *text, struct user *out, char name[NAME_SIZE])
{
	AUTO_FREE char *file = read_inside(rootfd, "etc/passwd");
	struct lines l = { .next = file };
	uint32_t wanted = 0, uid, gid;
	bool numeric = number(text, &wanted);
	struct str s;

	str_init(&s, name, NAME_SIZE);
	while (next_line(&l)) {
		if (l.n < 4 || !number(l.field[2], &uid) || !number(l.field[3], &gid))
			continue;
		if (numeric ? uid != wanted : !str_eq(l.field[0], text))
			continue;
		out->uid = uid;
		out->gid = gid;
		str_add(&s, l.field[0]);
		return str_ok(&s);
	}
	out->uid = wanted;
	return numeric;
}

/* Is `name` in a comma-separated list? */
static bool is_member(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (; *list; list += *list == ',') {
		size_t len = strcspn(list, ",");

		if (len == n && strncmp(list, name, n) == 0)
			return true;
		list += len;
	}
	return false;
}

/* name:password:gid:members — the group called `text`, or (text NULL) every group that lists
 * `member`. */
static bool find_group(int rootfd, const char *text, const char *member, struct user *out)
{
	AUTO_FREE char *file = read_inside(rootfd, "etc/group");
	struct lines l = { .next = file };
	uint32_t gid;

	while (next_line(&l)) {
		if (l.n < 3 || !number(l.field[2], &gid))
			continue;
		if (text && str_eq(l.field[0], text)) {
			out->gid = gid;
			return true;
		}
		if (!text && l.n > 3 && is_member(l.field[3], member) && gid != out->gid &&
		    out->n_groups < USER_GROUPS)
			out->groups[out->n_groups++] = gid;
	}
	return false;
}

int user_resolve(int rootfd, const char *text, struct user *out, struct err *e)
{
	const char *colon = strchr(text, ':');
	char user[NAME_SIZE], name[NAME_SIZE] = "";
	struct str s = STR_OVER(user);

	memset(out, 0, sizeof(*out));
	str_add_n(&s, text, colon ? (size_t)(colon - text) : strlen(text));
	if (!str_ok(&s) || !*user || (colon && !colon[1]))
		return err_set(e, RC_INVALID_ARGUMENT, "'%.60s' is not USER or USER:GROUP", text);
	if (!find_user(rootfd, user, out, name))
		return err_set(e, RC_NOT_FOUND, "the rootfs has no user '%s' in etc/passwd", user);
	if (colon) {
		if (!number(colon + 1, &out->gid) && !find_group(rootfd, colon + 1, NULL, out))
			return err_set(e, RC_NOT_FOUND,
				       "the rootfs has no group '%.60s' in etc/group", colon + 1);
		return 0;
	}
	if (*name)
		find_group(rootfd, NULL, name, out);
	return 0;
}
