/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An add is a walk over the requests: take an entry that is there, or reserve one, wait for its
 * device, plan, run the job, and go on.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "event/job.h"
#include "sandbox/storages_impl.h"
#include "storage/layers.h"

struct add {
	struct storages *table;
	struct storage_refs *refs, mine;
	const char *container_id;
	const struct storage_req *reqs;
	size_t n, at;
	uint64_t deadline_ms;
	storages_done_fn done;
	void *owner;
	struct deferred start;
	struct entry_waiter waiting; /* on another's entry that is not READY */
	struct timer patience;
	const struct storage_driver *driver;
	struct device_need need;
	struct storage_layer *layers; /* all requests of this mount point, when they are layers */
	struct device_found *nodes;   /* of each */
	size_t n_layers, layer_at;
	const char *mount_point; /* of reqs[at], in its one spelling */
	struct storage_plan plan;
	struct arena arena; /* of reqs[at] */
	struct entry *entry; /* that this add is setting up */
	struct err failed;   /* why, while what it made is taken back */
};

static void add_next(struct add *a);

static void add_end(struct add *a)
{
	storages_done_fn done = a->done;
	void *owner = a->owner;
	const struct err e = a->failed;

	arena_fini(&a->arena);
	free(a);
	done(owner, &e);
}

static void add_undone(void *owner, const struct err *e)
{
	struct add *a = owner;

	if (err_is_set(e)) {
		log_warn("storage", "take back what a failed request made: %s", e->msg);
		storage_refs_fini(&a->mine); /* the mount points stay reserved */
	}
	add_end(a);
}

/* A failure is told when all of it is undone: what comes next removes the directories below. */
static void add_finish(struct add *a, const struct err *e)
{
	struct ref *r;

	a->failed = *e;
	if (err_is_set(e)) {
		a->refs->failed = *e;
		storages_release(a->table, &a->mine, clock_after(RELEASE_MS), add_undone, a);
		return;
	}
	LIST_EACH(r, &a->mine.refs, struct ref, node) {
		list_remove(&r->node);
		list_append(&a->refs->refs, &r->node);
	}
	add_end(a);
}

static void add_fail(struct add *a, struct err *e)
{
	err_ctx(e, "storage %zu (%s on %.128s)", a->at, a->reqs[a->at].driver,
		a->reqs[a->at].mount_point);
	add_finish(a, e);
}

/* In the job: all or nothing, so that a failed mount leaves nothing behind even if PID 1 has given
 * up on us. The byte says that this is so. */
static int mount_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	struct add *a = arg;
	size_t done = 0;
	struct err undo = { 0 };

	if (out_cap)
		*(char *)out = 1;
	*out_len = out_cap;
	if (storage_execute(&a->plan, &a->reqs[a->at], &done, e) == 0)
		return 0;
	storage_undo(&a->plan, done, &undo);
	return -1;
}

/* The job outlives the add when it hangs: done and late both get the entry, and the add is found
 * through it. */
struct mounting {
	struct add *add;
	struct entry *entry;
	struct ref *ref; /* made before the mount: what is mounted is never without a holder */
};

static struct mounting *mounting_new(struct add *a)
{
	struct mounting *m = mem_new(1, sizeof(*m));
	struct ref *ref = m ? mem_new(1, sizeof(*ref)) : NULL;

	if (!ref) {
		free(m);
		return NULL;
	}
	*m = (struct mounting){ a, a->entry, ref };
	return m;
}

static void mounting_free(struct mounting *m)
{
	if (m)
		free(m->ref);
	free(m);
}

/* A helper that died may have mounted: then the end of the add unmounts. */
static void mount_failed(struct mounting *m, bool undone)
{
	if (undone || (m->add->plan.flags & STORAGE_KEEP))
		entry_free(m->entry);
	else
		ref_attach(&m->add->mine, TAKE_PTR(m->ref), m->entry);
}

/* The first copy is made: what follows is a child's. */
static int add_watcher(struct add *a, struct entry *en, struct err *e)
{
	if (!a->plan.watch_source)
		return 0;
	en->watcher = watcher_start(a->plan.watch_source, a->plan.watch_target, e);
	return en->watcher ? 0 : -1;
}

static void mount_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct mounting *m = owner;
	struct add *a = m->add;
	struct err err = *e;

	(void)out;
	if (err.rc == RC_DEADLINE_EXCEEDED) {
		/* mount_late has m and the entry from here on */
		add_fail(a, &err);
		return;
	}
	if (err_is_set(&err)) {
		mount_failed(m, out_len > 0);
		mounting_free(m);
		add_fail(a, &err);
		return;
	}
	m->entry->state = ENTRY_READY;
	entry_wake(m->entry);
	m->entry->flags |= a->plan.flags & STORAGE_KEEP ? ENTRY_KEEP : 0;
	ref_attach(&a->mine, TAKE_PTR(m->ref), m->entry);
	if (add_watcher(a, m->entry, &err) < 0) {
		mounting_free(m);
		add_fail(a, &err);
		return;
	}
	mounting_free(m);
	a->at++;
	add_next(a);
}

/* The hung mount has ended at last, one way or the other: what it made is taken down, then the name
 * is free. */
static void mount_late(void *owner)
{
	struct mounting *m = owner;

	entry_unmount(m->entry);
	mounting_free(m);
}

static int add_plan(struct add *a, const struct device_found *device, struct err *e)
{
	const struct storage_ctx ctx = { .container_id = a->container_id, .device = device };

	if (a->n_layers)
		return layers_plan(a->layers, a->n_layers, a->nodes, a->container_id,
				   a->mount_point, &a->arena, &a->plan, e);
	return storage_plan_make(a->driver, &a->reqs[a->at], &ctx, &a->arena, &a->plan, e);
}

/* What the end of the entry has to take away, known before there is anything. */
static int add_remember(struct add *a, struct err *e)
{
	const char *base = a->plan.layers_base;
	size_t n = base ? strlen(base) + 1 : 0;

	if (a->plan.watch_source)
		a->entry->flags |= ENTRY_COPY;
	if (!base)
		return 0;
	a->entry->layers = mem_new(1, n);
	if (!a->entry->layers)
		return err_sys(e, ENOMEM, "mount");
	memcpy(a->entry->layers, base, n);
	return 0;
}

static void add_mount(struct add *a, const struct device_found *device, struct err *e)
{
	struct mounting *m = NULL;

	if (add_plan(a, device, e) == 0 && add_remember(a, e) == 0) {
		struct job_opts opts = {
			.what = "mount",
			.deadline_ms = a->deadline_ms,
			.out_max = 1,
			.late = mount_late,
		};

		m = mounting_new(a);
		if (!m)
			err_sys(e, ENOMEM, "mount");
		if (m && job_start(a->table->loop, &opts, mount_job, a, mount_done, m, e))
			return;
	}
	mounting_free(m);
	entry_free(a->entry);
	add_fail(a, e);
}

static void add_device_done(void *owner, const struct err *e, const struct device_found *found);

static int add_wait(struct add *a, struct err *e)
{
	uint64_t until = MIN(a->deadline_ms, clock_after(a->table->hotplug_timeout_ms));

	if (a->n_layers && layers_need(&a->layers[a->layer_at], &a->need, e) < 0)
		return -1;
	return device_wait_start(a->table->monitor, &a->need, until, add_device_done, a, e) ? 0 : -1;
}

/* Of layers one after another. */
static void add_device_done(void *owner, const struct err *e, const struct device_found *found)
{
	struct add *a = owner;
	struct err err = *e;

	if (!err_is_set(&err) && a->n_layers) {
		a->nodes[a->layer_at++] = *found;
		if (a->layer_at < a->n_layers && add_wait(a, &err) == 0)
			return;
	}
	if (!err_is_set(&err)) {
		add_mount(a, found, &err);
		return;
	}
	entry_free(a->entry);
	add_fail(a, &err);
}

/* All requests that are layers of this one's mount point; the later ones find it mounted. */
static int add_layers(struct add *a, struct err *e)
{
	int n;

	a->layers = ARENA_ARRAY(&a->arena, struct storage_layer, LAYERS_MAX);
	a->nodes = ARENA_ARRAY(&a->arena, struct device_found, LAYERS_MAX);
	if (!a->layers || !a->nodes)
		return err_sys(e, ENOMEM, "layers");
	n = layers_read(a->reqs, a->n, a->mount_point, &a->arena, a->layers, e);
	if (n < 0)
		return -1;
	a->n_layers = (size_t)n;
	for (size_t i = 0; i < a->n_layers; i++)
		if (storage_req_check(a->layers[i].r, e) < 0)
			return err_ctx(e, "layer %zu", i);
	return layers_need(&a->layers[0], &a->need, e);
}

/* Reserves the mount point and waits for the device, if the driver needs one. */
static void add_reserve(struct add *a)
{
	const struct storage_req *r = &a->reqs[a->at];
	struct err e = { 0 };

	a->entry = NULL;
	a->need.kind = DEVICE_NONE;
	a->n_layers = a->layer_at = 0;
	if (storage_req_check(r, &e) < 0)
		goto fail;
	a->driver = storage_driver_find(r->driver, &e);
	if (!a->driver)
		goto fail;
	if (layers_is_one(r) ? add_layers(a, &e) < 0 :
			       a->driver->need && a->driver->need(r, &a->need, &e) < 0)
		goto fail;
	a->entry = entry_new(a->table, a->mount_point);
	if (!a->entry) {
		err_sys(&e, ENOMEM, "reserve %s", a->mount_point);
		goto fail;
	}
	a->entry->flags = r->flags & STORAGE_SHARED ? ENTRY_PINNED : 0;
	if (a->need.kind == DEVICE_NONE) {
		add_mount(a, NULL, &e);
		return;
	}
	if (add_wait(a, &e) == 0)
		return;
	entry_free(a->entry);
fail:
	add_fail(a, &e);
}

static void add_give_up(struct timer *t)
{
	struct add *a = container_of(t, struct add, patience);
	struct err e = { 0 };

	list_remove(&a->waiting.node);
	err_set(&e, RC_DEADLINE_EXCEEDED, "another mount or unmount of %s has not ended",
		a->reqs[a->at].mount_point);
	add_fail(a, &e);
}

/* The entry of the next request, NULL: there is none yet. "/run/x" and "/run//x/" are one. */
static struct entry *add_look(struct add *a, struct err *e)
{
	arena_fini(&a->arena);
	a->mount_point = storage_mount_point(&a->arena, a->reqs[a->at].mount_point);
	if (a->mount_point)
		return entry_find(a->table, a->mount_point);
	err_sys(e, ENOMEM, "storage");
	return NULL;
}

/* Goes on with the next request that needs work. */
static void add_next(struct add *a)
{
	struct err e = { 0 };

	for (; a->at < a->n; a->at++) {
		struct entry *en = add_look(a, &e);

		if (err_is_set(&e)) {
			add_fail(a, &e);
			return;
		}
		if (!en) {
			add_reserve(a);
			return;
		}
		if (en->state != ENTRY_READY) {
			list_append(&en->waiters, &a->waiting.node);
			timer_arm(a->table->loop, &a->patience, a->deadline_ms, add_give_up);
			return;
		}
		if (ref_add(&a->mine, en, &e) < 0) {
			add_fail(a, &e);
			return;
		}
	}
	add_finish(a, &e);
}

static void add_start(struct deferred *d)
{
	add_next(container_of(d, struct add, start));
}

static void add_look_again(struct entry_waiter *w)
{
	struct add *a = container_of(w, struct add, waiting);

	timer_cancel(&a->patience);
	loop_defer(a->table->loop, &a->start, add_start);
}

void storages_add(struct storages *t, struct storage_refs *refs, const char *container_id,
		  const struct storage_req *reqs, size_t n, uint64_t deadline_ms,
		  storages_done_fn done, void *owner)
{
	struct add *a = mem_new(1, sizeof(*a));

	if (!a) {
		struct err e = { 0 };

		err_sys(&e, ENOMEM, "storages");
		done(owner, &e); /* the one case of an answer inside the call: there is no memory to
				    remember it */
		return;
	}
	*a = (struct add){
		.table = t,
		.refs = refs,
		.container_id = container_id,
		.reqs = reqs,
		.n = n,
		.deadline_ms = deadline_ms,
		.done = done,
		.owner = owner,
	};
	err_clear(&refs->failed);
	arena_init(&a->arena, 1 << 20);
	storage_refs_init(&a->mine);
	list_init(&a->start.node);
	list_init(&a->waiting.node);
	a->waiting.look = add_look_again;
	loop_defer(t->loop, &a->start, add_start);
}
