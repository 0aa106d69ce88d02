/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher's own view of a VM; for vm*.c only. */
#ifndef MOTE_VM_PRIVATE_H
#define MOTE_VM_PRIVATE_H

#include "vm/vm.h"
#include "vm/vm_lines.h"
#include "vm/vm_proc.h"
#include "vm/vm_qmp.h"
#include "vm/vm_scratch.h"
#include "vm/vm_voice.h"
#include "vm/vm_vsock.h"

struct vm {
	struct loop *loop;
	const bool *cancel;
	struct vm_scratch scratch;
	struct vm_vsock vsock;
	struct vm_proc shares[VM_SHARES];
	struct vm_proc qemu;
	struct vm_qmp qmp;
	struct watch console_watch;
	int consolefd;
	struct vm_lines console;
	void (*console_fn)(void *arg, const char *line);	/* the caller's, as the next two */
	void (*ended_fn)(void *arg);
	void *caller_arg;
	struct vm_voice voice;
	uint64_t started_ms;
	struct client *client;
	char address[160];
};

/* 0 while all that the VM needs lives and nobody gave up; else -1 with e telling why. */
int vm_check(const struct vm *vm, struct err *e);

/* DestroySandbox over the connection, if there is one, and up to 4 s for the guest to end. */
void vm_ask_to_power_off(struct vm *vm);

#endif
