/* SPDX-License-Identifier: Apache-2.0 */
/* The pairing heap alone, held against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "event/timer.h"

#define TIMERS 300

static struct timer timers[TIMERS];
static bool armed[TIMERS];
static uint64_t next_seq;
static uint32_t random_state = 12345;

static uint32_t roll(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

static int setup(void **state UNUSED)
{
	memset(timers, 0, sizeof(timers));
	memset(armed, 0, sizeof(armed));
	next_seq = 0;
	return 0;
}

static void push(struct timer **root, int i, uint64_t at)
{
	timers[i].at_ms = at;
	timers[i].seq = next_seq++;
	timer_heap_push(root, &timers[i]);
	armed[i] = true;
}

static void take(struct timer **root, int i)
{
	timer_heap_remove(root, &timers[i]);
	armed[i] = false;
	assert_null(timers[i].link);
	assert_null(timers[i].child);
	assert_null(timers[i].sibling);
}

/* Every node is pointed at by its link, and no child is due before its parent. Returns the nodes. */
static int check_below(struct timer *const *at, uint64_t least)
{
	int n = 0;

	for (; *at; at = &(*at)->sibling) {
		assert_ptr_equal((*at)->link, at);
		assert_true((*at)->at_ms >= least);
		n += 1 + check_below(&(*at)->child, (*at)->at_ms);
	}
	return n;
}

static int first_of_model(void)
{
	int best = -1;

	for (int i = 0; i < TIMERS; i++)
		if (armed[i] && (best < 0 || timers[i].at_ms < timers[best].at_ms ||
				 (timers[i].at_ms == timers[best].at_ms && timers[i].seq < timers[best].seq)))
			best = i;
	return best;
}

static void check(struct timer *const *root)
{
	int n = 0, first = first_of_model();

	for (int i = 0; i < TIMERS; i++)
		n += armed[i];
	assert_int_equal(check_below(root, 0), n);
	assert_ptr_equal(*root, first < 0 ? NULL : &timers[first]);
	if (*root)
		assert_null((*root)->sibling);
}

static void test_sorts(void **state UNUSED)
{
	struct timer *root = NULL;
	uint64_t last = 0;

	for (int i = 0; i < TIMERS; i++)
		push(&root, i, roll(1000));
	check(&root);
	while (root) {
		assert_true(root->at_ms >= last);
		last = root->at_ms;
		take(&root, (int)(root - timers));
		check(&root);
	}
	assert_int_equal(first_of_model(), -1);
}

static void test_equal_times_keep_order(void **state UNUSED)
{
	struct timer *root = NULL;

	for (int i = 0; i < TIMERS; i++)
		push(&root, (i * 7) % TIMERS, 5);
	for (int i = 0; i < TIMERS; i++) {
		assert_int_equal(root - timers, (i * 7) % TIMERS);
		take(&root, (int)(root - timers));
	}
	assert_null(root);
}

static void test_random_operations(void **state UNUSED)
{
	struct timer *root = NULL;

	for (int step = 0; step < 20000; step++) {
		int i = (int)roll(TIMERS);

		if (roll(4) == 0 && root)
			i = (int)(root - timers);
		if (armed[i])
			take(&root, i);
		else
			push(&root, i, roll(50));
		if (step % 16 == 0)
			check(&root);
	}
	check(&root);
}

/* Pushed in rising order, all others are children of the first: the widest heap there is. */
static void test_wide_heap(void **state UNUSED)
{
	struct timer *root = NULL;

	for (int i = 0; i < TIMERS; i++)
		push(&root, i, (uint64_t)i);
	check(&root);
	take(&root, TIMERS / 2);
	take(&root, TIMERS - 1);
	take(&root, 1);
	check(&root);
	take(&root, 0);
	check(&root);
}

static void test_extreme_times(void **state UNUSED)
{
	struct timer *root = NULL;

	push(&root, 0, UINT64_MAX - 1);
	push(&root, 1, 0);
	push(&root, 2, UINT64_MAX);
	check(&root);
	take(&root, 1);
	check(&root);
	take(&root, 2);
	take(&root, 0);
	assert_null(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sorts, setup),
		cmocka_unit_test_setup(test_equal_times_keep_order, setup),
		cmocka_unit_test_setup(test_random_operations, setup),
		cmocka_unit_test_setup(test_wide_heap, setup),
		cmocka_unit_test_setup(test_extreme_times, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
