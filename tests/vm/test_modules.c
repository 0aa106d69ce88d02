/* SPDX-License-Identifier: Apache-2.0 */
/* Modules of the kernel that a host names, out of an image that brings them. */
#include "lib/cases.h"

static struct rig rig;
static char modules[256], initrd[256], with_modules[128];

static int add_modules(struct rig *r)
{
	char work[128];
	char *argv[] = { (char *)"tests/lib/make-modules", modules, initrd, work, with_modules, NULL };

	snprintf(work, sizeof(work), "%s/modules", r->dir);
	snprintf(with_modules, sizeof(with_modules), "%s/initrd.img", r->dir);
	r->vm_opts.initrd = with_modules;
	return rig_program(r, argv) == 0 ? 0 : -1;
}

static int load(const char *list)
{
	return rig_call(&rig, "CreateSandbox", "{\"sandbox_id\":\"pod\",\"kernel_modules\":[%s]}", list);
}

static void names_that_are_none(void **state)
{
	static const char *const names[] = { "", "../broken", "kernel/broken", ".", "a b" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char list[64];

		snprintf(list, sizeof(list), "{\"name\":\"%s\"}", names[i]);
		assert_rc(&rig, load(list), RC_INVALID_ARGUMENT, "kernel_modules: \"");
	}
	assert_rc(&rig, load("{\"name\":\"dummy\",\"parameters\":[\"a=\\\"b\"]}"), RC_INVALID_ARGUMENT,
		  "\"dummy\": parameters");
}

static void missing(void **state)
{
	(void)state;
	assert_rc(&rig, load("{\"name\":\"no_such\"}"), RC_NOT_FOUND,
		  "kernel_modules: \"no_such\": not in /lib/modules/6.");
	assert_rc(&rig, load("{\"name\":\"virtio_net\"},{\"name\":\"no_such\"}"), RC_NOT_FOUND, "no_such");
}

/* The kernel's own word, with the file that it refused. */
static void refused(void **state)
{
	(void)state;
	assert_rc(&rig, load("{\"name\":\"broken\"}"), RC_INTERNAL, "/kernel/broken.ko: Exec format error");
	assert_rc(&rig, load("{\"name\":\"stray\"}"), RC_INTERNAL, "\"stray\": load /lib/modules/");
	assert_rc(&rig, load("{\"name\":\"stray\"}"), RC_INTERNAL, "/kernel/broken.ko");
	assert_rc(&rig, load("{\"name\":\"dummy\",\"parameters\":[\"numdummies=many\"]}"), RC_INVALID_ARGUMENT,
		  "dummy.ko.zst: Invalid argument");
}

/* A compressed one with its parameter, one that needs two others, one that is there already under its
 * other spelling, one that is part of the kernel. */
static void loaded(void **state)
{
	(void)state;
	assert_done(&rig, load("{\"name\":\"dummy\",\"parameters\":[\"numdummies=3\"]},{\"name\":\"macvtap\"},"
			       "{\"name\":\"macvtap\"},{\"name\":\"tap\"},{\"name\":\"virtio-net\"}"));
	assert_int_equal(rig_guest(&rig, "cd /sys/module && echo $(ls -d dummy tap macvlan macvtap) &&"
					 "cd /sys/class/net && echo dummy*"), 0);
	assert_string_equal(rig.reply, "dummy macvlan macvtap tap\ndummy0 dummy1 dummy2\n");
}

/* Nobody inside has the kernel load one by asking for it: it would have to be loaded to make the
 * link, and there is nothing to call. */
static void not_by_asking(void **state)
{
	(void)state;
	assert_int_equal(rig_guest(&rig, "cat /proc/sys/kernel/modprobe"), 0);
	assert_string_equal(rig.reply, "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_are_none), cmocka_unit_test(missing),
		cmocka_unit_test(refused),	       cmocka_unit_test(loaded),
		cmocka_unit_test(not_by_asking),
	};
	const char *build = getenv("MOTE_BUILD");
	const char *lacks = rig_missing(RIG_VM);
	int failed;

	snprintf(modules, sizeof(modules), "%s/modules", build ? build : "build/x86_64");
	snprintf(initrd, sizeof(initrd), "%s/initrd.img", build ? build : "build/x86_64");
	if (!lacks && access(modules, F_OK) < 0)
		lacks = "no modules beside the kernel";
	if (lacks) {
		printf("%s\n", lacks);
		return 77;
	}
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	rig.prepare = add_modules;
	failed = rig_start(&rig, RIG_VM) < 0 || cmocka_run_group_tests(tests, NULL, NULL);
	rig_stop(&rig);
	return failed;
}
