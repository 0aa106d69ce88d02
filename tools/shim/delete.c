/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete: containerd runs it whenever its connection on behalf of a container has ended: because
 * the server died, or does not answer, or because the container was deleted in good order. In the
 * last case the server is the other containers' as before: a pause container that has ended is
 * deleted before they are, and their ends are still to be told.
 */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"
#include "containerd_sandbox.pb-c.h"
#include "containerd_task.pb-c.h"
#include "kernel/clone.h"
#include "shim/bootstrap.h"
#include "shim/bundle.h"
#include "shim/host_hooks.h"
#include "shim/shim.h"
#include "shim/start.h"

#define ARENA_BYTES (32u << 20)
#define CALL_MS     1000 /* each; containerd waits 5 s for all of us */

/* Does the server know the id no more? */
static bool is_forgotten(struct client *c, struct arena *a, const char *id)
{
	Containerd__Task__V2__ConnectRequest task = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	Containerd__Runtime__Sandbox__V1__PingRequest pod =
		CONTAINERD__RUNTIME__SANDBOX__V1__PING_REQUEST__INIT;
	const Containerd__Task__V2__ConnectResponse *found;
	struct err e = { 0 };

	task.id = pod.sandbox_id = (char *)id;
	found = (const Containerd__Task__V2__ConnectResponse *)client_call_wait(
		c, TASK_SERVICE, "Connect", &task.base,
		&containerd__task__v2__connect_response__descriptor, CALL_MS, a, &e);
	if (!found || found->task_pid)
		return false;
	return !client_call_wait(c, SANDBOX_SERVICE, "PingSandbox", &pod.base,
				 &containerd__runtime__sandbox__v1__ping_response__descriptor,
				 CALL_MS, a, &e) &&
	       e.rc == RC_NOT_FOUND;
}

/* Whether it may go on: it answers, and what was given up is not its any more. It ends itself as soon as
 * it has nothing else. */
static bool is_others(struct arena *a, int fd, const char *id)
{
	Containerd__Task__V2__ShutdownRequest down = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	struct loop *l = loop_new();
	struct err e = { 0 };
	struct client *c = l ? client_new(l, fd, &e) : NULL;
	bool yes;

	down.id = (char *)id;
	yes = c && is_forgotten(c, a, id) &&
	      client_call_wait(c, TASK_SERVICE, "Shutdown", &down.base,
			       &google__protobuf__empty__descriptor, CALL_MS, a, &e);
	client_free(c);
	if (l)
		loop_free(l);
	else
		close(fd);
	return yes;
}

/* The server listens itself, so the socket tells who it is: a pidfd, since it may end by itself while it
 * is asked, and its number become another's. One that has not hung up afterwards is the one that it is
 * of. *pid: its number, where the kernel has no such descriptors (before 5.3); else 0. */
static int hold_server(int fd, pid_t *pid)
{
	struct pollfd p = { .fd = fd };
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	AUTO_FD pidfd = -1;

	*pid = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 1)
		return -1;
	pidfd = clone_pidfd_open(peer.pid);
	if (pidfd == -ENOSYS)
		*pid = peer.pid;
	return pidfd >= 0 && poll(&p, 1, 0) == 0 ? TAKE_FD(pidfd) : -1;
}

/* Its machine, helpers and mounts end with it. */
static void end_server(struct arena *a, const char *path, const char *id)
{
	int fd = start_connect(path);
	pid_t pid = 0;
	AUTO_FD pidfd = fd < 0 ? -1 : hold_server(fd, &pid);

	if (fd >= 0 && is_others(a, fd, id))
		return;
	if (pidfd >= 0)
		clone_pidfd_signal(pidfd, SIGKILL);
	else if (pid)
		kill(pid, SIGKILL);
	unlink(path);
}

static int delete_pod(struct arena *a, const struct shim_flags *f, struct err *e)
{
	struct err unreadable = { 0 };
	struct bundle bundle;
	char path[108];
	uint8_t *out;
	size_t len;
	int rc;

	if (bundle_read(a, start_pick(f->bundle, "."), &bundle, &unreadable) < 0)
		bundle.sandbox_id = ""; /* it may be half gone */
	/* another container's end is not the pod's */
	if (str_empty(bundle.sandbox_id) || str_eq(bundle.sandbox_id, f->id)) {
		if (start_socket_path("", f, f->id, path, e) < 0)
			return -1;
		end_server(a, path, f->id);
	}
	host_hooks_settle(f->id, start_pick(f->bundle, "."));
	out = bootstrap_deleted(a, 0, 128 + SIGKILL, time(NULL), &len);
	if (!out)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	rc = io_write_full(STDOUT_FILENO, out, len);
	return rc < 0 ? err_sys(e, -rc, "answer") : 0;
}

int cmd_delete(const struct shim_flags *f, struct err *e)
{
	struct arena a;
	int rc;

	arena_init(&a, ARENA_BYTES);
	rc = delete_pod(&a, f, e);
	arena_fini(&a);
	return rc;
}
