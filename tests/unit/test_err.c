/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

#include <cmocka.h>

#include "base/str.h"

static void first_error_wins(void **state UNUSED)
{
	struct err e = { 0 };

	assert_false(err_is_set(&e));
	assert_int_equal(err_set(&e, RC_NOT_FOUND, "container %s", "abc"), -1);
	assert_true(err_is_set(&e));
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_int_equal(e.sys, 0);
	assert_string_equal(e.msg, "container abc");

	assert_int_equal(err_set(&e, RC_INTERNAL, "later"), -1);
	assert_int_equal(err_sys(&e, EIO, "later"), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_string_equal(e.msg, "container abc");

	err_clear(&e);
	assert_false(err_is_set(&e));
	assert_string_equal(e.msg, "");
}

static void ok_is_no_error_code(void **state UNUSED)
{
	struct err e = { 0 };

	err_set(&e, RC_OK, "confused");
	assert_int_equal(e.rc, RC_INTERNAL);
}

static void sys_names_the_errno(void **state UNUSED)
{
	struct err e = { 0 };
	char want[252];

	assert_int_equal(err_sys(&e, ENOENT, "open %s", "/x"), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_int_equal(e.sys, ENOENT);
	snprintf(want, sizeof(want), "open /x: %s (ENOENT)", strerror(ENOENT));
	assert_string_equal(e.msg, want);

	err_clear(&e);
	err_sys(&e, 70000, "odd");
	assert_int_equal(e.rc, RC_INTERNAL);
	assert_int_equal(e.sys, 0);
	assert_non_null(strstr(e.msg, "(E?)"));
}

static void long_messages_are_cut_at_the_end(void **state UNUSED)
{
	struct err e = { 0 };
	char text[400];

	memset(text, 'x', sizeof(text));
	text[251] = '\0';
	err_set(&e, RC_INTERNAL, "%s", text);
	assert_string_equal(e.msg, text);

	text[251] = 'x';
	text[399] = '\0';
	err_clear(&e);
	err_set(&e, RC_INTERNAL, "%s", text);
	assert_int_equal(strlen(e.msg), 251);
	assert_string_equal(e.msg + 247, "x...");

	/* The errno's text stays whole. */
	err_clear(&e);
	err_sys(&e, EXDEV, "%s", text);
	assert_int_equal(strlen(e.msg), 251);
	assert_memory_equal(e.msg, "xxxx", 4);
	assert_non_null(strstr(e.msg, "xxx...: "));
	assert_string_equal(e.msg + 251 - strlen("(EXDEV)"), "(EXDEV)");
}

static void is_utf8(const char *text)
{
	size_t left = strlen(text);

	while (left) {
		size_t n = str_utf8_len(text, left);

		assert_int_not_equal(n, 0);
		text += n;
		left -= n;
	}
}

/* Status messages are protobuf strings: one bad byte and the host cannot decode the reply. */
static void messages_are_always_utf8(void **state UNUSED)
{
	for (size_t pad = 0; pad < 8; pad++) {
		struct err e = { 0 };
		struct str s;
		char text[600];

		str_init(&s, text, sizeof(text));
		for (size_t i = 0; i < pad; i++)
			str_add_char(&s, 'x');
		while (s.len < 500)
			str_add(&s, "\xf0\x9f\x90\xb3\xc3\xa4\xe2\x82\xac");
		err_set(&e, RC_INTERNAL, "%s", text);
		is_utf8(e.msg);
		assert_in_range(strlen(e.msg), 246, 251);
		assert_string_equal(e.msg + strlen(e.msg) - 3, "...");
		err_clear(&e);
		err_sys(&e, EIO, "%s", text);
		is_utf8(e.msg);
	}
}

static void messages_are_printable(void **state UNUSED)
{
	struct err e = { 0 };

	err_set(&e, RC_INTERNAL, "open %s", "a\nb\x1b[2Jc\x7f" "d\xc2\x9b" "e\xff" "f");
	assert_string_equal(e.msg, "open a?b?[2Jc?d??e?f");
	err_ctx(&e, "in %s", "g\rh");
	assert_string_equal(e.msg, "in g?h: open a?b?[2Jc?d??e?f");
}

static void context_goes_in_front(void **state UNUSED)
{
	struct err e = { 0 };

	assert_int_equal(err_ctx(&e, "nothing"), -1);
	assert_false(err_is_set(&e));
	assert_string_equal(e.msg, "");

	err_set(&e, RC_ABORTED, "reason");
	assert_int_equal(err_ctx(&e, "step %d", 2), -1);
	err_ctx(&e, "outer");
	assert_string_equal(e.msg, "outer: step 2: reason");
	assert_int_equal(e.rc, RC_ABORTED);

	/* An error's own text as its context. */
	err_ctx(&e, "%s", e.msg);
	assert_string_equal(e.msg, "outer: step 2: reason: outer: step 2: reason");
}

static void context_that_does_not_fit_is_dropped_whole(void **state UNUSED)
{
	struct err e = { 0 };
	char ctx[251];

	err_set(&e, RC_INTERNAL, "0123456789");
	memset(ctx, 'c', sizeof(ctx));
	ctx[251 - 10 - 2 + 1] = '\0';
	err_ctx(&e, "%s", ctx);
	assert_string_equal(e.msg, "0123456789");

	ctx[251 - 10 - 2] = '\0';
	err_ctx(&e, "%s", ctx);
	assert_int_equal(strlen(e.msg), 251);
	assert_string_equal(e.msg + 251 - 13, "c: 0123456789");
}

static void errors_of_other_processes_are_made_safe(void **state UNUSED)
{
	struct err e;

	memset(&e, 0xff, sizeof(e));
	e.rc = RC_OK;
	err_sanitize(&e);
	assert_int_equal(e.rc, RC_INTERNAL);
	assert_int_equal(strlen(e.msg), 251);
	assert_int_equal(strspn(e.msg, "?"), 251);

	e = (struct err){ .rc = 999, .msg = "tab\there" };
	err_sanitize(&e);
	assert_int_equal(e.rc, RC_INTERNAL);
	assert_string_equal(e.msg, "tab?here");

	e = (struct err){ .rc = RC_NOT_FOUND, .sys = ENOENT, .msg = "gr\xc3\xbc\xc3\x9f" };
	err_sanitize(&e);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.msg, "gr\xc3\xbc\xc3\x9f");
}

static void errnos_map_to_codes(void **state UNUSED)
{
	static const struct {
		int errnum;
		enum rc rc;
	} rows[] = {
		{ ENOENT, RC_NOT_FOUND }, { EEXIST, RC_ALREADY_EXISTS },
		{ EINVAL, RC_INVALID_ARGUMENT }, { EPERM, RC_PERMISSION_DENIED },
		{ EACCES, RC_PERMISSION_DENIED }, { ENOMEM, RC_RESOURCE_EXHAUSTED },
		{ ENOSPC, RC_RESOURCE_EXHAUSTED }, { EMFILE, RC_RESOURCE_EXHAUSTED },
		{ ENFILE, RC_RESOURCE_EXHAUSTED }, { EDQUOT, RC_RESOURCE_EXHAUSTED },
		{ EBUSY, RC_FAILED_PRECONDITION }, { ETIMEDOUT, RC_DEADLINE_EXCEEDED },
		{ ENOSYS, RC_UNIMPLEMENTED }, { EOPNOTSUPP, RC_UNIMPLEMENTED },
		{ ECANCELED, RC_CANCELLED }, { EIO, RC_INTERNAL }, { 0, RC_INTERNAL },
		{ -1, RC_INTERNAL }, { 4095, RC_INTERNAL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(err_rc_of(rows[i].errnum), rows[i].rc);
}

static void every_errno_has_its_name(void **state UNUSED)
{
	assert_string_equal(err_errno_name(ENOENT), "ENOENT");
	assert_string_equal(err_errno_name(0), "E?");
	assert_string_equal(err_errno_name(-1), "E?");
	assert_string_equal(err_errno_name(5000), "E?");
#ifdef __GLIBC__
	for (int i = 1; i < 200; i++) {
		const char *want = strerrorname_np(i);

		/* glibc prefers ENOTSUP for the number that Linux calls EOPNOTSUPP. */
		if (i == EOPNOTSUPP)
			want = "EOPNOTSUPP";
		assert_string_equal(err_errno_name(i), want ? want : "E?");
	}
#endif
}

static void codes_have_names(void **state UNUSED)
{
	assert_string_equal(err_rc_name(RC_OK), "OK");
	assert_string_equal(err_rc_name(RC_NOT_FOUND), "NOT_FOUND");
	assert_string_equal(err_rc_name(RC_UNAUTHENTICATED), "UNAUTHENTICATED");
	for (int rc = RC_OK; rc <= RC_UNAUTHENTICATED; rc++)
		assert_non_null(err_rc_name(rc));
	assert_string_equal(err_rc_name(RC_UNAUTHENTICATED + 1), "?");
	assert_string_equal(err_rc_name(-1), "?");
	assert_string_equal(err_rc_name(INT32_MIN), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_error_wins),
		cmocka_unit_test(ok_is_no_error_code),
		cmocka_unit_test(sys_names_the_errno),
		cmocka_unit_test(long_messages_are_cut_at_the_end),
		cmocka_unit_test(messages_are_always_utf8),
		cmocka_unit_test(messages_are_printable),
		cmocka_unit_test(context_goes_in_front),
		cmocka_unit_test(context_that_does_not_fit_is_dropped_whole),
		cmocka_unit_test(errors_of_other_processes_are_made_safe),
		cmocka_unit_test(errnos_map_to_codes),
		cmocka_unit_test(every_errno_has_its_name),
		cmocka_unit_test(codes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
