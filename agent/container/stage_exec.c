/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process starts with: working directory, environment, command. All of it is read inside
 * the container's root, where every file may be a trap: only regular files are read, without
 * waiting, and a bounded part of them.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/num.h"
#include "base/str.h"
#include "container/stage_parts.h"

#define PASSWD_MAX	65536
#define PATH_DEFAULT	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The kernel shows "(unreachable)…" for a directory outside of the root: through a leaked
 * descriptor, a cwd like /proc/self/fd/7 could be one (CVE-2024-21626). No descriptor is open
 * here that could; this makes sure. */
int stage_exec_chdir(const struct spec_process *p, struct err *e)
{
	const char *cwd = str_empty(p->cwd) ? "/" : p->cwd;
	char now[4096];

	if (chdir(cwd) < 0)
		return err_sys(e, errno, "process.cwd %s", cwd);
	if (syscall(SYS_getcwd, now, sizeof(now)) < 0)
		return err_sys(e, errno, "process.cwd %s", cwd);
	if (now[0] != '/')
		return err_set(e, RC_INVALID_ARGUMENT,
			       "process.cwd %s: outside of the container's root", cwd);
	return 0;
}

/* The home directory in a line "name:password:uid:gid:gecos:home:shell" when its uid is the
 * wanted one. */
static const char *home_in_line(char *line, uint32_t uid)
{
	char *field[6] = { line };
	uint64_t id;

	for (size_t i = 1; i < COUNT_OF(field); i++) {
		char *colon = strchr(field[i - 1], ':');

		if (!colon)
			return NULL;
		*colon = 0;
		field[i] = colon + 1;
	}
	if (num_u64(field[2], UINT32_MAX, &id) < 0 || id != uid)
		return NULL;
	field[5][strcspn(field[5], ":")] = 0;
	return *field[5] ? field[5] : NULL;
}

const char *stage_exec_home(char *passwd, uint32_t uid)
{
	for (char *line = passwd, *next; line; line = next) {
		const char *home;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		home = home_in_line(line, uid);
		if (home)
			return home;
	}
	return "/";
}

/* What a container's files may look like without one that can be read; all else is a failure of the
 * machine, and a wrong home would be the worse answer. */
static bool means_no_file(int errnum)
{
	static const int usual[] = { ENOENT, ENOTDIR, ELOOP, EACCES, EPERM, ENXIO, ENODEV };

	for (size_t i = 0; i < COUNT_OF(usual); i++)
		if (errnum == usual[i])
			return true;
	return false;
}

/* Of a file that is too large the whole lines are read. NULL with e. */
static const char *home_of(uint32_t uid, char *buf, size_t cap, struct err *e)
{
	AUTO_FD fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 && means_no_file(errno))
		return "/";
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, errno, "the home directory: /etc/passwd");
		return NULL;
	}
	if (!S_ISREG(st.st_mode))
		return "/";
	n = io_read_full(fd, buf, cap - 1);
	if (n < 0) {
		err_sys(e, (int)-n, "the home directory: read /etc/passwd");
		return NULL;
	}
	if ((size_t)n == cap - 1)
		while (n > 0 && buf[n - 1] != '\n')
			n--;
	buf[n] = 0;
	return stage_exec_home(buf, uid);
}

static char *home_variable(uint32_t uid, struct err *e)
{
	static char text[PASSWD_MAX], out[4096 + 8];
	const char *home = home_of(uid, text, sizeof(text), e);
	struct str s = STR_OVER(out);

	if (!home)
		return NULL;
	str_addf(&s, "HOME=%s", home);
	if (!str_ok(&s)) {
		str_reset(&s);
		str_add(&s, "HOME=/");
	}
	return out;
}

/* Is there a later entry of the same name? That one counts, as in other runtimes; execve would take
 * both, and getenv find the first. */
static bool set_again(const struct spec_strings *env, size_t i)
{
	size_t n = strcspn(env->v[i], "=") + 1;

	for (size_t k = i + 1; k < env->n; k++)
		if (strncmp(env->v[i], env->v[k], n) == 0)
			return true;
	return false;
}

/* Every entry is NAME=value (spec_validate_process). An empty HOME is none. */
char **stage_exec_env(const struct spec_process *p, struct err *e)
{
	char **env = mem_new(p->env.n + 2, sizeof(*env));
	bool home = false;
	size_t n = 0;

	if (!env) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for the environment");
		return NULL;
	}
	for (size_t i = 0; i < p->env.n; i++) {
		char *v = p->env.v[i];

		if (set_again(&p->env, i) || str_eq(v, "HOME="))
			continue;
		home |= str_starts(v, "HOME=");
		env[n++] = v;
	}
	if (!home && !(env[n] = home_variable(p->user.uid, e))) {
		free(env);
		return NULL;
	}
	return env;
}

static const char *env_get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* 0: can be executed; -EACCES: it is there but cannot, or may not be seen; another -errno: it is not
 * there, or that cannot be told. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int search(const char *name, const char *dirs, char *path, size_t cap)
{
	int found = -ENOENT;

	for (const char *dir = dirs, *end; dir; dir = *end ? end + 1 : NULL) {
		struct str s;
		int r;

		end = dir + strcspn(dir, ":");
		str_init(&s, path, cap);
		str_add_n(&s, dir, (size_t)(end - dir));
		if (end == dir)
			str_add_char(&s, '.');
		str_add_char(&s, '/');
		str_add(&s, name);
		r = str_ok(&s) ? executable(path) : -ENAMETOOLONG;
		if (r == 0)
			return 0;
		if (r != -ENOENT && r != -ENOTDIR)
			found = r;
	}
	return found;
}

#define INTERPRETERS_MAX	5	/* scripts of scripts, as the kernel has it */

/* The interpreter in "#! /path arg"; false: it is no script. */
static bool script_interpreter(int fd, char *buf, size_t cap)
{
	ssize_t n = pread(fd, buf, cap - 1, 0);
	char *at;

	if (n < 2 || buf[0] != '#' || buf[1] != '!')
		return false;
	buf[n] = '\0';
	at = buf + 2 + strspn(buf + 2, " \t");
	at[strcspn(at, " \t\n")] = '\0';
	memmove(buf, at, strlen(at) + 1);
	return *buf;
}

/* Also by way of a script's first line. Magic links of /proc lead to it (/proc/self/exe). */
static bool is_self(const char *path, const struct stage_self *self)
{
	char name[256];

	for (int i = 0; i < INTERPRETERS_MAX; i++) {
		AUTO_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		struct stat st;

		if (stat(path, &st) < 0)
			return false;
		if (st.st_dev == self->dev && st.st_ino == self->ino)
			return true;
		if (fd < 0 || !S_ISREG(st.st_mode) || !script_interpreter(fd, name, sizeof(name)))
			return false;
		path = name;
	}
	return false;
}

/* Hosts know the words "the file … was not found". */
int stage_exec_find(const char *name, char *const *env, const struct stage_self *self, char *path,
		    size_t cap, struct err *e)
{
	const char *dirs = env_get(env, "PATH");
	struct str s;
	int r;

	if (strchr(name, '/')) {
		str_init(&s, path, cap);
		str_add(&s, name);
		r = str_ok(&s) ? executable(path) : -ENAMETOOLONG;
	} else {
		r = search(name, dirs ? dirs : PATH_DEFAULT, path, cap);
	}
	if (r == -EACCES)
		return err_sys(e, EACCES, "the file %s is not executable", name);
	if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP && r != -ENAMETOOLONG)
		return err_sys(e, -r, "look for the file %s", name);
	if (r < 0) {
		err_sys(e, -r, "the file %s was not found", name);
		e->rc = RC_NOT_FOUND;
		return -1;
	}
	if (is_self(path, self))
		return err_set(e, RC_PERMISSION_DENIED, "the file %s is the agent's own", name);
	return 0;
}
