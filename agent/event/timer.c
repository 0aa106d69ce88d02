/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pairing heap whose nodes are the timers themselves. Every node knows the pointer that points at it
 * (`link`: the root, its parent's `child`, or its left neighbour's `sibling`), so that any timer can be taken
 * out without a search. Push costs one comparison, remove O(log n) amortised; nothing here recurses, so a
 * degenerate heap (thousands of children below one node) needs no stack.
 */
#include "event/timer.h"

static bool earlier(const struct timer *a, const struct timer *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

/* Joins two heaps whose roots have no siblings; either may be NULL. The result's link is the caller's to set. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	struct timer *top, *below;

	if (!a || !b)
		return a ? a : b;
	top = earlier(b, a) ? b : a;
	below = top == a ? b : a;
	below->sibling = top->child;
	if (below->sibling)
		below->sibling->link = &below->sibling;
	below->link = &top->child;
	top->child = below;
	return top;
}

/* The two passes that give the heap its name: pairs from left to right, then all into one from right to left. */
static struct timer *meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL, *all = NULL;

	while (first) {
		struct timer *a = first, *b = a->sibling;

		first = b ? b->sibling : NULL;
		a->sibling = NULL;
		if (b)
			b->sibling = NULL;
		a = meld(a, b);
		a->sibling = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *next = pairs->sibling;

		pairs->sibling = NULL;
		all = meld(all, pairs);
		pairs = next;
	}
	return all;
}

static void set_root(struct timer **root, struct timer *t)
{
	*root = t;
	if (t)
		t->link = root;
}

void timer_heap_push(struct timer **root, struct timer *t)
{
	t->child = t->sibling = NULL;
	set_root(root, meld(*root, t));
}

void timer_heap_remove(struct timer **root, struct timer *t)
{
	struct timer *below = meld_siblings(t->child);

	*t->link = t->sibling;	/* for the root: NULL */
	if (t->sibling)
		t->sibling->link = t->link;
	set_root(root, meld(*root, below));
	t->child = t->sibling = NULL;
	t->link = NULL;
}
