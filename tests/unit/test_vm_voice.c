/* SPDX-License-Identifier: Apache-2.0 */
/* When a guest may be connected to: not before a program of it has spoken, whatever the firmware says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vm/vm_lines.h"
#include "vm/vm_voice.h"

#include <cmocka.h>

static bool heard(bool firmware, const char *const *lines)
{
	struct vm_voice v = { .firmware = firmware };

	for (; *lines; lines++)
		vm_voice_hear(&v, *lines, false);
	return v.program;
}

struct console {
	struct vm_lines lines;
	struct vm_voice voice;
};

static void hear(void *arg, const char *line)
{
	struct console *c = arg;

	vm_voice_hear(&c->voice, line, c->lines.goes_on);
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

/* Longer than what comes in one piece, as the kernel's own parameters are with dm-verity. */
static void a_long_line_of_the_kernel_is_not(void **state)
{
	struct console c = { .voice = { .firmware = true } };
	char line[3 * VM_LINE_MAX];

	(void)state;
	memset(line, 'x', sizeof(line));
	vm_lines_init(&c.lines, hear, &c);
	vm_lines_feed(&c.lines, "[    0.0] ", 10);
	vm_lines_feed(&c.lines, line, sizeof(line));
	vm_lines_feed(&c.lines, "\n[    0.1] more\n", 16);
	assert_false(c.voice.firmware);
	assert_false(c.voice.program);
	vm_lines_feed(&c.lines, "INFO\n", 5);
	assert_true(c.voice.program);
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
		cmocka_unit_test(a_long_line_of_the_kernel_is_not),
		cmocka_unit_test(firmware_is_not),
	};

	return cmocka_run_group_tests_name("vm_voice", tests, NULL, NULL);
}
