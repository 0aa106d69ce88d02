/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of containers that ran out of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/defs.h"
#include "sandbox/oom.h"

struct told {
	struct oom_waiter w;
	char id[OOM_ID_MAX + 1];
};

static void tell(struct oom_waiter *w, const char *id)
{
	struct told *t = w->owner;

	assert_string_equal(t->id, "");
	assert_true(strlen(id) < sizeof(t->id));
	memcpy(t->id, id, strlen(id) + 1);
}

static void wait_for(struct oom_queue *q, struct told *t)
{
	*t = (struct told){ .w = { .fn = tell, .owner = t } };
	oom_queue_wait(q, &t->w);
}

/* Kept until somebody asks; once for each container, in the order they came. */
static void events_wait(void **state)
{
	struct oom_queue q;
	struct told t;

	(void)state;
	oom_queue_init(&q);
	oom_queue_add(&q, "one");
	oom_queue_add(&q, "two");
	oom_queue_add(&q, "one");
	assert_int_equal(q.n, 2);
	wait_for(&q, &t);
	assert_string_equal(t.id, "one");
	oom_queue_add(&q, "one");
	wait_for(&q, &t);
	assert_string_equal(t.id, "two");
	wait_for(&q, &t);
	assert_string_equal(t.id, "one");
	wait_for(&q, &t);
	assert_string_equal(t.id, "");
	oom_queue_cancel(&t.w);
	oom_queue_fini(&q);
}

/* Each event to one of them, first come first served; who has gone is passed by. */
static void waiters_wait(void **state)
{
	struct oom_queue q;
	struct told t[3];

	(void)state;
	oom_queue_init(&q);
	for (size_t i = 0; i < COUNT_OF(t); i++)
		wait_for(&q, &t[i]);
	oom_queue_cancel(&t[0].w);
	oom_queue_add(&q, "one");
	assert_string_equal(t[0].id, "");
	assert_string_equal(t[1].id, "one");
	assert_string_equal(t[2].id, "");
	oom_queue_add(&q, "one");
	assert_string_equal(t[2].id, "one");
	assert_int_equal(q.n, 0);
	oom_queue_fini(&q);
}

static void bounded(void **state)
{
	struct oom_queue q;
	struct told t;
	char id[32];

	(void)state;
	oom_queue_init(&q);
	for (int i = 0; i < OOM_QUEUE_MAX + 3; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		oom_queue_add(&q, id);
	}
	assert_int_equal(q.n, OOM_QUEUE_MAX);
	wait_for(&q, &t);
	assert_string_equal(t.id, "c3");
	oom_queue_fini(&q);
	assert_int_equal(q.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(events_wait),
					    cmocka_unit_test(waiters_wait),
					    cmocka_unit_test(bounded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
