/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pairing heap behind the loop's timers: earliest first, and first armed first among equal
 * times. Private to the event layer (and its tests). Pure, allocates nothing, never waits.
 */
#ifndef MOTE_EVENT_TIMER_H
#define MOTE_EVENT_TIMER_H

#include "event/loop.h"

/* t must not be in a heap. at_ms and seq are its key and must not change while it is in one. */
void timer_heap_push(struct timer **root, struct timer *t);

/* Takes t out of the heap that *root leads, wherever in it t is. */
void timer_heap_remove(struct timer **root, struct timer *t);

#endif
