/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/stdio.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/logger.h"
#include "shim/pump_in.h"
#include "shim/pump_out.h"
#include "shim/url.h"

#define ARENA_BYTES (256u << 10)
#define STREAM_ID   256

static const char *const names[] = { "stdin", "stdout", "stderr" };

struct stdio {
	bool used[3];           /* pumped by us */
	char ids[3][STREAM_ID]; /* of the guest's streams */
	char guest[3][STREAM_ID + 16];
	bool foreign_stdin; /* containerd's own stream */
	struct pump_in in;
	struct pump_out out[2];
};

/* --- the host's side --- */

/* Both ends of a FIFO for writing: a reader that goes and comes again is none of the process's
 * business. For reading the one end, so that its writers' end is seen. */
static int open_fifo(const char *path, bool read, struct err *e)
{
	struct stat st;
	int fd = open(path, (read ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		return fd;
	close(fd);
	return err_set(e, RC_INVALID_ARGUMENT, "%s is no FIFO", path);
}

static int open_file(const char *path, struct err *e)
{
	AUTO_FD rootfd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD parentfd = -1;
	const char *name;
	int fd;

	parentfd = rootfd < 0 ? -errno : path_parent_in(rootfd, path, 0755, &name);
	if (parentfd < 0)
		return err_sys(e, -parentfd, "%s", path);
	fd = openat(parentfd, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? err_sys(e, errno, "%s", path) : fd;
}

struct opened {
	struct url urls[3];
	int fds[3];
};

static int open_url(const struct url *u, int number, struct err *e)
{
	if (u->kind == URL_FIFO)
		return open_fifo(u->path, number == 0, e);
	if (u->kind == URL_FILE && number)
		return open_file(u->path, e);
	return err_set(e, RC_INVALID_ARGUMENT, "not for this");
}

/* A program takes both outputs; it is started once, when they name the same one. */
static int open_loggers(struct loop *l, const struct stdio_opts *o, struct opened *f, struct err *e)
{
	const struct url *u = f->urls;
	struct logger_opts lo = { .ns = o->ns, .id = o->id };
	int number = u[1].kind == URL_BINARY ? 1 : 2;

	if (u[1].kind != URL_BINARY && u[2].kind != URL_BINARY)
		return 0;
	lo.program = &u[number];
	return logger_start(l, &lo, &f->fds[1], u[2].kind == URL_BINARY ? &f->fds[2] : NULL, e);
}

static int open_all(struct loop *l, struct arena *a, const struct stdio_opts *o, struct opened *f,
		    struct err *e)
{
	for (int i = 0; i < 3; i++)
		if (url_parse(a, o->urls[i], &f->urls[i], e) < 0)
			return err_ctx(e, "%s", names[i]);
	for (int i = 0; i < 3; i++) {
		enum url_kind kind = f->urls[i].kind;

		if (kind == URL_NONE || kind == URL_STREAM || (kind == URL_BINARY && i))
			continue;
		if (o->terminal && i == 2)
			continue;
		f->fds[i] = open_url(&f->urls[i], i, e);
		if (f->fds[i] < 0)
			return err_ctx(e, "%s", names[i]);
	}
	return open_loggers(l, o, f, e) < 0 ? err_ctx(e, "the logger") : 0;
}

/* --- the guest's side --- */

static int name_stream(struct stdio *s, const struct stdio_opts *o, const struct opened *f, int i,
		       struct err *e)
{
	struct str id = STR_OVER(s->ids[i]), url = STR_OVER(s->guest[i]);

	s->used[i] = f->fds[i] >= 0;
	if (f->urls[i].kind == URL_STREAM)
		str_add(&id, f->urls[i].stream);
	else if (s->used[i])
		str_addf(&id, "%s/%s/%s", o->id, o->exec_id, names[i]);
	else
		return 0;
	str_addf(&url, "stream://%s", s->ids[i]);
	if (!str_ok(&id) || !str_ok(&url))
		return err_set(e, RC_INVALID_ARGUMENT, "%s: the name is too long", names[i]);
	return 0;
}

struct stdio *stdio_open(struct loop *l, const struct stdio_opts *o, struct err *e)
{
	struct opened f = { .fds = { -1, -1, -1 } };
	struct stdio *s = mem_new(1, sizeof(*s));
	struct arena a;
	int rc;

	if (!s) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	arena_init(&a, ARENA_BYTES);
	rc = open_all(l, &a, o, &f, e);
	for (int i = 0; rc == 0 && i < 3; i++)
		rc = name_stream(s, o, &f, i, e);
	s->foreign_stdin = f.urls[0].kind == URL_STREAM;
	arena_fini(&a);
	pump_in_init(&s->in, l, f.fds[0]);
	pump_out_init(&s->out[0], l, f.fds[1]);
	pump_out_init(&s->out[1], l, f.fds[2]);
	if (rc == 0)
		return s;
	stdio_free(s);
	return NULL;
}

int stdio_begin(struct stdio *s, struct client *streams, struct err *e)
{
	if (s->used[0] && pump_in_begin(&s->in, streams, s->ids[0], e) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (s->used[i + 1] && pump_out_begin(&s->out[i], streams, s->ids[i + 1], e) < 0)
			return -1;
	return 0;
}

const char *stdio_guest_url(const struct stdio *s, int number)
{
	return s->guest[number];
}

bool stdio_close_stdin(struct stdio *s)
{
	pump_in_close(&s->in);
	return !s->foreign_stdin;
}

void stdio_free(struct stdio *s)
{
	if (!s)
		return;
	pump_in_fini(&s->in);
	pump_out_fini(&s->out[0]);
	pump_out_fini(&s->out[1]);
	free(s);
}
