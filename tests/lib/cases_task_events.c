/* SPDX-License-Identifier: Apache-2.0 */
/* Events are kept until they are acknowledged, and come in order. */
#include "lib/cases.h"

#include "containerd_metrics.pb-c.h"
#include "containerd_task.pb-c.h"
#include "lib/rig_task.h"
#include "service/containerd/any.h"

static struct rig_events one, two;

#define LIVES 20

static void life(struct rig *r, const char *id)
{
	struct rig_task what = { .args = "[\"true\"]" };

	assert_done(r, rig_task_run(r, id, &what));
	rig_task_wait(r, id, "");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

static void ack(struct rig *r, uint64_t seq)
{
	assert_done(r, rig_call(r, "mote.v1.Events/Ack", "{\"seq\":%llu}", (unsigned long long)seq));
}

/* Who comes again has all that was not acknowledged, by the same numbers; the numbers have no gap. */
static void kept(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct client *c = rig_connect(r);
	const char *id = rig_id(r);
	uint64_t last;

	rig_events_open(r, r->client, &one, 0);
	ack(r, rig_events_kept(&one));
	rig_events_close(&one);

	assert_non_null(c);
	rig_events_open(r, c, &one, 0);
	life(r, id);
	rig_events_next(&one, "/tasks/create", id, NULL);
	rig_events_next(&one, "/tasks/start", id, NULL);
	rig_events_next(&one, "/tasks/exit", id, NULL);
	rig_events_next(&one, "/tasks/delete", id, NULL);
	for (size_t i = 1; i < one.n; i++)
		assert_int_equal(one.v[i].seq, one.v[i - 1].seq + 1);
	last = one.v[3].seq;
	client_free(c); /* the host is gone, and with it what it had not written down */
	rig_events_close(&one);

	life(r, id);
	rig_events_open(r, r->client, &two, last - 2);
	rig_events_next(&two, "/tasks/exit", id, NULL);
	rig_events_next(&two, "/tasks/delete", id, NULL);
	rig_events_next(&two, "/tasks/create", id, NULL);
	rig_events_next(&two, "/tasks/start", id, NULL);
	rig_events_next(&two, "/tasks/exit", id, NULL);
	rig_events_next(&two, "/tasks/delete", id, NULL);
	assert_int_equal(two.v[0].seq, last - 1);
	ack(r, two.v[4].seq);
	rig_events_close(&two);
	rig_events_open(r, r->client, &two, 0);
	rig_events_next(&two, "/tasks/delete", id, NULL);
	assert_int_equal(two.v[0].seq, last + 4);
	ack(r, last + 4);
	rig_events_close(&two);
}

/* Two listeners hear the same. */
static void both(void **state UNUSED)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);

	rig_events_open(r, r->client, &one, 0);
	rig_events_open(r, r->client, &two, 0);
	life(r, id);
	for (int i = 0; i < 2; i++) {
		struct rig_events *ev = i ? &two : &one;

		rig_events_next(ev, "/tasks/create", id, NULL);
		rig_events_next(ev, "/tasks/start", id, NULL);
		rig_events_next(ev, "/tasks/exit", id, NULL);
		rig_events_next(ev, "/tasks/delete", id, NULL);
	}
	ack(r, one.v[3].seq);
	rig_events_close(&one);
	rig_events_close(&two);
}

/* Of processes that end at once the start comes first, always. */
static void order(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	const char *id = rig_id(r);
	char exec_id[16];

	rig_events_open(r, r->client, &one, 0);
	assert_done(r, rig_task_run(r, id, &what));
	rig_events_next(&one, "/tasks/create", id, NULL);
	rig_events_next(&one, "/tasks/start", id, NULL);
	for (int i = 0; i < LIVES; i++) {
		snprintf(exec_id, sizeof(exec_id), "e%d", i);
		assert_done(r, rig_task_exec(r, id, exec_id, "exit 1", NULL));
		assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"%s\"}", id, exec_id));
		rig_events_next(&one, "/tasks/exec-added", exec_id, NULL);
		rig_events_next(&one, "/tasks/exec-started", exec_id, NULL);
		rig_events_next(&one, "/tasks/exit", exec_id, "\"exit_status\":1", NULL);
	}
	assert_done(r, rig_task(r, "Pause", "{\"id\":\"%s\"}", id));
	assert_done(r, rig_task(r, "Resume", "{\"id\":\"%s\"}", id));
	rig_events_next(&one, "/tasks/paused", id, NULL);
	rig_events_next(&one, "/tasks/resumed", id, NULL);
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	rig_events_next(&one, "/tasks/exit", id, "137", NULL);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_events_next(&one, "/tasks/delete", id, NULL);
	ack(r, one.v[one.n - 1].seq);
	rig_events_close(&one);
}

/* The start is over when its hooks are, and the process long before. Programs of a guest's own there are
 * none: only on this machine. */
static void order_with_hooks(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"true\"]",
		.spec = r->kind == RIG_VM ? NULL :
			",\"hooks\":{\"poststart\":[{\"path\":\"/bin/sleep\",\"args\":[\"sleep\",\"0.3\"]}]}",
	};
	const char *id = rig_id(r);

	rig_events_open(r, r->client, &one, 0);
	assert_done(r, rig_task_run(r, id, &what));
	rig_events_next(&one, "/tasks/create", id, NULL);
	rig_events_next(&one, "/tasks/start", id, NULL);
	rig_events_next(&one, "/tasks/exit", id, NULL);
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_events_next(&one, "/tasks/delete", id, NULL);
	ack(r, one.v[one.n - 1].seq);
	rig_events_close(&one);
}

/* --- what needs control groups with limits: a VM --------------------------------------------- */

#define LIMIT "{\"memory\":{\"limit\":16777216},\"pids\":{\"limit\":50}}"

static void out_of_memory(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sh\",\"-c\",\"tail /dev/zero; exit 9\"]",
				 .linux = ",\"resources\":" LIMIT };
	const char *id = rig_id(r);

	rig_events_open(r, r->client, &one, 0);
	assert_done(r, rig_task_run(r, id, &what));
	assert_int_equal(rig_task_wait(r, id, ""), 9);
	rig_events_next(&one, "/tasks/create", id, NULL);
	rig_events_next(&one, "/tasks/start", id, NULL);
	rig_events_next(&one, "/tasks/oom", id, NULL);
	if (rig_has_cgroup_v1(r))
		rig_events_skip(&one, "/tasks/oom");
	rig_events_next(&one, "/tasks/exit", id, NULL);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_events_next(&one, "/tasks/delete", id, NULL);
	ack(r, one.v[one.n - 1].seq);
	rig_events_close(&one);
}

static const Io__Containerd__Cgroups__V2__Metrics *stats(struct rig *r, struct arena *a,
							 const char *id)
{
	static struct rig_pending p;
	const Containerd__Task__V2__StatsResponse *reply;
	const Io__Containerd__Cgroups__V2__Metrics *m;
	struct err e = { 0 };

	rig_send(r, r->client, 0, &p, "containerd.task.v2.Task/Stats", "{\"id\":\"%s\"}", id);
	assert_int_equal(rig_await(r, &p), RC_OK);
	reply = (void *)pb_unpack(a, &containerd__task__v2__stats_response__descriptor, p.payload, p.len,
				  &e);
	assert_non_null(reply);
	m = (void *)any_open(reply->stats, &io__containerd__cgroups__v2__metrics__descriptor, a, &e);
	assert_non_null(m);
	return m;
}

static void counters(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sh\",\"-c\",\"x=$(seq 2000); exec sleep 1000\"]",
				 .linux = ",\"resources\":" LIMIT };
	const Io__Containerd__Cgroups__V2__Metrics *m;
	const char *id = rig_id(r);
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_done(r, rig_task_run(r, id, &what));
	m = stats(r, &a, id);
	assert_true(m->cpu->usage_usec > 0);
	assert_true(m->memory->usage > 4096 && m->memory->usage < 16777216);
	assert_int_equal(m->memory->usage_limit, 16777216);
	assert_true(m->memory->pgfault > 0);
	assert_true(m->pids->current >= 1);
	assert_int_equal(m->pids->limit, 50);
	assert_done(r, rig_task(r, "Update", "{\"id\":\"%s\",\"resources\":%s}", id,
				rig_any(&a, "LinuxResources", NULL, "{\"memory\":{\"limit\":33554432}}")));
	m = stats(r, &a, id);
	assert_int_equal(m->memory->usage_limit, 33554432);
	assert_int_equal(m->pids->limit, 50);
	arena_fini(&a);
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	rig_task_wait(r, id, "");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

#define NO_DEVICES "{\"allow\":false,\"access\":\"rwm\"}"

/* As CRI sends them, with all of the spec: by numbers that may mean something else here. */
static void updated_devices(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sleep\",\"1000\"]",
		.linux = ",\"devices\":[{\"path\":\"/dev/f\",\"type\":\"c\",\"major\":10,\"minor\":229}]"
			 ",\"resources\":{\"devices\":[" NO_DEVICES
			 ",{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"}]}",
	};
	const char *id = rig_id(r);
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_done(r, rig_task_run(r, id, &what));
	assert_done(r, rig_task(r, "Update", "{\"id\":\"%s\",\"resources\":%s}", id,
				rig_any(&a, "LinuxResources", NULL,
					"{\"pids\":{\"limit\":50},\"devices\":[" NO_DEVICES "]}")));
	arena_fini(&a);
	assert_done(r, rig_task_exec(r, id, "e", ": </dev/f", NULL));
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"e\"}", id));
	assert_int_equal(rig_task_wait(r, id, "e"), 0);
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	rig_task_wait(r, id, "");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

const struct CMUnitTest cases_task_limits[] = {
	cmocka_unit_test(out_of_memory),
	cmocka_unit_test(counters),
	cmocka_unit_test(updated_devices),
	{ 0 },
};

const struct CMUnitTest cases_task_events[] = {
	cmocka_unit_test(kept),
	cmocka_unit_test(both),
	cmocka_unit_test(order),
	cmocka_unit_test(order_with_hooks),
	{ 0 },
};
