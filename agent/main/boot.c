/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot as a table of mounts and a table of steps. Mount points are made when missing; what is
 * mounted already with the same type (the kernel's own devtmpfs) is left alone.
 */
#include "main/boot.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/defs.h"
#include "base/io.h"
#include "base/log.h"

struct boot_mount {
	const char *fstype, *target;
	unsigned long flags;
	const char *data;
};

static const struct boot_mount mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID, NULL },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666" },
	{ "mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
};

/* Is there a filesystem of its own on target, other than what its parent is on? */
static bool is_mounted(const char *target)
{
	struct stat own, up;
	char parent[64];
	const char *slash = strrchr(target, '/');
	size_t n = slash == target ? 1 : (size_t)(slash - target);

	memcpy(parent, target, n);
	parent[n] = '\0';
	return stat(target, &own) == 0 && stat(parent, &up) == 0 && own.st_dev != up.st_dev;
}

int boot_mounts(void)
{
	int failed = 0;

	for (size_t i = 0; i < COUNT_OF(mounts); i++) {
		const struct boot_mount *m = &mounts[i];

		mkdir(m->target, 0755);
		if (is_mounted(m->target))
			continue;
		if (mount(m->fstype, m->target, m->fstype, m->flags, m->data) < 0) {
			log_error("boot", "mount %s on %s: %s", m->fstype, m->target,
				  strerror(errno));
			failed++;
		}
	}
	return failed;
}

/* /dev/ptmx must be the one of the devpts instance that is mounted here. */
static int make_ptmx(void)
{
	if (unlink("/dev/ptmx") < 0 && errno != ENOENT)
		return -errno;
	return symlink("pts/ptmx", "/dev/ptmx") < 0 ? -errno : 0;
}

/* A session leader whose terminal is the console: Ctrl-C there reaches a debug shell, never us (our
 * signals are blocked). */
static int start_session(void)
{
	if (setsid() < 0 && errno != EPERM)
		return -errno;
	ioctl(STDIN_FILENO, TIOCSCTTY, 1); /* no terminal is fine */
	return 0;
}

static int set_environment(void)
{
	umask(0022);
	return setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0
		       ? -errno
		       : 0;
}

static int set_hostname(void)
{
	char name[65];
	ssize_t n = io_read_line(AT_FDCWD, "/etc/hostname", name, sizeof(name));
	size_t len = n > 0 ? strcspn(name, " \t\n") : 0;
	const char *use = len ? name : "localhost";

	return sethostname(use, len ? len : strlen(use)) < 0 ? -errno : 0;
}

int boot_session(void)
{
	static const struct {
		const char *what;
		int (*run)(void);
	} steps[] = {
		{ "/dev/ptmx", make_ptmx },
		{ "session", start_session },
		{ "environment", set_environment },
		{ "hostname", set_hostname },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		int r = steps[i].run();

		if (r < 0) {
			log_error("boot", "%s: %s", steps[i].what, strerror(-r));
			failed++;
		}
	}
	return failed;
}
