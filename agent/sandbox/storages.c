/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry is one mount point and goes through RESERVED → READY → LEAVING. Who finds an entry that
 * is not READY waits for it; an entry whose job hangs stays RESERVED or LEAVING (a lame duck), so
 * that nobody mounts over it.
 *
 * An add is a walk over the requests: take an entry that is there, or reserve one, wait for its
 * device, plan, run the job, and go on.
 */
#include "sandbox/storages.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "event/job.h"

#define RELEASE_MS 10000 /* for an unmount that nobody waits for */

enum entry_state { ENTRY_RESERVED, ENTRY_READY, ENTRY_LEAVING };

struct entry {
	struct list node;
	enum entry_state state;
	unsigned int refs;
	unsigned int flags; /* enum entry_flags */
	struct storages *table;
	struct list waiters; /* adds that want it READY or gone */
	char mount_point[];
};

enum entry_flags { ENTRY_PINNED = 0x1, ENTRY_KEEP = 0x2 /* nothing to unmount */ };

struct ref {
	struct list node;
	struct entry *entry;
};

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
	struct list waiting; /* on another's entry that is not READY */
	struct timer patience;
	const struct storage_driver *driver;
	struct device_need need;
	const char *mount_point; /* of reqs[at], in its one spelling */
	struct storage_plan plan;
	struct arena arena; /* of reqs[at] */
	struct entry *entry; /* that this add is setting up */
	struct err failed;   /* why, while what it made is taken back */
};

void storages_init(struct storages *t, struct loop *l, struct device_monitor *m,
		   uint64_t hotplug_timeout_ms)
{
	*t = (struct storages){ .loop = l, .monitor = m, .hotplug_timeout_ms = hotplug_timeout_ms };
	list_init(&t->entries);
}

void storages_fini(struct storages *t)
{
	struct entry *en;

	LIST_EACH(en, &t->entries, struct entry, node) {
		list_remove(&en->node);
		free(en);
	}
}

void storage_refs_init(struct storage_refs *r)
{
	list_init(&r->refs);
}

void storage_refs_fini(struct storage_refs *r)
{
	struct ref *ref;

	LIST_EACH(ref, &r->refs, struct ref, node) {
		list_remove(&ref->node);
		free(ref);
	}
}

size_t storages_count(const struct storages *t)
{
	size_t n = 0;

	for (const struct list *l = t->entries.next; l != &t->entries; l = l->next)
		n++;
	return n;
}

static struct entry *entry_find(struct storages *t, const char *mount_point)
{
	struct entry *en;

	LIST_EACH(en, &t->entries, struct entry, node)
		if (str_eq(en->mount_point, mount_point))
			return en;
	return NULL;
}

static struct entry *entry_new(struct storages *t, const char *mount_point)
{
	size_t n = strlen(mount_point) + 1;
	struct entry *en = mem_new(1, sizeof(*en) + n);

	if (!en)
		return NULL;
	memcpy(en->mount_point, mount_point, n);
	en->table = t;
	list_init(&en->waiters);
	list_append(&t->entries, &en->node);
	return en;
}

static void add_start(struct deferred *d);

/* Lets those who wait for the entry look again. */
static void entry_wake(struct entry *en)
{
	struct add *a;

	LIST_EACH(a, &en->waiters, struct add, waiting) {
		list_remove(&a->waiting);
		timer_cancel(&a->patience);
		loop_defer(en->table->loop, &a->start, add_start);
	}
}

static void entry_free(struct entry *en)
{
	entry_wake(en);
	list_remove(&en->node);
	free(en);
}

static int ref_add(struct storage_refs *refs, struct entry *en, struct err *e)
{
	struct ref *r = mem_new(1, sizeof(*r));

	if (!r)
		return err_sys(e, ENOMEM, "storage %s", en->mount_point);
	r->entry = en;
	en->refs++;
	list_append(&refs->refs, &r->node);
	return 0;
}

/* --- releasing ---------------------------------------------------------------------------- */

struct release {
	struct loop *loop;
	storages_done_fn done;
	void *owner;
	struct storage_refs *from; /* with done: who has the refs back when it fails */
	struct list taken;	   /* the refs, in the order of the entries */
	size_t n;
	struct deferred nothing; /* there was nothing to unmount */
	char what[160];		 /* of the job */
	struct entry *entries[]; /* LEAVING, in the order of unmounting */
};

/* Each file system is held until the job's own end, where letting go of one may wait for its host's
 * server: all are out of the guest's tree by then. */
static int unmount_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	struct release *r = arg;

	(void)out, (void)out_cap, (void)out_len;
	for (size_t i = 0; i < r->n; i++) {
		const char *path = r->entries[i]->mount_point;
		int held UNUSED = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct err one = { 0 };

		if (storage_unmount(path, &one) < 0 && !err_is_set(e))
			*e = one;
	}
	return err_is_set(e) ? -1 : 0;
}

static void release_drop(struct release *r)
{
	struct ref *ref;

	for (size_t i = 0; i < r->n; i++)
		entry_free(r->entries[i]);
	LIST_EACH(ref, &r->taken, struct ref, node) {
		list_remove(&ref->node);
		free(ref);
	}
	free(r);
}

/* Nothing is forgotten that may be mounted still. The entries stay LEAVING: whether they can be
 * used nobody knows. */
static void release_give_back(struct release *r)
{
	while (!list_empty(&r->taken)) {
		struct ref *ref = container_of(r->taken.prev, struct ref, node);

		list_remove(&ref->node);
		list_append(&r->from->refs, &ref->node);
		ref->entry->refs++;
	}
	r->n = 0;
}

static void unmount_late(void *owner)
{
	release_drop(owner);
}

static void unmount_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct release *r = owner;
	storages_done_fn done = r->done;

	(void)out, (void)out_len;
	if (err_is_set(e) && !done)
		log_warn("storage", "%s", e->msg);
	else if (err_is_set(e) && e->rc != RC_DEADLINE_EXCEEDED)
		release_give_back(r);
	if (done) {
		r->done = NULL;
		done(r->owner, e);
	}
	if (e->rc != RC_DEADLINE_EXCEEDED)
		release_drop(r); /* else unmount_late does */
}

static void release_nothing(struct deferred *d)
{
	struct err none = { 0 };

	unmount_done(container_of(d, struct release, nothing), &none, NULL, 0);
}

static void release_start(struct release *r, uint64_t deadline_ms)
{
	struct job_opts opts = { .what = r->what,
				 .deadline_ms = deadline_ms,
				 .late = unmount_late };
	struct str what = STR_OVER(r->what);
	struct err e = { 0 };

	list_init(&r->nothing.node);
	for (size_t i = 0; i < r->n; i++)
		r->entries[i]->state = ENTRY_LEAVING;
	if (r->n)
		str_addf(&what, "unmount %.120s%s", r->entries[0]->mount_point,
			 r->n > 1 ? " and others" : "");
	if (!r->n)
		loop_defer(r->loop, &r->nothing, release_nothing);
	else if (!job_start(r->loop, &opts, unmount_job, r, unmount_done, r, &e))
		unmount_done(r, &e, NULL, 0);
}

static struct release *release_new(struct storages *t, size_t max, storages_done_fn done,
				   void *owner)
{
	struct release *r = mem_new(1, sizeof(*r) + max * sizeof(r->entries[0]));

	if (!r)
		return NULL;
	*r = (struct release){ .loop = t->loop, .done = done, .owner = owner };
	list_init(&r->taken);
	return r;
}

static void entry_unmount(struct entry *en)
{
	struct release *r = release_new(en->table, 1, NULL, NULL);

	if (!r)
		return; /* no memory even for this: the name stays reserved, which harms nobody */
	r->entries[r->n++] = en;
	release_start(r, clock_after(RELEASE_MS));
}

void storages_release(struct storages *t, struct storage_refs *refs, uint64_t deadline_ms,
		      storages_done_fn done, void *owner)
{
	size_t max = 0;
	struct release *r;

	for (struct list *l = refs->refs.next; l != &refs->refs; l = l->next)
		max++;
	r = release_new(t, max, done, owner);
	if (!r) {
		struct err e = { 0 };

		err_sys(&e, ENOMEM, "release storages");
		done(owner, &e);
		return;
	}
	r->from = refs;
	while (!list_empty(&refs->refs)) {
		struct ref *ref = container_of(refs->refs.prev, struct ref, node);
		struct entry *en = ref->entry;

		list_remove(&ref->node);
		if (--en->refs == 0 && !(en->flags & (ENTRY_PINNED | ENTRY_KEEP))) {
			r->entries[r->n++] = en;
			list_append(&r->taken, &ref->node);
			continue;
		}
		free(ref);
		if (!en->refs && !(en->flags & ENTRY_PINNED))
			entry_free(en);
	}
	release_start(r, deadline_ms);
}

/* --- adding ------------------------------------------------------------------------------ */

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
};

/* A helper that died may have mounted: then the end of the add unmounts. */
static void mount_failed(struct add *a, struct entry *en, bool undone)
{
	struct err none = { 0 };

	if (undone || (a->plan.flags & STORAGE_KEEP))
		entry_free(en);
	else if (ref_add(&a->mine, en, &none) < 0)
		entry_unmount(en);
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
		mount_failed(a, m->entry, out_len > 0);
		free(m);
		add_fail(a, &err);
		return;
	}
	m->entry->state = ENTRY_READY;
	entry_wake(m->entry);
	m->entry->flags |= a->plan.flags & STORAGE_KEEP ? ENTRY_KEEP : 0;
	if (ref_add(&a->mine, m->entry, &err) < 0) {
		entry_unmount(m->entry);
		free(m);
		add_fail(a, &err);
		return;
	}
	free(m);
	a->at++;
	add_next(a);
}

/* The hung mount has ended at last, one way or the other: what it made is taken down, then the name
 * is free. */
static void mount_late(void *owner)
{
	struct mounting *m = owner;

	entry_unmount(m->entry);
	free(m);
}

static void add_mount(struct add *a, const struct device_found *device, struct err *e)
{
	struct storage_ctx ctx = { .container_id = a->container_id, .device = device };
	struct mounting *m = NULL;

	if (storage_plan_make(a->driver, &a->reqs[a->at], &ctx, &a->arena, &a->plan, e) == 0) {
		struct job_opts opts = {
			.what = "mount",
			.deadline_ms = a->deadline_ms,
			.out_max = 1,
			.late = mount_late,
		};

		m = mem_new(1, sizeof(*m));
		if (!m)
			err_sys(e, ENOMEM, "mount");
		else
			*m = (struct mounting){ a, a->entry };
		if (m && job_start(a->table->loop, &opts, mount_job, a, mount_done, m, e))
			return;
	}
	free(m);
	entry_free(a->entry);
	add_fail(a, e);
}

static void add_device_done(void *owner, const struct err *e, const struct device_found *found)
{
	struct add *a = owner;
	struct err err = *e;

	if (!err_is_set(&err)) {
		add_mount(a, found, &err);
		return;
	}
	entry_free(a->entry);
	add_fail(a, &err);
}

/* Reserves the mount point and waits for the device, if the driver needs one. */
static void add_reserve(struct add *a)
{
	const struct storage_req *r = &a->reqs[a->at];
	uint64_t until = MIN(a->deadline_ms, clock_after(a->table->hotplug_timeout_ms));
	struct err e = { 0 };

	a->entry = NULL;
	a->need.kind = DEVICE_NONE;
	if (storage_req_check(r, &e) < 0)
		goto fail;
	a->driver = storage_driver_find(r->driver, &e);
	if (!a->driver || (a->driver->need && a->driver->need(r, &a->need, &e) < 0))
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
	if (device_wait_start(a->table->monitor, &a->need, until, add_device_done, a, &e))
		return;
	entry_free(a->entry);
fail:
	add_fail(a, &e);
}

static void add_give_up(struct timer *t)
{
	struct add *a = container_of(t, struct add, patience);
	struct err e = { 0 };

	list_remove(&a->waiting);
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
			list_append(&en->waiters, &a->waiting);
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
	arena_init(&a->arena, 1 << 20);
	storage_refs_init(&a->mine);
	list_init(&a->start.node);
	list_init(&a->waiting);
	loop_defer(t->loop, &a->start, add_start);
}
