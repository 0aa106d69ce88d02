/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least an init of a sandbox can do: the mounts of the agent (agent/main/boot.c, and the
 * cgroup hierarchy) and a listener on the agent's vsock port. The floor of the boot row. Says when
 * it listens, and stays.
 */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static const struct {
	const char *fstype, *target;
	unsigned long flags;
	const char *data;
} mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID, NULL },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666" },
	{ "mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate" },
};

int main(void)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = 1024 };
	struct timespec now;
	int fd;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].fstype, mounts[i].target, mounts[i].fstype, mounts[i].flags,
			  mounts[i].data) < 0)
			dprintf(STDOUT_FILENO, "bench: cannot mount %s\n", mounts[i].target);
	}
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 128) < 0)
		dprintf(STDOUT_FILENO, "bench: cannot listen\n");
	clock_gettime(CLOCK_REALTIME, &now);
	dprintf(STDOUT_FILENO, "bench: listens %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	for (;;)
		pause();
}
