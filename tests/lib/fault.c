/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fault.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "lib/fault_alloc.h"
#include "lib/fault_calls.h"

#define HANDOVER_FD 900 /* of the agent to be: what is sent by it is not asked for */
#define PER_TURN    256
#define EXEMPT_MAX  64

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* --- in the agent to be ---------------------------------------------------------------------- */

#define LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

/* Allowed without a question: another architecture, the handover, what is never made to fail. */
static int install_filter(void)
{
	struct sock_filter code[EXEMPT_MAX + 16] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 3),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HANDOVER_FD, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD(nr),
	};
	struct sock_fprog prog = { 9, code };
	const struct fault_call *c;

	for (size_t i = 0; (c = fault_call_row(i)) && prog.len < EXEMPT_MAX + 8; i++) {
		if (!c->why)
			continue;
		code[prog.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								(unsigned int)c->nr, 0, 1);
		code[prog.len++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	code[prog.len++] = (struct sock_filter)RETURN(SECCOMP_RET_USER_NOTIF);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER |
				    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			    &prog);
}

static int send_fd(int sock, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &h, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static void before_exec(void *arg)
{
	struct fault *f = arg;
	int sock = fcntl(f->handover[1], F_DUPFD_CLOEXEC, HANDOVER_FD);
	int listener = sock == HANDOVER_FD ? install_filter() : -1;

	if (listener < 0) {
		perror("fault: seccomp");
		_exit(126);
	}
	/* from here on every other call waits for the supervisor */
	if (send_fd(sock, listener) < 0)
		_exit(126);
}

/* --- the supervisor -------------------------------------------------------------------------- */

static struct fault_site *find_site(struct fault *f, int nr, bool child, const uint64_t *frames,
				    size_t n)
{
	struct fault_site *s;

	for (size_t i = 0; i < f->n_sites; i++) {
		s = &f->sites[i];
		if (s->nr == nr && s->child == child && s->n_frames == n &&
		    memcmp(s->frames, frames, n * sizeof(*frames)) == 0)
			return s;
	}
	if (f->n_sites == FAULT_SITES)
		return NULL;
	s = &f->sites[f->n_sites++];
	*s = (struct fault_site){ .nr = nr, .child = child, .n_frames = n };
	memcpy(s->frames, frames, n * sizeof(*frames));
	return s;
}

/* The errno that the call fails with, or 0. */
static int judge(struct fault *f, const struct seccomp_notif *q)
{
	uint64_t args[6], frames[FAULT_FRAMES];
	struct fault_site *s;
	bool child = (pid_t)q->pid != f->rig->agent_pid;
	size_t n;

	for (int i = 0; i < 6; i++)
		args[i] = q->data.args[i];
	if (q->data.nr == FAULT_ALLOC && !child)
		f->heap = args[1];
	if (!f->armed || f->hit || (f->target.site && f->target.site->nr != q->data.nr) ||
	    !fault_call_may_fail(q->data.nr, args) || !fault_image_is_of(&f->image, (pid_t)q->pid))
		return 0;
	if (!fault_call_find(q->data.nr))
		snprintf(f->unknown, sizeof(f->unknown), "%s", fault_call_name(q->data.nr));
	n = fault_stack_read(&f->image,
			     &(struct fault_place){ .pid = (pid_t)q->pid,
						    .child = child,
						    .alloc = q->data.nr == FAULT_ALLOC },
			     frames, FAULT_FRAMES);
	s = n ? find_site(f, q->data.nr, child, frames, n) : NULL;
	if (!s)
		return 0; /* the sanitizer's own, at the end */
	s->times++;
	if (s != f->target.site || s->times != f->target.occurrence)
		return 0;
	f->hit = true;
	f->hit_pid = (pid_t)q->pid;
	return f->target.errnum;
}

/* false: nothing more to answer now. */
static bool answer_one(struct fault *f)
{
	static struct seccomp_notif q;
	struct seccomp_notif_resp a = { 0 };
	struct pollfd p = { .fd = f->listener, .events = POLLIN };

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLIN))
		return false;
	memset(&q, 0, sizeof(q));
	if (ioctl(f->listener, SECCOMP_IOCTL_NOTIF_RECV, &q) < 0)
		return errno == ENOENT; /* killed meanwhile */
	a.id = q.id;
	a.error = -judge(f, &q);
	if (!a.error)
		a.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	ioctl(f->listener, SECCOMP_IOCTL_NOTIF_SEND, &a);
	return true;
}

static void drop_listener(struct fault *f)
{
	watch_del(&f->watch);
	auto_close(&f->listener);
}

static void on_question(struct watch *w, uint32_t events)
{
	struct fault *f = container_of(w, struct fault, watch);

	for (int i = 0; i < PER_TURN && answer_one(f); i++)
		;
	if (events & EPOLLHUP)
		drop_listener(f);
}

static void on_handover(struct watch *w, uint32_t events)
{
	struct fault *f = container_of(w, struct fault, handover_watch);
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c;

	(void)events;
	if (recvmsg(w->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1 && (c = CMSG_FIRSTHDR(&h)) &&
	    c->cmsg_type == SCM_RIGHTS)
		memcpy(&f->listener, CMSG_DATA(c), sizeof(int));
	watch_del(w);
	if (f->listener < 0 ||
	    watch_add(f->rig->loop, &f->watch, f->listener, EPOLLIN, on_question) < 0)
		fprintf(stderr, "fault: no listener\n");
}

/* --- for the tests --------------------------------------------------------------------------- */

static void close_handover(struct fault *f)
{
	watch_del(&f->handover_watch);
	auto_close(&f->handover[0]);
	auto_close(&f->handover[1]);
}

int fault_renew(struct fault *f)
{
	close_handover(f);
	drop_listener(f);
	fault_disarm(f);
	f->image.load = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, f->handover) < 0 ||
	    watch_add(f->rig->loop, &f->handover_watch, f->handover[0], EPOLLIN, on_handover) < 0) {
		perror("fault: socketpair");
		return -1;
	}
	return 0;
}

int fault_init(struct fault *f, struct rig *r, const char *program)
{
	char path[256];

	*f = (struct fault){ .rig = r, .handover = { -1, -1 }, .listener = -1 };
	f->sites = mem_new(FAULT_SITES, sizeof(*f->sites));
	snprintf(path, sizeof(path), "%s/%s",
		 getenv("MOTE_HOST") ? getenv("MOTE_HOST") : "build/host", program);
	if (!f->sites || fault_image_open(&f->image, path) < 0)
		return -1;
	r->program = program;
	r->before_exec = before_exec;
	r->before_exec_arg = f;
	return fault_renew(f);
}

void fault_fini(struct fault *f)
{
	close_handover(f);
	drop_listener(f);
	fault_image_close(&f->image);
	free(f->sites);
	f->sites = NULL;
}

void fault_arm(struct fault *f, const struct fault_target *target)
{
	for (size_t i = 0; i < f->n_sites; i++)
		f->sites[i].times = 0;
	f->target = *target;
	f->hit = false;
	f->armed = true;
}

void fault_disarm(struct fault *f)
{
	f->armed = false;
}

const char *fault_site_name(const struct fault *f, const struct fault_site *s)
{
	static char text[1024];
	struct str out = STR_OVER(text);

	str_add(&out, fault_call_name(s->nr));
	for (size_t i = 0; i < s->n_frames; i++)
		str_addf(&out, " < %s", fault_image_name(&f->image, s->frames[i]));
	return text;
}

const char *fault_site_process(const struct fault *f, const struct fault_site *s)
{
	if (!s->child)
		return "PID 1";
	return fault_image_passes(&f->image, FAULT_ROOT_STAGE, s->frames, s->n_frames) ? "a stage" : "a job";
}

bool fault_site_is_foreign(const struct fault *f, const struct fault_site *s)
{
	/* of an allocation the chain begins with the caller of the function that calls the library */
	static const char *const callers[] = { "cgroup_create", "cgroup_limit",
					       "seccomp_filter_load", "stage_seccomp_load",
					       "blkid_fstype_of" };

	for (size_t i = 0; i < s->n_frames; i++)
		for (size_t k = 0; k < COUNT_OF(callers); k++)
			if (str_eq(fault_image_name(&f->image, s->frames[i]), callers[k]))
				return true;
	return false;
}
