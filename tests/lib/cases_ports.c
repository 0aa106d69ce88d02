/* SPDX-License-Identifier: Apache-2.0 */
/* mote.v1.Ports into containers: what tests/unit/test_ports.c shows without a pod. */
#include "lib/cases.h"

#include "lib/rig_port.h"

/* Runs a server, which says "up". In namespaces of this machine the loopback is nobody's before. */
static const char *serve(struct rig *r, const char *script)
{
	const char *id = rig_id(r);
	char args[512];
	struct rig_container what = { .args = args };

	assert_done(r, rig_guest(r, "ip link set lo up"));
	snprintf(args, sizeof(args), "[\"/bin/sh\",\"-c\",\"%s\"]", script);
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read_until(r, "ReadStdout", id, "", "up") > 0);
	return id;
}

/* What the agent holds, where it can be asked. */
static struct rig_status holds(struct rig *r)
{
	struct rig_status s = { 0 };

	if (r->kind == RIG_NAMESPACES)
		assert_int_equal(rig_status(r, &s), 0);
	return s;
}

static void fetch(struct rig *r, uint32_t port)
{
	struct rig_port p;

	assert_done(r, rig_port_open(r, r->client, &p, port));
	assert_done(r, rig_port_ask(&p, "GET /nothing HTTP/1.0\r\n\r\n", "</HTML>"));
	assert_non_null(strstr(p.data, "404"));
	assert_done(r, rig_port_end(&p));
	assert_true(p.ended);
	rig_port_close(&p);
}

static void localhost_alone(void **state UNUSED)
{
	struct rig *r = cases_rig;
	const char *id = serve(r, "httpd -p 127.0.0.1:8081; httpd -p [::1]:8082; echo up; exec sleep 1000");
	struct rig_status before = holds(r), after;

	fetch(r, 8081);
	fetch(r, 8082);
	after = holds(r);
	assert_int_equal(after.calls, before.calls);
	assert_int_equal(after.fds, before.fds);
	assert_done(r, rig_remove(r, id));
}

static void nobody_listens(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_port p;

	assert_rc(r, rig_port_open(r, r->client, &p, 8083), RC_UNAVAILABLE, "port 8083: ");
	rig_port_close(&p);
	assert_rc(r, rig_port_open(r, r->client, &p, 65536), RC_INVALID_ARGUMENT, "port");
	rig_port_close(&p);
}

/* Says nothing, and waits. */
#define NC(port)                                                                                    \
	"mkfifo /f; nc -l -p " port " <>/f & until netstat -ltn | grep -q :" port "; do sleep 0.1; done; echo up; " \
	"wait; echo gone; exec sleep 1000"

static void the_container_goes(void **state UNUSED)
{
	struct rig *r = cases_rig;
	const char *id = serve(r, NC("8084"));
	struct rig_status before = holds(r);
	struct rig_port p;

	assert_done(r, rig_port_open(r, r->client, &p, 8084));
	assert_done(r, rig_remove(r, id));
	assert_done(r, rig_port_end(&p));
	assert_true(p.ended);
	rig_port_close(&p);
	assert_true(holds(r).fds <= before.fds);
	assert_int_equal(holds(r).calls, before.calls);
}

static void the_host_goes(void **state UNUSED)
{
	struct rig *r = cases_rig;
	const char *id = serve(r, NC("8085"));
	struct client *c = rig_connect(r);
	struct rig_status before = holds(r);
	struct rig_port p;

	assert_non_null(c);
	assert_done(r, rig_port_open(r, c, &p, 8085));
	client_free(c);
	rig_port_close(&p);
	assert_true(rig_read_until(r, "ReadStdout", id, "", "gone") > 0);
	assert_true(holds(r).fds < before.fds || r->kind != RIG_NAMESPACES);
	assert_done(r, rig_remove(r, id));
}

const struct CMUnitTest cases_ports[] = {
	cmocka_unit_test(localhost_alone),
	cmocka_unit_test(nobody_listens),
	cmocka_unit_test(the_container_goes),
	cmocka_unit_test(the_host_goes),
	{ 0 },
};
