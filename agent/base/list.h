/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circular doubly linked list, the links embedded in the objects. A node that is
 * not on a list points to itself, so that removing it twice is harmless.
 */
#ifndef MOTE_BASE_LIST_H
#define MOTE_BASE_LIST_H

#include "base/defs.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Moves all of `from` to the head `to`, whatever that was before: for who hands a whole list on while
 * its members come and go. */
static inline void list_take(struct list *from, struct list *to)
{
	list_init(to);
	list_append(from, to);
	list_remove(from);
}

#define LIST_FIRST(head, type, member) \
	(list_empty(head) ? NULL : container_of((head)->next, type, member))

/* The body may remove `pos`, and nothing else, from the list. */
#define LIST_EACH(pos, head, type, member)                                             \
	for (struct list *pos##_n = (head)->next, *pos##_s = pos##_n->next;            \
	     pos##_n != (head) && ((pos = container_of(pos##_n, type, member)), true); \
	     pos##_n = pos##_s, pos##_s = pos##_n->next)

#endif
