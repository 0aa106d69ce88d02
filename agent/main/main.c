/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mote-agent: PID 1 of a sandbox VM, or an ordinary process of a guest that has another init (and
 * of the tests).
 *
 * Start-up is a straight line: signals, mounts, configuration, log, loop, cgroups, log port,
 * sandbox, listener; then, before the first request is read, what no connection waits for:
 * controllers, session, loopback. As PID 1 nothing on that line is fatal but the listener: an agent
 * that can be reached and says what is wrong is worth more than a panic. From loop_run() on the
 * process only reacts, and never returns.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/log.h"
#include "event/child.h"
#include "event/job.h"
#include "kernel/cgroup.h"
#include "kernel/netlink.h"
#include "kernel/power.h"
#include "kernel/rlimit.h"
#include "main/boot.h"
#include "main/config.h"
#include "main/console.h"
#include "main/crash.h"
#include "main/logport.h"
#include "main/port.h"
#include "main/service.h"
#include "sandbox/sandbox.h"
#include "sandbox/pause.h"
#include "service/containerd/containerd.h"
#include "ttrpc/server.h"

#define SYNC_MS	   5000  /* for disks to take what is written */
#define DRAIN_MS   2000  /* for the last replies to leave */
#define PASSED_BACKLOG 128 /* three a container, all made at once */
#define DESTROY_MS 10000 /* for containers to end when a signal asks us to */

enum agent_flags { AGENT_INIT = 0x1, AGENT_ANY_PEER = 0x2, AGENT_DUMP = 0x4 };

static struct {
	struct config config;
	unsigned int flags;
	struct loop *loop;
	struct deferred rest; /* of the start */
	struct sandbox *sandbox;
	struct server *server;
	struct fronts fronts;
} agent;

/* --- configuration ----------------------------------------------------------------------- */

static void warn(const char *text)
{
	log_warn("config", "%s", text);
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: mote-agent [options]\n\n"
		"PID 1 of a sandbox VM: runs a pod's containers for a host that speaks Kata's agent protocol.\n\n"
		"  -l, --listen ADDRESS     serve here: vsock://CID:PORT (CID -1: any) or unix://PATH\n"
		"  -c, --config FILE        the configuration; the kernel command line is not read then\n"
		"  -o, --option KEY=VALUE   set one option (may be repeated)\n"
		"  -s, --service            leave mounts, console and power alone, also as PID 1\n"
		"      --any-peer           serve any vsock peer, not only the host (tests)\n"
		"      --dump-config        print the options in force and where each comes from\n"
		"  -v, --version            print the version\n"
		"  -h, --help               print this text\n\n"
		"Options, on the kernel command line or with --option:\n");
	config_print_help(out);
}

enum { OPT_ANY_PEER = 256, OPT_DUMP };

static const struct option long_options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "config", required_argument, NULL, 'c' },
	{ "option", required_argument, NULL, 'o' },
	{ "service", no_argument, NULL, 's' },
	{ "any-peer", no_argument, NULL, OPT_ANY_PEER },
	{ "dump-config", no_argument, NULL, OPT_DUMP },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int set_argument(const char *text, struct err *e)
{
	char key[128];
	const char *eq = strchr(text, '=');
	size_t n = eq ? (size_t)(eq - text) : strlen(text);

	if (n >= sizeof(key))
		return err_set(e, RC_INVALID_ARGUMENT, "option name longer than %zu characters",
			       sizeof(key) - 1);
	memcpy(key, text, n);
	key[n] = '\0';
	return config_set(&agent.config, key, eq ? eq + 1 : NULL, CONFIG_ARGV, e);
}

/* First pass: what decides how the configuration is read. 0 go on, > 0 exit with that minus 1. */
static int read_flags(int argc, char **argv, const char **file)
{
	int o;

	/* PID 1 gets words of the kernel command line that are not for it: they are nobody's error.
	 */
	opterr = agent.flags & AGENT_INIT ? 0 : 1;
	while ((o = getopt_long(argc, argv, "l:c:o:svh", long_options, NULL)) != -1) {
		switch (o) {
		case 'c':
			*file = optarg;
			break;
		case 's':
			agent.flags &= ~(unsigned int)AGENT_INIT;
			break;
		case OPT_ANY_PEER:
			agent.flags |= AGENT_ANY_PEER;
			break;
		case OPT_DUMP:
			agent.flags |= AGENT_DUMP;
			break;
		case 'v':
			puts("mote-agent " MOTE_VERSION);
			return 1;
		case 'h':
			usage(stdout);
			return 1;
		case '?':
			if (!(agent.flags & AGENT_INIT)) {
				fputs("mote-agent: try --help\n", stderr);
				return 3;
			}
			break;
		}
	}
	return 0;
}

/* Second pass: the options themselves, over what file, command line and environment said. */
static int read_options(int argc, char **argv, struct err *e)
{
	int o, failed = 0;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "l:c:o:svh", long_options, NULL)) != -1) {
		if (o == 'l')
			failed |= config_set(&agent.config, "agent.server_addr", optarg,
					     CONFIG_ARGV, e);
		else if (o == 'o')
			failed |= set_argument(optarg, e);
	}
	return failed;
}

static void read_config(const char *file)
{
	char cmdline[4096];
	struct err e = { 0 };

	if (file) {
		if (config_read_file(&agent.config, file, warn, &e) < 0)
			warn(e.msg);
	} else if (io_read_file(AT_FDCWD, "/proc/cmdline", cmdline, sizeof(cmdline)) > 0) {
		config_read_cmdline(&agent.config, cmdline, warn);
	}
	config_read_env(&agent.config, warn);
}

/* --- shutdown ------------------------------------------------------------------------------ */

static void end_machine(void)
{
	int r;

	log_info("main", "power off");
	logport_flush();
	r = power_sync(SYNC_MS);
	if (r < 0)
		log_error("main", "the last sync: %s", strerror(-r));
	power_end(POWER_OFF);
}

static void drained(void *arg)
{
	(void)arg;
	if (agent.flags & AGENT_INIT) {
		end_machine();
		log_error("main", "the machine does not power off");
		return; /* and PID 1 goes on reaping */
	}
	loop_stop(agent.loop);
}

static void shutdown_agent(void *arg)
{
	(void)arg;
	server_drain(agent.server, DRAIN_MS, drained, NULL);
}

static void destroyed(void *owner, const struct err *e)
{
	(void)owner;
	if (err_is_set(e))
		log_warn("main", "%s", e->msg);
}

/* What this process holds right now, in one line: for whoever looks for a leak. */
static void log_status(void)
{
	struct server_stats st;

	server_stats(agent.server, &st);
	log_info(
		"status",
		"connections=%zu calls=%zu containers=%zu storages=%zu children=%zu jobs=%zu fds=%d arena_bytes=%zu",
		st.conns, st.calls, sandbox_container_count(agent.sandbox),
		storages_count(&agent.sandbox->storages), child_count(), job_running_count(),
		fd_count(), arena_bytes_in_use());
}

static void on_signal(int signo)
{
	if (signo == SIGUSR1) {
		log_status();
		return;
	}
	log_info("main", "signal %d: shutting down", signo);
	sandbox_destroy(agent.sandbox, clock_after(DESTROY_MS), destroyed, NULL);
}

/* --- start ---------------------------------------------------------------------------------- */

/* The kernel may start us without descriptors 0, 1, 2: nothing else may get those numbers. */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	auto_close(&fd);
}

static bool stdio_is_open(void)
{
	return fcntl(STDIN_FILENO, F_GETFD) >= 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0 &&
	       fcntl(STDERR_FILENO, F_GETFD) >= 0;
}

/* What PID 1 of a machine does for itself. Each failure is logged and lived with. */
static void mount_cgroups(void)
{
	struct cgroup_root cgroups = { .fd = -1 };
	struct err e = { 0 };
	bool v2 = agent.config.unified_cgroup || agent.config.cgroup_no_v1;

	if (cgroup_setup_root(CGROUP_ROOT, v2 ? CGROUP_VERSION_2 : CGROUP_VERSION_1, &cgroups, &e) <
	    0)
		log_error("boot", "%s", e.msg);
	cgroup_root_fini(&cgroups);
}

static struct address any_vsock(uint64_t port)
{
	return (struct address){ .kind = ADDRESS_VSOCK, .cid = UINT32_MAX, .port = (uint32_t)port };
}

static void start_log_port(void)
{
	struct address a = any_vsock(agent.config.log_vport);
	struct err e = { 0 };

	if (agent.config.log_vport && logport_start(agent.loop, &a, &e) < 0)
		log_error("boot", "log port: %s", e.msg);
}

static void passed_in(struct port *p UNUSED, int fd, uint32_t peer)
{
	log_debug("passfd", "a stream of port %u", peer);
	if (!passed_add(&agent.sandbox->passed, peer, fd))
		log_warn("passfd", "refused the stream of port %u: too many wait", peer);
}

/* Before the services: a host names the streams that it has opened. */
static void start_passed(void)
{
	static struct port port = { .what = "a stream", .subsystem = "passfd", .fn = passed_in };
	struct address a = any_vsock(agent.config.passfd_listener_port);
	struct err e = { 0 };

	if (!agent.config.passfd_listener_port)
		return;
	port.loop = agent.loop;
	port.any_peer = agent.flags & AGENT_ANY_PEER;
	if (port_listen(&port, &a, PASSED_BACKLOG, &e) < 0)
		log_error("boot", "passfd port: %s", e.msg);
	else
		agent.sandbox->passed.enabled = true;
}

static void start_console(void)
{
	struct address a = any_vsock(agent.config.debug_console_vport);
	struct err e = { 0 };

	if (!agent.config.debug_console)
		return;
	if (!agent.config.debug_console_vport)
		console_start_local(agent.loop);
	else if (console_listen(agent.loop, &a, agent.flags & AGENT_ANY_PEER, &e) < 0)
		log_error("boot", "debug console: %s", e.msg);
}

/* A turn of the loop accepts connections before and reads from them after its deferred calls. */
static void start_rest(struct deferred *d UNUSED)
{
	struct netlink nl = { .fd = -1 };
	struct err e = { 0 };

	cgroup_hand_down(&agent.sandbox->cgroups);
	if (!(agent.flags & AGENT_INIT)) {
		start_console();
		service_ready(agent.config.server_addr);
		return;
	}
	boot_session();
	start_console();
	if (netlink_open(&nl, &e) < 0 || netlink_link_set(&nl, "lo", NETLINK_LINK_UP, &e) < 0)
		log_error("boot", "%s", e.msg);
	netlink_close(&nl);
}

static int start_sandbox(struct err *e)
{
	struct sandbox_opts opts = {
		.flags = agent.flags & AGENT_INIT ? SANDBOX_INIT : 0,
		.hotplug_timeout_ms = agent.config.hotplug_timeout_s * 1000,
		.cdi_timeout_ms = agent.config.cdi_timeout_s * 1000,
		.visible_cdi_devices = agent.config.visible_cdi_devices,
		.pipe_bytes = agent.config.container_pipe_size,
		.version = MOTE_VERSION,
		.mem_agent = agent.config.mem_agent,
		.shutdown = shutdown_agent,
	};

	agent.sandbox = sandbox_new(agent.loop, &opts, e);
	return agent.sandbox ? 0 : -1;
}

static int start_server(struct err *e)
{
	struct address a;

	fronts_init(&agent.fronts, agent.sandbox);
	agent.server = server_new(agent.loop, fronts_services, &agent.fronts,
				  agent.flags & AGENT_ANY_PEER ? SERVER_ANY_PEER : 0, e);
	if (!agent.server || address_parse(agent.config.server_addr, &a, e) < 0)
		return -1;
	return server_listen(agent.server, &a, e);
}

static int start(const sigset_t *signals, struct err *e)
{
	int r;

	agent.loop = loop_new();
	if (!agent.loop)
		return err_sys(e, ENOMEM, "event loop");
	r = rlimit_raise_files();
	if (r < 0)
		log_warn("main", "limit of open files: %s", strerror(-r));
	r = reaper_start(agent.loop, signals, on_signal);
	if (r < 0)
		return err_sys(e, -r, "signalfd");
	if (agent.flags & AGENT_INIT)
		mount_cgroups();
	else if (service_begin(e) < 0)
		return -1;
	start_log_port();
	if (start_sandbox(e) < 0)
		return -1;
	if (!(agent.flags & AGENT_INIT))
		service_cgroups(&agent.sandbox->cgroups);
	start_passed();
	if (start_server(e) < 0)
		return -1;
	log_info("main", "mote-agent %s serves on %s", MOTE_VERSION, agent.config.server_addr);
	list_init(&agent.rest.node);
	loop_defer(agent.loop, &agent.rest, start_rest);
	return 0;
}

/* PID 1 cannot give up: it says why it is of no use and powers off, so that the host sees an end
 * and not a hang. */
static int give_up(const struct err *e)
{
	log_error("main", "%s", e->msg);
	if (agent.flags & AGENT_INIT)
		power_end(POWER_OFF);
	return 1;
}

int main(int argc, char **argv)
{
	sigset_t wanted;
	const char *file = NULL;
	struct err e = { 0 };
	int r;

	if (argc == 1 && str_eq(argv[0], PAUSE_NAME))
		pause_main();
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGUSR1);
	reaper_block_signals(&wanted);
	agent.flags = getpid() == 1 ? AGENT_INIT : 0;
	r = read_flags(argc, argv, &file);
	if (r)
		return r - 1;
	if (!stdio_is_open())
		open_console();
	config_defaults(&agent.config);
	log_init(agent.config.log_level, STDERR_FILENO, MOTE_VERSION);
	crash_install(MOTE_VERSION, agent.flags & AGENT_INIT ? CRASH_POWER_OFF : 0);
	if (agent.flags & AGENT_INIT)
		boot_mounts();
	read_config(file);
	if (read_options(argc, argv, &e) < 0) {
		if (!(agent.flags & AGENT_INIT)) {
			fprintf(stderr, "mote-agent: %s\n", e.msg);
			return 2;
		}
		warn(e.msg);
	}
	if (agent.flags & AGENT_DUMP) {
		config_dump(&agent.config, stdout);
		return 0;
	}
	log_set_level(agent.config.log_level);
	err_clear(&e);
	if (start(&wanted, &e) < 0)
		return give_up(&e);
	loop_run(agent.loop);
	server_free(agent.server);
	sandbox_free(agent.sandbox);
	fronts_fini(&agent.fronts);
	reaper_stop();
	loop_free(agent.loop);
	return 0;
}
