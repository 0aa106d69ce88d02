/* SPDX-License-Identifier: Apache-2.0 */
/* What an image of the builder adds to a machine: disks, memory, words, by the .boot file beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <fcntl.h>

#include "base/io.h"
#include "base/str.h"
#include "vm/vm_arch.h"
#include "vm/vm_image.h"

#include <cmocka.h>

static char dir[] = "/tmp/test-vm-image-XXXXXX";

static const char disk[] = "architecture: x86_64\nformat: ext4\nlayout: kata\nvirtio-blk: root=/dev/vda1 ro\n"
			   "nvdimm: root=/dev/pmem0p1 rootflags=dax ro\nroot_hash: 00\n";

static void write_image(const char *name, const char *boot)
{
	char path[128];

	snprintf(path, sizeof(path), "%s.boot", name);
	assert_int_equal(io_create_file(AT_FDCWD, name, "0123", 4, 0600), 0);
	assert_int_equal(io_create_file(AT_FDCWD, path, boot, strlen(boot), 0600), 0);
}

static void check_value(const char *boot, const char *key, const char *want)
{
	size_t n = 0;
	const char *got = vm_image_value(boot, key, &n);

	if (!want) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(got, want, n);
}

static void values(void **state UNUSED)
{
	check_value(disk, "format", "ext4");
	check_value(disk, "nvdimm", "root=/dev/pmem0p1 rootflags=dax ro");
	check_value(disk, "root_hash", "00");
	check_value(disk, "root", NULL);
	check_value(disk, "hash", NULL);
	check_value("a: b", "a", "b");	/* no newline at the end */
	check_value("a:b\na : c\n\n\na: \n", "a", "");
	check_value("", "a", NULL);
}

static void a_disk_goes_before_the_others(void **state UNUSED)
{
	const struct vm_drive own = { .file = "/own" };
	struct vm_opts o = { .cmdline = "agent.log=debug", .drives = &own, .n_drives = 1 };
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 65536);
	write_image("disk", disk);
	assert_int_equal(vm_image_add(&a, "disk", &o, &e), 1);
	assert_string_equal(o.cmdline, "root=/dev/vda1 ro agent.log=debug");
	assert_string_equal(o.initrd, "");
	assert_string_equal(o.arch->name, "x86_64");
	assert_int_equal(o.n_drives, 2);
	assert_string_equal(o.drives[0].file, "disk");
	assert_int_equal(o.drives[0].flags, VM_DRIVE_READONLY);
	assert_string_equal(o.drives[1].file, "/own");
	arena_fini(&a);
}

static void memory_takes_no_disk(void **state UNUSED)
{
	const char *const own[] = { "-own", NULL };
	struct vm_opts o = { .extra = own };
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 65536);
	write_image("a,b", disk);
	assert_int_equal(vm_image_add(&a, "a,b,nvdimm", &o, &e), 0);
	assert_string_equal(o.cmdline, "root=/dev/pmem0p1 rootflags=dax ro");
	assert_int_equal(o.n_drives, 0);
	assert_string_equal(o.extra[3], "slots=2,maxmem=1280M");
	assert_string_equal(o.extra[5], "memory-backend-file,id=image,share=on,readonly=on,mem-path=a,,b,size=4");
	assert_string_equal(o.extra[8], "-own");
	assert_null(o.extra[9]);
	arena_fini(&a);
}

static void an_initrd(void **state UNUSED)
{
	struct vm_opts o = { 0 };
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 65536);
	write_image("initrd", "initrd: rdinit=/init\n");	/* of an older builder: of any architecture */
	assert_int_equal(vm_image_add(&a, "initrd", &o, &e), 0);
	assert_string_equal(o.initrd, "initrd");
	assert_string_equal(o.cmdline, "rdinit=/init");
	assert_null(o.arch);
	assert_int_equal(vm_image_add(&a, "initrd,nvdimm", &o, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_non_null(strstr(e.msg, "it is an initrd"));
	arena_fini(&a);
}

static void what_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "nowhere", "image nowhere: No such file" },
		{ "alone", "there is no alone.boot" },
		{ "plain,nvdimm", "LAYOUT=kata is" },
		{ "plain,floppy", "image plain,floppy: No such file" },
		{ "empty", "is not made for virtio-blk" },
		{ "strange", "is for the architecture 'pdp11', of which no machine is known" },
		{ "arm,nvdimm", "nvdimm needs ACPI, which the machine that is started for aarch64 has not" },
	};
	struct arena a;

	write_image("plain", "virtio-blk: root=/dev/vda ro\n");
	write_image("empty", "");
	write_image("strange", "architecture: pdp11\nvirtio-blk: root=/dev/vda ro\n");
	write_image("arm", "architecture: aarch64\nvirtio-blk: root=/dev/vda ro\n");
	assert_int_equal(io_create_file(AT_FDCWD, "alone", "", 0, 0600), 0);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct vm_opts o = { 0 };
		struct err e = { 0 };

		arena_init(&a, 65536);
		assert_int_equal(vm_image_add(&a, cases[i].text, &o, &e), -1);
		if (!strstr(e.msg, cases[i].message))
			fail_msg("want '%s', got '%s'", cases[i].message, e.msg);
		arena_fini(&a);
	}
}

static int enter(void **state UNUSED)
{
	return !mkdtemp(dir) || chdir(dir) < 0;
}

static int leave(void **state UNUSED)
{
	static const char *const names[] = { "disk", "a,b", "initrd", "plain", "empty", "alone", "strange", "arm" };
	char path[64];

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s.boot", names[i]);
		unlink(names[i]);
		unlink(path);
	}
	return chdir("/") < 0 || rmdir(dir) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(a_disk_goes_before_the_others),
		cmocka_unit_test(memory_takes_no_disk),
		cmocka_unit_test(an_initrd),
		cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
