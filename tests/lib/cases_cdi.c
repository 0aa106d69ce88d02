/* SPDX-License-Identifier: Apache-2.0 */
/* Devices by their CDI names; their files are written where the agent looks for them. VM only. */
#include "lib/cases.h"

#define DIR_OF "/guest/1/root/run/cdi"

/* In the guest, by a container that sees it. No quotes in text: they come as @. */
static void write_file(struct rig *r, const char *name, const char *text)
{
	char script[1024];

	snprintf(script, sizeof(script),
		 "mkdir -p " DIR_OF " && echo '%s' | tr @ '\\\"' >" DIR_OF "/.tmp && mv " DIR_OF "/.tmp " DIR_OF "/%s",
		 text, name);
	assert_int_equal(rig_guest(r, script), 0);
}

static const char zero[] = "{@cdiVersion@:@0.6.0@,@kind@:@acme.org/dev@,@devices@:[{@name@:@z@,@containerEdits@:"
			   "{@deviceNodes@:[{@path@:@/dev/acme@,@hostPath@:@/dev/zero@}],@env@:[@ACME=here@]}}]}";

static struct rig_container with_device(const char *annotations)
{
	return (struct rig_container){
		.args = "[\"sh\",\"-c\",\"echo $ACME; head -c 2 /dev/acme | wc -c\"]",
		.spec = annotations,
		.linux = ",\"Resources\":{\"Devices\":[{\"Access\":\"rwm\"}]}",
	};
}

#define NAMED(value) ",\"Annotations\":{\"cdi.k8s.io/acme\":\"" value "\"}"

/* The file comes while the container is being made, after one that is not whole yet. */
static void file_comes_later(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct rig_container what = with_device(NAMED("acme.org/dev=z"));

	(void)state;
	write_file(r, "acme.json", "{@cdiVersion@:@0.6.0@,");
	rig_send_create(r, r->client, RIG_CALL_MS, &p, "cdi-1", &what);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	write_file(r, "acme.json", zero);
	r->err.rc = (uint16_t)rig_await(r, &p);
	r->err = p.err;
	assert_done(r, p.err.rc);
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"cdi-1\"}"));
	assert_true(rig_read(r, "ReadStdout", "cdi-1", "") > 0);
	assert_string_equal(r->reply, "here\n2\n");
	assert_int_equal(rig_wait(r, "cdi-1", ""), 0);
	assert_done(r, rig_remove(r, "cdi-1"));
}

/* Where the command line allows it; the words for nothing name nothing. */
static void named_by_a_variable(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = with_device(NULL);

	(void)state;
	write_file(r, "acme.json", zero);
	what.process = ",\"Env\":[\"PATH=/bin\",\"VISIBLE_CDI_DEVICES=acme.org/dev=z\"]";
	assert_done(r, rig_run(r, "cdi-6", &what));
	assert_true(rig_read(r, "ReadStdout", "cdi-6", "") > 0);
	assert_string_equal(r->reply, "here\n2\n");
	assert_int_equal(rig_wait(r, "cdi-6", ""), 0);
	assert_done(r, rig_remove(r, "cdi-6"));
	what.process = ",\"Env\":[\"PATH=/bin\",\"VISIBLE_CDI_DEVICES=void\"]";
	assert_done(r, rig_run(r, "cdi-6", &what));
	assert_true(rig_read(r, "ReadStdout", "cdi-6", "") > 0);
	assert_string_equal(r->reply, "\n0\n");
	assert_done(r, rig_remove(r, "cdi-6"));
}

static void file_never_comes(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = with_device(NAMED("acme.org/dev=z,acme.org/dev=none"));

	(void)state;
	write_file(r, "acme.json", zero);
	assert_create_is_late(r, "cdi-2", &what, 2500, "CDI device acme.org/dev=none: in none of 1 files");
	assert_non_null(strstr(r->err.msg, "CDI devices: not there after"));
	write_file(r, "acme.json", "{}");
	assert_create_is_late(r, "cdi-2", &what, 2500, "/var/run/cdi/acme.json: cdiVersion: missing");
}

static void names_refused(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = with_device(NAMED("acme.org/dev"));

	(void)state;
	assert_rc(r, rig_create(r, "cdi-3", &what), RC_INVALID_ARGUMENT,
		  "annotation cdi.k8s.io/acme: CDI device \"acme.org/dev\": not of the form");
}

/* The pause container has the annotations of its pod, and no use for the devices. */
static void not_in_the_pause_container(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = with_device(
		",\"Annotations\":{\"cdi.k8s.io/acme\":\"acme.org/dev=none\",\"io.kubernetes.cri.container-type\":\"sandbox\"}");

	(void)state;
	assert_done(r, rig_create(r, "cdi-4", &what));
	assert_done(r, rig_remove(r, "cdi-4"));
}

const struct CMUnitTest cases_cdi[] = {
	cmocka_unit_test(file_comes_later),
	cmocka_unit_test(named_by_a_variable),
	cmocka_unit_test(file_never_comes),
	cmocka_unit_test(names_refused),
	cmocka_unit_test(not_in_the_pause_container),
	{ 0 },
};
