/* SPDX-License-Identifier: Apache-2.0 */
/* What decides when memory is given back: the kernel's words about pressure and free blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/defs.h"
#include "sandbox/mem_agent.h"

static void pressure(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
		{ "some avg10=0.00 avg60=0.00 avg300=0.00 total=8836\nfull avg10=9.00 total=1\n", 0 },
		{ "some avg10=1.23 avg60=0.00 total=1\n", 123 },
		{ "some avg10=100.00 avg60=0.00 total=1\n", 10000 },
		{ "full avg10=1.00\nsome avg10=0.07\n", 7 },
		{ "", 0 },
		{ "some avg10=", 0 },
		{ "some avg10=1", 0 },
		{ "some avg10=1.2", 0 },
		{ "some avg10=x.00", 0 },
		{ "some avg10=1234.00", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (mem_agent_pressure(rows[i].text) != rows[i].want)
			fail_msg("%s", rows[i].text);
}

static void free_blocks(void **state)
{
	static const char text[] = "Node 0, zone      DMA      1      1      1      3 \n"
				   "Node 0, zone   Normal     10      0      2      9 \n"
				   "a line of another kind 5 5 5\n";

	(void)state;
	assert_int_equal(mem_agent_scattered(text, 0), 0);
	assert_int_equal(mem_agent_scattered(text, 1), 11);
	assert_int_equal(mem_agent_scattered(text, 3), 1 + 2 + 4 + 10 + 8);
	assert_int_equal(mem_agent_scattered(text, 31), 1 + 2 + 4 + 24 + 10 + 8 + 72);
	assert_int_equal(mem_agent_scattered("", 9), 0);
	assert_int_equal(mem_agent_scattered("Node 0, zone", 9), 0);
	assert_int_equal(mem_agent_scattered("Node 0, zone DMA 3", 9), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pressure),
		cmocka_unit_test(free_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
