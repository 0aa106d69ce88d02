/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel starts as /init when a boot is measured: notes the time and becomes the program
 * that is measured. A child stays behind, asleep in accept(), and tells that time to whoever
 * connects to port 1026 when all is over: nothing else runs meanwhile. usage: start PROGRAM
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define PORT 1026

static void tell(int listener, const struct timespec *at)
{
	int fd = accept(listener, NULL, NULL);

	dprintf(fd, "%lld.%09ld\n", (long long)at->tv_sec, at->tv_nsec);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = PORT };
	struct timespec *now =
		mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (argc < 2 || now == MAP_FAILED || fd < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
		return 1;
	pid = fork();
	if (pid == 0)
		tell(fd, now);
	if (pid < 0)
		return 1;
	/* Until the child sleeps, and what the kernel still had to do after its boot is done. */
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	clock_gettime(CLOCK_REALTIME, now);
	execl(argv[1], argv[1], (char *)NULL);
	return 1;
}
