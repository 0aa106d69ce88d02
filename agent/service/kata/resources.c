/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateContainer, StatsContainer, PauseContainer, ResumeContainer, GetOOMEvent. */
#include "service/convert.h"
#include "service/kata/kata.h"

/* No resources are no work, as hosts that only change what is theirs expect. The answer comes when
 * the job is over, so what it is given may stay in the call's memory. */
void kata_update_container(struct call *c)
{
	const Grpc__UpdateContainerRequest *req = (const void *)c->req;
	struct container *found = kata_container(c, req->container_id);
	const struct spec_resources *res;
	struct err e = { 0 };

	if (!found)
		return;
	if (!req->resources) {
		call_ok(c);
		return;
	}
	res = convert_resources(req->resources, &c->arena, &e);
	if (!res)
		call_fail(c, &e);
	else
		container_update(found, res, verb_deadline(c), verb_answer, c);
}

#define STATS_REPLY_BYTES (4u << 20) /* of a machine with very many block devices */

static void stats_done(void *owner, const struct err *failed, const struct container_stats *s)
{
	struct call *c = owner;
	Grpc__StatsContainerResponse reply;
	struct err e = *failed;

	c->arena.budget += STATS_REPLY_BYTES;
	if (err_is_set(&e) || convert_stats(s, &c->arena, &reply, &e) < 0)
		call_fail(c, &e);
	else
		call_reply(c, &reply.base);
}

void kata_stats_container(struct call *c)
{
	const Grpc__StatsContainerRequest *req = (const void *)c->req;
	struct container *found = kata_container(c, req->container_id);

	if (found)
		container_stats(found, verb_deadline(c), stats_done, c);
}

void kata_pause_container(struct call *c)
{
	const Grpc__PauseContainerRequest *req = (const void *)c->req;
	struct container *found = kata_container(c, req->container_id);

	if (found)
		container_pause(found, verb_deadline(c), verb_answer, c);
}

void kata_resume_container(struct call *c)
{
	const Grpc__ResumeContainerRequest *req = (const void *)c->req;
	struct container *found = kata_container(c, req->container_id);

	if (found)
		container_resume(found, verb_deadline(c), verb_answer, c);
}

/* --- out of memory --- */

static void oom_told(struct oom_waiter *w, const char *container_id)
{
	Grpc__OOMEvent reply = GRPC__OOMEVENT__INIT;

	reply.container_id = (char *)container_id;
	call_reply(w->owner, &reply.base);
}

static void oom_cancelled(struct call *c)
{
	oom_queue_cancel(c->state);
	call_failf(c, RC_CANCELLED, "GetOOMEvent: cancelled");
}

/* Answered only when there is an event: hosts ask again at once after any answer. */
void kata_get_oom_event(struct call *c)
{
	struct oom_waiter *w = ARENA_NEW(&c->arena, struct oom_waiter);

	if (!w) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "GetOOMEvent: no memory");
		return;
	}
	w->fn = oom_told;
	w->owner = c;
	c->state = w;
	c->cancel = oom_cancelled;
	oom_queue_wait(&kata_of(c)->sandbox->oom, w);
}
