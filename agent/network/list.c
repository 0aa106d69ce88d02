/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel has, read by a job. */
#include "base/io.h"
#include "network/lock.h"
#include "network/network.h"

#define BATCH		256		/* records that are written at once */
#define BYTES_MAX	(64u << 20)

struct names {
	struct netlink_link *all;
	size_t n, cap;
};

struct writer {
	int fd;
	struct names names;
	size_t n;
	struct net_record batch[BATCH];
};

static int keep_link(void *arg, const struct netlink_link *l)
{
	struct names *names = arg;

	if (names->n == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 32;
		void *more = reallocarray(names->all, cap, sizeof(*l));

		if (!more)
			return -ENOMEM;
		names->all = more;
		names->cap = cap;
	}
	names->all[names->n++] = *l;
	return 0;
}

static int flush(struct writer *w)
{
	int r = io_write_full(w->fd, w->batch, w->n * sizeof(w->batch[0]));

	w->n = 0;
	return r;
}

static void set_name(const struct writer *w, struct net_record *r, int index)
{
	for (size_t i = 0; i < w->names.n; i++)
		if (w->names.all[i].index == index)
			memcpy(r->device, w->names.all[i].name, sizeof(r->device));
}

static struct net_record *next(struct writer *w, enum net_record_kind kind, int index)
{
	struct net_record *r;

	if (w->n == BATCH && flush(w) < 0)
		return NULL;
	r = &w->batch[w->n++];
	*r = (struct net_record){ .kind = kind };
	set_name(w, r, index);
	return r;
}

static int add_address(void *arg, const struct netlink_address *a)
{
	struct net_record *r = next(arg, NET_ADDRESS, a->index);

	if (!r)
		return -EIO;
	r->address = *a;
	return 0;
}

static int add_route(void *arg, const struct netlink_route *route)
{
	struct net_record *r = next(arg, NET_ROUTE, route->index);

	if (!r)
		return -EIO;
	r->route = *route;
	return 0;
}

static int add_links(struct writer *w)
{
	for (size_t i = 0; i < w->names.n; i++) {
		struct net_record *r = next(w, NET_LINK, w->names.all[i].index);

		if (!r)
			return -EIO;
		r->link = w->names.all[i];
	}
	return 0;
}

static int list_all(struct writer *w, enum net_list what, struct netlink *n, struct err *e)
{
	if (netlink_links(n, keep_link, &w->names, e) < 0)
		return -1;
	if (what == NET_LIST_ROUTES)
		return netlink_routes(n, AF_INET, add_route, w, e) < 0 ||
				       netlink_routes(n, AF_INET6, add_route, w, e) < 0 ?
			       -1 :
			       0;
	if (add_links(w) < 0)
		return err_sys(e, EIO, "list interfaces");
	return netlink_addresses(n, add_address, w, e);
}

static int list(enum net_list what, int out, struct err *e)
{
	AUTO_FD lock = network_lock(NETWORK_NAMES_STAY);
	static struct writer w;
	struct netlink n;
	int r;

	(void)lock;
	w.fd = out;
	if (netlink_open(&n, e) < 0 || list_all(&w, what, &n, e) < 0)
		return -1;
	r = flush(&w);
	return r < 0 ? err_sys(e, -r, "list the network") : 0;
}

static int interfaces_job(void *arg UNUSED, int out, struct err *e)
{
	return list(NET_LIST_INTERFACES, out, e);
}

static int routes_job(void *arg UNUSED, int out, struct err *e)
{
	return list(NET_LIST_ROUTES, out, e);
}

void network_list(struct loop *l, enum net_list what, uint64_t deadline_ms, work_done_fn done,
		  void *owner)
{
	const struct work_opts opts = { .what = "list the network",
					.deadline_ms = deadline_ms,
					.out_max = BYTES_MAX };

	work_start(l, &opts, what == NET_LIST_ROUTES ? routes_job : interfaces_job, NULL, done,
		   owner);
}
