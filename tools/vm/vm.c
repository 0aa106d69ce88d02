/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and end. The order of the start: a private directory, the vsock device, one virtiofsd per
 * share, QEMU last. Every socket is connected here, by us, and handed to QEMU as an open
 * descriptor: QEMU never races with a helper that is not yet listening, and QMP and the console
 * have no name that anyone else could open. The end goes backwards.
 */
#include "vm/vm_private.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ttrpc/address.h"
#include "vm/vm_accel.h"
#include "vm/vm_args.h"
#include "vm/vm_find.h"

#define QUIT_MS		2000
#define ARGS_BYTES	65536
#define QEMU_FDS	(3 + VM_SHARES + VM_FDS)

/* What is there, up to a few KiB. false: there is no more, for now or for good. */
static bool hear_console(struct vm *vm)
{
	char buf[4096];
	ssize_t n = recv(vm->consolefd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		vm_lines_feed(&vm->console, buf, (size_t)n);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return n > 0;
	watch_del(&vm->console_watch);
	vm_lines_flush(&vm->console);
	return false;
}

static void on_console(struct watch *w, uint32_t events UNUSED)
{
	hear_console(container_of(w, struct vm, console_watch));
}

/* The last words of a guest, and QEMU's of why, may still lie in the sockets: who hears of the end has
 * heard them. */
static void on_qemu_ended(void *arg)
{
	struct vm *vm = arg;

	while (vm->console_watch.loop && hear_console(vm))
		;
	vm_qmp_drain(&vm->qmp);
	if (vm->ended_fn)
		vm->ended_fn(vm->caller_arg);
}

static void on_console_line(void *arg, const char *line)
{
	struct vm *vm = arg;

	vm_voice_hear(&vm->voice, line, vm->console.goes_on);
	if (vm->console_fn)
		vm->console_fn(vm->caller_arg, line);
}

/* The C virtiofsd of QEMU and its successor in Rust take different options. */
static int start_virtiofsd(struct vm *vm, struct vm_proc *p, const char *dir, int listenfd,
			   struct err *e)
{
	char program[PATH_MAX], fd[32], real[PATH_MAX], source[PATH_MAX + 16];
	struct str f = STR_OVER(fd), s = STR_OVER(source);
	const char *of_qemu[] = {
		program, fd, "-o", source, "-o", "cache=auto", "-o", "sandbox=namespace", NULL,
	};
	const char *of_rust[] = {
		program, fd, source, "--cache=auto", "--sandbox=namespace", NULL,
	};
	struct vm_proc_opts opts = { .name = "virtiofsd", .fds = &listenfd, .n_fds = 1 };
	bool qemus;

	if (!realpath(dir, real))	/* virtiofsd looks for it after it has moved elsewhere */
		return err_sys(e, errno, "look it up");
	if (strchr(real, ','))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "virtiofsd takes no directory with a comma in its name");
	if (vm_find(VM_FIND_VIRTIOFSD, NULL, program, e) < 0)
		return -1;
	qemus = strstr(program, "/qemu/");
	opts.argv = qemus ? of_qemu : of_rust;
	str_addf(&f, "--fd=%d", listenfd);
	str_addf(&s, "%s%s", qemus ? "source=" : "--shared-dir=", real);
	return vm_proc_start(vm->loop, p, &opts, e);
}

/* Returns the connection for QEMU. It waits in the socket's backlog until virtiofsd accepts. */
static int start_share(struct vm *vm, size_t i, const char *dir, struct err *e)
{
	struct address a = { .kind = ADDRESS_UNIX };
	struct str path = STR_OVER(a.path);
	AUTO_FD listenfd = -1;
	AUTO_FD fd = -1;

	str_addf(&path, "%s/fs%zu.sock", vm->scratch.path, i);
	listenfd = address_listen(&a, 1, e);
	if (listenfd < 0)
		return -1;
	fd = address_connect(&a, 1000, e);
	if (fd < 0 || start_virtiofsd(vm, &vm->shares[i], dir, listenfd, e) < 0)
		return err_ctx(e, "share %s", dir);
	return TAKE_FD(fd);
}

/* A pair for a channel to QEMU: ours does not wait, QEMU's is as QEMU wants it. */
static int channel(int *ours, int *theirs, struct err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	*ours = pair[0];
	*theirs = pair[1];
	return 0;
}

static int open_channels(struct vm *vm, struct vm_plan *p, struct err *e)
{
	int qmpfd, rc;

	if (channel(&qmpfd, &p->qmpfd, e) < 0)
		return -1;
	rc = vm_qmp_open(vm->loop, &vm->qmp, qmpfd);
	if (rc < 0)
		return err_sys(e, -rc, "watch QMP");
	if (channel(&vm->consolefd, &p->consolefd, e) < 0)
		return -1;
	rc = watch_add(vm->loop, &vm->console_watch, vm->consolefd, EPOLLIN, on_console);
	return rc < 0 ? err_sys(e, -rc, "watch the console") : 0;
}

static int start_qemu(struct vm *vm, const struct vm_plan *p, struct err *e)
{
	int fds[QEMU_FDS] = { p->qmpfd, p->consolefd, p->vsockfd };
	const struct vm_opts *o = p->opts;
	struct vm_proc_opts opts = { .name = "QEMU", .fds = fds, .n_fds = 3 + o->n_shares + o->n_fds,
				     .netns = o->netns, .ended = on_qemu_ended, .arg = vm };
	struct arena a;
	int rc;

	memcpy(fds + 3, p->share_fds, o->n_shares * sizeof(*fds));
	memcpy(fds + 3 + o->n_shares, o->fds ? o->fds : fds, o->n_fds * sizeof(*fds));
	arena_init(&a, ARGS_BYTES);
	opts.argv = vm_args_build(&a, p, e);
	rc = opts.argv ? vm_proc_start(vm->loop, &vm->qemu, &opts, e) : -1;
	arena_fini(&a);
	return rc;
}

static int start_vsock(struct vm *vm, const struct vm_opts *o, struct err *e)
{
	if (o->joins)
		return vm_vsock_join(vm->loop, &vm->vsock, &o->joins->vsock, vm->cancel,
				     vm->address, sizeof(vm->address), e);
	return vm_vsock_start(vm->loop, &vm->vsock, o, vm->scratch.path, vm->address,
			      sizeof(vm->address), e);
}

/* Everything up to QEMU; the descriptors that QEMU gets are in p, closed by the caller. */
static int start_all(struct vm *vm, struct vm_plan *p, struct err *e)
{
	static const char *const parents[] = { "$XDG_RUNTIME_DIR", "/tmp", NULL };
	const struct vm_opts *o = p->opts;

	if (vm_scratch_make(vm->loop, &vm->scratch, parents, e) < 0)
		return -1;
	if (start_vsock(vm, o, e) < 0)
		return err_ctx(e, "vsock");
	p->vsockfd = TAKE_FD(vm->vsock.fd);
	p->kernel_cid = vm->vsock.kernel ? vm->vsock.cid : 0;
	for (size_t i = 0; i < o->n_shares; i++) {
		p->share_fds[i] = start_share(vm, i, o->shares[i].dir, e);
		if (p->share_fds[i] < 0)
			return -1;
	}
	if (open_channels(vm, p, e) < 0)
		return -1;
	return start_qemu(vm, p, e);
}

struct found {
	char qemu[PATH_MAX], kernel[PATH_MAX], initrd[PATH_MAX];
};

static int find_one(const char *given, enum vm_find_what what, const struct vm_arch *arch, char found[PATH_MAX],
		    const char **out, struct err *e)
{
	if (given) {
		*out = given;
		if (access(given, R_OK) < 0)
			return err_sys(e, errno, "%s", given);
		return 0;
	}
	*out = found;
	return vm_find(what, arch, found, e);
}

static int find_all(struct vm *vm, struct vm_plan *p, struct found *f, struct err *e)
{
	const struct vm_opts *o = p->opts;

	if (find_one(o->kernel, VM_FIND_KERNEL, NULL, f->kernel, &p->kernel, e) < 0)
		return -1;
	p->arch = vm_arch_of_kernel(p->kernel);
	if (o->arch && o->arch != p->arch)
		return err_set(e, RC_INVALID_ARGUMENT, "the image is for %s, and the kernel %s for %s", o->arch->name,
			       p->kernel, p->arch->name);
	if (find_one(o->qemu, VM_FIND_QEMU, p->arch, f->qemu, &p->qemu, e) < 0)
		return -1;
	if (o->initrd && !*o->initrd)
		p->initrd = NULL;
	else if (find_one(o->initrd, VM_FIND_INITRD, NULL, f->initrd, &p->initrd, e) < 0)
		return -1;
	vm->voice.firmware = p->arch->firmware_speaks;
	p->accel = o->accel ? o->accel : vm_accel_choose(vm->loop, p->arch, p->qemu, o->cancel);
	p->tsc_khz = str_eq(p->accel, "tcg") && str_eq(p->arch->name, "x86_64") ? vm_accel_tsc_khz() : 0;
	return 0;
}

struct vm *vm_start(struct loop *l, const struct vm_opts *opts, struct err *e)
{
	AUTO_FREE struct found *found = mem_new(1, sizeof(*found));
	struct vm_plan plan = { .opts = opts, .qmpfd = -1, .consolefd = -1, .vsockfd = -1 };
	struct vm *vm = mem_new(1, sizeof(*vm));
	int rc = -1;

	for (size_t i = 0; i < VM_SHARES; i++)
		plan.share_fds[i] = -1;
	if (!vm || !found) {
		free(vm);
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	vm->loop = l;
	vm->cancel = opts->cancel;
	vm->consolefd = vm->vsock.fd = -1;
	vm->started_ms = clock_ms();
	vm->console_fn = opts->console;
	vm->ended_fn = opts->ended;
	vm->caller_arg = opts->arg;
	vm_lines_init(&vm->console, on_console_line, vm);
	if (opts->n_drives > VM_DRIVES || opts->n_shares > VM_SHARES || opts->n_fds > VM_FDS)
		err_set(e, RC_INVALID_ARGUMENT, "more than %d drives, %d shares or %d descriptors", VM_DRIVES,
			VM_SHARES, VM_FDS);
	else if (find_all(vm, &plan, found, e) == 0)
		rc = start_all(vm, &plan, e);
	auto_close(&plan.qmpfd);
	auto_close(&plan.consolefd);
	auto_close(&plan.vsockfd);
	for (size_t i = 0; i < VM_SHARES; i++)
		auto_close(&plan.share_fds[i]);
	if (rc == 0)
		return vm;
	vm_stop(vm, VM_STOP_KILL);
	return NULL;
}

void vm_kill(struct vm *vm)
{
	vm_proc_signal(&vm->qemu, SIGKILL);
}

void vm_stop(struct vm *vm, enum vm_stop_mode mode)
{
	struct err ignored = { 0 };

	if (!vm)
		return;
	if (mode == VM_STOP_SANDBOX)
		vm_ask_to_power_off(vm);
	if (vm->client)
		client_free(vm->client);
	if (mode != VM_STOP_KILL && vm_is_alive(vm) &&
	    vm_qmp_run(&vm->qmp, "quit", NULL, clock_after(QUIT_MS), NULL, 0, &ignored) == 0)
		vm_proc_wait(&vm->qemu, clock_after(QUIT_MS), NULL);
	vm_proc_stop(&vm->qemu);
	for (size_t i = 0; i < VM_SHARES; i++)
		vm_proc_stop(&vm->shares[i]);
	vm_proc_stop(&vm->vsock.proc);
	auto_close(&vm->vsock.fd);
	vm_qmp_close(&vm->qmp);
	watch_del(&vm->console_watch);
	auto_close(&vm->consolefd);
	vm_scratch_remove(&vm->scratch);
	free(vm);
}
