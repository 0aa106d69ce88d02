/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending agents; see rig_call.c for talking to them. */
#include "lib/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "lib/rig_keeper.h"
#include "ttrpc/address.h"
#include "vm/vm_arch.h"

/* Against hangs only. */
#define CONSOLE_MS 60000
#define STATUS_MS  60000
#define START_MS   60000
#define BOOT_MS    300000
#define CONNECT_MS 60000 /* one that is given up may be the vsock device's last (vm_talk.c) */

extern char **environ;

bool rig_is_foreign(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/busybox", rig_env("MOTE_BUILD", "build/x86_64"));
	return access(path, X_OK) == 0;
}

bool rig_has_cgroup_v1(const struct rig *r)
{
	if (r->kind == RIG_VM)
		return r->vm_opts.cmdline && strstr(r->vm_opts.cmdline, "unified_cgroup_hierarchy=0");
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) < 0;
}

bool rig_has_acpi(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/vmlinuz", rig_env("MOTE_BUILD", "build/x86_64"));
	return vm_arch_of_kernel(path)->acpi;
}

const char *rig_missing(enum rig_kind kind)
{
	if (access("/bin/busybox", X_OK) < 0)
		return "no /bin/busybox (package busybox-static)";
	if (kind == RIG_NAMESPACES && geteuid() != 0)
		return "needs root to make namespaces and mounts";
	return NULL;
}

static void agent_ended(struct child *c, int status)
{
	struct rig *r = container_of(c, struct rig, agent);

	r->agent_status = status;
}

/* A program to its end; its status. The loop turns meanwhile: only the loop reaps. */
struct errand {
	struct child child;
	int status;
};

static void errand_ended(struct child *c, int status)
{
	container_of(c, struct errand, child)->status = status;
}

int rig_program(struct rig *r, char *const argv[])
{
	struct errand er = { .status = -1 };
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int err;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	err = posix_spawnp(&pid, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (err)
		return 127;
	child_track(&er.child, pid, errand_ended);
	while (er.status < 0)
		loop_once(r->loop, -1);
	return er.status;
}

#define PROGRAMS 4

static int make_rootfs(struct rig *r)
{
	char paths[PROGRAMS][256];
	char *argv[3 + PROGRAMS + 1] = { (char *)"tests/lib/make-rootfs", r->rootfs,
					 r->kind == RIG_VM ? r->image : NULL };

	snprintf(r->rootfs, sizeof(r->rootfs), "%s/rootfs", r->dir);
	snprintf(r->image, sizeof(r->image), "%s/rootfs.erofs", r->dir);
	for (size_t i = 0; r->programs && !rig_is_foreign() && r->programs[i] && i < PROGRAMS; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/tests/ns/%s",
			 rig_env("MOTE_HOST", "build/host"), r->programs[i]);
		argv[3 + i] = paths[i];
	}
	if (rig_program(r, argv) != 0) {
		fprintf(stderr, "rig: tests/lib/make-rootfs failed\n");
		return -1;
	}
	return 0;
}

/* --- namespaces --------------------------------------------------------------------------- */

static int start_namespaces(struct rig *r)
{
	int told[2];
	pid_t pid;

	snprintf(r->address, sizeof(r->address), "unix://%s/agent.sock", r->dir);
	snprintf(r->log, sizeof(r->log), "%s/agent.log", r->dir);
	if (pipe2(told, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		reaper_reset_in_child();
		rig_keep_namespaces(r, told[1]);
	}
	auto_close(&told[1]);
	if (pid > 0)
		child_track(&r->agent, pid, agent_ended);
	if (pid > 0 &&
	    io_read_full(told[0], &r->agent_pid, sizeof(r->agent_pid)) != sizeof(r->agent_pid))
		pid = -1;
	auto_close(&told[0]);
	return pid < 0 ? -1 : 0;
}

/* --- VM -------------------------------------------------------------------------------------- */

static void console_line(void *arg, const char *line)
{
	(void)arg;
	if (getenv("MOTE_CONSOLE"))
		fprintf(stderr, "console: %s\n", line);
}

static int start_vm(struct rig *r)
{
	static char kernel[256], initrd[256];

	snprintf(kernel, sizeof(kernel), "%s/vmlinuz", rig_env("MOTE_BUILD", "build/x86_64"));
	snprintf(initrd, sizeof(initrd), "%s/initrd.img", rig_env("MOTE_BUILD", "build/x86_64"));
	r->drives[0] = (struct vm_drive){ .file = r->image,
					  .serial = "rootfs",
					  .flags = VM_DRIVE_READONLY };
	if (!r->vm_opts.kernel)
		r->vm_opts.kernel = kernel;
	if (!r->vm_opts.initrd)
		r->vm_opts.initrd = initrd;
	r->vm_opts.drives = r->drives;
	if (!r->vm_opts.n_drives)
		r->vm_opts.n_drives = 1;
	r->share = (struct vm_share){ .dir = r->rootfs, .tag = "rootfs" };
	r->vm_opts.shares = &r->share;
	if (!r->vm_opts.console)
		r->vm_opts.console = console_line;
	r->vm = vm_start(r->loop, &r->vm_opts, &r->err);
	if (!r->vm || vm_wait_ready(r->vm, BOOT_MS, &r->err) < 0) {
		fprintf(stderr, "rig: %s\n", r->err.msg);
		return -1;
	}
	snprintf(r->address, sizeof(r->address), "%s", vm_address(r->vm));
	return 0;
}

bool rig_await_console(struct rig *r, const char *part)
{
	uint64_t until = clock_after(CONSOLE_MS);

	while (!strstr(vm_console(r->vm), part) && clock_ms() < until)
		loop_once(r->loop, 100);
	return strstr(vm_console(r->vm), part);
}

bool rig_await_unplugged(struct rig *r, const char *id)
{
	uint64_t until = clock_after(CONSOLE_MS);
	char path[64];

	snprintf(path, sizeof(path), "{\"path\":\"/machine/peripheral/%s\"}", id);
	while (clock_ms() < until) {
		struct err e = { 0 };

		if (vm_qmp(r->vm, "qom-list", path, NULL, 0, &e) < 0)
			return strstr(e.msg, "not found");
		loop_once(r->loop, 10);
	}
	return false;
}

/* Only so that the loop turns. */
static void again(struct timer *t)
{
	(void)t;
}

/* --- both --------------------------------------------------------------------------------------
 */

/* The listener is there when it is there: a failed connect is tried again until the agent has died
 * or START_MS are over. */
static int wait_for_agent(struct rig *r)
{
	uint64_t until = clock_after(START_MS);
	struct timer tick = { 0 };

	while (clock_ms() < until && r->agent.pid && !r->client) {
		r->client = rig_connect(r);
		timer_arm(r->loop, &tick, clock_after(10), again);
		if (!r->client)
			loop_once(r->loop, -1);
	}
	timer_cancel(&tick);
	if (r->client)
		return 0;
	fprintf(stderr, "rig: %s (agent %s, status %d)\n", r->err.msg,
		r->agent.pid ? "runs" : "ended", r->agent_status);
	return -1;
}

int rig_start(struct rig *r, enum rig_kind kind)
{
	static char tmpl[] = "/tmp/mote-rig-XXXXXX";
	sigset_t none;

	r->kind = kind;
	sigemptyset(&none);
	reaper_block_signals(&none);
	r->has_own_loop = !r->loop;
	if (r->has_own_loop) {
		r->loop = loop_new();
		if (!r->loop || reaper_start(r->loop, &none, NULL) < 0)
			return -1;
	}
	snprintf(r->dir, sizeof(r->dir), "%s", tmpl);
	if (!mkdtemp(r->dir) || make_rootfs(r) < 0 || (r->prepare && r->prepare(r) < 0))
		return -1;
	if (kind == RIG_VM)
		return start_vm(r) < 0 || !(r->client = rig_connect(r)) ? -1 : 0;
	return start_namespaces(r) < 0 || wait_for_agent(r) < 0 ? -1 : 0;
}

static void kill_agent(struct rig *r)
{
	if (r->client)
		client_free(r->client);
	r->client = NULL;
	if (r->agent.pid)
		kill(r->agent.pid, SIGTERM);
	while (r->agent.pid)
		loop_once(r->loop, -1);
}

int rig_restart(struct rig *r)
{
	char socket[sizeof(r->dir) + 16];

	kill_agent(r);
	snprintf(socket, sizeof(socket), "%s/agent.sock", r->dir);
	unlink(socket);
	return start_namespaces(r) < 0 || wait_for_agent(r) < 0 ? -1 : 0;
}

/* What the log has from *from on, at most its last cap - 1 bytes, terminated; *from: where that begins. How much. */
static size_t read_log(const struct rig *r, off_t *from, char *text, size_t cap)
{
	AUTO_FD fd = open(r->log, O_RDONLY | O_CLOEXEC);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t n;

	if (end - *from > (off_t)cap - 1)
		*from = end - (off_t)cap + 1;
	n = fd < 0 || *from > end ? 0 : pread(fd, text, cap - 1, *from);
	text[MAX(n, 0)] = '\0';
	return (size_t)MAX(n, 0);
}

void rig_show_log(const struct rig *r)
{
	static char text[20000];
	off_t from = 0;

	read_log(r, &from, text, sizeof(text));
	fprintf(stderr, "%s", text);
}

int rig_status(struct rig *r, struct rig_status *out)
{
	static char text[1 << 16];
	uint64_t until = clock_after(STATUS_MS);
	struct timer tick = { 0 };

	kill(r->agent_pid, SIGUSR1);
	while (clock_ms() < until && r->agent.pid) {
		size_t n = read_log(r, &r->log_seen, text, sizeof(text));
		const char *at = strstr(text, "connections=");

		if (at && strchr(at, '\n') &&
		    sscanf(at,
			   "connections=%zu calls=%zu containers=%zu storages=%zu children=%zu jobs=%zu fds=%d arena_bytes=%zu",
			   &out->connections, &out->calls, &out->containers, &out->storages,
			   &out->children, &out->jobs, &out->fds, &out->arena_bytes) == 8) {
			r->log_seen += (off_t)n;
			timer_cancel(&tick);
			return 0;
		}
		timer_arm(r->loop, &tick, clock_after(1), again);
		loop_once(r->loop, -1);
	}
	timer_cancel(&tick);
	return -1;
}

void rig_stop(struct rig *r)
{
	AUTO_FD tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool failed;

	if (r->vm && r->client)
		client_free(TAKE_PTR(r->client));
	if (r->vm)
		vm_stop(r->vm, VM_STOP_SANDBOX);
	r->vm = NULL;
	failed = !r->agent.pid && r->agent_status; /* not because of the kill below */
	kill_agent(r);
	if (*r->log && (failed || getenv("MOTE_SHOW_LOG")))
		rig_show_log(r);
	if (*r->dir)
		path_remove_tree(tmp, strrchr(r->dir, '/') + 1);
	if (!r->has_own_loop)
		return;
	reaper_stop();
	loop_free(r->loop);
	r->loop = NULL;
}

/* A child of the agent that the sanitizers ended is a failed helper to the agent, and may be borne. */
static bool sanitizers_spoke(const struct rig *r)
{
	AUTO_FREE char *line = NULL;
	size_t cap = 0;
	bool spoke = false;
	FILE *f = fopen(r->log, "re");

	while (f && getline(&line, &cap, f) > 0)
		if (spoke || strstr(line, "Sanitizer") || strstr(line, ": runtime error: ")) {
			fprintf(stderr, "rig: %s", line);
			spoke = true;
		}
	if (f)
		fclose(f);
	return spoke;
}

static void agent_hangs(struct timer *t)
{
	(void)t;
	fprintf(stderr, "rig: the agent does not end\n");
}

int rig_end_agent(struct rig *r)
{
	struct timer limit = { 0 };

	if (r->agent.pid && rig_call(r, "DestroySandbox", "{}") && r->err.rc != RC_UNAVAILABLE)
		fprintf(stderr, "rig: DestroySandbox: %s\n", r->err.msg);
	timer_arm(r->loop, &limit, clock_after(30000), agent_hangs);
	while (r->agent.pid && limit.loop)
		loop_once(r->loop, -1);
	timer_cancel(&limit);
	if (r->agent.pid || sanitizers_spoke(r))
		return -1;
	return r->agent_status;
}

int rig_connect_raw(struct rig *r)
{
	struct address a;

	err_clear(&r->err);
	if (address_parse(r->address, &a, &r->err) < 0)
		return -1;
	return address_connect(&a, CONNECT_MS, &r->err);
}

struct client *rig_connect(struct rig *r)
{
	int fd = rig_connect_raw(r);
	struct client *c = fd < 0 ? NULL : client_new(r->loop, fd, &r->err);

	if (c)
		client_set_grace(c, RIG_CALL_MS);
	return c;
}
