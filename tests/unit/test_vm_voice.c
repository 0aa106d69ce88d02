/* SPDX-License-Identifier: Apache-2.0 */
/* When a guest may be connected to: not before a program of it has spoken, whatever the firmware says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "vm/vm_voice.h"

#include <cmocka.h>

static bool heard(bool firmware, const char *const *lines)
{
	struct vm_voice v = { .firmware = firmware };

	for (; *lines; lines++)
		vm_voice_hear(&v, *lines);
	return v.program;
}

#define HEARD(firmware, ...) heard(firmware, (const char *const[]){ __VA_ARGS__, NULL })

static void a_program_is_heard(void **state)
{
	(void)state;
	assert_true(HEARD(false, "INFO main: serves"));
	assert_true(HEARD(false, "[    0.1] Linux version 6.12", "INFO main: serves"));
	assert_true(HEARD(false, "INFO main: serves", "[    0.2] later"));
	assert_true(HEARD(false, "[    1.2] systemd[1]: Reached target.")); /* by the kernel's log */
}

static void a_kernel_is_not(void **state)
{
	(void)state;
	assert_false(HEARD(false, "", "[    0.1] Linux version 6.12", ""));
	assert_false(HEARD(false, "[    0.1] virtio_blk virtio0: [vda] 8 blocks", "[    0.2] cpu[1]", "[    0.3] a[b]: c"));
}

static void firmware_is_not(void **state)
{
	static const char banner[] = "OpenSBI v1.1", art[] = "  / __ \\", word[] = "Platform Name : riscv-virtio,qemu";

	(void)state;
	assert_false(HEARD(true, "", banner, art, word));
	assert_false(HEARD(true, banner, art, word, "[    0.0] Linux version 6.12"));
	assert_true(HEARD(true, banner, art, word, "[    0.0] Linux version 6.12", "INFO main: serves"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_is_heard),
		cmocka_unit_test(a_kernel_is_not),
		cmocka_unit_test(firmware_is_not),
	};

	return cmocka_run_group_tests_name("vm_voice", tests, NULL, NULL);
}
