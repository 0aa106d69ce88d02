/* SPDX-License-Identifier: Apache-2.0 */
/* The machine of the pod, and the guest's own half of the sandbox. */
#include <limits.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "containerd_sandbox.pb-c.h"
#include "cri.pb-c.h"
#include "mote.pb-c.h"
#include "shim/shim.h"
#include "ttrpc/pb.h"

#define MEGABYTE      (1u << 20)
#define MEMORY_MAX_MB (1u << 20)
#define CPUS_MAX      256
#define ARENA_BYTES   (16u << 20)
#define CALL_MS       60000
#define STOP_MS       15000 /* for the guest to end its containers */
#define POWER_OFF_MS  5000
#define CONNECT_MS    5000
#define WORDS_MAX     64

#define CONFIG_TYPE   "runtime.v1.PodSandboxConfig"
#define OPTIONS_TYPE  "mote.v1.SandboxOptions"

/* By our client's own words: the guest answers CANCELLED and UNAVAILABLE, too, of a process that was
 * killed on its way, say. */
bool guest_is_gone(const struct err *e)
{
	return (e->rc == RC_CANCELLED && str_eq(e->msg, "ttrpc: cancelled")) ||
	       (e->rc == RC_UNAVAILABLE && str_eq(e->msg, "ttrpc: closed"));
}

/* --- calls that are waited for --- */

struct wait {
	struct arena *arena;
	const uint8_t *reply;
	size_t len;
	struct err *e;
	bool done;
};

static void on_reply(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct wait *w = arg;

	w->done = true;
	w->len = len;
	if (err_is_set(e))
		*w->e = *e;
	else if (!(w->reply = arena_memdup(w->arena, payload, len)))
		err_set(w->e, RC_RESOURCE_EXHAUSTED, "no memory for the reply");
}

const uint8_t *guest_call(struct shim *s, struct arena *a, const char *service, const char *method,
			  const uint8_t *req, size_t len, uint64_t timeout_ms, size_t *reply_len,
			  struct err *e)
{
	struct wait w = { .arena = a, .e = e };
	int64_t id;

	if (!s->calls) {
		err_set(e, RC_UNAVAILABLE, "the machine does not run");
		return NULL;
	}
	id = client_call(s->calls, service, method, req, len, timeout_ms, on_reply, &w, e);
	if (id < 0)
		return NULL;
	/* the connection may outlive the machine */
	while (!w.done && s->machine != MACHINE_GONE)
		loop_once(s->loop, -1);
	if (!w.done) {
		client_cancel(s->calls, id);
		err_set(e, RC_UNAVAILABLE, "the machine is lost");
	}
	*reply_len = w.len;
	return w.reply;
}

static int call_msg(struct shim *s, struct arena *a, const char *method,
		    const ProtobufCMessage *msg, struct err *e)
{
	size_t len;
	uint8_t *req = pb_pack(a, msg, &len, e);

	return req && guest_call(s, a, SANDBOX_SERVICE, method, req, len, CALL_MS, &len, e)
		       ? 0
		       : err_ctx(e, "guest: %s", method);
}

/* --- boot --- */

static void on_console(void *arg UNUSED, const char *line)
{
	log_debug("console", "%s", line);
}

static void on_ended(void *arg)
{
	guest_lost(arg);
}

static unsigned int memory_mb(const struct shim *s)
{
	uint64_t mb = s->conf.memory / MEGABYTE +
		      MIN(s->sandbox.memory / MEGABYTE, (uint64_t)MEMORY_MAX_MB);

	return (unsigned int)MIN(mb, (uint64_t)MEMORY_MAX_MB);
}

static const char *const *qemu_words(struct arena *a, const struct net *n)
{
	const char *const *net = net_words(a, n);
	const char **words = net ? ARENA_ARRAY(a, const char *, WORDS_MAX) : NULL;
	size_t k = 2;

	if (!words)
		return NULL;
	words[0] = "-device";
	words[1] = DISKS_BUS;
	for (; *net && k + 1 < WORDS_MAX; net++)
		words[k++] = *net;
	return words;
}

static int boot(struct shim *s, struct arena *a, struct err *e)
{
	struct vm_share share = { s->share.shown, SHARE_TAG };
	int fds[NET_LINKS];
	struct vm_opts o = {
		.kernel = s->conf.kernel,
		.initrd = s->conf.initrd,
		.qemu = s->conf.qemu,
		.accel = s->conf.accel,
		.cmdline = s->conf.append,
		.memory_mb = memory_mb(s),
		.cpus = (unsigned int)MIN(MAX(s->sandbox.cpus, s->conf.cpus), (uint64_t)CPUS_MAX),
		.shares = &share,
		.n_shares = 1,
		.extra = qemu_words(a, &s->net),
		.fds = fds,
		.n_fds = s->net.nsfd < 0 ? 0 : NET_LINKS,
		.netns = MAX(s->net.nsfd, 0),
		.console = on_console,
		.ended = on_ended,
		.arg = s,
		.cancel = &s->done,
	};

	if (!o.extra)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	for (size_t i = 0; i < NET_LINKS; i++)
		fds[i] = s->net.links[i].tapfd;
	s->vm = vm_start(s->loop, &o, e);
	if (!s->vm)
		return -1;
	s->vm_pid = vm_pid(s->vm);
	return vm_wait_ready(s->vm, s->conf.boot_ms, e);
}

static void on_closed(void *arg)
{
	guest_lost(arg);
}

/* A connection of its own for the streams: a chatty one does not hold calls up. */
static int connect_streams(struct shim *s, struct err *e)
{
	struct address a;
	int fd;

	if (address_parse(vm_address(s->vm), &a, e) < 0)
		return -1;
	fd = address_connect(&a, CONNECT_MS, e);
	if (fd < 0)
		return -1;
	s->streams = client_new(s->loop, fd, e);
	if (!s->streams)
		return -1;
	client_on_closed(s->streams, on_closed, s);
	return 0;
}

/* --- the guest's sandbox --- */

/* A pod that containerd gave no config for (a pause container, a container alone) has a hostname,
 * and with it the files and the shared memory that pods have. */
static int pack_config(struct arena *a, const char *hostname, Google__Protobuf__Any *any,
		       struct err *e)
{
	Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;

	config.hostname = (char *)hostname;
	any->type_url = (char *)CONFIG_TYPE;
	any->value.data = pb_pack(a, &config.base, &any->value.len, e);
	return any->value.data ? 0 : -1;
}

static int make_sandbox(struct shim *s, struct arena *a, const char *hostname, struct err *e)
{
	Containerd__Runtime__Sandbox__V1__CreateSandboxRequest create =
		CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	Containerd__Runtime__Sandbox__V1__StartSandboxRequest start =
		CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_REQUEST__INIT;
	Google__Protobuf__Any config = GOOGLE__PROTOBUF__ANY__INIT,
			      options = GOOGLE__PROTOBUF__ANY__INIT, *given;
	Mote__V1__SandboxOptions own = MOTE__V1__SANDBOX_OPTIONS__INIT;
	Grpc__Storage storage = GRPC__STORAGE__INIT, *storages[] = { &storage };

	own.config = &config;
	if (s->sandbox.options) {
		given = (Google__Protobuf__Any *)pb_unpack(a, &google__protobuf__any__descriptor,
							   s->sandbox.options,
							   s->sandbox.options_len, e);
		if (!given)
			return -1;
		own.config = given;
	} else if (pack_config(a, hostname, &config, e) < 0) {
		return -1;
	}
	storage.driver = (char *)"virtio-fs";
	storage.source = (char *)SHARE_TAG;
	storage.fstype = (char *)"virtiofs";
	storage.mount_point = (char *)SHARE_GUEST;
	own.n_storages = COUNT_OF(storages);
	own.storages = storages;
	options.type_url = (char *)OPTIONS_TYPE;
	options.value.data = pb_pack(a, &own.base, &options.value.len, e);
	if (!options.value.data)
		return -1;
	create.sandbox_id = start.sandbox_id = (char *)s->id;
	create.options = &options;
	if (call_msg(s, a, "CreateSandbox", &create.base, e) < 0)
		return -1;
	return call_msg(s, a, "StartSandbox", &start.base, e);
}

static void on_clock_set(void *arg UNUSED, const struct err *e, const uint8_t *payload UNUSED,
			 size_t len UNUSED)
{
	if (err_is_set(e))
		log_warn("guest", "its clock: %s", e->msg);
}

/* The machine began with its board's clock, which counts in seconds. The exits that containerd
 * shows are told in the guest's time. */
static int set_clock(struct shim *s, struct err *e)
{
	Grpc__SetGuestDateTimeRequest req = GRPC__SET_GUEST_DATE_TIME_REQUEST__INIT;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	req.sec = now.tv_sec;
	req.usec = now.tv_nsec / 1000;
	return client_call_msg(s->calls, "grpc.AgentService", "SetGuestDateTime", &req.base,
			       CALL_MS, on_clock_set, NULL, e) < 0
		       ? -1
		       : 0;
}

static void on_forgotten(void *arg UNUSED, const struct err *e, const uint8_t *payload UNUSED,
			 size_t len UNUSED)
{
	if (err_is_set(e) && !guest_is_gone(e))
		log_warn("guest", "look at the share: %s", e->msg);
}

void guest_forget(struct shim *s)
{
	Grpc__RemoveStaleVirtiofsShareMountsRequest req =
		GRPC__REMOVE_STALE_VIRTIOFS_SHARE_MOUNTS_REQUEST__INIT;
	struct err e = { 0 };

	if (s->machine == MACHINE_UP &&
	    client_call_msg(s->calls, "grpc.AgentService", "RemoveStaleVirtiofsShareMounts",
			    &req.base, CALL_MS, on_forgotten, NULL, &e) < 0)
		on_forgotten(NULL, &e, NULL, 0);
}

/* How long since *since, which becomes now: microseconds. */
static unsigned long long lap(uint64_t *since)
{
	uint64_t was = *since;

	*since = clock_us();
	return *since - was;
}

/* The phases' times are what tests/bench tells of a pod's start. */
static int come_up(struct shim *s, struct arena *a, const char *hostname, struct err *e)
{
	uint64_t at = clock_us();
	unsigned long long taps, machine, sandbox, interfaces;

	if ((*s->sandbox.netns || s->sandbox.makes_netns) &&
	    net_open(&s->net, s->sandbox.netns, e) < 0)
		return err_ctx(e, "network");
	taps = lap(&at);
	if (boot(s, a, e) < 0)
		return err_ctx(e, "boot");
	machine = lap(&at);
	s->machine = MACHINE_UP;
	s->calls = vm_client(s->vm);
	client_on_closed(s->calls, on_closed, s);
	if (connect_streams(s, e) < 0 || set_clock(s, e) < 0)
		return err_ctx(e, "connect to the guest");
	if (make_sandbox(s, a, hostname, e) < 0)
		return -1;
	sandbox = lap(&at);
	if (net_tell(&s->net, s->calls, e) < 0)
		return err_ctx(e, "network");
	net_forward(&s->net, s->loop, s->streams);
	interfaces = lap(&at);
	if (outbox_begin(s, e) < 0)
		return -1;
	log_info("guest", "up: taps %llu us, machine %llu us, sandbox %llu us, interfaces %llu us", taps,
		 machine, sandbox, interfaces);
	return 0;
}

int guest_up(struct shim *s, const char *hostname, struct err *e)
{
	struct arena a;
	int rc;

	if (s->machine == MACHINE_UP)
		return 0;
	if (s->machine != MACHINE_NONE)
		return err_set(e, RC_FAILED_PRECONDITION, "the pod's machine has ended");
	arena_init(&a, ARENA_BYTES);
	rc = come_up(s, &a, hostname, e);
	arena_fini(&a);
	if (rc < 0) {
		if (s->vm)
			log_error("guest", "the console's end: %s", vm_console(s->vm));
		guest_stop(s);
	}
	return rc;
}

/* --- the end --- */

/* In a callback of what dies: the machine itself is cleared away by work. */
static void clear_away(struct work *w)
{
	guest_stop(container_of(w, struct shim, lost));
}

void guest_lost(struct shim *s)
{
	struct timespec now;
	struct task *t;
	struct proc *p;

	if (s->machine == MACHINE_GONE || s->machine == MACHINE_NONE)
		return;
	if (s->machine == MACHINE_UP)
		log_error("guest", "the machine is lost");
	s->machine = MACHINE_GONE;
	clock_gettime(CLOCK_REALTIME, &now);
	LIST_EACH(t, &s->tasks, struct task, node) {
		LIST_EACH(p, &t->execs, struct proc, node)
			proc_lost(s, p, &now);
		proc_lost(s, &t->init, &now);
	}
	sandbox_ended(s, STATUS_LOST);
	if (list_empty(&s->lost.node))
		shim_queue(s, &s->lost, clear_away);
}

static void ask_to_end(struct shim *s)
{
	Containerd__Runtime__Sandbox__V1__StopSandboxRequest stop =
		CONTAINERD__RUNTIME__SANDBOX__V1__STOP_SANDBOX_REQUEST__INIT;
	Containerd__Runtime__Sandbox__V1__ShutdownSandboxRequest down =
		CONTAINERD__RUNTIME__SANDBOX__V1__SHUTDOWN_SANDBOX_REQUEST__INIT;
	struct err e = { 0 };
	struct arena a;

	stop.sandbox_id = down.sandbox_id = (char *)s->id;
	stop.timeout_secs = STOP_MS / 1000;
	arena_init(&a, ARENA_BYTES);
	if (call_msg(s, &a, "StopSandbox", &stop.base, &e) == 0) {
		outbox_settle(s, STOP_MS);
		call_msg(s, &a, "ShutdownSandbox", &down.base, &e);
	}
	arena_fini(&a);
	if (err_is_set(&e) && !guest_is_gone(&e))
		log_warn("guest", "%s", e.msg);
	err_clear(&e);
	if (s->vm)
		vm_wait_exit(s->vm, POWER_OFF_MS, &e);
}

void guest_stop(struct shim *s)
{
	bool was_up = s->machine == MACHINE_UP;

	if (was_up) {
		s->machine = MACHINE_STOPPING;
		ask_to_end(s);
	}
	outbox_end(s);
	forward_close(&s->net.forward); /* borrows the streams */
	s->calls = NULL; /* the VM's own */
	client_free(TAKE_PTR(s->streams));
	vm_stop(TAKE_PTR(s->vm), VM_STOP_KILL);
	net_close(&s->net);
	if (s->machine == MACHINE_STOPPING)
		guest_lost(s);
	s->machine = MACHINE_GONE;
}
