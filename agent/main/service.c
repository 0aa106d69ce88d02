/* SPDX-License-Identifier: Apache-2.0 */
#include "main/service.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/oom_score.h"

static struct {
	struct sockaddr_un to;
	socklen_t len; /* 0: nobody wants to know */
} notify;

/* A path, or "@name" of the abstract kind. Other kinds (vsock) are for machines that tell their host. */
static void take_notify(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t n = name ? strlen(name) : 0;

	notify.len = 0;
	if (n > 1 && n < sizeof(notify.to.sun_path) && (*name == '/' || *name == '@')) {
		notify.to.sun_family = AF_UNIX;
		memcpy(notify.to.sun_path, name, n + 1);
		notify.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
		if (*name == '@')
			notify.to.sun_path[0] = '\0';
	} else if (n) {
		log_warn("service", "NOTIFY_SOCKET is no socket that can be told");
	}
	unsetenv("NOTIFY_SOCKET");
}

/* systemd.exec: the device and inode of the stream, so that who was redirected can tell. */
static void take_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	log_set_journal(stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
			fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino);
	unsetenv("JOURNAL_STREAM");
}

int service_begin(struct err *e)
{
	take_notify();
	take_journal();
	oom_score_know();
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_sys(e, errno, "become a subreaper");
	return 0;
}

void service_cgroups(struct cgroup_root *root)
{
	struct err e = { 0 };
	int r = cgroup_take_own(root, &e);

	if (r < 0)
		log_error("service", "containers have their groups at the root: %s", e.msg);
	else if (r > 0)
		log_info("service", "containers have their groups below %s", root->base);
}

void service_ready(const char *status)
{
	AUTO_FD fd = -1;
	char text[256];
	struct str s = STR_OVER(text);

	if (!notify.len)
		return;
	str_addf(&s, "READY=1\nSTATUS=%.128s\n", status);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, text, s.len, MSG_NOSIGNAL, (struct sockaddr *)&notify.to,
			     notify.len) < 0)
		log_warn("service", "tell the init that the agent serves: %s", strerror(errno));
}
