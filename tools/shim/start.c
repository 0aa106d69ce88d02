/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: containerd reads stdout and stderr together until both are closed, and takes all of it for
 * the answer. So the server gives them up before anything else, and its errors on the way to its
 * first call come back through a pipe.
 */
#include "shim/start.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "lib/sha256.h"
#include "shim/bootstrap.h"
#include "shim/bundle.h"
#include "shim/conf.h"
#include "ttrpc/address.h"

#define SOCKET_DIR  "/run/containerd/s" /* where containerd's own shims have theirs */
#define ARENA_BYTES (32u << 20)
#define CONNECT_MS  2000

int start_socket_path(const char *socket_dir, const struct shim_flags *f, const char *group,
		      char out[108], struct err *e)
{
	char text[PATH_MAX], hex[SHA256_HEX];
	struct str name = STR_OVER(text), path;

	str_addf(&name, "%s/%s/%s", f->address ? f->address : "", f->namespace, group);
	str_init(&path, out, 108);
	if (!str_ok(&name))
		return err_set(e, RC_INVALID_ARGUMENT, "-address is too long");
	sha256_hex(text, name.len, hex);
	str_addf(&path, "%s/%s", *socket_dir ? socket_dir : SOCKET_DIR, hex);
	if (!str_ok(&path) || !path_is_plain(out) || strpbrk(out, "\"\\"))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "socket directory '%.60s': too long, or no absolute path",
			       socket_dir);
	return 0;
}

/* --- the server's process --- */

struct child {
	int pipefd;
};

static void tell_ready(void *arg)
{
	struct child *c = arg;

	auto_close(&c->pipefd);
}

static void give_up_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		fd_install(fd, i);
	if (fd > 2)
		close(fd);
}

NORETURN static void run_server(const struct serve_opts *o, int pipefd)
{
	struct child c = { pipefd };
	struct err e = { 0 };
	int logfd, status;

	give_up_stdio();
	fd_close_except(&pipefd, 1); /* the lock of the directory above all */
	setsid();
	/* containerd copies what comes out of this FIFO to its own log; O_RDWR, so that it may go
	 * away */
	logfd = open("log", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	log_init(o->debug ? LOG_DEBUG : LOG_INFO, logfd, MOTE_VERSION);
	status = serve(o, tell_ready, &c, &e);
	if (err_is_set(&e) && c.pipefd >= 0)
		io_write_full(c.pipefd, &e, sizeof(e));
	else if (err_is_set(&e))
		log_error("shim", "%s", e.msg);
	_exit(status);
}

static int start_server(const struct serve_opts *o, struct err *e)
{
	int pipefd[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	pid = fork();
	if (pid == 0) {
		close(pipefd[0]);
		run_server(o, pipefd[1]);
	}
	close(pipefd[1]);
	if (pid < 0) {
		close(pipefd[0]);
		return err_sys(e, errno, "fork");
	}
	n = io_read_full(pipefd[0], e, sizeof(*e));
	close(pipefd[0]);
	if (n == 0)
		return 0;
	if (n != sizeof(*e))
		err_clear(e);
	err_sanitize(e);
	return -1;
}

/* --- start --- */

int start_connect(const char *path)
{
	struct address a = { .kind = ADDRESS_UNIX };
	struct str s = STR_OVER(a.path);
	struct err ignored = { 0 };

	str_add(&s, path);
	return address_connect(&a, CONNECT_MS, &ignored);
}

static bool is_served(const char *path)
{
	int fd = start_connect(path);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Two starts for one pod take turns: the second finds the first's server. */
static int lock_directory(const char *path, struct err *e)
{
	char dir[108];
	struct str s = STR_OVER(dir);
	AUTO_FD rootfd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD pathfd = -1;
	int fd;

	str_add_n(&s, path, (size_t)(strrchr(path, '/') - path));
	pathfd = rootfd < 0 ? -errno : path_mkdirs_in(rootfd, dir, 0711);
	if (pathfd < 0)
		return err_sys(e, -pathfd, "make %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		err_sys(e, errno, "lock %s", dir);
		auto_close(&fd);
	}
	return fd;
}

static int read_stdin(struct arena *a, uint8_t **data, size_t *len, struct err *e)
{
	uint8_t *buf = arena_alloc(a, BOOTSTRAP_MAX + 1);
	ssize_t n = buf ? io_read_full(STDIN_FILENO, buf, BOOTSTRAP_MAX + 1) : -ENOMEM;

	if (n == -EBADF) /* nobody has to have one */
		n = 0;
	if (n < 0)
		return err_sys(e, (int)-n, "read stdin");
	if (n > (ssize_t)BOOTSTRAP_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "more than %u bytes on stdin",
			       BOOTSTRAP_MAX);
	*data = buf;
	*len = (size_t)n;
	return 0;
}

static int answer(struct arena *a, const struct bootstrap *b, const char *path, struct err *e)
{
	struct conf conf;
	struct bootstrap_result r = { .address = arena_printf(a, "unix://%s", path) };
	uint8_t *out;
	size_t len;
	int rc;

	if (conf_read(a, &conf, e) < 0)
		return -1;
	/* Older dialects do not tell which version they take: all take 2. */
	r.version = conf.task_version ? (unsigned int)conf.task_version : b->is_params ? 3 : 2;
	out = r.address ? bootstrap_answer(a, b, &r, &len) : NULL;
	if (!out)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	/* what containerd 1.7 looks for after a restart */
	rc = io_create_file(AT_FDCWD, "address", r.address, strlen(r.address), 0600);
	if (rc == 0)
		rc = io_write_full(STDOUT_FILENO, out, len);
	return rc < 0 ? err_sys(e, -rc, "answer") : 0;
}

static int start(struct arena *a, const struct shim_flags *f, struct err *e)
{
	struct serve_opts o = { .ns = f->namespace };
	struct bootstrap b;
	struct bundle bundle;
	AUTO_FD lockfd = -1;
	char path[108];
	uint8_t *input = NULL;
	size_t len = 0;

	if (read_stdin(a, &input, &len, e) < 0 || bundle_read(a, ".", &bundle, e) < 0)
		return -1;
	bootstrap_read(a, input, len, f, &b);
	o.id = start_pick(bundle.sandbox_id, f->id);
	if (!flags_is_name(o.id))
		return err_set(e, RC_INVALID_ARGUMENT, "the sandbox' id in config.json is no name");
	if (start_socket_path(b.socket_dir, f, o.id, path, e) < 0)
		return -1;
	lockfd = lock_directory(path, e);
	if (lockfd < 0)
		return -1;
	o.socket = path;
	o.debug = b.debug;
	o.ttrpc_address = start_pick(b.ttrpc_address, start_pick(getenv("TTRPC_ADDRESS"), ""));
	if (!is_served(path) && start_server(&o, e) < 0)
		return -1;
	return answer(a, &b, path, e);
}

int cmd_start(const struct shim_flags *f, struct err *e)
{
	struct arena a;
	int rc;

	arena_init(&a, ARENA_BYTES);
	rc = start(&a, f, e);
	arena_fini(&a);
	return rc;
}
