/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cases.h"

struct rig *cases_rig;

int cases_main(enum rig_kind kind, const char *name, const struct CMUnitTest *const *tables,
	       struct rig *r)
{
	struct CMUnitTest all[256];
	const char *missing = rig_missing(kind);
	size_t n = 0;
	int failed;

	for (; *tables; tables++)
		for (const struct CMUnitTest *t = *tables; t->name; t++) {
			assert_true(n < COUNT_OF(all)); /* none is left out */
			all[n++] = *t;
		}
	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	cases_rig = r;
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	if (rig_start(r, kind) < 0) {
		rig_stop(r);
		return 1;
	}
	failed = _cmocka_run_group_tests(name, all, n, NULL, NULL);
	if (kind == RIG_NAMESPACES && rig_end_agent(r) != 0) {
		printf("not ok - the agent ended with status %d\n", r->agent_status);
		failed++;
	}
	rig_stop(r);
	return failed ? 1 : 0;
}
