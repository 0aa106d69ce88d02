/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/relay.h"

#include "base/clock.h"
#include "shim/flags.h"
#include "ttrpc/wire.h"

#define ID          1
#define EXEC_ID     2
#define EXEC_ID_MAX 256

struct relay *relay_admit(struct call *c, bool has_exec_id)
{
	struct relay *r = ARENA_NEW(&c->arena, struct relay);
	const char *id, *exec_id;

	if (!r) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	id = wire_text(&c->arena, c->raw, c->raw_len, ID, SHIM_NAME_MAX);
	exec_id = has_exec_id ? wire_text(&c->arena, c->raw, c->raw_len, EXEC_ID, EXEC_ID_MAX) : "";
	if (!id || !exec_id) {
		call_failf(c, RC_INVALID_ARGUMENT, "the request is malformed, or an id too long");
		return NULL;
	}
	list_init(&r->work.node);
	r->s = call_context(c);
	r->c = c;
	r->id = id;
	r->exec_id = exec_id;
	c->state = r;
	return r;
}

bool relay_keep(struct relay *r)
{
	r->raw = arena_memdup(&r->c->arena, r->c->raw, r->c->raw_len);
	r->raw_len = r->c->raw_len;
	if (!r->raw)
		call_failf(r->c, RC_RESOURCE_EXHAUSTED, "no memory");
	return r->raw;
}

static void give_back(struct call *c)
{
	struct relay *r = c->state;

	if (r->guest_id > 0 && r->s->calls)
		client_cancel(r->s->calls, r->guest_id);
	call_failf(c, RC_CANCELLED, "nobody waits any more");
}

static void on_reply(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct relay *r = arg;

	r->guest_id = 0;
	if (err_is_set(e) && guest_is_gone(e)) {
		guest_lost(r->s);
		r->gone(r);
	} else if (err_is_set(e)) {
		call_fail(r->c, e);
	} else if (r->reply) {
		r->reply(r, payload, len);
	} else {
		call_reply_raw(r->c, payload, len);
	}
}

static uint64_t time_left(const struct call *c)
{
	uint64_t now = clock_ms();

	if (c->deadline_ms == CLOCK_NEVER)
		return 0;
	return c->deadline_ms > now ? c->deadline_ms - now : 1;
}

void relay_send(struct relay *r, bool parks)
{
	const uint8_t *raw = r->raw ? r->raw : r->c->raw;
	size_t len = r->raw ? r->raw_len : r->c->raw_len;
	struct shim *s = r->s;
	struct err e = { 0 };

	if (s->machine == MACHINE_NONE) {
		relay_fail(r, RC_NOT_FOUND, "there is no container yet");
		return;
	}
	if (s->machine == MACHINE_GONE || !s->calls) {
		r->gone(r);
		return;
	}
	r->guest_id = client_call(s->calls, TASK_SERVICE, r->c->method.row->method, raw, len,
				  time_left(r->c), on_reply, r, &e);
	if (r->guest_id < 0)
		call_fail(r->c, &e);
	else if (parks)
		r->c->cancel = give_back;
}

void relay_answer(struct relay *r, const struct wire_edit *fields, size_t n)
{
	size_t len;
	uint8_t *out = wire_edit(&r->c->arena, (const uint8_t *)"", 0, fields, n, &len);

	if (out)
		call_reply_raw(r->c, out, len);
	else
		call_failf(r->c, RC_RESOURCE_EXHAUSTED, "no memory for a reply");
}

void relay_fail(struct relay *r, enum rc rc, const char *what)
{
	call_failf(r->c, rc, "%s%s%s: %s", r->id, *r->exec_id ? "/" : "", r->exec_id, what);
}
