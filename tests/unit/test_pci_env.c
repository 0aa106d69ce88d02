/* SPDX-License-Identifier: Apache-2.0 */
/* PCI addresses of a host in an environment, and what becomes of them in the guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"
#include "container/pci_env.h"

static struct arena arena;
static struct pci_map map;

static int setup(void **state UNUSED)
{
	arena_init(&arena, 1 << 20);
	map = (struct pci_map){ 0 };
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	return 0;
}

static bdf_t bdf(const char *text)
{
	bdf_t b;

	if (bdf_parse(text, &b) != strlen(text))
		fail_msg("%s: no address", text);
	return b;
}

static void add(const char *host, const char *guest)
{
	struct err e = { 0 };

	if (pci_map_add(&map, bdf(host), bdf(guest), &arena, &e) < 0)
		fail_msg("%s", e.msg);
}

static void addresses(void **state UNUSED)
{
	static const struct {
		const char *text, *again; /* NULL: none */
		size_t n;
	} rows[] = {
		{ "0000:3a:00.0", "0000:3a:00.0", 12 },
		{ "0000:3A:1f.7,x", "0000:3a:1f.7", 12 },
		{ "10000:e1:00.0", "10000:e1:00.0", 13 },
		{ "ffffffff:ff:1f.7", "ffffffff:ff:1f.7", 16 },
		{ "00010000:00:00.0", "10000:00:00.0", 16 },
		{ "0000:3a:20.0", NULL, 0 },
		{ "0000:3a:00.8", NULL, 0 },
		{ "0000:3a:0.0", NULL, 0 },
		{ "3a:00.0", NULL, 0 },
		{ "000:3a:00.0", NULL, 0 },
		{ "0000:3a:00.", NULL, 0 },
		{ "0000:3a:00", NULL, 0 },
		{ "0000:3a:", NULL, 0 },
		{ "0000:", NULL, 0 },
		{ "0000", NULL, 0 },
		{ "fffffffff:00:00.0", NULL, 0 },
		{ "g000:00:00.0", NULL, 0 },
		{ "", NULL, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[BDF_TEXT];
		bdf_t b = 0;

		assert_int_equal(bdf_parse(rows[i].text, &b), rows[i].n);
		if (rows[i].again)
			assert_string_equal(bdf_print(b, text), rows[i].again);
	}
}

static void one_place_each(void **state UNUSED)
{
	struct err e = { 0 };

	add("0000:3a:00.0", "0000:01:00.0");
	add("0000:3a:00.0", "0000:01:00.0");
	assert_int_equal(map.n, 1);
	assert_int_equal(
		pci_map_add(&map, bdf("0000:3a:00.0"), bdf("0000:02:00.0"), &arena, &e), -1);
	assert_int_equal(e.rc, RC_ALREADY_EXISTS);
	assert_non_null(strstr(e.msg, "0000:3a:00.0"));
}

/* The guest's address of one is the host's of another: each is translated once. */
static void environments(void **state UNUSED)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "PCIDEVICE_A=0000:3a:00.0", "PCIDEVICE_A=0000:01:00.0" },
		{ "PCIDEVICE_B=0000:01:00.0,0000:3A:00.0,0000:3b:00.0",
		  "PCIDEVICE_B=0000:02:00.0,0000:01:00.0,0000:01:01.0" },
		{ "PCIDEVICE_B_INFO={\"0000:3a:00.0\":{\"x\":\"a0000:3a:00.0 0000:01:00.0\",\"n\":[\"0000:99:00.0\"]}}",
		  "PCIDEVICE_B_INFO={\"0000:01:00.0\":{\"x\":\"a0000:3a:00.0 0000:02:00.0\",\"n\":[\"0000:99:00.0\"]}}" },
		{ "PCIDEVICE_UNKNOWN=0000:3a:00.0,0000:99:00.0", NULL },
		{ "PCIDEVICE_UNKNOWN_INFO={\"0000:3a:00.0\":1}", NULL },
		{ "PCIDEVICE_WORDS=0000:3a:00.0,none", NULL },
		{ "PCIDEVICE_TAIL=0000:3a:00.0,", NULL },
		{ "PCIDEVICE_EMPTY=", NULL },
		{ "PCIDEVICE_NOTHING", NULL },
		{ "PCIDEVICE_LONELY_INFO=0000:3a:00.0", NULL },
		{ "OTHER=0000:3a:00.0", NULL },
		{ "", NULL },
	};
	char *v[COUNT_OF(rows) + 1] = { NULL };
	struct spec_strings env = { v, COUNT_OF(rows) };
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		v[i] = arena_strdup(&arena, rows[i].before);
	assert_int_equal(pci_env_rewrite(&env, &map, &arena, &e), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(v[i], rows[i].before);
	add("0000:3a:00.0", "0000:01:00.0");
	add("0000:01:00.0", "0000:02:00.0");
	add("0000:3b:00.0", "0000:01:01.0");
	assert_int_equal(pci_env_rewrite(&env, &map, &arena, &e), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(v[i], rows[i].after ? rows[i].after : rows[i].before);
}

static void memory_is_counted(void **state UNUSED)
{
	char text[] = "PCIDEVICE_A=0000:3a:00.0", *v[] = { text, NULL };
	struct spec_strings env = { v, 1 };
	struct arena none;
	struct err e = { 0 };

	add("0000:3a:00.0", "0000:01:00.0");
	arena_init(&none, 0);
	assert_int_equal(pci_env_rewrite(&env, &map, &none, &e), -1);
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	assert_ptr_equal(v[0], text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(addresses), TEST(one_place_each), TEST(environments), TEST(memory_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
