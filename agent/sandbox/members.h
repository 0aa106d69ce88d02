/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the sandbox's table of containers; for the files of this directory. */
#ifndef MOTE_SANDBOX_MEMBERS_H
#define MOTE_SANDBOX_MEMBERS_H

#include "sandbox/sandbox.h"

enum member_state { MEMBER_NEW, MEMBER_CREATING, MEMBER_LIVE, MEMBER_LEAVING };

struct member {
	struct list node;            /* sandbox->containers */
	struct container *container; /* owned */
	struct storage_refs storages;
	struct shares_used shares; /* names kept by the container */
	enum member_state state;
	uint64_t mem_looks;          /* of mem_agent.c, that it has lived through */
	struct list joined; /* struct joiner: who waits for the end that is under way */
};

struct joiner {
	struct list node;
	sandbox_done_fn done;
	void *owner;
};

/* The row of a container that is in the table; never NULL. */
struct member *member_of(struct sandbox *s, const struct container *c);

/* Takes the row out of the table and frees the container. */
void member_free(struct sandbox *s, struct member *m);

/* Tells done when the member's removal, or the clearing away of its failed create, has ended; at once
 * when there is no memory. */
void member_join(struct member *m, sandbox_done_fn done, void *owner);

/* Where the shared namespace is bound; NULL: not shared. */
const char *sandbox_ns_path(const struct sandbox *s, enum sandbox_ns ns);

/* Forgets those that could not be removed: the machine goes down. */
void sandbox_containers_fini(struct sandbox *s);

#endif
