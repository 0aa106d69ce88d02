/* SPDX-License-Identifier: Apache-2.0 */
/* depmod's lists, and the parameters of a module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "kernel/module.h"

static void files_of_a_module(void **state)
{
	static const struct {
		const char *path, *name;
		bool is;
	} rows[] = {
		{ "kernel/drivers/net/dummy.ko", "dummy", true },
		{ "dummy.ko", "dummy", true },
		{ "kernel/dummy.ko.xz", "dummy", true },
		{ "kernel/dummy.ko.zst", "dummy", true },
		{ "kernel/dummy.ko.gz", "dummy", true },
		{ "kernel/snd-hda-intel.ko", "snd_hda_intel", true },
		{ "kernel/snd_hda_intel.ko", "snd-hda-intel", true },
		{ "kernel/snd-hda_intel.ko", "snd_hda-intel", true },
		{ "kernel/dummy.ko.bz2", "dummy", false },
		{ "kernel/dummy.o", "dummy", false },
		{ "kernel/xdummy.ko", "dummy", false },
		{ "kernel/dummyx.ko", "dummy", false },
		{ "dummy/x.ko", "dummy", false },
		{ "kernel/.ko", "", false },
		{ "", "dummy", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (module_is_file_of(rows[i].path, strlen(rows[i].path), rows[i].name) != rows[i].is)
			fail_msg("%s and %s", rows[i].path, rows[i].name);
}

static void lines(void **state)
{
	static const char dep[] = "kernel/net/a.ko:\nno colon\n"
				  "kernel/net/mac-vtap.ko.zst: kernel/net/tap.ko kernel/net/macvlan.ko\n"
				  "kernel/last.ko: kernel/net/a.ko";
	char copy[sizeof(dep)], *path, *needs;

	(void)state;
	memcpy(copy, dep, sizeof(dep));
	assert_true(module_find(copy, "a", &path, &needs));
	assert_string_equal(path, "kernel/net/a.ko");
	assert_string_equal(needs, "");
	memcpy(copy, dep, sizeof(dep));
	assert_true(module_find(copy, "mac_vtap", &path, &needs));
	assert_string_equal(path, "kernel/net/mac-vtap.ko.zst");
	assert_string_equal(needs, " kernel/net/tap.ko kernel/net/macvlan.ko");
	memcpy(copy, dep, sizeof(dep));
	assert_true(module_find(copy, "last", &path, &needs));
	assert_string_equal(needs, " kernel/net/a.ko");
	memcpy(copy, dep, sizeof(dep));
	assert_false(module_find(copy, "tap", &path, &needs)); /* it is needed, and has no line */
}

static void built_in(void **state)
{
	static const char list[] = "kernel/fs/ext4/ext4.ko\nkernel/net/8021q/8021q.ko\n\nkernel/x-y.ko";

	(void)state;
	assert_true(module_is_listed(list, "ext4"));
	assert_true(module_is_listed(list, "8021q"));
	assert_true(module_is_listed(list, "x_y"));
	assert_false(module_is_listed(list, "ext"));
	assert_false(module_is_listed("", "ext4"));
}

static void parameters(void **state)
{
	static const struct {
		const char *v[3];
		const char *want; /* NULL: refused */
	} rows[] = {
		{ { NULL }, "" },
		{ { "debug" }, "debug" },
		{ { "numdummies=3", "x=y,z" }, "numdummies=3 x=y,z" },
		{ { "name=a b", "n=1" }, "name=\"a b\" n=1" },
		{ { "a b" }, NULL },
		{ { "a=\"b" }, NULL },
		{ { "a=b\nc=d" }, NULL },
		{ { "a=0123456789012345678901234567890" }, NULL },
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct module m = { .parameters = (char *const *)rows[i].v };

		while (m.n_parameters < 3 && rows[i].v[m.n_parameters])
			m.n_parameters++;
		if ((module_join(&m, out, sizeof(out)) == 0) != (rows[i].want != NULL))
			fail_msg("row %zu", i);
		if (rows[i].want)
			assert_string_equal(out, rows[i].want);
	}
}

/* What is refused before anything is looked for, and what is nowhere. */
static void refusals(void **state)
{
	static const struct {
		const char *name;
		int rc;
	} rows[] = {
		{ "", RC_INVALID_ARGUMENT },	  { "../x", RC_INVALID_ARGUMENT },
		{ "a/b", RC_INVALID_ARGUMENT },	  { ".", RC_INVALID_ARGUMENT },
		{ "a b", RC_INVALID_ARGUMENT },	  { "a\nb", RC_INVALID_ARGUMENT },
		{ "no_such-module", RC_NOT_FOUND },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct module m = { .name = rows[i].name };
		struct err e = { 0 };

		assert_int_equal(module_load(&m, &e), -1);
		assert_int_equal(e.rc, rows[i].rc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_a_module), cmocka_unit_test(lines),
		cmocka_unit_test(built_in),	     cmocka_unit_test(parameters),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
