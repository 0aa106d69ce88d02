/* SPDX-License-Identifier: Apache-2.0 */
/* The table of containers: reserved by id, found, forgotten. */
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/members.h"

struct member *member_of(struct sandbox *s, const struct container *c)
{
	struct member *m, *found = NULL;

	LIST_EACH(m, &s->containers, struct member, node)
		if (m->container == c)
			found = m;
	return found;
}

static struct member *member_by_id(struct sandbox *s, const char *id)
{
	struct member *m;

	LIST_EACH(m, &s->containers, struct member, node)
		if (str_eq(m->container->id, id))
			return m;
	return NULL;
}

struct container *sandbox_find(struct sandbox *s, const char *id, struct err *e)
{
	struct member *m = member_by_id(s, id);

	if (m)
		return m->container;
	err_set(e, RC_NOT_FOUND, "container \"%.64s\": not found (InvalidContainerId)", id);
	return NULL;
}

size_t sandbox_container_count(const struct sandbox *s)
{
	size_t n = 0;

	for (const struct list *l = s->containers.next; l != &s->containers; l = l->next)
		n++;
	return n;
}

void sandbox_kill_all(struct sandbox *s)
{
	struct member *m;

	LIST_EACH(m, &s->containers, struct member, node) {
		struct err e = { 0 };

		if (container_allows(m->container, CONTAINER_DO_SIGNAL, &e) == 0 &&
		    container_kill_all(m->container, &e) < 0)
			log_warn("sandbox", "%s", e.msg);
	}
}

/* Bundles lie beside what the agent and its hosts keep in the run directory, and the end of a
 * container takes all of its bundle away. */
static bool id_is_taken(const char *id)
{
	static const char *const names[] = { "sandbox", "shared", "image", "virtual-volumes" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (str_eq(id, names[i]))
			return true;
	return false;
}

struct container *sandbox_container_new(struct sandbox *s, const char *id, struct err *e)
{
	struct member *m;

	if (s->state == SANDBOX_DESTROYED) {
		err_set(e, RC_FAILED_PRECONDITION, "the sandbox is destroyed");
		return NULL;
	}
	if (id_is_taken(id)) {
		err_set(e, RC_INVALID_ARGUMENT, "container id \"%s\": a directory of the agent's own",
			id);
		return NULL;
	}
	if (member_by_id(s, id)) {
		err_set(e, RC_ALREADY_EXISTS, "container \"%.64s\" exists already", id);
		return NULL;
	}
	m = mem_new(1, sizeof(*m));
	if (!m) {
		err_sys(e, ENOMEM, "container");
		return NULL;
	}
	m->container = container_new(&s->host, id, e);
	if (!m->container) {
		free(m);
		return NULL;
	}
	storage_refs_init(&m->storages);
	list_init(&m->joined);
	list_append(&s->containers, &m->node);
	return m->container;
}

void member_free(struct sandbox *s, struct member *m)
{
	if (s->pid_owner == m->container)
		s->pid_owner = NULL;
	list_remove(&m->node);
	shares_left(&s->shares, &m->shares);
	container_free(m->container);
	free(m);
}

void sandbox_containers_fini(struct sandbox *s)
{
	struct member *m;

	LIST_EACH(m, &s->containers, struct member, node) {
		storage_refs_fini(&m->storages);
		member_free(s, m);
	}
}

void sandbox_container_drop(struct sandbox *s, struct container *c)
{
	member_free(s, member_of(s, c));
}

/* A second removal of the same container, a host's retry, shares the outcome of the first. */
void member_join(struct member *m, sandbox_done_fn done, void *owner)
{
	struct joiner *j = mem_new(1, sizeof(*j));
	struct err e = { 0 };

	if (!j) {
		err_sys(&e, ENOMEM, "container");
		done(owner, &e);
		return;
	}
	*j = (struct joiner){ .done = done, .owner = owner };
	list_append(&m->joined, &j->node);
}
