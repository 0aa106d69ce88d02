/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet filters by the image's own programs. Rules, output and words of failure are memory files:
 * no pipe can fill up, and the job's deadline ends the program too. check-code: job
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "network/network.h"

#define OUTPUT_MAX	(3u << 20)	/* what fits into a reply */
#define LOCK_SECONDS	"5"		/* for which another program may hold the lock of the tables */
#define WORDS_MAX	160		/* of its complaint that are told */

enum { IN, OUT, WORDS, FILES };

struct filter {
	bool v6, restore;
	const void *rules;
	size_t len;
};

static const char *const dirs[] = { "/usr/sbin", "/sbin" };

static int find_program(const struct filter *f, char *out, size_t cap, struct err *e)
{
	const char *name = f->v6 ? "ip6tables" : "iptables";
	const char *verb = f->restore ? "restore" : "save";

	for (size_t i = 0; i < COUNT_OF(dirs); i++) {
		snprintf(out, cap, "%s/%s-%s", dirs[i], name, verb);
		if (access(out, X_OK) == 0)
			return 0;
	}
	return err_set(e, RC_FAILED_PRECONDITION,
		       "the guest's image has no %s-%s in %s or %s", name, verb, dirs[0], dirs[1]);
}

static NORETURN void become(const struct filter *f, const int *fds, const char *path)
{
	const char *const wait[] = { path, "--wait", LOCK_SECONDS, NULL };
	const char *const plain[] = { path, NULL };
	const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

	for (int i = 0; i < FILES; i++)
		if (lseek(fds[i], 0, SEEK_SET) < 0 || dup2(fds[i], i) < 0)
			_exit(126);
	execve(path, (char *const *)(f->restore ? wait : plain), (char *const *)env);
	_exit(127);
}

/* As one line. */
static void last_words(int fd, char *out, size_t cap)
{
	ssize_t n = pread(fd, out, cap - 1, 0);

	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '))
		n--;
	out[n > 0 ? n : 0] = '\0';
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

static int open_files(const struct filter *f, int fds[FILES], struct err *e)
{
	int r;

	fds[IN] = memfd_create("rules", MFD_CLOEXEC);
	fds[WORDS] = memfd_create("words", MFD_CLOEXEC);
	if (fds[IN] < 0 || fds[WORDS] < 0)
		return err_sys(e, errno, "the packet filters");
	r = io_write_full(fds[IN], f->rules, f->len);
	return r < 0 ? err_sys(e, -r, "the packet filters") : 0;
}

static int explain(const char *path, int status, int fd, struct err *e)
{
	char words[WORDS_MAX];

	last_words(fd, words, sizeof(words));
	if (WIFEXITED(status))
		return err_set(e, RC_INTERNAL, "%s: exit status %d: %s", path, WEXITSTATUS(status),
			       words);
	return err_set(e, RC_INTERNAL, "%s: signal %d: %s", path, WTERMSIG(status), words);
}

static int filter_job(void *arg, int out, struct err *e)
{
	const struct filter *f = arg;
	int fds[FILES] = { [OUT] = out };
	char path[64];
	int status;
	pid_t pid;

	if (find_program(f, path, sizeof(path), e) < 0 || open_files(f, fds, e) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "start %s", path);
	if (pid == 0)
		become(f, fds, path);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for %s", path);
	/* what there is of the tables is told even if the program found fault with some */
	return status == 0 || !f->restore ? 0 : explain(path, status, fds[WORDS], e);
}

static void filter(struct loop *l, const struct filter *what, uint64_t deadline_ms,
		   work_done_fn done, void *owner)
{
	const struct work_opts opts = { .what = what->restore ? "iptables-restore" : "iptables-save",
					.deadline_ms = deadline_ms,
					.out_max = OUTPUT_MAX,
					.release = free };
	struct filter *f = mem_new(1, sizeof(*f));
	struct err e = { 0 };

	if (f) {
		*f = *what;
		work_start(l, &opts, filter_job, f, done, owner);
		return;
	}
	err_sys(&e, ENOMEM, "the packet filters");
	done(owner, &e, "", 0);
}

void network_iptables_get(struct loop *l, bool v6, uint64_t deadline_ms, work_done_fn done,
			  void *owner)
{
	const struct filter what = { .v6 = v6, .rules = "" };

	filter(l, &what, deadline_ms, done, owner);
}

void network_iptables_set(struct loop *l, bool v6, const void *rules, size_t len,
			  uint64_t deadline_ms, work_done_fn done, void *owner)
{
	const struct filter what = { .v6 = v6, .restore = true, .rules = rules, .len = len };

	filter(l, &what, deadline_ms, done, owner);
}
