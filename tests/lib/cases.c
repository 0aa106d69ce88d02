/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cases.h"

#include "base/clock.h"

#define LATE_MS 120000 /* against hangs only */

struct rig *cases_rig;

void assert_comes_true(struct rig *r, const char *script)
{
	uint64_t until = clock_after(LATE_MS);

	while (rig_guest(r, script) != 0)
		if (clock_ms() >= until)
			fail_msg("never: %s", script);
}

void assert_create_is_late(struct rig *r, const char *id, const struct rig_container *what, uint64_t ms, const char *part)
{
	static struct rig_pending p;
	uint64_t until = clock_after(LATE_MS);
	bool again = false, too_soon;

	do {
		rig_send_create(r, r->client, ms, &p, id ? id : rig_id(r), what);
		rig_await(r, &p);
		too_soon = p.err.rc == RC_DEADLINE_EXCEEDED && !strstr(p.err.msg, part);
		again |= too_soon;
		ms *= too_soon ? 2 : 1;
		/* what of it was there is still being cleared away */
	} while ((too_soon || (again && p.err.rc == RC_ALREADY_EXISTS)) && clock_ms() < until);
	r->err = p.err;
	assert_rc(r, p.err.rc, RC_DEADLINE_EXCEEDED, part);
}

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
