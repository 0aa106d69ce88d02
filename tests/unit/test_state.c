/* SPDX-License-Identifier: Apache-2.0 */
/* What a container may be asked for in each state: the whole table, written down a second time
 * on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "container/container.h"

static void table(void **state)
{
	/* start exec signal update stats pause resume remove */
	static const char *const want[CONTAINER_STATES] = {
		[CONTAINER_CREATING] = "--------",
		[CONTAINER_CREATED] = "y-yyyy-y",
		[CONTAINER_RUNNING] = "-yyyyy-y",
		[CONTAINER_PAUSING] = "--yyy--y",
		[CONTAINER_PAUSED] = "--yyy-yy",
		[CONTAINER_RESUMING] = "--yyy--y",
		[CONTAINER_STOPPED] = "--y-y--y",
		[CONTAINER_REMOVING] = "-------y",
	};

	(void)state;
	for (int s = 0; s < CONTAINER_STATES; s++)
		for (int v = 0; v < CONTAINER_VERBS; v++)
			if (container_state_allows(s, v) != (want[s][v] == 'y'))
				fail_msg("state %s, verb %d", container_state_name(s), v);
}

static void refusal_names_all(void **state)
{
	const struct container c = { .id = "web", .state = CONTAINER_PAUSED };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(container_allows(&c, CONTAINER_DO_EXEC, &e), -1);
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	assert_string_equal(e.msg, "container web is paused: cannot exec");
	err_clear(&e);
	assert_int_equal(container_allows(&c, CONTAINER_DO_RESUME, &e), 0);
	assert_false(err_is_set(&e));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table),
					    cmocka_unit_test(refusal_names_all) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
