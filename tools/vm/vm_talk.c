/* SPDX-License-Identifier: Apache-2.0 */
/* A VM that runs: is it ready, how is it, what did it say, and please power off. */
#include "vm/vm_private.h"

#include "agent.pb-c.h"
#include "base/clock.h"
#include "health.pb-c.h"
#include "ttrpc/address.h"

#define RETRY_MS	5	/* a guest that is not up refuses at once */
#define CONNECT_MS	1000
#define ANSWER_MS	10000
#define SILENT_MS	30000
#define CHECK_MS	2000
#define QMP_MS		10000
#define POWER_OFF_MS	2000
#define SMALL		65536

const char *vm_address(const struct vm *vm)
{
	return vm->address;
}

uint32_t vm_cid(const struct vm *vm)
{
	return vm->vsock.cid;
}

struct client *vm_client(const struct vm *vm)
{
	return vm->client;
}

bool vm_is_alive(const struct vm *vm)
{
	return vm_proc_is_alive(&vm->qemu);
}

pid_t vm_pid(const struct vm *vm)
{
	return vm_is_alive(vm) ? vm->qemu.child.pid : 0;
}

pid_t vm_share_pid(const struct vm *vm, size_t i)
{
	return i < VM_SHARES && vm_proc_is_alive(&vm->shares[i]) ? vm->shares[i].child.pid : 0;
}

const char *vm_console(const struct vm *vm)
{
	return vm->console.tail;
}

/* A guest that stopped by itself leaves QEMU with status 0: then the console knows more. */
static int explain_end(const struct vm *vm, struct err *e)
{
	char last[160];

	if (vm->qemu.status != 0)
		return vm_proc_explain(&vm->qemu, e);
	vm_lines_last(&vm->console, last, sizeof(last));
	return err_set(e, RC_UNAVAILABLE, "the VM ended (%s)%s%s",
		       *vm->qmp.shutdown ? vm->qmp.shutdown : "no reason given",
		       *last ? "; its console said: " : "", last);
}

int vm_check(const struct vm *vm, struct err *e)
{
	if (vm->cancel && *vm->cancel)
		return err_set(e, RC_CANCELLED, "interrupted");
	if (!vm_is_alive(vm))
		return explain_end(vm, e);
	if (vm->vsock.proc.loop && vm->vsock.proc.exited)
		return vm_proc_explain(&vm->vsock.proc, e);
	for (size_t i = 0; i < VM_SHARES; i++) {
		if (vm->shares[i].loop && vm->shares[i].exited)
			return vm_proc_explain(&vm->shares[i], e);
	}
	return 0;
}

/* Takes fd; keeps the connection if the agent says that it serves. */
static int health_check(struct vm *vm, int fd, struct err *e)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	Grpc__HealthCheckResponse *reply;
	struct client *c = client_new(vm->loop, fd, e);
	struct arena a;
	bool serving = false;

	if (!c)
		return -1;
	arena_init(&a, SMALL);
	reply = (Grpc__HealthCheckResponse *)client_call_wait(
		c, "grpc.Health", "Check", &req.base, &grpc__health_check_response__descriptor,
		CHECK_MS, &a, e);
	if (reply)
		serving = reply->status == GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	if (reply && !serving)
		err_set(e, RC_UNAVAILABLE, "Health.Check: the agent does not serve");
	arena_fini(&a);
	if (!serving) {
		client_free(c);
		return -1;
	}
	vm->client = c;
	return 0;
}

/*
 * May the guest be connected to? vhost-device-vsock 0.3.0 never answers again when a connection
 * comes while the guest's driver starts (one boot in five, when tried every 5 ms): the thread that
 * serves the rings ends when it has something for the guest and knows the guest's memory, but not
 * yet the rings. So the first attempt waits until a program of the guest has spoken on the console,
 * or has had a long time to do so, long enough for a machine that is busy otherwise too.
 */
static bool may_connect(const struct vm *vm)
{
	return vm->vsock.kernel || vm->voice.program || clock_ms() - vm->started_ms >= SILENT_MS;
}

/*
 * How long an attempt may take. Nor does vhost-device-vsock answer again when one is given up that the guest has not answered
 * yet (seen in every second case): a guest that is slow, on a machine that has no time for it, is waited for, though
 * an interrupt is heard only behind that. One that refuses does so at once.
 */
static uint64_t attempt_ms(const struct vm *vm)
{
	return vm->vsock.kernel ? CONNECT_MS : ANSWER_MS;
}

/* Turns the loop for RETRY_MS, however many events come meanwhile. */
static void pause_before_retry(struct vm *vm)
{
	uint64_t until = clock_after(RETRY_MS), now;

	while ((now = clock_ms()) < until)
		loop_once(vm->loop, (int)(until - now));
}

static int not_in_time(const struct vm *vm, uint64_t timeout_ms, const struct err *last,
		       struct err *e)
{
	char line[120];

	vm_lines_last(&vm->console, line, sizeof(line));
	return err_set(e, RC_DEADLINE_EXCEEDED, "no agent within %llu ms (%s)%s%s",
		       (unsigned long long)timeout_ms,
		       err_is_set(last) ? last->msg : "no connection",
		       *line ? "; the console said: " : "", line);
}

int vm_wait_ready(struct vm *vm, uint64_t timeout_ms, struct err *e)
{
	uint64_t deadline = clock_after(timeout_ms);
	struct err last = { 0 };
	struct address a;

	if (vm->client)
		return 0;
	if (address_parse(vm->address, &a, e) < 0)
		return -1;
	while (vm_check(vm, e) == 0) {
		int fd;

		if (clock_ms() >= deadline)
			return not_in_time(vm, timeout_ms, &last, e);
		if (may_connect(vm)) {
			err_clear(&last);
			fd = address_connect(&a, attempt_ms(vm), &last);
			if (fd >= 0 && health_check(vm, fd, &last) == 0)
				return 0;
		}
		pause_before_retry(vm);
	}
	return -1;
}

int vm_wait_exit(struct vm *vm, uint64_t timeout_ms, struct err *e)
{
	switch (vm_proc_wait(&vm->qemu, clock_after(timeout_ms), vm->cancel)) {
	case 0:
		return 0;
	case -ECANCELED:
		return err_set(e, RC_CANCELLED, "interrupted");
	default:
		return err_set(e, RC_DEADLINE_EXCEEDED, "the VM still runs after %llu ms",
			       (unsigned long long)timeout_ms);
	}
}

int vm_qmp(struct vm *vm, const char *command, const char *arguments, char *reply, size_t cap,
	   struct err *e)
{
	return vm_qmp_run(&vm->qmp, command, arguments, clock_after(QMP_MS), reply, cap, e);
}

void vm_ask_to_power_off(struct vm *vm)
{
	Grpc__DestroySandboxRequest req = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct err ignored = { 0 };	/* QMP and SIGKILL come next */
	struct arena a;

	if (!vm->client || !vm_is_alive(vm))
		return;
	arena_init(&a, SMALL);
	client_call_wait(vm->client, "grpc.AgentService", "DestroySandbox", &req.base,
			 &google__protobuf__empty__descriptor, POWER_OFF_MS, &a, &ignored);
	arena_fini(&a);
	if (!err_is_set(&ignored))
		vm_proc_wait(&vm->qemu, clock_after(POWER_OFF_MS), NULL);
}
