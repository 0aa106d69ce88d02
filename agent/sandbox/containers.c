/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers of the sandbox: reserved by id, created on top of their storages, removed in the
 * reverse order. Create and remove are tables of steps; the container's own create (cgroup,
 * streams, first process) is one of them.
 */
#include <fcntl.h>
#include <limits.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "kernel/ns.h"
#include "sandbox/cdi.h"
#include "sandbox/devices.h"
#include "sandbox/members.h"
#include "sandbox/said.h"
#include "sandbox/shared_mounts.h"

/* --- create ------------------------------------------------------------------------------- */

#define CLEAR_MS 5000 /* to take away what a failed create left, or what a removal has not time for */
#define UNMOUNT_MS 1000 /* more than all unmounts take when none hangs */
#define LATE_MS	 100  /* after the deadline: by then whatever hangs below has said so */

enum { REMOVE_CONTAINER, REMOVE_STORAGES, REMOVE_BUNDLE, REMOVE_STEPS };
static const struct step create_steps[], remove_steps[REMOVE_STEPS + 1];

struct operation {
	struct steps steps;
	struct err failed; /* what went wrong, while what is left is cleared away */
	struct sandbox *sandbox;
	struct member *member;
	struct sandbox_container what;
	uint64_t deadline_ms;
	sandbox_done_fn done; /* NULL: answered */
	void *owner;
	struct deferred start;
	struct timer limit;
	struct pause_waiter pause;
	int pid_ns; /* the pod's process namespace, until the container is in it; -1: none */
	struct devices devices;
	struct cdi cdi;
	struct shared_mounts shared;
};

static struct operation *operation_of(struct steps *st)
{
	return container_of(st, struct operation, steps);
}

static void operation_tell(struct operation *op, const struct err *e)
{
	sandbox_done_fn done = TAKE_PTR(op->done);

	if (done)
		done(op->owner, e);
}

/* Something hangs: who asked gets his answer in time, and the operation goes on by itself. */
static void operation_late(struct timer *t)
{
	struct operation *op = container_of(t, struct operation, limit);
	const struct err *why = op->steps.table == create_steps ?
					container_failure(op->member->container) :
					NULL;
	struct err e = { 0 };

	if (err_is_set(&op->failed))
		e = op->failed;
	else if (err_is_set(&op->member->storages.failed))
		e = op->member->storages.failed;
	else if (why)
		e = *why;
	else
		err_set(&e, RC_DEADLINE_EXCEEDED, "%s: not done in time",
			op->steps.table[op->steps.at].name);
	operation_tell(op, &e);
}

static void operation_step_done(void *owner, const struct err *e)
{
	struct operation *op = owner;

	steps_resume(&op->steps, e);
}

static enum step_result create_devices(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);
	int r;

	op->devices = (struct devices){
		.sandbox = op->sandbox,
		.to = op->member->container,
		.list = op->what.devices,
		.n = op->what.n_devices,
		.deadline_ms = op->deadline_ms,
	};
	r = devices_start(&op->devices, operation_step_done, op, e);
	return r < 0 ? STEP_FAIL : r > 0 ? STEP_PARK : STEP_DONE;
}

static enum step_result create_cdi(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);
	int r;

	op->cdi = (struct cdi){
		.sandbox = op->sandbox,
		.to = op->member->container,
		.deadline_ms = op->deadline_ms,
	};
	r = cdi_start(&op->cdi, operation_step_done, op, e);
	return r < 0 ? STEP_FAIL : r > 0 ? STEP_PARK : STEP_DONE;
}

static enum step_result create_storages(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);

	(void)e;
	storages_add(&op->sandbox->storages, &op->member->storages, op->member->container->id,
		     op->what.storages, op->what.n_storages, op->deadline_ms, operation_step_done,
		     op);
	return STEP_PARK;
}

/* The pod's process namespace is that of its first container, the pause container; without one a
 * process of the agent's own holds it. A first container that does not say what it is, is taken for
 * the first kind: its new namespace becomes the pod's. */
static enum step_result create_pid_ns(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);
	struct sandbox *s = op->sandbox;
	struct container *c = op->member->container, *first = s->pid_owner;
	int r;

	if (!op->what.share_pid)
		return STEP_DONE;
	if (!first && (s->pause.child.pid > 0 || said_is_pod_container(c))) {
		op->pause.done = operation_step_done;
		op->pause.owner = op;
		r = pause_need(&s->pause, &op->pause, e);
		return r < 0 ? STEP_FAIL : r == 0 ? STEP_PARK : STEP_DONE;
	}
	if (!first || (first->state != CONTAINER_STOPPED && first->init->pid > 0))
		return STEP_DONE;
	err_set(e, RC_FAILED_PRECONDITION,
		"sandbox_pidns: container %s, whose process namespace the pod shares, has ended",
		first->id);
	return STEP_FAIL;
}

/* A descriptor, or -errno. By the number of a process only while that one is not reaped. */
static int hold_pid_ns(const struct sandbox *s)
{
	const struct process *first = s->pid_owner ? s->pid_owner->init : NULL;
	int fd;

	if (first)
		return first->state != PROCESS_EXITED ? ns_hold(first->pid, NS_PID) : -ESRCH;
	fd = fcntl(s->pause.nsfd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

/* By a descriptor of the operation's own: until the container's process joins it, the one that has it may
 * end, and its number, or the pause's descriptor, be another's. */
static int share_pid(struct operation *op, struct err *e)
{
	struct container *c = op->member->container;
	struct spec_namespace *ns = &c->spec->linux.ns[NS_PID];
	int fd;

	if (!op->sandbox->pid_owner && !op->sandbox->pause.ready)
		return 0;
	fd = hold_pid_ns(op->sandbox);
	if (fd < 0)
		return err_sys(e, -fd, "the pod's process namespace");
	op->pid_ns = fd;
	ns->path = arena_printf(&c->arena, "/proc/self/fd/%d", fd);
	return ns->path ? 0 : err_sys(e, ENOMEM, "namespaces");
}

static enum step_result create_namespaces(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);
	struct container *c = op->member->container;
	struct spec_namespace *ns = c->spec->linux.ns;

	if (ns[NS_IPC].want && !ns[NS_IPC].path)
		ns[NS_IPC].path = sandbox_ns_path(op->sandbox, SANDBOX_NS_IPC);
	if (ns[NS_UTS].want && !ns[NS_UTS].path)
		ns[NS_UTS].path = sandbox_ns_path(op->sandbox, SANDBOX_NS_UTS);
	ns[NS_PID].want =
		true; /* hosts take the entry out: the container's own, unless the pod shares one */
	if (op->what.share_pid && share_pid(op, e) < 0)
		return STEP_FAIL;
	return STEP_DONE;
}

/* 1, 0, -ENOMEM. */
static int is_mounted_at(const struct storage_req *r, const char *at)
{
	struct arena a;
	const char *point;
	int same;

	arena_init(&a, 2 * PATH_MAX);
	point = storage_mount_point(&a, r->mount_point);
	same = point ? str_eq(point, at) : -ENOMEM;
	arena_fini(&a);
	return same;
}

/* A storage that is mounted where the bundle has its rootfs is the rootfs, whatever root.path says.
 */
static enum step_result create_rootfs(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);
	struct container *c = op->member->container;
	char *at = arena_printf(&c->arena, "%s/%s/rootfs", op->sandbox->host.run_dir, c->id);

	if (!at) {
		err_sys(e, ENOMEM, "rootfs");
		return STEP_FAIL;
	}
	for (size_t i = 0; i < op->what.n_storages; i++) {
		int r = is_mounted_at(&op->what.storages[i], at);

		if (r < 0) {
			err_sys(e, -r, "rootfs");
			return STEP_FAIL;
		}
		if (r)
			c->spec->root.path = at;
	}
	return STEP_DONE;
}

static enum step_result create_container(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);

	(void)e;
	container_create(op->member->container, op->deadline_ms, operation_step_done, op);
	return STEP_PARK;
}

/* The process waits for its start: what it will see can still be changed. */
static enum step_result create_shared_mounts(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);
	int r;

	op->shared = (struct shared_mounts){
		.sandbox = op->sandbox,
		.to = op->member->container,
		.list = op->what.shared_mounts,
		.n = op->what.n_shared_mounts,
		.deadline_ms = op->deadline_ms,
	};
	r = shared_mounts_start(&op->shared, operation_step_done, op, e);
	return r < 0 ? STEP_FAIL : r > 0 ? STEP_PARK : STEP_DONE;
}

static const struct step create_steps[] = {
	{ "devices", create_devices, NULL },
	{ "CDI devices", create_cdi, NULL },
	{ "storages", create_storages, NULL },
	{ "process namespace", create_pid_ns, NULL },
	{ "namespaces", create_namespaces, NULL },
	{ "rootfs", create_rootfs, NULL },
	{ "container", create_container, NULL },
	{ "shared mounts", create_shared_mounts, NULL },
	{ 0 },
};

static void tell_joined(struct list *joined, const struct err *e)
{
	struct joiner *j;

	while ((j = LIST_FIRST(joined, struct joiner, node))) {
		list_remove(&j->node);
		j->done(j->owner, e);
		free(j);
	}
}

static void operation_free(struct operation *op)
{
	timer_cancel(&op->limit);
	auto_close(&op->pid_ns);
	free(op);
}

static void clear_finished(struct steps *st)
{
	struct operation *op = operation_of(st);
	struct list joined;

	if (err_is_set(&st->err))
		log_warn("sandbox", "clear away what a failed create left: %s", st->err.msg);
	list_take(&op->member->joined, &joined); /* who waits is told when the member is gone */
	member_free(op->sandbox, op->member);
	operation_tell(op, &op->failed);
	tell_joined(&joined, &st->err);
	operation_free(op);
}

/* For who wants to know where the time goes. */
static void tell_times(const struct operation *op)
{
	char text[256];
	struct str s = STR_OVER(text);

	if (log_get_level() < LOG_DEBUG)
		return;
	steps_tell_times(&op->steps, &s);
	log_debug("sandbox", "create %s: %s", op->member->container->id, text);
}

/* The id is free again only when everything below it is gone. */
static void create_finished(struct steps *st)
{
	struct operation *op = operation_of(st);
	/* one that could not be made has cleared itself away */
	bool made = op->member->container->state != CONTAINER_CREATING;

	if (!err_is_set(&st->err) && op->sandbox->state == SANDBOX_DESTROYED)
		err_set(&st->err, RC_FAILED_PRECONDITION, "the sandbox was destroyed meanwhile");
	if (err_is_set(&st->err)) {
		op->failed = st->err;
		op->deadline_ms = clock_after(CLEAR_MS);
		steps_start(st, &remove_steps[made ? REMOVE_CONTAINER : REMOVE_STORAGES],
			    clear_finished);
		return;
	}
	if (!op->done) { /* too late: its host was told that there is none */
		err_set(&op->failed, RC_DEADLINE_EXCEEDED, "created too late");
		op->deadline_ms = clock_after(CLEAR_MS);
		steps_start(st, remove_steps, clear_finished);
		return;
	}
	op->member->state = MEMBER_LIVE;
	tell_times(op);
	/* who shares through the agent's own process owns nothing */
	if (!op->sandbox->pid_owner && !op->sandbox->pause.ready)
		op->sandbox->pid_owner = op->member->container;
	operation_tell(op, &st->err);
	operation_free(op);
}

static void create_start(struct deferred *d)
{
	struct operation *op = container_of(d, struct operation, start);

	steps_start(&op->steps, create_steps, create_finished);
}

static struct operation *operation_new(struct sandbox *s, struct member *m, uint64_t deadline_ms,
				       sandbox_done_fn done, void *owner)
{
	struct operation *op = mem_new(1, sizeof(*op));

	if (!op)
		return NULL;
	*op = (struct operation){
		.sandbox = s,
		.member = m,
		.pid_ns = -1,
		.deadline_ms = deadline_ms,
		.done = done,
		.owner = owner,
	};
	list_init(&op->start.node);
	timer_arm(s->loop, &op->limit,
		  deadline_ms > CLOCK_NEVER - LATE_MS ? CLOCK_NEVER : deadline_ms + LATE_MS,
		  operation_late);
	return op;
}

void sandbox_container_create(struct sandbox *s, const struct sandbox_container *what,
			      uint64_t deadline_ms, sandbox_done_fn done, void *owner)
{
	struct member *m = member_of(s, what->container);
	struct operation *op = operation_new(s, m, deadline_ms, done, owner);
	struct err e = { 0 };

	if (!op) {
		err_sys(&e, ENOMEM, "create container");
		member_free(s, m);
		done(owner, &e);
		return;
	}
	op->what = *what;
	shares_find(what, &what->container->kept, &m->shares);
	m->state = MEMBER_CREATING;
	loop_defer(s->loop, &op->start, create_start);
}

/* --- remove ------------------------------------------------------------------------------- */

static enum step_result remove_container(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);

	(void)e;
	container_remove(op->member->container, op->deadline_ms, operation_step_done, op);
	return STEP_PARK;
}

/* The storage table keeps what hangs; the rest of the removal has nothing to do with it. What has
 * failed is still the container's, to be removed again. */
static void remove_storages_done(void *owner, const struct err *e)
{
	struct operation *op = owner;
	struct err none = { 0 };

	if (err_is_set(e) && e->rc != RC_DEADLINE_EXCEEDED) {
		steps_resume(&op->steps, e);
		return;
	}
	if (err_is_set(e) && !err_is_set(&op->failed))
		op->failed = *e;
	else if (err_is_set(e))
		log_warn("sandbox", "%s", e->msg);
	steps_resume(&op->steps, &none);
}

/* Time to do it, however little is left of the host's: he is answered by operation_late then. */
static enum step_result remove_storages(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);

	(void)e;
	storages_release(&op->sandbox->storages, &op->member->storages,
			 MAX(op->deadline_ms, clock_after(UNMOUNT_MS)), remove_storages_done, op);
	return STEP_PARK;
}

/* The bundle, with what an overlay left in it (upper and work directories): it can be large. */
static int remove_bundle_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	struct operation *op = arg;
	AUTO_FD run = open(op->sandbox->host.run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = run < 0 ? -errno : path_remove_tree(run, op->member->container->id);

	(void)out, (void)out_cap, (void)out_len;
	if (r < 0 && r != -ENOENT)
		return err_sys(e, -r, "remove %s/%s", op->sandbox->host.run_dir,
			       op->member->container->id);
	return 0;
}

static void remove_bundle_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct operation *op = owner;

	(void)out, (void)out_len;
	steps_resume(&op->steps, e);
}

static enum step_result remove_bundle(struct steps *st, struct err *e)
{
	struct operation *op = operation_of(st);
	struct job_opts opts = { .what = "remove the bundle",
				 .deadline_ms = MAX(op->deadline_ms, clock_after(CLEAR_MS)) };

	return job_start(op->sandbox->loop, &opts, remove_bundle_job, op, remove_bundle_done, op, e)
		       ? STEP_PARK
		       : STEP_FAIL;
}

static const struct step remove_steps[REMOVE_STEPS + 1] = {
	[REMOVE_CONTAINER] = { "container", remove_container, NULL },
	[REMOVE_STORAGES] = { "storages", remove_storages, NULL },
	[REMOVE_BUNDLE] = { "bundle", remove_bundle, NULL },
	[REMOVE_STEPS] = { 0 },
};

/* Is there nothing more to do for whoever asks again? A container whose processes are gone is gone
 * for its host even if an unmount hangs: the storage table keeps the mount point reserved until it
 * ends. */
static bool is_removed(const struct steps *st)
{
	return !err_is_set(&st->err) ||
	       (st->at != REMOVE_CONTAINER && st->err.rc == RC_DEADLINE_EXCEEDED);
}

static void remove_finished(struct steps *st)
{
	struct operation *op = operation_of(st);
	const struct err *e = err_is_set(&st->err) ? &st->err : &op->failed;
	struct list joined;

	list_take(&op->member->joined, &joined);
	if (is_removed(st))
		member_free(op->sandbox, op->member);
	else
		op->member->state = MEMBER_LIVE; /* to be removed again */
	operation_tell(op, e);
	tell_joined(&joined, e);
	operation_free(op);
}

static void remove_start(struct deferred *d)
{
	struct operation *op = container_of(d, struct operation, start);

	steps_start(&op->steps, remove_steps, remove_finished);
}

void sandbox_container_remove(struct sandbox *s, struct container *c, uint64_t deadline_ms,
			      sandbox_done_fn done, void *owner)
{
	struct member *m = member_of(s, c);
	struct err e = { 0 };
	struct operation *op;

	if (m->state == MEMBER_LEAVING) {
		member_join(m, done, owner);
		return;
	}
	if (m->state != MEMBER_LIVE) {
		err_set(&e, RC_FAILED_PRECONDITION, "container %s is being created", c->id);
		done(owner, &e);
		return;
	}
	op = operation_new(s, m, deadline_ms, done, owner);
	if (!op) {
		err_sys(&e, ENOMEM, "remove container");
		done(owner, &e);
		return;
	}
	m->state = MEMBER_LEAVING;
	loop_defer(s->loop, &op->start, remove_start);
}
