/* SPDX-License-Identifier: Apache-2.0 */
/* What the launcher stands on: lines, helper programs, directories that do not stay. */
#include <setjmp.h>
#include <stdarg.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "vm/vm_lines.h"
#include "vm/vm_proc.h"
#include "vm/vm_scratch.h"

#include <cmocka.h>

static struct loop *loop;

static int setup(void **state UNUSED)
{
	sigset_t none;

	sigemptyset(&none);
	loop = loop_new();
	reaper_block_signals(&none);
	return loop ? reaper_start(loop, &none, NULL) : -1;
}

static int teardown(void **state UNUSED)
{
	size_t left = child_count();

	reaper_stop();
	loop_free(loop);
	return left ? -1 : 0;
}

static void count_line(void *arg, const char *line)
{
	size_t *n = arg;

	assert_true(strlen(line) < VM_LINE_MAX);
	(*n)++;
}

static void feed(struct vm_lines *l, const char *text)
{
	vm_lines_feed(l, text, strlen(text));
}

static void lines_are_cut_cleaned_and_kept(void **state UNUSED)
{
	struct vm_lines l;
	char last[16];
	size_t n = 0;

	vm_lines_init(&l, count_line, &n);
	feed(&l, "one\r\ntw");
	assert_int_equal(n, 1);
	feed(&l, "o\x1b[2J\x7f\tend\n \n");
	assert_int_equal(n, 3);
	assert_string_equal(l.tail, "one\ntwo?[2J?\tend\n \n");
	assert_string_equal(vm_lines_last(&l, last, sizeof(last)), "two?[2J?\tend");
	feed(&l, "unfinished");
	vm_lines_flush(&l);
	assert_string_equal(vm_lines_last(&l, last, 4), "unf");
	for (int i = 0; i < 3000; i++)
		feed(&l, "0123456789");
	feed(&l, "\nlast\n");
	assert_true(l.tail_len < sizeof(l.tail));
	assert_int_equal(strlen(l.tail), l.tail_len);
	assert_string_equal(vm_lines_last(&l, last, sizeof(last)), "last");
}

static void start(struct vm_proc *p, const char *const *argv)
{
	struct vm_proc_opts opts = { .name = "helper", .argv = argv };
	struct err e = { 0 };

	if (vm_proc_start(loop, p, &opts, &e) < 0)
		fail_msg("%s", e.msg);
}

static void a_helper_tells_its_status_and_last_words(void **state UNUSED)
{
	static const char *const argv[] = { "/bin/sh", "-c", "echo first; echo words >&2; exit 3",
					    NULL };
	struct err e = { 0 };
	struct vm_proc p;

	start(&p, argv);
	assert_int_equal(vm_proc_wait(&p, clock_after(60000), NULL), 0);
	assert_int_equal(p.status, 3);
	assert_int_equal(vm_proc_explain(&p, &e), -1);
	assert_string_equal(e.msg, "helper ended with status 3: words");
	vm_proc_stop(&p);
	vm_proc_stop(&p);
}

static void a_program_that_is_not_there(void **state UNUSED)
{
	static const char *const argv[] = { "/nonexistent", NULL };
	struct err e = { 0 };
	struct vm_proc p;

	start(&p, argv);
	assert_int_equal(vm_proc_wait(&p, clock_after(60000), NULL), 0);
	vm_proc_explain(&p, &e);
	assert_string_equal(
		e.msg, "helper ended with status 127: /nonexistent: No such file or directory");
	vm_proc_stop(&p);
}

static void waiting_ends_by_deadline_or_word(void **state UNUSED)
{
	static const char *const argv[] = { "/bin/sleep", "1000", NULL };
	const bool yes = true;
	struct err e = { 0 };
	struct vm_proc p;

	start(&p, argv);
	assert_int_equal(vm_proc_wait(&p, clock_ms(), NULL), -ETIMEDOUT);
	assert_int_equal(vm_proc_wait(&p, CLOCK_NEVER, &yes), -ECANCELED);
	assert_true(vm_proc_is_alive(&p));
	vm_proc_signal(&p, SIGKILL);
	assert_int_equal(vm_proc_wait(&p, CLOCK_NEVER, NULL), 0);
	vm_proc_explain(&p, &e);
	assert_string_equal(e.msg, "helper was killed by signal 9");
	vm_proc_stop(&p);
}

static void a_scratch_directory_goes_with_all_that_is_in_it(void **state UNUSED)
{
	static const char *const parents[] = { "$NOT_A_VARIABLE", "/nonexistent", "/tmp", NULL };
	static const char *const nowhere[] = { "/nonexistent", NULL };
	struct vm_scratch s = { 0 };
	struct err e = { 0 };
	struct stat st;
	char path[128];

	vm_scratch_remove(&s);
	assert_int_equal(vm_scratch_make(loop, &s, parents, &e), 0);
	assert_int_equal(stat(s.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/sub", s.path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sub/file", s.path);
	assert_int_equal(io_create_file(AT_FDCWD, path, "x", 1, 0600), 0);
	vm_scratch_remove(&s);
	assert_int_equal(stat(s.path, &st), -1);
	assert_int_equal(vm_scratch_make(loop, &s, nowhere, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_cut_cleaned_and_kept),
		cmocka_unit_test_setup_teardown(a_helper_tells_its_status_and_last_words, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_program_that_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting_ends_by_deadline_or_word, setup, teardown),
		cmocka_unit_test_setup_teardown(a_scratch_directory_goes_with_all_that_is_in_it,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
