/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/forward.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/mem.h"
#include "ttrpc/tunnel.h"

#define PORTS   "mote.v1.Ports"
#define BACKLOG 64

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
#define KEY(i)          INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, i)

/* Places in the program; a jump counts from the instruction behind it. */
enum { IP6 = 9, FIND = 18, END = 31 };

/* TCP to 127.0.0.1 goes to the socket in the map's first place, TCP to ::1 to the one in its second;
 * the rest goes where it ever went, and so does what has no socket there. */
static int load_program(int mapfd)
{
	const struct bpf_insn program[] = {
		MOVE(6, 1),
		LOAD(2, 6, protocol),
		[2] = UNLESS(2, IPPROTO_TCP, END - 3),
		KEY(0),
		LOAD(2, 6, family),
		[5] = UNLESS(2, AF_INET, IP6 - 6),
		LOAD(2, 6, local_ip4),
		[7] = UNLESS(2, (int32_t)__builtin_bswap32(INADDR_LOOPBACK), END - 8),
		[8] = INSN(BPF_JMP | BPF_JA, 0, 0, FIND - 9, 0),
		[IP6] = KEY(1),
		LOAD(2, 6, local_ip6[0]),
		[11] = UNLESS(2, 0, END - 12),
		LOAD(2, 6, local_ip6[1]),
		[13] = UNLESS(2, 0, END - 14),
		LOAD(2, 6, local_ip6[2]),
		[15] = UNLESS(2, 0, END - 16),
		LOAD(2, 6, local_ip6[3]),
		[17] = UNLESS(2, (int32_t)__builtin_bswap32(1), END - 18),
		[FIND] = MOVE(2, 10),
		ADD(2, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, mapfd),
		INSN(0, 0, 0, 0, 0),
		CALL(BPF_FUNC_map_lookup_elem),
		[23] = INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, END - 24, 0),
		MOVE(7, 0),
		MOVE(1, 6),
		MOVE(2, 0),
		SET(3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOVE(1, 7),
		CALL(BPF_FUNC_sk_release),
		[END] = SET(0, SK_PASS),
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
	union bpf_attr make = { .map_type = BPF_MAP_TYPE_SOCKMAP,
				.key_size = 4,
				.value_size = 8,
				.max_entries = FORWARD_FAMILIES };

	f->mapfd = bpf(BPF_MAP_CREATE, &make);
	if (f->mapfd < 0)
		return -1;
	for (uint32_t key = 0; key < FORWARD_FAMILIES; key++) {
		uint64_t value = (uint64_t)f->listeners[key].fd;
		union bpf_attr put = { .flags = BPF_ANY };

		if (f->listeners[key].fd < 0)
			continue;
		put.map_fd = (uint32_t)f->mapfd;
		put.key = (uint64_t)(uintptr_t)&key;
		put.value = (uint64_t)(uintptr_t)&value;
		if (bpf(BPF_MAP_UPDATE_ELEM, &put) < 0)
			return -1;
	}
	return 0;
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

/* The client's end here, the server's with the guest. */
struct pair {
	struct list node;
	struct forward *forward;
	struct tunnel tunnel;
	struct client_stream *stream; /* NULL: the guest has ended it */
};

/* A stream that is closed before its end has the guest give its end up too. */
static void end(struct pair *p)
{
	if (p->stream)
		client_stream_close_send(p->stream);
	client_stream_free(TAKE_PTR(p->stream));
	tunnel_fini(&p->tunnel);
	list_remove(&p->node);
	p->forward->n--;
	free(p);
}

static int post(struct tunnel *t, const uint8_t *msg, size_t len)
{
	return client_stream_send(container_of(t, struct pair, tunnel)->stream, msg, len);
}

/* In order: the guest may still be writing what it was sent, and ends the stream then. */
static void over(struct tunnel *t, int errnum)
{
	struct pair *p = container_of(t, struct pair, tunnel);

	if (errnum || !p->stream)
		end(p);
}

static const struct tunnel_ops tunnel_ops = { .send = post, .over = over };

static void on_drain(void *arg)
{
	struct pair *p = arg;

	tunnel_drained(&p->tunnel);
}

static void on_message(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct pair *p = arg;
	int r = payload ? tunnel_take(&p->tunnel, payload, len) : 0;

	if (payload && r == 0)
		return;
	if (r < 0) {
		log_warn("forward", "the guest's stream is given up: %s", strerror(-r));
		end(p);
		return;
	}
	if (err_is_set(e))
		log_debug("forward", "%s", e->msg);
	client_stream_free(TAKE_PTR(p->stream));
	if (p->tunnel.fd >= 0)
		tunnel_lost(&p->tunnel);
	else
		end(p);
}

/* Takes fd. -1 with e: p is to end. */
static int begin(struct pair *p, int fd, struct err *e)
{
	struct sockaddr_in6 asked; /* sockaddr_in has the port at the same place */
	socklen_t n = sizeof(asked);
	int r = getsockname(fd, (struct sockaddr *)&asked, &n) < 0 ? -errno : 0;

	if (r == 0)
		p->stream = client_stream_open(p->forward->guest, PORTS, "Connect", NULL, 0,
					       on_message, p, e);
	if (!p->stream) {
		close(fd);
		return err_sys(e, -r, "its port");
	}
	client_stream_on_drain(p->stream, on_drain);
	r = tunnel_begin(&p->tunnel, fd, ntohs(asked.sin6_port));
	return r < 0 ? err_sys(e, -r, "ask the guest") : 0;
}

/* Where there are too many, one whose client has sent its end, and may be gone since, makes room. */
static bool make_room(struct forward *f)
{
	struct pair *p;

	if (f->n < FORWARD_MAX)
		return true;
	LIST_EACH(p, &f->pairs, struct pair, node) {
		if (p->tunnel.bits & TUNNEL_ENDED) {
			end(p);
			return true;
		}
	}
	return false;
}

static void on_accept(struct watch *w, uint32_t events UNUSED)
{
	struct forward_listener *l = container_of(w, struct forward_listener, watch);
	struct forward *f = l->forward;
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct pair *p = fd >= 0 && make_room(f) ? mem_new(1, sizeof(*p)) : NULL;
	struct err e = { 0 };

	if (!p) {
		auto_close(&fd);
		return;
	}
	p->forward = f;
	tunnel_init(&p->tunnel, f->loop, &tunnel_ops);
	list_append(&f->pairs, &p->node);
	f->n++;
	if (begin(p, fd, &e) < 0) {
		log_warn("forward", "%s", e.msg);
		end(p);
	}
}

/* --- life --- */

static void listener_close(struct forward_listener *l)
{
	watch_del(&l->watch);
	auto_close(&l->fd);
}

/* On whatever port: the program hands over what is for any. */
static int listen_on(struct forward_listener *l, const void *own, socklen_t len)
{
	const struct sockaddr *to = own;
	int r;

	l->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, to, len) < 0 || listen(l->fd, BACKLOG) < 0)
		r = -errno;
	else
		r = watch_add(l->forward->loop, &l->watch, l->fd, EPOLLIN, on_accept);
	if (r < 0)
		listener_close(l);
	return r;
}

static int listen_all(struct forward *f)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	listen_on(&f->listeners[1], &v6, sizeof(v6)); /* a namespace may be without */
	return listen_on(&f->listeners[0], &v4, sizeof(v4));
}

void forward_init(struct forward *f)
{
	*f = (struct forward){ .mapfd = -1, .progfd = -1, .linkfd = -1 };
	for (size_t i = 0; i < FORWARD_FAMILIES; i++)
		f->listeners[i] = (struct forward_listener){ .forward = f, .fd = -1 };
	list_init(&f->pairs);
}

int forward_listen(struct forward *f, struct loop *l, struct client *guest, struct err *e)
{
	int r;

	f->guest = guest;
	f->loop = l;
	r = listen_all(f);
	if (r == 0)
		return 0;
	err_sys(e, -r, "listen");
	forward_close(f);
	return -1;
}

int forward_open(struct forward *f, struct loop *l, int nsfd, struct client *guest, struct err *e)
{
	if (forward_listen(f, l, guest, e) < 0)
		return -1;
	if (fill_map(f) < 0)
		err_sys(e, errno, "a map of sockets");
	else if (attach(f, nsfd) < 0)
		err_sys(e, errno, "a program of the socket lookup");
	else
		return 0;
	forward_close(f);
	return -1;
}

void forward_close(struct forward *f)
{
	struct pair *p;

	for (size_t i = 0; i < FORWARD_FAMILIES; i++)
		listener_close(&f->listeners[i]);
	while ((p = LIST_FIRST(&f->pairs, struct pair, node)))
		end(p);
	auto_close(&f->linkfd);
	auto_close(&f->progfd);
	auto_close(&f->mapfd);
}
