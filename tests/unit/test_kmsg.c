/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the kernel's log, and which of them says that the machine is of a new generation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/kmsg.h"
#include "sandbox/generation.h"

static int parse(const char *text, struct kmsg *m)
{
	static char buf[KMSG_MAX];
	size_t len = strlen(text);

	memcpy(buf, text, len);
	return kmsg_parse(buf, len, m);
}

static void records(void **state)
{
	struct kmsg m;

	(void)state;
	assert_int_equal(parse("6,339,5140900,-;NET: Registered; a family, 10\n SUBSYSTEM=net\n DEVICE=n1\n", &m), 0);
	assert_int_equal(m.level, 6);
	assert_int_equal(m.facility, 0);
	assert_string_equal(m.text, "NET: Registered; a family, 10");
	assert_int_equal(parse("30,340,5690716,-,caller=T1;systemd[1]: x", &m), 0);
	assert_int_equal(m.level, 6);
	assert_int_equal(m.facility, 3);
	assert_string_equal(m.text, "systemd[1]: x");
}

static void no_records(void **state)
{
	static const char *const bad[] = { "", "6", "6,1", ";text", "6;a,b", "x,1,2,-;text", "-6,1,2,-;t",
					   "99999999999,1,2,-;t" };
	struct kmsg m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(parse(bad[i], &m), -EINVAL);
}

/* A container that may write to the log says the same as a user's program. */
static void generations(void **state)
{
	static const char word[] = "random: crng reseeded due to virtual machine fork";
	struct kmsg m = { .level = 5, .text = word };

	(void)state;
	assert_true(generation_is_new(&m));
	m.facility = 1;
	assert_false(generation_is_new(&m));
	m.facility = 0;
	m.text = "random: crng init done";
	assert_false(generation_is_new(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(no_records),
		cmocka_unit_test(generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
