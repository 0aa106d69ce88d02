/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: a directory becomes a container in a VM of its own, for as long as one command runs.
 *
 * Straight-line code that turns the loop: pack, boot, create, start; then the pump until the end;
 * then everything back, in the reverse order, whatever happened. Signals come by signals.h: before
 * the container runs they end us, then they are the container's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
#include "lib/parse.h"
#include "motectl/motectl.h"
#include "motectl/pack.h"
#include "motectl/pump.h"
#include "motectl/session.h"
#include "motectl/signals.h"
#include "motectl/tty.h"
#include "vm/vm_image.h"
#include "vm/vm_scratch.h"

#define OPTIONS_MAX	(1u << 20)
#define BOOT_MS		60000
#define TWICE_MS	2000	/* two signals to end so close together mean it */
#define CONSOLE_MS	200	/* for a VM that died, so that its last words are there */
#define SHARE_TAG	"rootfs"
#define MEGABYTE	(1u << 20)

static const char usage[] = "motectl run [OPTION...] ROOTFS_DIR [-- COMMAND [ARGUMENT...]]";

struct run_opts {
	bool help, interactive, terminal, share, verbose;
	struct opt_list env, append;
	const char *cwd, *user, *hostname, *kernel, *initrd, *image, *accel;
	uint64_t memory, cpu, vm_memory, vm_cpus, boot_ms;
};

struct run {
	struct run_opts o;
	const char *rootfs;
	const char *const *args;
	struct user user;
	struct arena *arena;
	struct loop *loop;
	struct signals signals;
	struct vm_scratch scratch;	/* holds the image */
	char image[128];
	const char *fstype;
	struct vm_drive drive;
	size_t drive_index;	/* its place among the machine's */
	struct vm_share share;
	struct vm_opts vm_opts;
	struct vm *vm;
	char id[20];
	struct tty tty;
	uint64_t last_signal_ms;
	unsigned int kills;
	struct pump pump;
};

static struct run *the_run;	/* for signals, which carry no argument */

static int parse_memory(const char *text, void *member, struct err *e)
{
	return parse_size(text, member, e);
}

static int parse_cpu(const char *text, void *member, struct err *e)
{
	return parse_cpus(text, member, e);
}

static int parse_vm_cpus(const char *text, void *member, struct err *e)
{
	return parse_count(text, 64, member, e);
}

static int parse_ms(const char *text, void *member, struct err *e)
{
	return parse_seconds(text, member, e);
}

#define AT(member)	offsetof(struct run_opts, member)
static const struct opt table[] = {
	{ "interactive", 'i', NULL, "give our standard input to the container", OPT_FLAG,
	  AT(interactive), NULL },
	{ "tty", 't', NULL, "give the container a terminal", OPT_FLAG, AT(terminal), NULL },
	{ "env", 'e', "NAME=VALUE", "set a variable; NAME alone takes our value", OPT_LIST, AT(env),
	  NULL },
	{ "workdir", 'w', "DIR", "directory to start in (default /)", OPT_TEXT, AT(cwd), NULL },
	{ "user", 'u', "USER[:GROUP]", "numbers, or names of the rootfs' etc/passwd (default 0:0)",
	  OPT_TEXT, AT(user), NULL },
	{ "memory", 'm', "SIZE", "memory limit of the container, such as 64M", OPT_PARSE,
	  AT(memory), parse_memory },
	{ "cpus", 0, "NUMBER", "CPU time limit of the container, such as 1.5", OPT_PARSE, AT(cpu),
	  parse_cpu },
	{ "hostname", 0, "NAME", "(default mote)", OPT_TEXT, AT(hostname), NULL },
	{ "share", 0, NULL,
	  "show the directory itself by virtio-fs: what the container writes stays;\n"
	  "else it gets a copy that is forgotten at the end",
	  OPT_FLAG, AT(share), NULL },
	{ "kernel", 0, "FILE", "guest kernel (default: vmlinuz beside motectl, or installed)",
	  OPT_TEXT, AT(kernel), NULL },
	{ "initrd", 0, "FILE", "with the agent (default: initrd.img, likewise)", OPT_TEXT,
	  AT(initrd), NULL },
	{ "image", 0, "FILE[,nvdimm]",
	  "boot an image of 'make rootfs': an initrd, a disk, or a disk as persistent memory", OPT_TEXT,
	  AT(image), NULL },
	{ "append", 0, "TEXT", "more for the kernel's command line, such as agent.log=debug",
	  OPT_LIST, AT(append), NULL },
	{ "accel", 0, "kvm|tcg", "default: kvm where it works", OPT_TEXT, AT(accel), NULL },
	{ "vm-memory", 0, "SIZE",
	  "the VM's memory (default 256M, and the container's limit on top)", OPT_PARSE,
	  AT(vm_memory), parse_memory },
	{ "vm-cpus", 0, "NUMBER", "the VM's processors (default 1, or as many as --cpus needs)",
	  OPT_PARSE, AT(vm_cpus), parse_vm_cpus },
	{ "boot-timeout", 0, "SECONDS", "for the agent to answer (default 60)", OPT_PARSE,
	  AT(boot_ms), parse_ms },
	{ "verbose", 'v', NULL, "show the VM's console on stderr", OPT_FLAG, AT(verbose), NULL },
	{ "help", 'h', NULL,
	  "this text\n"
	  "The command is /bin/sh by default. The exit status is the command's; 127 and 126 when\n"
	  "there is no "
	  "such command or it cannot be executed, 125 when motectl itself failed.\n"
	  "Two SIGINT, SIGTERM, SIGHUP or SIGQUIT within two seconds kill the container.",
	  OPT_FLAG, AT(help), NULL },
	{ .name = NULL },
};

static void on_console(void *arg, const char *line)
{
	struct run *r = arg;

	fprintf(stderr, "%s%s\n", line, r->tty.raw ? "\r" : "");
}

static void resize(struct run *r)
{
	unsigned int rows, columns;

	if (r->o.terminal && tty_size(STDIN_FILENO, &rows, &columns))
		pump_resize(&r->pump, rows, columns);
}

/* While the container runs. A second signal to end, soon after the first, is SIGKILL; a third ends
 * the VM. */
static void on_signal(int signo)
{
	struct run *r = the_run;
	bool to_end = signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;
	uint64_t now = clock_ms();

	if (signo == SIGWINCH) {
		resize(r);
		return;
	}
	if (to_end && r->last_signal_ms && now - r->last_signal_ms < TWICE_MS)
		r->kills++;
	if (to_end)
		r->last_signal_ms = now;
	if (r->kills > 1)
		vm_kill(r->vm);
	else
		pump_signal(&r->pump, r->kills ? SIGKILL : signo);
}

/* --- the way up --- */

static int check_rootfs(struct run *r, struct err *e)
{
	AUTO_FD rootfd = open(r->rootfs, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (rootfd < 0)
		return err_sys(e, errno, "rootfs %s", r->rootfs);
	return user_resolve(rootfd, r->o.user ? r->o.user : "0:0", &r->user, e);
}

/* "NAME" becomes "NAME=our value"; one that we do not have is left out. */
static int fill_env(struct run *r, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < r->o.env.n; i++) {
		const char *text = r->o.env.items[i], *value = getenv(text);

		if (*text == '=' || !*text)
			return err_set(e, RC_INVALID_ARGUMENT, "option '-e': no name");
		if (!strchr(text, '=') && !value)
			continue;
		if (!strchr(text, '='))
			text = arena_printf(r->arena, "%s=%s", text, value);
		if (!text)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		r->o.env.items[n++] = text;
	}
	if (r->o.env.n)
		r->o.env.items[n] = NULL;
	r->o.env.n = n;
	return 0;
}

static int make_image(struct run *r, struct err *e)
{
	static const char *const parents[] = { "$TMPDIR", "/var/tmp", "/tmp", NULL };
	struct str s = STR_OVER(r->image);

	if (vm_scratch_make(r->loop, &r->scratch, parents, e) < 0)
		return -1;
	str_addf(&s, "%s/rootfs.img", r->scratch.path);
	return pack_directory(r->loop, r->rootfs, r->image, &r->signals.cancel, &r->fstype, e);
}

static int boot(struct run *r, struct err *e)
{
	uint64_t memory =
		r->o.vm_memory ? r->o.vm_memory : (uint64_t)VM_MEMORY_MB * MEGABYTE + r->o.memory;
	uint64_t cpus =
		r->o.vm_cpus ? r->o.vm_cpus : MAX((r->o.cpu + 999999) / 1000000, (uint64_t)1);
	struct vm_opts *v = &r->vm_opts;
	char *cmdline = arena_strdup(r->arena, "");
	int before;

	for (size_t i = 0; cmdline && i < r->o.append.n; i++)
		cmdline = arena_printf(r->arena, "%s%s%s", cmdline, i ? " " : "",
				       r->o.append.items[i]);
	if (!cmdline || memory / MEGABYTE > UINT32_MAX)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "the VM's memory or command line is too large");
	v->kernel = r->o.kernel;
	v->initrd = r->o.initrd;
	v->accel = r->o.accel;
	v->cmdline = cmdline;
	v->memory_mb = (unsigned int)(memory / MEGABYTE);
	v->cpus = (unsigned int)cpus;
	v->console = r->o.verbose ? on_console : NULL;
	v->arg = r;
	v->cancel = &r->signals.cancel;
	r->drive = (struct vm_drive){ .file = r->image, .flags = VM_DRIVE_READONLY };
	r->share = (struct vm_share){ .dir = r->rootfs, .tag = SHARE_TAG };
	v->drives = &r->drive;
	v->n_drives = !r->o.share;
	v->shares = &r->share;
	v->n_shares = r->o.share;
	if (r->o.image) {
		before = vm_image_add(r->arena, r->o.image, v, e);
		if (before < 0)
			return -1;
		r->drive_index = (size_t)before;
	}
	r->vm = r->signals.vm = vm_start(r->loop, v, e);
	return r->vm ? vm_wait_ready(r->vm, r->o.boot_ms ? r->o.boot_ms : BOOT_MS, e) : -1;
}

static int create(struct run *r, struct err *e)
{
	static const char *const shell[] = { "/bin/sh", NULL };
	const char *term = getenv("TERM");
	char path[VM_PCI_PATH];
	struct spec_opts spec = {
		.id = r->id,
		.hostname = r->o.hostname ? r->o.hostname : "mote",
		.cwd = r->o.cwd,
		.args = r->args && *r->args ? r->args : shell,
		.env = r->o.env.items,
		.term = !r->o.terminal ? NULL : term && *term ? term : "xterm",
		.user = &r->user,
		.memory_bytes = r->o.memory,
		.cpu_us_per_second = r->o.cpu,
		.image_fstype = r->fstype,
		.share_tag = r->o.share ? SHARE_TAG : NULL,
	};

	if (r->o.terminal)
		tty_size(STDIN_FILENO, &spec.rows, &spec.columns);
	if (!r->o.share)
		spec.image_pci_path = vm_drive_pci_path(&r->vm_opts, r->drive_index, path);
	if (session_new_id(r->id, e) < 0)
		return -1;
	return session_create(vm_client(r->vm), &spec, e);
}

/* From StartContainer to the exit code. */
static int run_container(struct run *r, struct err *e)
{
	static const int fds[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	unsigned int flags =
		(r->o.interactive ? PUMP_STDIN : 0) | (r->o.terminal ? PUMP_TERMINAL : 0);
	int status;

	if (session_start(vm_client(r->vm), r->id, e) < 0)
		return -1;
	pump_init(&r->pump, r->loop, vm_client(r->vm), r->id, flags, fds);
	if (r->o.terminal && r->o.interactive)
		tty_make_raw(&r->tty, STDIN_FILENO);	/* or it is no terminal: fine */
	the_run = r;
	r->signals.forward = on_signal;
	resize(r);
	status = pump_run(&r->pump, e);
	r->signals.forward = NULL;
	tty_restore(&r->tty);
	pump_fini(&r->pump);
	return status;
}

static int run(struct run *r, struct err *e)
{
	int status;

	if (r->o.image && r->o.initrd)
		return err_set(e, RC_INVALID_ARGUMENT, "--image and --initrd name two roots");
	if (check_rootfs(r, e) < 0 || fill_env(r, e) < 0)
		return -1;
	if (!r->o.share && make_image(r, e) < 0)
		return -1;
	if (boot(r, e) < 0 || create(r, e) < 0)
		return -1;
	status = run_container(r, e);
	if (status >= 0 && session_remove(vm_client(r->vm), r->id, e) < 0)
		return -1;
	return status;
}

/* --- the end --- */

/* "…: the file NAME WHAT", or with ": ERRNO'S TEXT" behind it. */
static bool is_of_command(const struct err *e, const char *what)
{
	const char *file = strstr(e->msg, "the file "), *at = file ? strstr(file, what) : NULL;

	return at && (at[strlen(what)] == '\0' || at[strlen(what)] == ':');
}

/* Why a failed run failed: a signal, a command that is not there, a VM that died, or what e says.
 * Returns the exit status, for a command the one that a shell would give: agents know by themselves
 * only these texts. */
static int explain(struct run *r, struct err *e)
{
	struct err ignored = { 0 };

	if (r->signals.cancel)
		return 128 + r->signals.signo;
	if (r->vm && !r->o.verbose && e->rc == RC_UNAVAILABLE &&
	    vm_wait_exit(r->vm, CONSOLE_MS, &ignored) == 0)
		fputs(vm_console(r->vm), stderr);
	if (is_of_command(e, " was not found"))
		return complain(STATUS_NOT_FOUND, e);
	if (is_of_command(e, " is not executable"))
		return complain(STATUS_NOT_EXECUTABLE, e);
	return complain(STATUS_OWN, e);
}

static int run_and_clean(struct run *r)
{
	struct err e = { 0 };
	int status, rc;

	r->loop = loop_new();
	rc = r->loop ? signals_start(&r->signals, r->loop) : -ENOMEM;
	if (rc < 0) {
		err_sys(&e, -rc, "start");
		return complain(STATUS_OWN, &e);
	}
	status = run(r, &e);
	if (status < 0)
		status = explain(r, &e);
	r->signals.vm = NULL;
	vm_stop(r->vm, err_is_set(&e) ? VM_STOP_KILL : VM_STOP_SANDBOX);
	vm_scratch_remove(&r->scratch);
	signals_stop();
	loop_free(r->loop);
	return status;
}

int cmd_run(char **argv)
{
	struct run *r = mem_new(1, sizeof(*r));
	struct opt_rest rest;
	struct arena a;
	int status = STATUS_OWN;

	arena_init(&a, OPTIONS_MAX);
	if (!r) {
		fputs("motectl: no memory\n", stderr);
		return STATUS_OWN;
	}
	r->arena = &a;
	if (read_options(&a, table, &r->o, &r->o.help, usage, argv, &rest, &status) == 0) {
		status = STATUS_USAGE;
		if (check_arguments(&rest, 1, 1, usage) == 0) {
			r->rootfs = rest.args.items[0];
			r->args = rest.after;
			status = run_and_clean(r);
		}
	}
	arena_fini(&a);
	free(r);
	return status;
}
