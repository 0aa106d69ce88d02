/* SPDX-License-Identifier: Apache-2.0 */
/* Which names of the shared directory a container uses, and what is remembered of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sandbox/sandbox.h"
#include "sandbox/shares.h"

#define AT SANDBOX_SHARED_DIR

static void names_of_a_container(void **state)
{
	struct spec_mount mounts[] = {
		{ .source = AT "/one-resolv.conf" }, { .source = "proc" },
		{ .source = AT "/one/3" },	     { .source = AT },
		{ .source = AT "/" },		     { .source = AT "/../../etc" },
		{ .source = AT "s/other" },	     { .source = AT "/./x" },
	};
	struct spec spec = {
		.root.path = AT "/one/rootfs",
		.mounts = mounts,
		.n_mounts = COUNT_OF(mounts),
	};
	const struct storage_req storages[] = { { .source = AT "/conf" },
						{ .source = "/dev/vda" } };
	struct container c = { .spec = &spec };
	const struct sandbox_container what = {
		.container = &c,
		.storages = storages,
		.n_storages = COUNT_OF(storages),
	};
	struct shares_used used;
	struct arena a;

	(void)state;
	arena_init(&a, 65536);
	shares_find(&what, &a, &used);
	assert_int_equal(used.n, 3);
	assert_string_equal(used.names[0], "one");
	assert_string_equal(used.names[1], "one-resolv.conf");
	assert_string_equal(used.names[2], "conf");
	spec.root.path = NULL;
	mounts[0].source = NULL;
	shares_find(&what, &a, &used);
	assert_int_equal(used.n, 2);
	arena_fini(&a);
	arena_init(&a, 1);
	shares_find(&what, &a, &used);
	assert_int_equal(used.n, 0);
	arena_fini(&a);
}

/* Each name once; the oldest makes room. */
static void bounded(void **state)
{
	struct shares s = { 0 };
	char text[16];
	const char *name = text;
	const struct shares_used used = { &name, 1 };

	(void)state;
	for (int i = 0; i < SHARES_MAX + 2; i++) {
		snprintf(text, sizeof(text), "n%d", i);
		shares_left(&s, &used);
		shares_left(&s, &used);
	}
	assert_int_equal(s.n, SHARES_MAX);
	assert_string_equal(s.names[0], "n2");
	assert_string_equal(s.names[SHARES_MAX - 1], "n65");
	shares_fini(&s);
	assert_int_equal(s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_a_container),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
