/* SPDX-License-Identifier: Apache-2.0 */
/* The timers' heap against a plain array: two bytes an operation, which timer and what time; an armed one is taken out. */
#include "event/timer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TIMERS 32

static struct timer timers[TIMERS];
static uint32_t armed;

static const struct timer *first_of_model(void)
{
	const struct timer *best = NULL;

	for (int i = 0; i < TIMERS; i++) {
		const struct timer *t = &timers[i];

		if (!(armed >> i & 1))
			continue;
		if (!best || t->at_ms < best->at_ms || (t->at_ms == best->at_ms && t->seq < best->seq))
			best = t;
	}
	return best;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct timer *root = NULL;

	memset(timers, 0, sizeof(timers));
	armed = 0;
	for (size_t i = 0; i + 1 < size; i += 2) {
		unsigned int k = data[i] % TIMERS;

		if (data[i] & 0x80 && root)
			k = (unsigned int)(root - timers);
		if (armed >> k & 1) {
			timer_heap_remove(&root, &timers[k]);
		} else {
			timers[k].at_ms = data[i + 1];
			timers[k].seq = i;
			timer_heap_push(&root, &timers[k]);
		}
		armed ^= 1u << k;
		if (root != first_of_model() || (root && root->link != &root))
			abort();
	}
	for (; root; timer_heap_remove(&root, root)) {
		if (root != first_of_model())
			abort();
		armed &= ~(1u << (root - timers));
	}
	if (armed)
		abort();
	return 0;
}
