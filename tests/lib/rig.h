/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running agent and a client of it: what the tests of whole calls stand on. The agent is either
 * the sanitizer build as PID 1 of namespaces on this machine (fast, and its memory is watched), or
 * the real one as PID 1 of a VM. Cases are written once for both: requests and replies are JSON.
 */
#ifndef MOTE_TESTS_RIG_H
#define MOTE_TESTS_RIG_H

#include "base/err.h"
#include "event/child.h"
#include "ttrpc/client.h"
#include "vm/vm.h"

enum rig_kind { RIG_NAMESPACES, RIG_VM };

struct rig {
	enum rig_kind kind;
	struct loop *loop; /* set before rig_start(), with the reaper started: the test's, for two rigs */
	bool has_own_loop;
	struct client *client;
	struct err err;      /* of the last rig_call that failed */
	char reply[1 << 17]; /* of the last one that did not: JSON, or the bytes of rig_read */
	size_t reply_len;
	char dir[64];    /* scratch, removed at the end */
	char rootfs[96]; /* the busybox directory */
	char image[96];  /* the same as an erofs image */
	char address[128];
	struct vm *vm;
	/* VM: what the test wants beside the usual, set before rig_start(). drives[0] is the rig's own:
	 * the image of the root file system. With n_shares 1 the directory of it is shared too, by
	 * the tag "rootfs". */
	struct vm_opts vm_opts;
	struct vm_drive drives[4];
	struct vm_share share;
	const char *const *programs; /* of tests/ns, for the root file system; NULL-terminated */
	int (*prepare)(struct rig *r); /* makes files in dir before the VM starts; may be NULL */
	struct child agent; /* the namespaces' keeper; pid 0 once it has ended */
	int agent_status;
	pid_t agent_pid;     /* as this machine sees it (namespaces) */
	char log[96];        /* the agent's log (namespaces) */
	off_t log_seen;      /* how far rig_status has read in it */
	unsigned int serial; /* for ids that are new */
	uint64_t call_ms;    /* for a call; 0: RIG_CALL_MS */

	/* Namespaces: another build of the agent in $MOTE_HOST, and what is called right before it is
	 * executed. NULL: mote-agent, nothing. */
	const char *program;
	void (*before_exec)(void *arg);
	void *before_exec_arg;
};

/* Boots or starts. 0, or -1 with what is wrong on stderr. */
int rig_start(struct rig *r, enum rig_kind kind);
void rig_stop(struct rig *r);

/* A new agent in the place of this one, which is killed (namespaces only). */
int rig_restart(struct rig *r);

/* Until the VM's console has `part`, or 60 s are over: is it there? */
bool rig_await_console(struct rig *r, const char *part);

/* The end of the agent's log, on stderr. */
void rig_show_log(const struct rig *r);

/* What the agent says it holds (namespaces only). */
struct rig_status {
	size_t connections, calls, containers, storages, children, jobs, arena_bytes;
	int fds;
};
int rig_status(struct rig *r, struct rig_status *out);

/* DestroySandbox, unless the agent is ending already, and its exit status (namespaces only): 0 unless
 * the sanitizers found something, leaks included, or told so of a child of the agent's (-1). */
int rig_end_agent(struct rig *r);

/* A program of this machine to its end; its exit status. The loop turns meanwhile. */
int rig_program(struct rig *r, char *const argv[]);

/* Whether $MOTE_BUILD's guest is of another architecture than this machine: its programs do not run
 * in it. Such a build has a busybox of its own. */
bool rig_is_foreign(void);

/* Whether the guest's machine has firmware with ACPI: without it there are no memory slots to plug
 * into (pc-dimm, nvdimm), and nobody makes room behind bridges for what comes. */
bool rig_has_acpi(void);

/* Whether the agent's control groups are of version 1. There the kernel tells that memory has run out
 * before it kills, and sometimes more than once for one kill. */
bool rig_has_cgroup_v1(const struct rig *r);

/* Can this machine do it? NULL, or the reason why not. */
const char *rig_missing(enum rig_kind kind);

/* Until QEMU has let a device go that it was told to unplug, or 60 s are over: is it gone? The guest
 * has seen the last of it before: with a slot of PCIe, it is the guest who then switches the slot off. */
bool rig_await_unplugged(struct rig *r, const char *id);

/* One more connection; NULL with r->err. Its calls end with the agent's own word, also of a deadline that a
 * busy machine tells late: only one that says nothing for RIG_CALL_MS more has hung. */
struct client *rig_connect(struct rig *r);
int rig_connect_raw(struct rig *r); /* a plain socket; -1 with r->err */

#define RIG_CALL_MS 30000

/* A unary call, "CreateContainer" (of grpc.AgentService) or "grpc.Health/Check". The reply is in
 * r->reply as JSON. The status code: RC_OK, or r->err.rc. */
int rig_call(struct rig *r, const char *method, const char *json, ...) PRINTF(3, 4);
int rig_call_on(struct rig *r, struct client *c, uint64_t timeout_ms, const char *method,
		const char *json, ...) PRINTF(5, 6);

/* The same, not waited for. */
struct rig_pending {
	bool done;
	struct err err;
	uint8_t payload[1 << 16];
	size_t len;
};
void rig_send(struct rig *r, struct client *c, uint64_t timeout_ms, struct rig_pending *p,
	      const char *method, const char *json, ...) PRINTF(6, 7);
int rig_await(struct rig *r, struct rig_pending *p); /* the code */

/* What a test wants of a container; zero is the usual. */
struct rig_container {
	const char *args;     /* JSON array; NULL: ["/bin/sh"] */
	const char *process;  /* more members of Process: ",\"Terminal\":true" */
	const char *linux;    /* more members of Linux */
	const char *mounts;   /* more mounts: ",{…}" */
	const char *spec;     /* more members of the Spec */
	const char *storages; /* more storages: ",{…}" */
	const char *request;  /* more members of the request */
	const char *root;     /* root path instead of the writable busybox */
	bool readonly;        /* the root */
};

/* The storages, as JSON without brackets, that put a writable busybox root on `at`. */
void rig_root_storages(const struct rig *r, const char *at, char *out, size_t cap);

/* The request of rig_create() in JSON; in a, NULL when there is no room. */
char *rig_create_text(const struct rig *r, struct arena *a, const char *id,
		      const struct rig_container *what);

/* CreateContainer with a writable busybox root. The code. */
int rig_create(struct rig *r, const char *id, const struct rig_container *what);

/* The same, not waited for. */
void rig_send_create(struct rig *r, struct client *c, uint64_t timeout_ms, struct rig_pending *p,
		     const char *id, const struct rig_container *what);

/* create + start. */
int rig_run(struct rig *r, const char *id, const struct rig_container *what);

/* An exec of sh -c SCRIPT. */
int rig_exec(struct rig *r, const char *id, const char *exec_id, const char *script);

/* WaitProcess: the exit status, or -code. */
int rig_wait(struct rig *r, const char *id, const char *exec_id);

/* Reads stdout (or stderr) to its end into r->reply, terminated. Length, or -code. */
ssize_t rig_read(struct rig *r, const char *method, const char *id, const char *exec_id);

/* The same, but no further than `part`, which may be NULL. */
ssize_t rig_read_until(struct rig *r, const char *method, const char *id, const char *exec_id,
		       const char *part);

int rig_remove(struct rig *r, const char *id);

/* create, start, read stdout to the end, wait, remove. The exit status; the output is in r->reply.
 * Fails the test on any failure. */
int rig_shell(struct rig *r, const char *script);

/* The same in a container that sees the guest: all capabilities, the guest's /proc on /guest, its
 * control groups on /groups. */
int rig_guest(struct rig *r, const char *script);

/* A container id that was not used before; in a buffer of the rig's (four live at a time). */
const char *rig_id(struct rig *r);

#endif
