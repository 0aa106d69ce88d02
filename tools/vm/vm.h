/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher: boots a QEMU VM as a child of the loop, reaches its agent, ends it. motectl, the VM
 * tests and the benchmarks stand on it.
 *
 * Calls of this header that say "turns the loop" wait by loop_once() until what they wait for has
 * happened; they are not for callbacks. The caller has started the reaper (event/child.h). All
 * processes die with the caller, and nothing is left on the disk, however the caller ends.
 */
#ifndef MOTE_VM_VM_H
#define MOTE_VM_VM_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/client.h"

#define VM_PORT		1024	/* where an agent listens */
#define VM_MEMORY_MB	256
#define VM_DRIVES	8
#define VM_SHARES	4
#define VM_SIBLINGS	3
#define VM_FDS		8
#define VM_PCI_PATH	8	/* bytes of "02/01" with room to spare */

enum vm_drive_flags {
	VM_DRIVE_READONLY = 0x1,
	VM_DRIVE_BRIDGE = 0x2,	/* behind a PCI bridge, so that its PCI path has two elements */
};

/* A virtio-blk disk over a raw image file. */
struct vm_drive {
	const char *file;
	const char *serial;	/* may be NULL */
	unsigned int flags;
};

/* A directory by virtio-fs. */
struct vm_share {
	const char *dir;
	const char *tag;
};

struct vm;

struct vm_opts {
	const struct vm_arch *arch;	/* what the guest has to be; NULL: what its kernel is */
	const char *kernel, *initrd;	/* NULL: found as vm_find.h says; initrd "": none */
	const char *cmdline;		/* goes after the launcher's own; may be NULL */
	unsigned int memory_mb;		/* 0: VM_MEMORY_MB */
	unsigned int cpus;		/* 0: 1 */
	const struct vm_drive *drives;
	size_t n_drives;		/* at most VM_DRIVES */
	const struct vm_share *shares;
	size_t n_shares;		/* at most VM_SHARES */
	uint32_t cid;			/* 0: chosen */
	unsigned int siblings;	/* VMs that may join this one's vsock: at most VM_SIBLINGS */
	struct vm *joins; /* started with siblings, stopped later: the guests reach each other */
	const char *qemu;		/* NULL: found */
	const char *accel;		/* "kvm", "tcg"; NULL: kvm where it is proven to work */
	const char *const *extra;	/* more arguments for QEMU, NULL-terminated; may be NULL */
	const int *fds;		/* descriptors that extra names: QEMU has them by the same numbers */
	size_t n_fds;		/* at most VM_FDS */
	int netns;		/* a network namespace that QEMU is to be in; 0: ours */
	void (*ended)(void *arg);	/* QEMU has ended: called once, in the loop; may be NULL */
	void (*console)(void *arg, const char *line);	/* the guest's console; may be NULL */
	void *arg;
	const bool *cancel; /* once true, every wait in here ends with CANCELLED; may be NULL */
};

/* Starts the helpers and QEMU. Returns before the guest has booted. NULL with e, and then nothing
 * is left. Turns the loop. */
struct vm *vm_start(struct loop *l, const struct vm_opts *opts, struct err *e);

/* "vsock://CID:1024" or "hvsock://PATH:1024": for address_parse(). */
const char *vm_address(const struct vm *vm);

/* The guest's own, by which siblings reach it. */
uint32_t vm_cid(const struct vm *vm);

/* Connects until Health.Check answers SERVING; the connection stays, vm_client() gives it. -1 with
 * e: DEADLINE_EXCEEDED, CANCELLED, or UNAVAILABLE with what QEMU or the console said last. Turns
 * the loop. */
int vm_wait_ready(struct vm *vm, uint64_t timeout_ms, struct err *e);

/* The connection of vm_wait_ready(), owned by the VM; NULL before. */
struct client *vm_client(const struct vm *vm);

/* How the guest calls drive i: the PCI path that Storage.source of driver "blk" wants. */
const char *vm_drive_pci_path(const struct vm_opts *opts, size_t i, char buf[VM_PCI_PATH]);

/* One QMP command; arguments: a JSON object or NULL. The text of "return" goes to reply (may be
 * NULL). -1 with e. Turns the loop. */
int vm_qmp(struct vm *vm, const char *command, const char *arguments, char *reply, size_t cap,
	   struct err *e);

bool vm_is_alive(const struct vm *vm);
pid_t vm_pid(const struct vm *vm);

/* virtiofsd of share i, for tests that stop it: the leader of its group, which is what has to be
 * signalled (one of its children serves). 0 when there is none. */
pid_t vm_share_pid(const struct vm *vm, size_t i);

/* The end of what the console said; text belongs to the VM and changes as the loop turns. */
const char *vm_console(const struct vm *vm);

/* Until QEMU has ended by itself. 0, or -1 with e. Turns the loop. */
int vm_wait_exit(struct vm *vm, uint64_t timeout_ms, struct err *e);

/* SIGKILL for QEMU; may be called in a callback. What waits for the VM ends soon. */
void vm_kill(struct vm *vm);

enum vm_stop_mode {
	VM_STOP_SANDBOX,	/* DestroySandbox, so that the guest powers off; then as below */
	VM_STOP_QUIT,		/* QMP quit; then as below */
	VM_STOP_KILL,		/* SIGKILL */
};

/* Ends everything, removes everything, frees vm (NULL is fine). Turns the loop, for at most about 6
 * s. */
void vm_stop(struct vm *vm, enum vm_stop_mode mode);

#endif
