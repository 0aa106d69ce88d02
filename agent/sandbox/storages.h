/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of mounted storages: shared by mount point, counted, set up and released in jobs. A
 * storage that two containers name is mounted once; the last one to release it unmounts it.
 * Requests are carried out in order, and a request that fails takes back what it had mounted.
 */
#ifndef MOTE_SANDBOX_STORAGES_H
#define MOTE_SANDBOX_STORAGES_H

#include "base/err.h"
#include "base/list.h"
#include "device/device.h"
#include "event/loop.h"
#include "storage/storage.h"

struct storages {
	struct loop *loop;
	struct device_monitor *monitor;
	struct list entries;
	uint64_t hotplug_timeout_ms;
};

/* What a container (or the sandbox) holds; freed by storages_release. */
struct storage_refs {
	struct list refs;
	struct err failed; /* why an add that is still undoing what it did will fail; else not set */
};

typedef void (*storages_done_fn)(void *owner, const struct err *e);

void storages_init(struct storages *t, struct loop *l, struct device_monitor *m,
		   uint64_t hotplug_timeout_ms);

/* Forgets all entries without unmounting: the machine goes down. */
void storages_fini(struct storages *t);

void storage_refs_init(struct storage_refs *r);

/* Forgets what is held without giving it back. */
void storage_refs_fini(struct storage_refs *r);

/* Sets reqs[0..n) up in order; reqs and their strings must live until done. done runs exactly once,
 * later (inside this call only when there is no memory to remember it). On failure nothing of this
 * call is left in `refs`; what could not be undone at once (a mount that hangs) stays reserved
 * under its mount point until it can. */
void storages_add(struct storages *t, struct storage_refs *refs, const char *container_id,
		  const struct storage_req *reqs, size_t n, uint64_t deadline_ms,
		  storages_done_fn done, void *owner);

/* Gives everything in refs back, last first. After a failure what may still be mounted is in refs
 * again, to be released once more; not after DEADLINE_EXCEEDED: then unmounting goes on. done may
 * run inside this call; refs must live until then. */
void storages_release(struct storages *t, struct storage_refs *refs, uint64_t deadline_ms,
		      storages_done_fn done, void *owner);

size_t storages_count(const struct storages *t);

#endif
