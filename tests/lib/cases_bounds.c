/* SPDX-License-Identifier: Apache-2.0 */
/* Values at and beyond their bounds, in the calls of a container's life: a clear answer, and the next
 * call is served. */
#include "lib/cases.h"

/* The names of directories below the run directory are no container's. */
static void ids_of_the_agents_own(void **state)
{
	static const char *const ids[] = { "sandbox", "shared", "image", "virtual-volumes" };
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		struct rig_container what = { 0 };

		assert_rc(r, rig_create(r, ids[i], &what), RC_INVALID_ARGUMENT, ids[i]);
	}
	assert_int_equal(rig_shell(r, "true"), 0);
}

const struct CMUnitTest cases_bounds[] = {
	cmocka_unit_test(ids_of_the_agents_own),
	{ 0 },
};
