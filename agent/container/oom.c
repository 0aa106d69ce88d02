/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 2 counts kills in memory.events, those of the groups below included, and a poll of it
 * tells a change. Version 1 sends an eventfd when the memory has run out, before it kills and once
 * more when the group is removed.
 */
#include "container/oom.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "container/container.h"

void oom_init(struct oom_watch *o)
{
	*o = (struct oom_watch){ .file = -1, .event = -1 };
}

static void tell(struct container *c)
{
	log_info("container", "container %s: out of memory", c->id);
	if (c->host->oom)
		c->host->oom(c->host->oom_arg, c->id);
}

/* "oom_kill 3" among the lines; -errno when the group is gone. */
static int read_kills(int fd, uint64_t *out)
{
	char text[1024], *at;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	*out = 0;
	at = strstr(text, "oom_kill ");
	if (!at)
		return 0;
	at += strlen("oom_kill ");
	at[strcspn(at, "\n")] = '\0';
	return num_u64(at, UINT64_MAX, out);
}

void oom_stop(struct container *c)
{
	watch_del(&c->oom.watch);
	auto_close(&c->oom.file);
	auto_close(&c->oom.event);
}

static void look_v2(struct container *c)
{
	uint64_t kills;

	if (read_kills(c->oom.file, &kills) < 0) {
		oom_stop(c);
		return;
	}
	if (kills <= c->oom.seen)
		return;
	c->oom.seen = kills;
	tell(c);
}

static void look_v1(struct container *c)
{
	uint64_t times, kills;

	if (read(c->oom.event, &times, sizeof(times)) != sizeof(times))
		return;
	if (read_kills(c->oom.file, &kills) < 0)
		oom_stop(c);
	else
		tell(c);
}

void oom_look(struct container *c)
{
	if (c->oom.event >= 0)
		look_v1(c);
	else if (c->oom.file >= 0)
		look_v2(c);
}

static void on_event(struct watch *w, uint32_t events UNUSED)
{
	oom_look(container_of(w, struct container, oom.watch));
}

/* The first read arms the poll. */
static int start_v2(struct container *c)
{
	struct oom_watch *o = &c->oom;
	int r;

	o->file = openat(c->cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (o->file < 0)
		return -errno;
	fd_park(&o->file);
	r = read_kills(o->file, &o->seen);
	return r < 0 ? r : watch_add(c->host->loop, &o->watch, o->file, EPOLLPRI, on_event);
}

static int start_v1(struct container *c)
{
	AUTO_FD group = cgroup_open(c->host->cgroups, c->cgroup_path, CGROUP_MEMORY);
	struct oom_watch *o = &c->oom;
	char text[32];
	struct str s = STR_OVER(text);
	int r;

	if (group < 0)
		return group;
	o->file = openat(group, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (o->file < 0)
		return -errno;
	o->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->event < 0)
		return -errno;
	str_addf(&s, "%d %d", o->event, o->file);
	r = io_write_file(group, "cgroup.event_control", text);
	return r < 0 ? r : watch_add(c->host->loop, &o->watch, o->event, EPOLLIN, on_event);
}

void oom_start(struct container *c)
{
	int r = c->host->cgroups->version == CGROUP_VERSION_2 ? start_v2(c) : start_v1(c);

	if (r == 0)
		return;
	oom_stop(c);
	if (r != -ENOENT && r != -ENODEV)
		log_warn("container", "container %s: no word of memory running out: %s", c->id,
			 strerror(-r));
}
