/* SPDX-License-Identifier: Apache-2.0 */
/* OnlineCPUMem, MemHotplugByProbe, AddSwap, AddSwapPath, SetGuestDateTime, ReseedRandomDev,
 * GetMetrics. */
#include "sandbox/machine.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "event/work.h"
#include "kernel/random.h"
#include "service/kata/kata.h"

/* A job on the call's own request; the answer is empty. */
static void do_work(struct call *c, const char *what, work_fn fn)
{
	const struct work_opts opts = { .what = what, .deadline_ms = verb_deadline(c) };

	work_start(kata_of(c)->sandbox->loop, &opts, fn, c, verb_answer_work, c);
}

#define BEFORE_DEADLINE_MS 200 /* for the job to say what is missing itself */

static const Grpc__OnlineCPUMemRequest *online_request(const struct call *c)
{
	return (const void *)c->req;
}

static int online(void *arg, int out UNUSED, struct err *e)
{
	const struct call *c = arg;
	const Grpc__OnlineCPUMemRequest *req = online_request(c);
	const struct machine_online what = { req->nb_cpus, req->cpu_only,
					     verb_deadline(c) - BEFORE_DEADLINE_MS };

	return machine_online(&what, e);
}

static int follow_cpus(void *arg, int out UNUSED, struct err *e)
{
	return hotplug_follow_cpus(kata_of(arg)->sandbox, e);
}

/* Another job: the first one may have waited long, and does not know the containers that came
 * meanwhile. */
static void online_done(void *owner, const struct err *e, const void *out UNUSED, size_t len UNUSED)
{
	struct call *c = owner;

	if (err_is_set(e) || !online_request(c)->nb_cpus)
		verb_answer(c, e);
	else
		do_work(c, "processors of the containers", follow_cpus);
}

void kata_online_cpu_mem(struct call *c)
{
	const struct work_opts opts = { .what = "put processors and memory into use",
					.deadline_ms = verb_deadline(c) };

	work_start(kata_of(c)->sandbox->loop, &opts, online, c, online_done, c);
}

static int probe(void *arg, int out UNUSED, struct err *e)
{
	const Grpc__MemHotplugByProbeRequest *req = (const void *)((struct call *)arg)->req;

	return machine_probe_memory(req->memhotplugprobeaddr, req->n_memhotplugprobeaddr, e);
}

void kata_mem_hotplug_by_probe(struct call *c)
{
	do_work(c, "tell of memory", probe);
}

/* --- swap --- */

static int swap_path(void *arg, int out UNUSED, struct err *e)
{
	const Grpc__AddSwapPathRequest *req = (const void *)((struct call *)arg)->req;

	return machine_swap_on(req->path, e);
}

void kata_add_swap_path(struct call *c)
{
	do_work(c, "swap", swap_path);
}

static int swap_device(void *arg, int out UNUSED, struct err *e)
{
	const struct device_found *found = ((struct call *)arg)->state;

	return machine_swap_on(found->node, e);
}

static void swap_found(void *owner, const struct err *e, const struct device_found *found)
{
	struct call *c = owner;

	if (err_is_set(e)) {
		call_fail(c, e);
		return;
	}
	c->state = arena_memdup(&c->arena, found, sizeof(*found));
	if (c->state)
		do_work(c, "swap", swap_device);
	else
		call_failf(c, RC_RESOURCE_EXHAUSTED, "AddSwap: no memory");
}

/* The slots of the bridges and the disk, as numbers. */
static int pci_path_of(const Grpc__AddSwapRequest *req, struct device_need *need, struct err *e)
{
	char path[DEVICE_PATH_MAX];
	struct str s = STR_OVER(path);

	for (size_t i = 0; i < req->n_pcipath; i++)
		str_addf(&s, "%s%02x", i ? "/" : "", req->pcipath[i]);
	if (!str_ok(&s))
		return err_set(e, RC_INVALID_ARGUMENT, "PCIPath: %zu elements are too many",
			       req->n_pcipath);
	return device_need_set(need, DEVICE_BLK_PCI, path, e);
}

void kata_add_swap(struct call *c)
{
	const Grpc__AddSwapRequest *req = (const void *)c->req;
	struct sandbox *s = kata_of(c)->sandbox;
	uint64_t hotplug = clock_after(s->opts.hotplug_timeout_ms);
	struct device_need need;
	struct err e = { 0 };

	if (pci_path_of(req, &need, &e) < 0 ||
	    !device_wait_start(s->monitor, &need, MIN(hotplug, verb_deadline(c)), swap_found, c, &e))
		call_fail(c, &e);
}

/* --- the clock, randomness: the kernel does not wait for anything --- */

void kata_set_guest_date_time(struct call *c)
{
	const Grpc__SetGuestDateTimeRequest *req = (const void *)c->req;
	struct err e = { 0 };

	(void)machine_set_clock(req->sec, req->usec, &e);
	verb_answer(c, &e);
}

void kata_reseed_random_dev(struct call *c)
{
	const Grpc__ReseedRandomDevRequest *req = (const void *)c->req;
	int r = random_reseed(req->data.data, req->data.len);

	if (r == -EINVAL || r == -E2BIG)
		call_failf(c, RC_INVALID_ARGUMENT, "data: %zu bytes, not 1 to 65536", req->data.len);
	else if (r < 0)
		call_failf(c, err_rc_of(-r), "reseed the random generator: %s", err_errno_name(-r));
	else
		call_ok(c);
}

/* --- metrics --- */

/* The text is the reply's first field, as data is in others. */
static void metrics_done(void *owner, const struct err *e, const void *text, size_t len)
{
	struct call *c = owner;

	if (err_is_set(e))
		call_fail(c, e);
	else
		call_reply_data(c, text, len);
}

void kata_get_metrics(struct call *c)
{
	metrics_read(&kata_of(c)->sandbox->metrics, verb_deadline(c), metrics_done, c);
}
