/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_qmp.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"

static int send_text(struct vm_qmp *q, const char *text, size_t n)
{
	ssize_t sent = send(q->fd, text, n, MSG_NOSIGNAL);

	if (sent < 0)
		return -errno;
	/* the socket's buffer is far larger than a command */
	return (size_t)sent == n ? 0 : -EMSGSIZE;
}

static void answer(struct vm_qmp *q, struct arena *a, yyjson_val *root)
{
	yyjson_val *error = yyjson_obj_get(root, "error");
	yyjson_val *class = yyjson_obj_get(error, "class"), *desc = yyjson_obj_get(error, "desc");
	struct str s;
	char *text;

	if (!q->ready) {	/* the answer to qmp_capabilities */
		q->ready = true;
		return;
	}
	q->answered = true;
	if (error) {
		err_set(&q->result,
			yyjson_equals_str(class, "DeviceNotFound") ? RC_NOT_FOUND : RC_INTERNAL,
			"%s",
			yyjson_is_str(desc) ? yyjson_get_str(desc) : "an error without a text");
		return;
	}
	if (!q->reply)
		return;
	yyjson_mut_doc *doc = json_new(a);
	if (!doc)
		return;
	yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, yyjson_obj_get(root, "return")));
	text = json_write(a, doc, 0, &(size_t){ 0 }, &q->result);
	str_init(&s, q->reply, q->reply_cap);
	str_add(&s, text ? text : "");
	if (!str_ok(&s))
		err_set(&q->result, RC_RESOURCE_EXHAUSTED, "the answer is too long");
}

static void on_line(struct vm_qmp *q, const char *line, size_t n)
{
	static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
	struct err e = { 0 };
	struct arena a;
	yyjson_doc *doc;
	yyjson_val *root;

	arena_init(&a, 16 * VM_QMP_LINE);
	doc = json_read(&a, line, n, &e);
	root = doc ? yyjson_doc_get_root(doc) : NULL;
	if (yyjson_obj_get(root, "QMP")) {
		if (send_text(q, hello, strlen(hello)) < 0)
			q->broken = true;
	} else if (yyjson_obj_get(root, "return") || yyjson_obj_get(root, "error")) {
		answer(q, &a, root);
	} else if (yyjson_equals_str(yyjson_obj_get(root, "event"), "SHUTDOWN")) {
		yyjson_val *reason = yyjson_obj_get(yyjson_obj_get(root, "data"), "reason");
		struct str s = STR_OVER(q->shutdown);

		str_add(&s, yyjson_is_str(reason) ? yyjson_get_str(reason) : "");
	}
	arena_fini(&a);
}

/* false: there is no more, for now or for good. */
static bool take(struct vm_qmp *q)
{
	ssize_t n = recv(q->fd, q->buf + q->len, sizeof(q->buf) - q->len, MSG_DONTWAIT);
	char *end;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			q->broken = true;
			watch_del(&q->watch);
		}
		return false;
	}
	q->len += (size_t)n;
	while ((end = memchr(q->buf, '\n', q->len))) {
		size_t line = (size_t)(end - q->buf) + 1;

		on_line(q, q->buf, line - 1);
		q->len -= line;
		memmove(q->buf, q->buf + line, q->len);
	}
	if (q->len == sizeof(q->buf)) {
		q->broken = true;
		watch_del(&q->watch);
	}
	return !q->broken;
}

static void on_readable(struct watch *w, uint32_t events UNUSED)
{
	take(container_of(w, struct vm_qmp, watch));
}

void vm_qmp_drain(struct vm_qmp *q)
{
	while (q->loop && q->watch.loop && take(q))
		;
}

int vm_qmp_open(struct loop *l, struct vm_qmp *q, int fd)
{
	int rc;

	memset(q, 0, sizeof(*q));
	q->fd = fd;
	rc = watch_add(l, &q->watch, fd, EPOLLIN, on_readable);
	if (rc < 0)
		auto_close(&q->fd);
	else
		q->loop = l;
	return rc;
}

void vm_qmp_close(struct vm_qmp *q)
{
	if (!q->loop)
		return;
	watch_del(&q->watch);
	auto_close(&q->fd);
	q->loop = NULL;
}

/* Until *flag, the connection's end or the deadline. */
static int await(struct vm_qmp *q, const bool *flag, uint64_t deadline_ms)
{
	while (!*flag) {
		uint64_t now = clock_ms();

		if (q->broken)
			return -EPIPE;
		if (now >= deadline_ms)
			return -ETIMEDOUT;
		loop_once(q->loop, (int)MIN(deadline_ms - now, (uint64_t)1000));
	}
	return 0;
}

int vm_qmp_run(struct vm_qmp *q, const char *command, const char *arguments, uint64_t deadline_ms,
	       char *reply, size_t cap, struct err *e)
{
	char text[4096];
	struct str s = STR_OVER(text);
	int rc;

	if (!q->loop)
		return err_set(e, RC_UNAVAILABLE, "QMP %s: QEMU does not run", command);
	str_addf(&s, "{\"execute\":\"%s\",\"arguments\":%s}\n", command,
		 arguments ? arguments : "{}");
	if (!str_ok(&s))
		return err_set(e, RC_INVALID_ARGUMENT, "QMP %s: the arguments are too long",
			       command);
	q->answered = false;
	q->reply = reply;
	q->reply_cap = cap;
	err_clear(&q->result);
	rc = await(q, &q->ready, deadline_ms);
	if (rc == 0)
		rc = send_text(q, s.buf, s.len);
	if (rc == 0)
		rc = await(q, &q->answered, deadline_ms);
	q->reply = NULL;
	if (rc < 0)
		return err_sys(e, -rc, "QMP %s", command);
	if (!err_is_set(&q->result))
		return 0;
	*e = q->result;
	return err_ctx(e, "QMP %s", command);
}
