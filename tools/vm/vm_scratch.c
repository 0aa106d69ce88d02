/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* Deaf to every signal but SIGKILL, in its own session: whoever ends us does not end the guard by
 * the same blow. */
NORETURN static void guard(const char *path, int pipefd)
{
	const char *name = strrchr(path, '/') + 1;
	char parent[sizeof(((struct vm_scratch *)0)->path)];
	struct str s = STR_OVER(parent);
	sigset_t all;
	int parentfd;
	char byte;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "mote-guard");
	fd_close_except(&pipefd, 1);
	str_add_n(&s, path, (size_t)(name - path));
	parentfd = open(parent, O_DIRECTORY | O_CLOEXEC | O_PATH);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	while (read(pipefd, &byte, 1) < 0 && errno == EINTR)
		;
	path_remove_tree(parentfd, name);
	_exit(0);
}

static void on_guard_exit(struct child *c, int status UNUSED)
{
	container_of(c, struct vm_scratch, guard)->removed = true;
}

/* Follows "$NAME"; NULL when there is no such directory for us. */
static const char *parent_of(const char *text)
{
	const char *dir = *text == '$' ? getenv(text + 1) : text;

	return dir && *dir == '/' && access(dir, W_OK | X_OK) == 0 ? dir : NULL;
}

static int make_directory(struct vm_scratch *s, const char *const *parents, struct err *e)
{
	int last = ENOENT;

	for (; *parents; parents++) {
		const char *dir = parent_of(*parents);
		struct str path = STR_OVER(s->path);

		if (!dir)
			continue;
		str_addf(&path, "%s/mote-XXXXXX", dir);
		if (str_ok(&path) && mkdtemp(s->path))
			return 0;
		last = str_ok(&path) ? errno : ENAMETOOLONG;
	}
	return err_sys(e, last, "make a temporary directory");
}

int vm_scratch_make(struct loop *l, struct vm_scratch *s, const char *const *parents, struct err *e)
{
	int pipefd[2];
	pid_t pid;

	memset(s, 0, sizeof(*s));
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	if (make_directory(s, parents, e) < 0) {
		close(pipefd[0]);
		close(pipefd[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		guard(s->path, pipefd[0]);
	close(pipefd[0]);
	if (pid < 0) {
		err_sys(e, errno, "fork");
		close(pipefd[1]);
		rmdir(s->path);
		return -1;
	}
	s->loop = l;
	s->pipefd = pipefd[1];
	child_track(&s->guard, pid, on_guard_exit);
	return 0;
}

void vm_scratch_remove(struct vm_scratch *s)
{
	if (!s->loop)
		return;
	auto_close(&s->pipefd);
	while (!s->removed)
		loop_once(s->loop, 1000);
	s->loop = NULL;
}
