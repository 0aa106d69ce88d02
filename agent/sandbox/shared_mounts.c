/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/shared_mounts.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/mount_share.h"
#include "sandbox/members.h"
#include "sandbox/said.h"

#define PATIENCE_MS 10000

static void next(struct shared_mounts *m);

static bool is_named(const struct container *c, const char *name)
{
	const char *own = said_name(c);

	return own && str_eq(own, name);
}

static struct container *running(struct sandbox *s, const char *name)
{
	struct member *m;

	LIST_EACH(m, &s->containers, struct member, node)
		if (m->container->state == CONTAINER_RUNNING && is_named(m->container, name))
			return m->container;
	return NULL;
}

static int job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	const struct shared_mounts *m = arg;
	const struct sandbox_shared_mount *one = &m->list[m->at];
	const struct mount_share share = {
		.from = m->fds[0],
		.to = m->fds[1],
		.source = one->src_path,
		.target = one->dst_path,
		.patience_ms = PATIENCE_MS,
	};
	int r = mount_share(&share, e);

	if (r == 0 && out_cap) /* one byte says: not there */
		*(char *)out = 1;
	*out_len = r == 0 && out_cap;
	return r < 0 ? -1 : 0;
}

static void close_fds(struct shared_mounts *m)
{
	auto_close(&m->fds[0]);
	auto_close(&m->fds[1]);
}

static void job_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct shared_mounts *m = owner;
	struct err failed = *e;

	(void)out;
	close_fds(m);
	if (err_is_set(e)) {
		err_ctx(&failed, "shared_mounts (%s)", m->list[m->at].name);
		m->done(m->owner, &failed);
		return;
	}
	if (out_len)
		log_warn("sandbox", "shared mount %s: nothing is mounted at %s of %s",
			 m->list[m->at].name, m->list[m->at].src_path, m->list[m->at].src_ctr);
	m->at++;
	next(m);
}

/* Finds the next one that can be done. */
static bool advance(struct shared_mounts *m)
{
	for (; m->at < m->n; m->at++) {
		if (!is_named(m->to, m->list[m->at].dst_ctr))
			continue;
		m->from = running(m->sandbox, m->list[m->at].src_ctr);
		if (m->from && m->from->init->pidfd >= 0 && m->to->init->pidfd >= 0)
			return true;
		log_warn("sandbox", "shared mount %s: container %s does not run",
			 m->list[m->at].name, m->list[m->at].src_ctr);
	}
	return false;
}

/* The descriptors are looked at again when the job begins, which may be later: by then a process may have
 * ended, and the number of its own be another's. */
static int start_job(struct shared_mounts *m, struct err *e)
{
	const struct job_opts opts = {
		.what = "share a mount",
		.deadline_ms = MIN(m->deadline_ms, clock_after(2 * PATIENCE_MS)),
		.keep_fds = m->fds,
		.n_keep_fds = COUNT_OF(m->fds),
		.out_max = 1,
	};

	m->fds[0] = fcntl(m->from->init->pidfd, F_DUPFD_CLOEXEC, 3);
	m->fds[1] = fcntl(m->to->init->pidfd, F_DUPFD_CLOEXEC, 3);
	if (m->fds[0] < 0 || m->fds[1] < 0)
		err_sys(e, errno, "shared mounts");
	else if (job_start(m->sandbox->loop, &opts, job, m, job_done, m, e))
		return 0;
	close_fds(m);
	return -1;
}

static void next(struct shared_mounts *m)
{
	struct err e = { 0 };

	if (!advance(m) || start_job(m, &e) < 0)
		m->done(m->owner, &e);
}

int shared_mounts_start(struct shared_mounts *m, sandbox_done_fn done, void *owner, struct err *e)
{
	m->done = done;
	m->owner = owner;
	if (!advance(m))
		return 0;
	return start_job(m, e) < 0 ? -1 : 1;
}
