/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry is one mount point and goes through RESERVED → READY → LEAVING. Who finds an entry that
 * is not READY waits for it; an entry whose job hangs stays RESERVED or LEAVING (a lame duck), so
 * that nobody mounts over it. Here: the table, and releasing; storages_add.c is the way in.
 */
#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "event/job.h"
#include "kernel/mountinfo.h"
#include "sandbox/storages_impl.h"
#include "storage/layers.h"

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
		entry_drop(en);
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

struct entry *entry_find(struct storages *t, const char *mount_point)
{
	struct entry *en;

	LIST_EACH(en, &t->entries, struct entry, node)
		if (str_eq(en->mount_point, mount_point))
			return en;
	return NULL;
}

struct entry *entry_new(struct storages *t, const char *mount_point)
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

void entry_wake(struct entry *en)
{
	struct entry_waiter *w;

	LIST_EACH(w, &en->waiters, struct entry_waiter, node) {
		list_remove(&w->node);
		w->look(w);
	}
}

void entry_drop(struct entry *en)
{
	list_remove(&en->node);
	watcher_stop(en->watcher);
	free(en->layers);
	free(en);
}

void entry_free(struct entry *en)
{
	entry_wake(en);
	entry_drop(en);
}

void ref_attach(struct storage_refs *refs, struct ref *r, struct entry *en)
{
	r->entry = en;
	en->refs++;
	list_append(&refs->refs, &r->node);
}

int ref_add(struct storage_refs *refs, struct entry *en, struct err *e)
{
	struct ref *r = mem_new(1, sizeof(*r));

	if (!r)
		return err_sys(e, ENOMEM, "storage %s", en->mount_point);
	ref_attach(refs, r, en);
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
	bool again;		 /* the second try, of what hung */
	char what[160];		 /* of the job */
	struct entry *entries[]; /* LEAVING, in the order of unmounting */
};

static int unmount_one(const struct entry *en, struct err *e)
{
	if (storage_unmount(en->mount_point, e) < 0)
		return -1;
	if (en->layers && layers_close(en->layers, e) < 0)
		return -1;
	return en->flags & ENTRY_COPY ? storage_remove_copy(en->mount_point, en->follower, e) : 0;
}

/* A copy is no mount, and would keep the one that it is in. */
static void hold_mount(const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && mountinfo_is_mount(fd) != 1)
		close(fd);
}

/* Each file system is held until the job's own end, where letting go of one may wait for its host's
 * server: all are out of the guest's tree by then. */
static int unmount_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	struct release *r = arg;

	(void)out, (void)out_cap, (void)out_len;
	for (size_t i = 0; i < r->n; i++) {
		struct err one = { 0 };

		hold_mount(r->entries[i]->mount_point);
		if (unmount_one(r->entries[i], &one) < 0 && !err_is_set(e))
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

static void release_start(struct release *r, uint64_t deadline_ms);

/* What hung has ended at last, or had no turn at all: whatever of it is mounted still goes now. */
static void unmount_late(void *owner)
{
	struct release *r = owner;

	if (r->again) {
		release_drop(r);
		return;
	}
	r->again = true;
	release_start(r, clock_after(RELEASE_MS));
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
	for (size_t i = 0; i < r->n; i++) {
		r->entries[i]->state = ENTRY_LEAVING;
		if (r->entries[i]->watcher) /* else an earlier try has stopped it */
			r->entries[i]->follower = watcher_stop(TAKE_PTR(r->entries[i]->watcher));
	}
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

void entry_unmount(struct entry *en)
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
