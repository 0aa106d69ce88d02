/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's half of the benchmark: the floors, served on a vsock port to the host, in a
 * privileged container of the same guest.
 *
 *   tool serve PORT    commands, a line each; a process per connection:
 *                        echo          every byte that follows comes back
 *                        send N        N bytes
 *                        run ARG...    a program to its end: its exit status, and what it said
 *                        read FILE     a file
 *                        count PATH    how many entries the directory has, or lines the file
 *                        mounts N      N file systems of memory, each in a new directory, and away again
 *                        routes N      N routes by netlink, one after the other, and away again
 *                        cards N       makes N pairs of network cards, and leaves them there
 *                        set N         new address, MTU and name for the second of each pair, by netlink
 *                        listen        to the kernel's events from now on
 *                        event A       until one of action A comes for a disk
 *                      the answers of all but the first two: "STATUS LENGTH\n" and LENGTH bytes
 *   tool write N       N bytes to standard output
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <linux/vm_sockets.h>

#define PIECE    32768 /* the agent's own limit of one send */
#define SAID     "/run/said"
#define ARGS_MAX 32

extern char **environ;

static char buffer[65536];

static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t did = write(fd, data, n < PIECE ? n : PIECE);

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -1;
		data += did;
		n -= (size_t)did;
	}
	return 0;
}

static int write_many(int fd, unsigned long long n, size_t piece)
{
	while (n) {
		size_t now = n < piece ? (size_t)n : piece;

		if (write_all(fd, buffer, now) < 0)
			return -1;
		n -= now;
	}
	return 0;
}

static void echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, buffer, PIECE)) > 0)
		if (write_all(fd, buffer, (size_t)n) < 0)
			return;
}

static int answer(int fd, int status, const char *file)
{
	char head[64];
	int from = open(file, O_RDONLY | O_CLOEXEC), n;
	ssize_t len = from < 0 ? 0 : read(from, buffer, sizeof(buffer));

	close(from);
	n = snprintf(head, sizeof(head), "%d %zd\n", from < 0 ? errno : status, len < 0 ? 0 : len);
	return write_all(fd, head, (size_t)n) < 0 ||
	       write_all(fd, buffer, len < 0 ? 0 : (size_t)len);
}

static long count_entries(DIR *dir)
{
	long n = 0;

	for (struct dirent *de; (de = readdir(dir));)
		n += de->d_name[0] != '.';
	closedir(dir);
	return n;
}

static long count_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

/* Into the file that is answered with. */
static int count(const char *path)
{
	DIR *dir = opendir(path);
	FILE *said = fopen(SAID, "we");

	if (!said)
		return 1;
	fprintf(said, "%ld\n", dir ? count_entries(dir) : count_lines(path));
	return fclose(said) != 0;
}

/* argv[0] by the PATH; standard output and error into a file. */
static int run(char *argv[])
{
	posix_spawn_file_actions_t fds;
	int status = 127;
	pid_t pid;

	posix_spawn_file_actions_init(&fds);
	posix_spawn_file_actions_addopen(&fds, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fds, 1, SAID, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&fds, 1, 2);
	if (posix_spawnp(&pid, argv[0], &fds, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&fds);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int mounts(unsigned int n)
{
	char path[32];
	int failed = 0;

	for (unsigned int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/run/m%u", i);
		failed |= mkdir(path, 0755) < 0 || mount("tmpfs", path, "tmpfs", 0, "size=1m") < 0;
	}
	for (unsigned int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/run/m%u", i);
		failed |= umount(path) < 0 || rmdir(path) < 0;
	}
	return failed;
}

struct route_message {
	struct nlmsghdr head;
	struct rtmsg route;
	struct rtattr dst;
	unsigned char address[4];
	struct rtattr oif;
	int index;
};

/* 11.A.B.0/24 by the first interface, which is lo; the kernel's answer is awaited. */
static int route(int fd, unsigned short type, unsigned short flags, unsigned int i)
{
	struct route_message m = {
		.head = { .nlmsg_len = sizeof(m), .nlmsg_type = type, .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags) },
		.route = { .rtm_family = AF_INET, .rtm_dst_len = 24, .rtm_table = RT_TABLE_MAIN, .rtm_scope = RT_SCOPE_LINK,
			   .rtm_type = RTN_UNICAST, .rtm_protocol = RTPROT_STATIC },
		.dst = { RTA_LENGTH(4), RTA_DST },
		.address = { 11, (unsigned char)(i / 250), (unsigned char)(i % 250), 0 },
		.oif = { RTA_LENGTH(4), RTA_OIF },
		.index = 1,
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} answer;

	if (send(fd, &m, sizeof(m), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.head))
		return 1;
	return answer.head.nlmsg_type != NLMSG_ERROR || answer.error.error != 0;
}

static int routes(unsigned int n)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), failed = fd < 0;

	for (unsigned int i = 0; i < n && !failed; i++)
		failed = route(fd, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, i);
	for (unsigned int i = 0; i < n && fd >= 0; i++)
		failed |= route(fd, RTM_DELROUTE, 0, i);
	close(fd);
	return failed;
}

/* --- network cards ------------------------------------------------------------------------------ */

struct message {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	};
	char attributes[256];
};

static struct rtattr *attribute(struct message *m, unsigned short type, const void *data, size_t n)
{
	struct rtattr *a = (struct rtattr *)(void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));

	*a = (struct rtattr){ (unsigned short)RTA_LENGTH(n), type };
	if (n)
		memcpy(RTA_DATA(a), data, n);
	m->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
	return a;
}

static void nest_end(struct message *m, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)m + m->head.nlmsg_len - (char *)nest);
}

static int ask(int fd, struct message *m)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} answer;

	if (send(fd, m, m->head.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.head))
		return 1;
	return answer.head.nlmsg_type != NLMSG_ERROR || answer.error.error != 0;
}

static void text_attribute(struct message *m, unsigned short type, const char *prefix, unsigned int i)
{
	char text[IFNAMSIZ];
	int n = snprintf(text, sizeof(text), "%s%u", prefix, i);

	attribute(m, type, text, (size_t)n + 1);
}

static struct message link_message(unsigned short type, unsigned short flags)
{
	return (struct message){
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = type,
			  .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags) },
		.link = { .ifi_family = AF_UNSPEC },
	};
}

/* ca0 with the hardware address 02:00:00:00:ca:00 and its other end cb0, … */
static int card(int fd, unsigned int i)
{
	const unsigned char mac[] = { 2, 0, 0, 0, 0xca, (unsigned char)i };
	struct message m = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	const struct ifinfomsg none = { 0 };
	struct rtattr *info, *data, *peer;

	text_attribute(&m, IFLA_IFNAME, "ca", i);
	attribute(&m, IFLA_ADDRESS, mac, sizeof(mac));
	info = attribute(&m, IFLA_LINKINFO, NULL, 0);
	attribute(&m, IFLA_INFO_KIND, "veth", 5);
	data = attribute(&m, IFLA_INFO_DATA, NULL, 0);
	peer = attribute(&m, VETH_INFO_PEER, &none, sizeof(none));
	text_attribute(&m, IFLA_IFNAME, "cb", i);
	nest_end(&m, peer);
	nest_end(&m, data);
	nest_end(&m, info);
	return ask(fd, &m);
}

/* As an agent has to: down, an address, the rest and up in one. */
static int set_card(int fd, unsigned int i, unsigned int round)
{
	const unsigned char address[] = { 10, (unsigned char)(200 + round % 2), (unsigned char)i, 2 };
	const unsigned int mtu = 1400 + round % 2;
	struct message down = link_message(RTM_NEWLINK, 0), up = down, add = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)), .nlmsg_type = RTM_NEWADDR,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE },
		.address = { .ifa_family = AF_INET, .ifa_prefixlen = 24 },
	};
	char name[IFNAMSIZ];
	int index;

	snprintf(name, sizeof(name), "%s%u", round % 2 ? "cb" : "cc", i);
	index = (int)if_nametoindex(name);
	down.link.ifi_index = up.link.ifi_index = index;
	down.link.ifi_change = up.link.ifi_change = up.link.ifi_flags = IFF_UP;
	add.address.ifa_index = (unsigned int)index;
	attribute(&add, IFA_LOCAL, address, sizeof(address));
	attribute(&up, IFLA_MTU, &mtu, sizeof(mtu));
	text_attribute(&up, IFLA_IFNAME, round % 2 ? "cc" : "cb", i);
	return !index || ask(fd, &down) || ask(fd, &add) || ask(fd, &up);
}

static int cards(unsigned int n, bool make)
{
	static unsigned int round;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), failed = fd < 0;

	round += !make;
	for (unsigned int i = 0; i < n && !failed; i++)
		failed = make ? card(fd, i) : set_card(fd, i, round);
	close(fd);
	return failed;
}

/* --- the kernel's events ------------------------------------------------------------------------ */

static int events = -1;

static int listen_to_kernel(void)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	if (events >= 0)
		close(events);
	events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	return events < 0 || bind(events, (struct sockaddr *)&at, sizeof(at)) < 0;
}

/* "ACTION@PATH" and more. */
static int await_disk(const char *action)
{
	size_t n = strlen(action);

	for (;;) {
		ssize_t got = recv(events, buffer, sizeof(buffer) - 1, 0);

		if (got < 0 && errno != EINTR)
			return 1;
		if (got <= 0)
			continue;
		buffer[got] = '\0';
		if (!strncmp(buffer, action, n) && buffer[n] == '@' && strstr(buffer, "/block/"))
			return 0;
	}
}

/* --- */

static int command(int fd, char *line)
{
	char *argv[ARGS_MAX + 1] = { 0 }, *rest;
	size_t n = 0;

	for (char *word = strtok_r(line, " \n", &rest); word && n < ARGS_MAX;
	     word = strtok_r(NULL, " \n", &rest))
		argv[n++] = word;
	if (n == 1 && !strcmp(argv[0], "echo"))
		echo(fd);
	else if (n == 2 && !strcmp(argv[0], "send"))
		return write_many(fd, strtoull(argv[1], NULL, 10), PIECE);
	else if (n >= 2 && !strcmp(argv[0], "run"))
		return answer(fd, run(argv + 1), SAID);
	else if (n == 2 && !strcmp(argv[0], "read"))
		return answer(fd, 0, argv[1]);
	else if (n == 2 && !strcmp(argv[0], "count"))
		return answer(fd, count(argv[1]), SAID);
	else if (n == 2 && !strcmp(argv[0], "mounts"))
		return answer(fd, mounts((unsigned int)strtoul(argv[1], NULL, 10)), "/dev/null");
	else if (n == 2 && !strcmp(argv[0], "routes"))
		return answer(fd, routes((unsigned int)strtoul(argv[1], NULL, 10)), "/dev/null");
	else if (n == 2 && (!strcmp(argv[0], "cards") || !strcmp(argv[0], "set")))
		return answer(fd, cards((unsigned int)strtoul(argv[1], NULL, 10), *argv[0] == 'c'), "/dev/null");
	else if (n == 1 && !strcmp(argv[0], "listen"))
		return answer(fd, listen_to_kernel(), "/dev/null");
	else if (n == 2 && !strcmp(argv[0], "event"))
		return answer(fd, await_disk(argv[1]), "/dev/null");
	return -1;
}

/* A line has come when its end has: the host sends the next one only after the answer, and the
 * bytes of an echo only after its line was taken; so nothing may be read ahead. */
static void serve(int fd)
{
	char line[1024];
	size_t n = 0;

	while (n < sizeof(line) - 1 && read(fd, line + n, 1) == 1) {
		if (line[n++] != '\n')
			continue;
		line[n] = '\0';
		n = 0;
		if (command(fd, line) != 0)
			break;
	}
	_exit(0);
}

static int listen_on(unsigned int port)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 8) < 0)
		return -1;
	return fd;
}

/* crun makes its groups in the whole guest's tree, as the agent does; the namespace that every
 * container gets would keep it below its own (nsdelegate). */
static int leave_cgroup_namespace(void)
{
	int fd = open("/guest-proc/1/ns/cgroup", O_RDONLY | O_CLOEXEC);
	int r = setns(fd, CLONE_NEWCGROUP);

	close(fd);
	return r;
}

int main(int argc, char **argv)
{
	int listener;

	if (argc == 3 && !strcmp(argv[1], "write"))
		return write_many(STDOUT_FILENO, strtoull(argv[2], NULL, 10), sizeof(buffer)) != 0;
	if (argc != 3 || strcmp(argv[1], "serve") != 0)
		return 2;
	if (leave_cgroup_namespace() < 0)
		return 1;
	listener = listen_on((unsigned int)strtoul(argv[2], NULL, 10));
	if (listener < 0)
		return 1;
	if (write_all(STDOUT_FILENO, "listens\n", 8) < 0)
		return 1;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (fd >= 0 && fork() == 0)
			serve(fd);
		close(fd);
	}
}
