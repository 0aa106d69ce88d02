/* SPDX-License-Identifier: Apache-2.0 */
/* Private to storages.c (the table, releasing) and storages_add.c. */
#ifndef MOTE_SANDBOX_STORAGES_IMPL_H
#define MOTE_SANDBOX_STORAGES_IMPL_H

#include "sandbox/storages.h"
#include "sandbox/watcher.h"

#define RELEASE_MS 10000 /* for an unmount that nobody waits for */

enum entry_state { ENTRY_RESERVED, ENTRY_READY, ENTRY_LEAVING };

struct entry {
	struct list node;
	enum entry_state state;
	unsigned int refs;
	unsigned int flags; /* enum entry_flags */
	struct storages *table;
	char *layers; /* where the layers of this one are mounted (layers.h), or NULL */
	struct watcher *watcher; /* of a copy that follows its source; NULL: none */
	pid_t follower;		 /* which was told to end; 0: none */
	struct list waiters; /* struct entry_waiter: who wants it READY or gone */
	char mount_point[];
};

enum entry_flags {
	ENTRY_PINNED = 0x1,
	ENTRY_KEEP = 0x2, /* nothing to unmount */
	ENTRY_COPY = 0x4, /* what is there is the agent's, and removed at the end */
};

struct ref {
	struct list node;
	struct entry *entry;
};

/* look is called once, when the entry has changed, and begins nothing itself: it defers. */
struct entry_waiter {
	struct list node;
	void (*look)(struct entry_waiter *w);
};

struct entry *entry_find(struct storages *t, const char *mount_point);

/* RESERVED; NULL: no memory. */
struct entry *entry_new(struct storages *t, const char *mount_point);

/* Lets those who wait for the entry look again. */
void entry_wake(struct entry *en);

/* Wakes them, and the mount point is free. */
void entry_free(struct entry *en);

/* Frees the object alone. */
void entry_drop(struct entry *en);

/* Unmounts in the background and frees the entry then. */
void entry_unmount(struct entry *en);

/* One more holder, by an r that was made before; refs owns it. */
void ref_attach(struct storage_refs *refs, struct ref *r, struct entry *en);

/* One more holder. */
int ref_add(struct storage_refs *refs, struct entry *en, struct err *e);

#endif
