/* SPDX-License-Identifier: Apache-2.0 */
/* An interface may be plugged in while the host already says how it shall be. */
#include "sandbox/interfaces.h"

#include "base/clock.h"
#include "base/mem.h"

struct plugged {
	struct sandbox *s;
	struct net_interface i;
	struct device_found found;
	uint64_t deadline_ms;
	work_done_fn done;
	void *owner;
};

static void interface_set(void *owner, const struct err *e, const void *out, size_t len)
{
	struct plugged *p = owner;
	work_done_fn done = p->done;
	void *who = p->owner;

	free(p);
	done(who, e, out, len);
}

static void interface_found(void *owner, const struct err *failed, const struct device_found *found)
{
	struct plugged *p = owner;
	struct err e = *failed;

	if (err_is_set(&e)) {
		err_ctx(&e, "interface not available");
		interface_set(p, &e, "", 0);
		return;
	}
	p->found = *found;
	p->i.device = p->found.node;
	p->i.index = p->found.ifindex;
	network_interface_set(p->s->loop, &p->i, p->deadline_ms, interface_set, p);
}

/* The host waits no longer than its deadline, whatever the time for hotplug. */
static void await_interface(struct plugged *p, const char *pci_path)
{
	uint64_t hotplug_ms = clock_after(p->s->opts.hotplug_timeout_ms);
	struct device_need need;
	struct err e = { 0 };

	if (device_need_set(&need, DEVICE_NET_PCI, pci_path, &e) == 0 &&
	    device_wait_start(p->s->monitor, &need, MIN(hotplug_ms, p->deadline_ms),
			      interface_found, p, &e))
		return;
	interface_set(p, &e, "", 0);
}

void sandbox_interface_set(struct sandbox *s, const struct net_interface *i, const char *pci_path,
			   uint64_t deadline_ms, work_done_fn done, void *owner)
{
	struct plugged *p;
	struct err e = { 0 };

	if (!*pci_path) {
		network_interface_set(s->loop, i, deadline_ms, done, owner);
		return;
	}
	p = mem_new(1, sizeof(*p));
	if (!p) {
		err_sys(&e, ENOMEM, "set an interface");
		done(owner, &e, "", 0);
		return;
	}
	*p = (struct plugged){ .s = s, .i = *i, .deadline_ms = deadline_ms, .done = done, .owner = owner };
	await_interface(p, pci_path);
}
