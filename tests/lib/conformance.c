/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conformance.h"

static void escape(char *out, size_t cap, const char *text)
{
	size_t n = 0;

	for (; *text && n + 3 < cap; text++) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		if (*text == '\n') {
			out[n++] = '\\';
			out[n++] = 'n';
		} else {
			out[n++] = *text;
		}
	}
	assert_true(!*text);
	out[n] = '\0';
}

int conformance_shell(struct rig *r, const struct rig_container *more, const char *script)
{
	static char args[8192], text[6000], output[sizeof(r->reply)];
	struct rig_container what = *more;
	const char *id = rig_id(r);
	int status;

	if (script) {
		escape(text, sizeof(text), script);
		snprintf(args, sizeof(args), "[\"/bin/sh\",\"-c\",\"%s\"]", text);
		what.args = args;
	}
	assert_done(r, rig_run(r, id, &what));
	if (rig_read(r, "ReadStdout", id, id) < 0)
		fail_msg("ReadStdout: %s", r->err.msg);
	memcpy(output, r->reply, r->reply_len + 1);
	status = rig_wait(r, id, id);
	assert_done(r, rig_remove(r, id));
	memcpy(r->reply, output, sizeof(output));
	return status;
}

/* Refused, and no container came of it. */
static void is_refused(struct rig *r, const struct must *m)
{
	const char *id = rig_id(r);
	int rc = rig_create(r, id, &m->what);

	if (!rc)
		fail_msg("created, though it had to be refused with \"%s\"", m->refused);
	if (!strstr(r->err.msg, m->refused))
		fail_msg("%s: \"%s\", without \"%s\"", err_rc_name(rc), r->err.msg, m->refused);
	assert_int_equal(rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id),
			 RC_NOT_FOUND);
}

static void run_row(void **state)
{
	const struct must *m = *state;
	struct rig *r = cases_rig;
	int status;

	if (m->show) {
		m->show(r);
	} else if (m->refused) {
		is_refused(r, m);
	} else {
		status = conformance_shell(r, &m->what, m->script);
		if (m->output && strcmp(r->reply, m->output) != 0)
			fail_msg("\"%s\", not \"%s\" (status %d)", r->reply, m->output, status);
		if (status != m->status)
			fail_msg("status %d, not %d: %s", status, m->status, r->reply);
	}
}

/* --- all rows ---------------------------------------------------------------------------------- */

static const struct must *const tables[] = {
	conformance_runtime, conformance_config, conformance_mounts, conformance_linux,
	conformance_limits,
};

static void print_cell(const struct must *m, unsigned int version)
{
	if (m->open)
		printf(" no |");
	else if (m->elsewhere)
		printf(" – |");
	else
		printf(" %s |", !m->only || (m->only & version) ? "yes" : "–");
}

/* docs/conformance.md's table. */
static void print_table(void)
{
	printf("| section | the runtime must | v2 | v1 | shown by |\n| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		for (const struct must *m = tables[i]; m->section; m++) {
			printf("| %s | %s |", m->section, m->must);
			print_cell(m, ON_V2);
			print_cell(m, ON_V1);
			printf(" %s |\n", m->open	? m->open :
					  m->elsewhere	? m->elsewhere :
							  "this row, in the VM");
		}
	}
}

static size_t list(struct CMUnitTest *out, char names[][200], size_t cap, unsigned int version)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		for (const struct must *m = tables[i]; m->section; m++) {
			if (m->elsewhere || m->open || (m->only && !(m->only & version)))
				continue;
			assert_true(n < cap);
			snprintf(names[n], 200, "v%d %s: %s", version == ON_V2 ? 2 : 1, m->section,
				 m->must);
			out[n] = (struct CMUnitTest){ .name = names[n],
						      .test_func = run_row,
						      .initial_state = (void *)(uintptr_t)m };
			n++;
		}
	}
	return n;
}

static int run_version(unsigned int version, const char *cmdline)
{
	static struct CMUnitTest tests[256];
	static char names[256][200];
	static struct rig r;
	size_t n = list(tests, names, COUNT_OF(tests), version);
	int failed = 1;

	r = (struct rig){ 0 };
	cases_rig = &r;
	r.vm_opts.cmdline = cmdline;
	if (rig_start(&r, RIG_VM) == 0)
		failed = _cmocka_run_group_tests(version == ON_V2 ? "conformance v2" :
								    "conformance v1",
						 tests, n, NULL, NULL);
	rig_stop(&r);
	return failed;
}

int conformance_main(int argc, char **argv)
{
	const char *missing = rig_missing(RIG_VM);
	int failed;

	if (argc > 1 && strcmp(argv[1], "--table") == 0) {
		print_table();
		return 0;
	}
	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	failed = run_version(ON_V2, NULL);
	failed += run_version(ON_V1, "systemd.unified_cgroup_hierarchy=0");
	return failed ? 1 : 0;
}
