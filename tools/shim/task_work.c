/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/task_work.h"

#include "containerd_task.pb-c.h"
#include "mote.pb-c.h"
#include "shim/bundle.h"
#include "shim/flags.h"
#include "shim/host_hooks.h"
#include "shim/relay.h"
#include "ttrpc/pb.h"
#include "ttrpc/wire.h"

/* fields of messages; in some libraries they are macros too */
#undef stdin
#undef stdout
#undef stderr

#define ARENA_BYTES  (48u << 20) /* a config.json and what is made of it */
#define CREATE_MS    120000
#define OPTIONS_TYPE "mote.v1.TaskOptions"
#define HOSTNAME     "mote"
#define ROOTFS       3 /* field of CreateTaskRequest and of TaskCreate */

enum {
	CREATE_PID = 1,
	EXEC_TERMINAL = 3,
	EXEC_STDIN = 4,
};

/* --- Create --- */

struct create {
	struct shim *s;
	struct arena a;
	struct task *task;
	Containerd__Task__V2__CreateTaskRequest *req;
	struct bundle bundle;
	Grpc__Storage disk, *disks[1]; /* the root file system, where it is one of its own */
	Grpc__Device **devices;        /* as many as the bundle has */
};

static const char *carry(void *arg, size_t number, const char *source, struct err *e)
{
	struct create *x = arg;

	return share_bind(&x->s->share, &x->a, x->req->id, number, source, e);
}

/* The pod is known by its first container, where containerd made no sandbox. */
static int come_up(struct create *x, struct err *e)
{
	struct shim *s = x->s;
	struct str netns = STR_OVER(s->sandbox.netns);

	if (s->machine != MACHINE_NONE || s->sandbox.created)
		return guest_up(s, HOSTNAME, e);
	str_add(&netns, x->bundle.netns);
	s->sandbox.makes_netns = x->bundle.makes_netns;
	s->sandbox.memory = x->bundle.memory;
	s->sandbox.cpus = x->bundle.cpus;
	return guest_up(s, *x->bundle.hostname ? x->bundle.hostname : HOSTNAME, e);
}

/* For the event: the mounts as they came. */
static int keep_rootfs(struct task *t, const struct relay *r)
{
	struct wire w = wire_of(r->raw, r->raw_len);
	struct wire_field f;

	t->rootfs = malloc(r->raw_len + 1);
	if (!t->rootfs)
		return -ENOMEM;
	while (wire_next(&w, &f) > 0) {
		if (f.number != ROOTFS)
			continue;
		memcpy(t->rootfs + t->rootfs_len, f.raw, f.raw_len);
		t->rootfs_len += f.raw_len;
	}
	return 0;
}

/* A file system by itself goes into the guest as a disk. */
static int plug_rootfs(struct create *x, const struct share_mount *m, struct err *e)
{
	Grpc__Storage *d = &x->disk;
	bool readonly = disk_is_readonly(m);
	char **options = ARENA_ARRAY(&x->a, char *, 1), path[DISK_PATH];

	if (share_make(&x->s->share, x->req->id, e) < 0)
		return -1;
	x->task->disk = disk_add(x->s, m->source, readonly, e);
	if (x->task->disk < 0)
		return -1;
	disk_path(x->task->disk, path);
	grpc__storage__init(d);
	d->driver = (char *)"blk";
	d->source = arena_strdup(&x->a, path);
	d->fstype = (char *)m->type;
	d->mount_point = arena_printf(&x->a, "/run/kata-containers/%s/rootfs", x->req->id);
	if (!options || !d->source || !d->mount_point)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	options[0] = (char *)"ro";
	d->options = options;
	d->n_options = readonly;
	x->disks[0] = d;
	return 0;
}

/* Of a container without mounts (ctr run --rootfs): the spec's, relative to the bundle. */
static const char *root_of_spec(struct create *x)
{
	const char *root = *x->bundle.root ? x->bundle.root : "rootfs";

	return *root == '/' ? root : arena_printf(&x->a, "%s/%s", x->req->bundle, root);
}

static int mount_rootfs(struct create *x, struct err *e)
{
	const Containerd__Task__V2__CreateTaskRequest *q = x->req;
	struct share_mount *m = ARENA_ARRAY(&x->a, struct share_mount, q->n_rootfs + 1);
	const char *root = root_of_spec(x);

	if (!m || !root)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	for (size_t i = 0; i < q->n_rootfs; i++)
		m[i] = (struct share_mount){ q->rootfs[i]->type, q->rootfs[i]->source,
					     q->rootfs[i]->target, q->rootfs[i]->options,
					     q->rootfs[i]->n_options };
	if (q->n_rootfs == 1 && disk_is_one(m))
		return plug_rootfs(x, m, e);
	return share_add(&x->s->share, q->id, root, m, q->n_rootfs, e);
}

/* Block devices of the host. The guest's agent waits for them, and puts its own numbers into the
 * spec. */
static int plug_devices(struct create *x, struct err *e)
{
	const struct bundle *b = &x->bundle;
	Grpc__Device *v = ARENA_ARRAY(&x->a, Grpc__Device, b->n_devices + 1);
	char path[DISK_PATH];

	x->devices = ARENA_ARRAY(&x->a, Grpc__Device *, b->n_devices + 1);
	if (!v || !x->devices)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	for (size_t i = 0; i < b->n_devices; i++) {
		if (block_add(x->s, x->task, &b->devices[i], path, e) < 0)
			return -1;
		grpc__device__init(&v[i]);
		v[i].type = (char *)"blk";
		v[i].id = arena_strdup(&x->a, path);
		v[i].container_path = (char *)b->devices[i].path;
		if (!v[i].id)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		x->devices[i] = &v[i];
	}
	return 0;
}

static int open_stdio(struct shim *s, struct proc *p, struct err *e)
{
	const struct stdio_opts o = {
		s->ns, p->task->id, p->exec_id, { p->urls[0], p->urls[1], p->urls[2] }, p->terminal
	};

	p->stdio = stdio_open(s->loop, &o, e);
	if (!p->stdio)
		return -1;
	if (!s->streams)
		return err_set(e, RC_UNAVAILABLE, "the machine is lost");
	return stdio_begin(p->stdio, s->streams, e);
}

/* The guest's half. */
static int ask_guest(struct create *x, struct err *e)
{
	Containerd__Task__V2__CreateTaskRequest req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any options = GOOGLE__PROTOBUF__ANY__INIT;
	Mote__V1__TaskOptions own = MOTE__V1__TASK_OPTIONS__INIT;
	const struct proc *p = &x->task->init;
	uint8_t *packed;
	size_t len;

	own.spec.data = (uint8_t *)bundle_for_guest(&x->a, &x->bundle,
						    x->s->sandbox.created ? x->s->id : "", carry, x,
						    &own.spec.len, e);
	if (!own.spec.data)
		return -1;
	own.storages = x->disks;
	own.n_storages = x->task->disk > 0;
	own.devices = x->devices;
	own.n_devices = x->bundle.n_devices;
	if (!x->task->disk)
		own.rootfs = arena_printf(&x->a, SHARE_GUEST "/%s/rootfs", x->req->id);
	if (!own.rootfs)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	options.type_url = (char *)OPTIONS_TYPE;
	options.value.data = pb_pack(&x->a, &own.base, &options.value.len, e);
	req.id = x->req->id;
	req.bundle = x->req->bundle;
	req.terminal = x->req->terminal;
	req.stdin = (char *)stdio_guest_url(p->stdio, 0);
	req.stdout = (char *)stdio_guest_url(p->stdio, 1);
	req.stderr = (char *)stdio_guest_url(p->stdio, 2);
	req.options = &options;
	packed = options.value.data ? pb_pack(&x->a, &req.base, &len, e) : NULL;
	return packed && guest_call(x->s, &x->a, TASK_SERVICE, "Create", packed, len, CREATE_MS,
				    &len, e)
		       ? 0
		       : -1;
}

static int make(struct create *x, const struct relay *r, struct err *e)
{
	const Containerd__Task__V2__CreateTaskRequest *q = x->req;
	const char *const urls[3] = { q->stdin, q->stdout, q->stderr };

	if (come_up(x, e) < 0)
		return -1;
	x->task = tasks_new(x->s, q->id, q->bundle);
	if (x->task)
		tasks_hold(x->task);
	if (!x->task || proc_set_urls(&x->task->init, q->terminal, urls) < 0 ||
	    keep_rootfs(x->task, r) < 0)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	x->task->hooks = x->bundle.hooks;
	if (mount_rootfs(x, e) < 0 || plug_devices(x, e) < 0 ||
	    open_stdio(x->s, &x->task->init, e) < 0 ||
	    host_hooks_run(x->s, BUNDLE_HOOKS_CREATE, x->task->hooks, q->id, q->bundle, e) < 0)
		return -1;
	return ask_guest(x, e);
}

static int prepare(struct create *x, const struct relay *r, struct err *e)
{
	x->req = (Containerd__Task__V2__CreateTaskRequest *)pb_unpack(
		&x->a, &containerd__task__v2__create_task_request__descriptor, r->raw, r->raw_len,
		e);
	if (!x->req)
		return -1;
	if (!flags_is_name(x->req->id))
		return err_set(e, RC_INVALID_ARGUMENT, "id: no name");
	if (tasks_find(x->s, x->req->id))
		return err_set(e, RC_ALREADY_EXISTS, "container %s exists", x->req->id);
	if (!str_empty(x->req->checkpoint))
		return err_set(e, RC_UNIMPLEMENTED,
			       "checkpoint: a machine's containers cannot be restored");
	if (bundle_read(&x->a, x->req->bundle, &x->bundle, e) < 0)
		return -1;
	return bundle_find_devices(&x->a, &x->bundle, e);
}

static void run_create(struct work *w)
{
	struct relay *r = container_of(w, struct relay, work);
	const struct wire_edit pid = { .number = CREATE_PID };
	struct create x = { .s = r->s };
	struct wire_edit reply = pid;
	struct err e = { 0 };

	arena_init(&x.a, ARENA_BYTES);
	if (prepare(&x, r, &e) == 0 && make(&x, r, &e) == 0) {
		reply.value = (uint64_t)x.s->vm_pid;
		relay_answer(r, &reply, 1);
	} else {
		if (x.task) {
			host_hooks_run(x.s, BUNDLE_HOOKS_STOPPED, x.task->hooks, x.req->id,
				       x.req->bundle, &(struct err){ 0 });
			tasks_free(x.s, x.task);
		}
		call_fail(r->c, &e);
	}
	if (x.task)
		tasks_let_go(x.s, x.task);
	arena_fini(&x.a);
}

void task_work_create(struct call *c)
{
	struct relay *r = relay_admit(c, false);

	if (r && relay_keep(r))
		shim_queue(r->s, &r->work, run_create);
}

/* --- Exec --- */

static int read_exec(struct relay *r, struct proc *p, struct err *e)
{
	struct arena *a = &r->c->arena;
	const char *urls[3];
	struct wire_field f;
	bool terminal;

	for (uint32_t i = 0; i < 3; i++) {
		urls[i] = wire_text(a, r->raw, r->raw_len, EXEC_STDIN + i, PATH_MAX);
		if (!urls[i])
			return err_set(e, RC_INVALID_ARGUMENT, "stdio: malformed");
	}
	terminal = wire_find(r->raw, r->raw_len, EXEC_TERMINAL, WIRE_VARINT, &f) > 0 && f.value;
	return proc_set_urls(p, terminal, urls) < 0 ? err_set(e, RC_RESOURCE_EXHAUSTED, "no memory")
						    : 0;
}

static int ask_for_exec(struct relay *r, const struct proc *p, struct err *e)
{
	const struct wire_edit edits[] = {
		WIRE_TEXT(EXEC_STDIN, stdio_guest_url(p->stdio, 0)),
		WIRE_TEXT(EXEC_STDIN + 1, stdio_guest_url(p->stdio, 1)),
		WIRE_TEXT(EXEC_STDIN + 2, stdio_guest_url(p->stdio, 2)),
	};
	struct arena *a = &r->c->arena;
	size_t len;
	uint8_t *req = wire_edit(a, r->raw, r->raw_len, edits, COUNT_OF(edits), &len);

	if (!req)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	return guest_call(r->s, a, TASK_SERVICE, "Exec", req, len, CREATE_MS, &len, e) ? 0 : -1;
}

static int make_exec(struct relay *r, struct task *t, struct err *e)
{
	struct proc *p = proc_new(t, r->exec_id);

	if (!p)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	if (read_exec(r, p, e) == 0 && open_stdio(r->s, p, e) == 0 && ask_for_exec(r, p, e) == 0)
		return 0;
	/* unless it was deleted meanwhile */
	if (proc_find(r->s, r->id, r->exec_id) == p)
		proc_free(p);
	return -1;
}

static void run_exec(struct work *w)
{
	struct relay *r = container_of(w, struct relay, work);
	struct shim *s = r->s;
	struct task *t = tasks_find(s, r->id);
	struct err e = { 0 };

	if (!t || !*r->exec_id) {
		relay_fail(r, t ? RC_INVALID_ARGUMENT : RC_NOT_FOUND,
			   t ? "no exec id" : "no such container");
		return;
	}
	if (proc_find(r->s, r->id, r->exec_id)) {
		relay_fail(r, RC_ALREADY_EXISTS, "the process exists");
		return;
	}
	tasks_hold(t);
	if (make_exec(r, t, &e) == 0)
		call_ok(r->c);
	else
		call_fail(r->c, &e);
	tasks_let_go(s, t);
}

void task_work_exec(struct call *c)
{
	struct relay *r = relay_admit(c, true);

	if (r && relay_keep(r))
		shim_queue(r->s, &r->work, run_exec);
}
