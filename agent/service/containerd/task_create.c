/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Create. The spec comes with the request (mote.v1.TaskOptions), or lies in the bundle, a
 * directory of the guest: its path is plain, no link is followed on it, and a child reads it, since
 * a file server may be behind it.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "container/spec_json.h"
#include "containerd_events.pb-c.h"
#include "event/work.h"
#include "service/containerd/any.h"
#include "service/containerd/task.h"
#include "service/containerd/task_spec.h"
#include "service/convert.h"

#define TYPE_OPTIONS "mote.v1.TaskOptions"

struct creating {
	struct call *call;
	const Mote__V1__TaskOptions *options; /* never NULL */
	struct sandbox_container what;
	struct task *task;
};

static const Containerd__Task__V2__CreateTaskRequest *request(const struct call *c)
{
	return (const void *)c->req;
}

/* --- the answer --- */

static void publish(const struct task *t, const Containerd__Task__V2__CreateTaskRequest *req)
{
	Containerd__Events__TaskCreate event = CONTAINERD__EVENTS__TASK_CREATE__INIT;
	Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;

	io.stdin = req->stdin;
	io.stdout = req->stdout;
	io.stderr = req->stderr;
	io.terminal = req->terminal;
	event.container_id = req->id;
	event.bundle = req->bundle;
	event.rootfs = req->rootfs;
	event.n_rootfs = req->n_rootfs;
	event.io = &io;
	event.pid = t->first.pid;
	events_add(&t->ctd->events, EVENT_CREATE, &event.base);
}

/* A pod that was stopped while this one was made has no processes. */
static void end_if_stopped(const struct task *t)
{
	struct err e = { 0 };

	if (t->ctd->pod.state == POD_STOPPED && container_kill_all(t->container, &e) < 0)
		log_warn("task", "%s: the sandbox has been stopped: %s", t->container->id, e.msg);
}

/* On failure container and task are gone. */
static void created(void *owner, const struct err *e)
{
	struct creating *cr = owner;
	struct call *c = cr->call;
	struct task *t = cr->task;
	Containerd__Task__V2__CreateTaskResponse reply =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;

	if (err_is_set(e)) {
		call_fail(c, e);
		return;
	}
	t->made = true;
	task_process_made(&t->first);
	publish(t, request(c));
	reply.pid = t->first.pid;
	call_reply(c, &reply.base);
	end_if_stopped(t);
	task_tell_exit(&t->first);
}

/* --- what is asked for --- */

static int read_storages(struct creating *cr, struct err *e)
{
	const Containerd__Task__V2__CreateTaskRequest *req = request(cr->call);
	const Mote__V1__TaskOptions *o = cr->options;
	struct arena *a = &cr->call->arena;
	struct storage_req *list = convert_storages(o->storages, o->n_storages, a, e);
	struct storage_req *v = ARENA_ARRAY(a, struct storage_req, o->n_storages + 1);
	char *at = arena_printf(a, SANDBOX_RUN_DIR "/%s/rootfs", req->id);

	if (!list)
		return -1;
	if (!v || !at)
		return err_sys(e, ENOMEM, "rootfs");
	memcpy(v, list, o->n_storages * sizeof(*v));
	cr->what.storages = v;
	cr->what.n_storages = o->n_storages;
	if (!req->n_rootfs)
		return 0;
	if (req->n_rootfs > 1)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "rootfs: one mount, not %zu; several are storages", req->n_rootfs);
	if (!str_empty(req->rootfs[0]->target))
		return err_set(e, RC_INVALID_ARGUMENT, "rootfs.target: has to be empty");
	return task_spec_rootfs(req->rootfs[0]->type, req->rootfs[0]->source,
				req->rootfs[0]->options, req->rootfs[0]->n_options, at, a,
				&v[cr->what.n_storages++], e);
}

static int read_shared_mounts(struct creating *cr, struct err *e)
{
	const Mote__V1__TaskOptions *o = cr->options;

	if (!o->n_shared_mounts)
		return 0;
	/* kept: they are looked at when the container is made */
	cr->what.shared_mounts = convert_shared_mounts(o->shared_mounts, o->n_shared_mounts,
						       &cr->what.container->kept, e);
	cr->what.n_shared_mounts = o->n_shared_mounts;
	return cr->what.shared_mounts ? 0 : -1;
}

static int fill(struct creating *cr, const char *bundle, const char *text, size_t len,
		struct err *e)
{
	const Containerd__Task__V2__CreateTaskRequest *req = request(cr->call);
	const Mote__V1__TaskOptions *o = cr->options;
	struct container *c = cr->what.container;
	const struct task_spec adapt = {
		.what = &cr->what,
		.pod_files = ctd_of(cr->call)->sandbox->has_pod_files,
		.bundle = bundle,
		.rootfs = o->rootfs,
		.terminal = req->terminal,
	};

	cr->what.share_pid = o->sandbox_pidns;
	if (spec_json_read(text, len, &c->arena, c->spec, e) < 0 || task_spec_adapt(&adapt, e) < 0)
		return -1;
	cr->what.devices = convert_devices(o->devices, o->n_devices, &c->arena, e);
	cr->what.n_devices = o->n_devices;
	if (!cr->what.devices || read_storages(cr, e) < 0)
		return -1;
	return read_shared_mounts(cr, e);
}

static void create(struct creating *cr, const char *bundle, const char *text, size_t len)
{
	struct call *c = cr->call;
	const Containerd__Task__V2__CreateTaskRequest *req = request(c);
	const char *const urls[] = { req->stdin, req->stdout, req->stderr };
	struct ctd *d = ctd_of(c);
	struct err e = { 0 };

	cr->what.container = sandbox_container_new(d->sandbox, req->id, &e);
	if (!cr->what.container) {
		call_fail(c, &e);
		return;
	}
	if (fill(cr, bundle, text, len, &e) == 0)
		cr->task = task_new(d, cr->what.container, req->bundle, urls, req->terminal, &e);
	if (!cr->task) {
		sandbox_container_drop(d->sandbox, cr->what.container);
		call_fail(c, &e);
		return;
	}
	sandbox_container_create(d->sandbox, &cr->what, verb_deadline(c), created, cr);
}

/* --- the spec in the bundle --- */

static int read_spec(const char *path, int out, struct err *e)
{
	AUTO_FD top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = top < 0 ? -errno : path_open_strict(top, path, O_RDONLY | O_NONBLOCK);
	AUTO_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return err_sys(e, -fd, "bundle: open %.128s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, RC_INVALID_ARGUMENT, "bundle: %.128s is no file", path);
	if (st.st_size > (off_t)SPEC_JSON_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "bundle: %.128s is too large", path);
	text = malloc((size_t)st.st_size + 1);
	n = text ? io_read_full(fd, text, (size_t)st.st_size + 1) : -ENOMEM;
	if (n > st.st_size)
		return err_set(e, RC_INVALID_ARGUMENT, "bundle: %.128s grows", path);
	n = n < 0 ? n : io_write_full(out, text, (size_t)n);
	return n < 0 ? err_sys(e, (int)-n, "bundle: read %.128s", path) : 0;
}

static int bundle_work(void *arg, int out, struct err *e)
{
	const struct creating *cr = arg;
	char path[PATH_MAX];
	struct str s = STR_OVER(path);

	str_addf(&s, "%s/config.json", request(cr->call)->bundle);
	if (!str_ok(&s))
		return err_set(e, RC_INVALID_ARGUMENT, "bundle: too long");
	return read_spec(path, out, e);
}

static void bundle_read(void *owner, const struct err *e, const void *out, size_t len)
{
	struct creating *cr = owner;

	if (err_is_set(e))
		call_fail(cr->call, e);
	else
		create(cr, request(cr->call)->bundle, out, len);
}

static void create_from_bundle(struct creating *cr)
{
	struct call *c = cr->call;
	struct ctd *d = ctd_of(c);
	struct work_opts opts = { .what = "read the bundle",
				  .deadline_ms = verb_deadline(c),
				  .out_max = SPEC_JSON_MAX };
	struct err none = { 0 };

	if (!path_is_plain(request(c)->bundle))
		call_failf(c, RC_INVALID_ARGUMENT, "bundle: not absolute, or with \"..\" in it");
	else if (sandbox_find(d->sandbox, request(c)->id, &none))
		call_failf(c, RC_ALREADY_EXISTS, "container \"%.64s\" exists already",
			   request(c)->id);
	else
		work_start(d->sandbox->loop, &opts, bundle_work, cr, bundle_read, cr);
}

void task_create(struct call *c)
{
	static const Mote__V1__TaskOptions nothing = MOTE__V1__TASK_OPTIONS__INIT;
	const Containerd__Task__V2__CreateTaskRequest *req = request(c);
	struct creating *cr = ARENA_NEW(&c->arena, struct creating);
	struct err e = { 0 };

	if (!cr) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "Create: no memory");
		return;
	}
	cr->call = c;
	cr->options = &nothing;
	if (any_is(req->options, TYPE_OPTIONS))
		cr->options = (void *)any_open(req->options, &mote__v1__task_options__descriptor,
					       &c->arena, &e);
	if (err_is_set(&e))
		err_ctx(&e, "options");
	if (ctd_of(c)->pod.state == POD_STOPPED)
		err_set(&e, RC_FAILED_PRECONDITION, "the sandbox has been stopped");
	if (!str_empty(req->checkpoint) || !str_empty(req->parent_checkpoint))
		err_set(&e, RC_UNIMPLEMENTED, "checkpoint: no container is restored here");
	if (err_is_set(&e))
		call_fail(c, &e);
	else if (cr->options->spec.len)
		create(cr, "", (const char *)cr->options->spec.data, cr->options->spec.len);
	else
		create_from_bundle(cr);
}
