/* SPDX-License-Identifier: Apache-2.0 */
/* The service that Kuasar's host uses beside containerd's: in a VM, since it sets the clock. */
#include "lib/cases.h"

#include "containerd_events.pb-c.h"
#include "containerd_forward.pb-c.h"
#include "google/protobuf/empty.pb-c.h"
#include "kuasar.pb-c.h"
#include "lib/rig_task.h"
#include "service/containerd/any.h"

static struct rig_pending pending;

static void told(void *arg UNUSED, const struct err *e, const uint8_t *payload, size_t len)
{
	pending.err = *e;
	pending.len = MIN(len, sizeof(pending.payload));
	memcpy(pending.payload, payload, pending.len);
	pending.done = true;
}

static void ask_events(struct rig *r)
{
	struct err e = { 0 };

	pending.done = false;
	if (client_call(r->client, "grpc.SandboxService", "GetEvents", NULL, 0, 0, told, NULL, &e) < 0)
		fail_msg("%s", e.msg);
}

/* Its wire name is Kata's package's: the schema knows it by ours. */
static int call(struct rig *r, const char *method, const ProtobufCMessage *req,
		const ProtobufCMessageDescriptor *reply_type, struct arena *a, ProtobufCMessage **reply)
{
	err_clear(&r->err);
	*reply = client_call_wait(r->client, "grpc.SandboxService", method, req, reply_type,
				  RIG_CALL_MS, a, &r->err);
	return r->err.rc;
}

static int setup(struct rig *r, const char *type, const char *json)
{
	Kuasar__SetupSandboxRequest req = KUASAR__SETUP_SANDBOX_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	ProtobufCMessage *reply;
	struct arena a;
	int rc;

	arena_init(&a, 1 << 20);
	any.type_url = (char *)type;
	any.value.data = (uint8_t *)(uintptr_t)json;
	any.value.len = strlen(json);
	req.config = &any;
	rc = call(r, "SetupSandbox", &req.base, &google__protobuf__empty__descriptor, &a, &reply);
	arena_fini(&a);
	return rc;
}

static void check(void **state UNUSED)
{
	Kuasar__CheckRequest req = KUASAR__CHECK_REQUEST__INIT;
	Kuasar__ExecVMProcessRequest exec = KUASAR__EXEC_VMPROCESS_REQUEST__INIT;
	struct rig *r = cases_rig;
	ProtobufCMessage *reply;
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_done(r, call(r, "Check", &req.base, &google__protobuf__empty__descriptor, &a, &reply));
	assert_rc(r, call(r, "ExecVMProcess", &exec.base, &kuasar__exec_vmprocess_response__descriptor, &a,
			  &reply),
		  RC_UNIMPLEMENTED, "shell");
	arena_fini(&a);
}

static Kuasar__SyncClockPacket *sync_clock(struct rig *r, int64_t delta, struct arena *a)
{
	Kuasar__SyncClockPacket req = KUASAR__SYNC_CLOCK_PACKET__INIT;
	ProtobufCMessage *reply;

	req.clientsendtime = 7;
	req.delta = delta;
	call(r, "SyncClock", &req.base, &kuasar__sync_clock_packet__descriptor, a, &reply);
	return (Kuasar__SyncClockPacket *)reply;
}

#define HOUR (INT64_C(3600) * 1000000000)

/* Forward and back: a negative difference is one. */
static void clock_is_shifted(void **state UNUSED)
{
	struct rig *r = cases_rig;
	int64_t before, after;
	struct arena a;

	arena_init(&a, 1 << 20);
	before = sync_clock(r, 0, &a)->clientarrivetime;
	assert_true(before > HOUR);
	assert_int_equal(sync_clock(r, 0, &a)->clientsendtime, 7);
	assert_true(sync_clock(r, 0, &a)->serversendtime >= before);
	sync_clock(r, 2 * HOUR, &a);
	after = sync_clock(r, 0, &a)->clientarrivetime;
	assert_true(after - before >= 2 * HOUR && after - before < 2 * HOUR + HOUR / 10);
	sync_clock(r, -2 * HOUR, &a);
	after = sync_clock(r, 0, &a)->clientarrivetime;
	assert_true(after - before >= 0 && after - before < HOUR / 10);
	assert_null(sync_clock(r, -after - HOUR, &a));
	assert_int_equal(r->err.rc, RC_INVALID_ARGUMENT);
	assert_null(sync_clock(r, INT64_MAX, &a));
	assert_int_equal(r->err.rc, RC_INVALID_ARGUMENT);
	arena_fini(&a);
}

static void network(void **state UNUSED)
{
	Kuasar__UpdateInterfacesRequest req = KUASAR__UPDATE_INTERFACES_REQUEST__INIT;
	Kuasar__UpdateRoutesRequest routes = KUASAR__UPDATE_ROUTES_REQUEST__INIT;
	Kuasar__Interface i = KUASAR__INTERFACE__INIT, *list[] = { &i };
	Kuasar__Route route = KUASAR__ROUTE__INIT, *route_list[] = { &route };
	struct rig *r = cases_rig;
	ProtobufCMessage *reply;
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_done(r, call(r, "UpdateInterfaces", &req.base, &google__protobuf__empty__descriptor, &a,
			    &reply));
	req.interfaces = list;
	req.n_interfaces = 1;
	i.name = (char *)"eth7";
	i.hwaddr = (char *)"02:00:00:00:00:99";
	assert_rc(r, call(r, "UpdateInterfaces", &req.base, &google__protobuf__empty__descriptor, &a,
			  &reply),
		  RC_INTERNAL, "Link not found");
	routes.routes = route_list;
	routes.n_routes = 1;
	route.dest = (char *)"198.51.100.0/24";
	route.device = (char *)"lo";
	assert_done(r, call(r, "UpdateRoutes", &routes.base, &google__protobuf__empty__descriptor, &a,
			    &reply));
	assert_done(r, rig_call(r, "ListRoutes", "{}"));
	assert_output(r, "198.51.100.0/24");
	arena_fini(&a);
}

static void pod(void **state UNUSED)
{
	struct rig *r = cases_rig;

	assert_rc(r, setup(r, "Other", "{}"), RC_NOT_FOUND, "config");
	assert_rc(r, setup(r, "PodSandboxConfig", "{\"hostname\":7}"), RC_INVALID_ARGUMENT, "hostname");
	assert_rc(r, setup(r, "PodSandboxConfig", "{\"dns_config\":{\"servers\":\"x\"}}"),
		  RC_INVALID_ARGUMENT, "servers");
	assert_done(r, setup(r, "PodSandboxConfig",
			     "{\"metadata\":{\"name\":\"p\"},\"hostname\":\"kuasar-pod\",\"log_directory\":\"/x\","
			     "\"dns_config\":{\"servers\":[\"192.0.2.9\"],\"searches\":[],\"options\":[]},"
			     "\"linux\":{\"sysctls\":{\"kernel.shm_rmid_forced\":\"1\"}},\"windows\":null}"));
	assert_rc(r, setup(r, "PodSandboxConfig", "{}"), RC_ALREADY_EXISTS, "already");
	assert_int_equal(rig_shell(r, "hostname"), 0);
	assert_string_equal(r->reply, "kuasar-pod\n");
}

/* Each kill is told once, to one who asks, before it happened or after. */
static void events(void **state UNUSED)
{
	struct rig_task what = { .args = "[\"sh\",\"-c\",\"tail /dev/zero; cat /etc/resolv.conf | grep -q 192.0.2.9\"]",
				 .linux = ",\"resources\":{\"memory\":{\"limit\":16777216}}" };
	struct rig *r = cases_rig;
	const Containerd__Services__Events__Ttrpc__V1__Envelope *reply;
	const Containerd__Events__TaskOOM *event;
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 1 << 20);
	for (int i = 0; i < 2; i++) {
		const char *id = rig_id(r);

		if (!i)
			ask_events(r);
		assert_done(r, rig_task_run(r, id, &what));
		assert_int_equal(rig_task_wait(r, id, ""), 0);
		if (i)
			ask_events(r);
		assert_int_equal(rig_await(r, &pending), RC_OK);
		reply = (void *)pb_unpack(
			&a, &containerd__services__events__ttrpc__v1__envelope__descriptor,
			pending.payload, pending.len, &e);
		assert_non_null(reply);
		assert_string_equal(reply->topic, "/tasks/oom");
		assert_string_equal(reply->namespace_, "k8s.io");
		event = (void *)any_open(reply->event, &containerd__events__task_oom__descriptor, &a, &e);
		assert_string_equal(event->container_id, id);
		assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	}
	arena_fini(&a);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(check), cmocka_unit_test(clock_is_shifted),
		cmocka_unit_test(network), cmocka_unit_test(pod),
		cmocka_unit_test(events), { 0 },
	};
	static const struct CMUnitTest *const tables[] = { cases, NULL };
	static struct rig r;

	return cases_main(RIG_VM, "Kuasar's service in a VM", tables, &r);
}
