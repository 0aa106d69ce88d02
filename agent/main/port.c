/* SPDX-License-Identifier: Apache-2.0 */
#include "main/port.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/clock.h"
#include "base/log.h"

#define REST_MS 100 /* a connection that cannot be accepted keeps the listener readable */

static bool may_connect(const struct port *p, const struct sockaddr_storage *from)
{
	return p->any_peer || from->ss_family != AF_VSOCK ||
	       ((const struct sockaddr_vm *)from)->svm_cid == VMADDR_CID_HOST;
}

/* Who is refused can try again for ever, and the log is not his to fill: told at the powers of 2. */
static void tell_refused(struct port *p, const struct sockaddr_storage *from)
{
	p->refused++;
	if (p->refused & (p->refused - 1))
		return;
	log_warn(p->subsystem, "refused %s to vsock CID %u: not the host (%zu refused)", p->what,
		 ((const struct sockaddr_vm *)from)->svm_cid, p->refused);
}

static void rest_over(struct timer *t)
{
	watch_mod(&container_of(t, struct port, rest)->watch, EPOLLIN);
}

static void on_connection(struct watch *w, uint32_t events UNUSED)
{
	struct port *p = container_of(w, struct port, watch);
	struct sockaddr_storage from = { 0 };
	socklen_t n = sizeof(from);
	AUTO_FD fd = accept4(w->fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		watch_mod(&p->watch, 0);
		timer_arm(p->loop, &p->rest, clock_after(REST_MS), rest_over);
	} else if (!may_connect(p, &from)) {
		tell_refused(p, &from);
	} else {
		p->fn(p, TAKE_FD(fd),
		      from.ss_family == AF_VSOCK ? ((struct sockaddr_vm *)&from)->svm_port : 0);
	}
}

int port_listen(struct port *p, const struct address *a, int backlog, struct err *e)
{
	AUTO_FD fd = address_listen(a, backlog, e);
	int r;

	if (fd < 0)
		return -1;
	r = watch_add(p->loop, &p->watch, fd, EPOLLIN, on_connection);
	if (r < 0)
		return err_sys(e, -r, "watch %s", p->what);
	(void)TAKE_FD(fd); /* until the machine's end */
	return 0;
}
