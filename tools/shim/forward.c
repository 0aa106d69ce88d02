/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/forward.h"

#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/mem.h"

#define CHUNK   16384
#define BACKLOG 16

/* --- the kernel's half --- */

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

#define INSN(c, d, s, o, i)                                                         \
	{                                                                           \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define LOAD(d, s, member) \
	INSN(BPF_LDX | BPF_MEM | BPF_W, d, s, offsetof(struct bpf_sk_lookup, member), 0)
#define MOVE(d, s)      INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i)       INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, i)       INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define UNLESS(d, i, o) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)
#define CALL(i)         INSN(BPF_JMP | BPF_CALL, 0, 0, 0, i)

/* TCP to 127.0.0.1 goes to the socket in the map's only place; the rest as ever. Jumps count
 * instructions, and all go to the end, which is the last two. */
static int load_program(int mapfd)
{
	const struct bpf_insn program[] = {
		MOVE(6, 1),
		LOAD(2, 6, protocol),
		UNLESS(2, IPPROTO_TCP, 18),
		LOAD(2, 6, family),
		UNLESS(2, AF_INET, 16),
		LOAD(2, 6, local_ip4),
		UNLESS(2, (int32_t)__builtin_bswap32(INADDR_LOOPBACK), 14),
		INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
		MOVE(2, 10),
		ADD(2, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, mapfd),
		INSN(0, 0, 0, 0, 0),
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7, 0),
		MOVE(7, 0),
		MOVE(1, 6),
		MOVE(2, 0),
		SET(3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOVE(1, 7),
		CALL(BPF_FUNC_sk_release),
		SET(0, SK_PASS),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SK_LOOKUP,
		.expected_attach_type = BPF_SK_LOOKUP,
		.insns = (uint64_t)(uintptr_t)program,
		.insn_cnt = COUNT_OF(program),
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int fill_map(struct forward *f)
{
	union bpf_attr make = {
		.map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 8, .max_entries = 1
	};
	uint64_t value = (uint64_t)f->listenfd;
	uint32_t key = 0;
	union bpf_attr put = { .flags = BPF_ANY };

	f->mapfd = bpf(BPF_MAP_CREATE, &make);
	if (f->mapfd < 0)
		return -1;
	put.map_fd = (uint32_t)f->mapfd;
	put.key = (uint64_t)(uintptr_t)&key;
	put.value = (uint64_t)(uintptr_t)&value;
	return bpf(BPF_MAP_UPDATE_ELEM, &put);
}

static int attach(struct forward *f, int nsfd)
{
	union bpf_attr link = { 0 };

	f->progfd = load_program(f->mapfd);
	if (f->progfd < 0)
		return -1;
	link.link_create.prog_fd = (uint32_t)f->progfd;
	link.link_create.target_fd = (uint32_t)nsfd;
	link.link_create.attach_type = BPF_SK_LOOKUP;
	f->linkfd = bpf(BPF_LINK_CREATE, &link);
	return f->linkfd;
}

/* --- a connection --- */

struct half {
	struct watch watch;
	int fd;
	uint8_t buf[CHUNK]; /* read from fd, for the other one */
	size_t start, len;
	bool ended; /* fd gives no more */
	bool told;  /* … and the other one knows */
};

struct pair {
	struct list node;
	struct forward *forward;
	struct half halves[2];
	bool connecting; /* halves[1] */
};

static void end(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		watch_del(&p->halves[i].watch);
		auto_close(&p->halves[i].fd);
	}
	list_remove(&p->node);
	p->forward->n--;
	free(p);
}

/* Reads and writes what can be had now. False: it is over. */
static bool carry(struct half *from, struct half *to)
{
	ssize_t n;

	if (!from->len && !from->ended) {
		n = recv(from->fd, from->buf, CHUNK, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		from->ended = n == 0;
		from->start = 0;
		from->len = n > 0 ? (size_t)n : 0;
	}
	if (from->len) {
		n = send(to->fd, from->buf + from->start, from->len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		from->start += n > 0 ? (size_t)n : 0;
		from->len -= n > 0 ? (size_t)n : 0;
	}
	if (from->ended && !from->len && !from->told) {
		from->told = true;
		shutdown(to->fd, SHUT_WR);
	}
	return true;
}

static uint32_t wanted(const struct half *own, const struct half *other)
{
	return (own->len || own->ended ? 0 : (uint32_t)EPOLLIN) |
	       (other->len ? (uint32_t)EPOLLOUT : 0);
}

static void flow(struct pair *p)
{
	struct half *a = &p->halves[0], *b = &p->halves[1];

	if (p->connecting)
		return;
	if (!carry(a, b) || !carry(b, a) || (a->told && b->told)) {
		end(p);
		return;
	}
	watch_mod(&a->watch, wanted(a, b));
	watch_mod(&b->watch, wanted(b, a));
}

static void on_client(struct watch *w, uint32_t events)
{
	struct pair *p = container_of(w, struct pair, halves[0].watch);

	if (events & EPOLLERR)
		end(p);
	else
		flow(p);
}

static void on_pod(struct watch *w, uint32_t events)
{
	struct pair *p = container_of(w, struct pair, halves[1].watch);
	socklen_t n = sizeof(int);
	int error = 0;

	if (p->connecting && (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error)) {
		end(p);
		return;
	}
	if (events & EPOLLERR) {
		end(p);
		return;
	}
	p->connecting = false;
	flow(p);
}

static int connect_pod(struct pair *p, const struct forward *f, in_port_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = port, .sin_addr = f->to };

	p->halves[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->halves[1].fd < 0)
		return -errno;
	if (connect(p->halves[1].fd, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

static void begin(struct forward *f, int fd)
{
	struct pair *p = f->n < FORWARD_MAX ? mem_new(1, sizeof(*p)) : NULL;
	struct sockaddr_in asked;
	socklen_t n = sizeof(asked);

	if (!p) {
		close(fd);
		return;
	}
	p->forward = f;
	p->connecting = true;
	p->halves[0].fd = fd;
	p->halves[1].fd = -1;
	list_append(&f->pairs, &p->node);
	f->n++;
	if (getsockname(fd, (struct sockaddr *)&asked, &n) < 0 ||
	    connect_pod(p, f, asked.sin_port) < 0 ||
	    watch_add(f->loop, &p->halves[0].watch, fd, 0, on_client) < 0 ||
	    watch_add(f->loop, &p->halves[1].watch, p->halves[1].fd, EPOLLOUT, on_pod) < 0)
		end(p);
}

static void on_accept(struct watch *w, uint32_t events UNUSED)
{
	struct forward *f = container_of(w, struct forward, watch);
	int fd = accept4(f->listenfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		begin(f, fd);
}

/* --- life --- */

void forward_init(struct forward *f)
{
	*f = (struct forward){ .listenfd = -1, .mapfd = -1, .progfd = -1, .linkfd = -1 };
	list_init(&f->pairs);
}

int forward_open(struct forward *f, struct loop *l, int nsfd, struct in_addr to, struct err *e)
{
	struct sockaddr_in own = { .sin_family = AF_INET,
				   .sin_addr.s_addr = __builtin_bswap32(INADDR_LOOPBACK) };
	int r;

	f->to = to;
	f->loop = l;
	f->listenfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->listenfd < 0 || bind(f->listenfd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
	    listen(f->listenfd, BACKLOG) < 0) {
		err_sys(e, errno, "listen");
	} else if (fill_map(f) < 0) {
		err_sys(e, errno, "a map of sockets");
	} else if (attach(f, nsfd) < 0) {
		err_sys(e, errno, "a program of the socket lookup");
	} else {
		r = watch_add(l, &f->watch, f->listenfd, EPOLLIN, on_accept);
		if (r == 0)
			return 0;
		err_sys(e, -r, "watch");
	}
	forward_close(f);
	return -1;
}

void forward_close(struct forward *f)
{
	struct pair *p;

	while ((p = LIST_FIRST(&f->pairs, struct pair, node)))
		end(p);
	watch_del(&f->watch);
	auto_close(&f->linkfd);
	auto_close(&f->progfd);
	auto_close(&f->mapfd);
	auto_close(&f->listenfd);
	f->loop = NULL;
}
