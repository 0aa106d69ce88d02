/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.LinuxResources. proto3 has no absent numbers: 0 is "not said", -1 is "no limit". A device
 * rule's number below 0 is "every one"; 0 is what hosts send for what their spec leaves out, and
 * also a minor number that exists: it is read so that the rule allows less (or denies more).
 */
#include "service/convert.h"
#include "service/reader.h"

static int64_t limit_of(int64_t v)
{
	return v ? v : CGROUP_UNSET;
}

/* For numbers without a sign; what no kernel takes is refused by the range of its row. */
static int64_t size_of(uint64_t v)
{
	return v ? (int64_t)MIN(v, (uint64_t)INT64_MAX) : CGROUP_UNSET;
}

static int64_t number_of(int64_t v, bool zero_is_one)
{
	return v < 0 || (!v && !zero_is_one) ? -1 : v;
}

static void read_device(struct reader *r, const Grpc__LinuxDeviceCgroup *d, size_t i,
			struct cgroup_device_rule *rule)
{
	const char *why;

	*rule = (struct cgroup_device_rule){
		.allow = d->allow,
		.type = str_empty(d->type) ? 'a' : *d->type,
		.major = number_of(d->major, false),
		.minor = number_of(d->minor, d->allow && d->major > 0),
	};
	if (strlen(d->type) > 1)
		rule->type = '?';
	if (spec_parse_device_access(d->access, &rule->access) < 0)
		err_set(r->e, RC_INVALID_ARGUMENT,
			"linux.resources.devices[%zu].access: not of r, w, m", i);
	if (rule->type == 'a' && !rule->access)
		rule->access = CGROUP_DEV_ALL;
	why = cgroup_device_rule_error(rule);
	if (why)
		err_set(r->e, RC_INVALID_ARGUMENT, "linux.resources.devices[%zu]: %s", i, why);
}

static void read_devices(struct reader *r, const Grpc__LinuxResources *in,
			 struct spec_resources *out)
{
	out->devices = READER_ARRAY(r, struct cgroup_device_rule, in->n_devices);
	if (!out->devices)
		return;
	for (size_t i = 0; i < in->n_devices; i++)
		read_device(r, in->devices[i], i, &out->devices[i]);
	out->n_devices = in->n_devices;
}

static void read_memory(const Grpc__LinuxMemory *in, struct cgroup_limits *out)
{
	if (!in)
		return;
	out->memory = limit_of(in->limit);
	out->reservation = limit_of(in->reservation);
	out->swap = limit_of(in->swap);
	out->kernel = limit_of(in->kernel);
	out->kernel_tcp = limit_of(in->kerneltcp);
	out->swappiness = size_of(in->swappiness);
	out->disable_oom_killer = in->disableoomkiller;
}

static void read_cpu(struct reader *r, const Grpc__LinuxCPU *in, struct cgroup_limits *out)
{
	if (!in)
		return;
	out->cpu_shares = size_of(in->shares);
	out->cpu_quota = limit_of(in->quota);
	out->cpu_period = size_of(in->period);
	out->cpus = reader_text(r, in->cpus);
	out->mems = reader_text(r, in->mems);
	out->rt_runtime = limit_of(in->realtimeruntime);
	out->rt_period = size_of(in->realtimeperiod);
}

static void read_rates(struct reader *r, Grpc__LinuxThrottleDevice *const *in, size_t n,
		       struct cgroup_block_rates *out)
{
	out->v = READER_ARRAY(r, struct cgroup_block_rate, n);
	for (size_t i = 0; out->v && i < n; i++)
		out->v[i] = (struct cgroup_block_rate){ in[i]->major, in[i]->minor, in[i]->rate };
	out->n = out->v ? n : 0;
}

static void read_block_io(struct reader *r, const Grpc__LinuxBlockIO *in, struct cgroup_limits *out)
{
	struct cgroup_block_rates *rates = out->block_rates;

	if (!in)
		return;
	out->block_weight = limit_of(in->weight);
	out->block_leaf_weight = limit_of(in->leafweight);
	out->block_weights = READER_ARRAY(r, struct cgroup_block_weight, in->n_weightdevice);
	for (size_t i = 0; out->block_weights && i < in->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *w = in->weightdevice[i];

		out->block_weights[i] =
			(struct cgroup_block_weight){ w->major, w->minor, limit_of(w->weight),
						      limit_of(w->leafweight) };
		out->n_block_weights = i + 1;
	}
	read_rates(r, in->throttlereadbpsdevice, in->n_throttlereadbpsdevice,
		   &rates[CGROUP_READ_BPS]);
	read_rates(r, in->throttlewritebpsdevice, in->n_throttlewritebpsdevice,
		   &rates[CGROUP_WRITE_BPS]);
	read_rates(r, in->throttlereadiopsdevice, in->n_throttlereadiopsdevice,
		   &rates[CGROUP_READ_IOPS]);
	read_rates(r, in->throttlewriteiopsdevice, in->n_throttlewriteiopsdevice,
		   &rates[CGROUP_WRITE_IOPS]);
}

static void read_hugepages(struct reader *r, const Grpc__LinuxResources *in,
			   struct cgroup_limits *out)
{
	out->hugepages = READER_ARRAY(r, struct cgroup_hugepage, in->n_hugepagelimits);
	for (size_t i = 0; out->hugepages && i < in->n_hugepagelimits; i++) {
		out->hugepages[i].page_size = reader_word(r, in->hugepagelimits[i]->pagesize);
		out->hugepages[i].limit = in->hugepagelimits[i]->limit;
		out->n_hugepages = i + 1;
	}
}

static void read_network(struct reader *r, const Grpc__LinuxNetwork *in, struct cgroup_limits *out)
{
	if (!in)
		return;
	out->net_class_id = limit_of(in->classid);
	out->net_priorities = READER_ARRAY(r, struct cgroup_priority, in->n_priorities);
	for (size_t i = 0; out->net_priorities && i < in->n_priorities; i++) {
		out->net_priorities[i].name = reader_word(r, in->priorities[i]->name);
		out->net_priorities[i].priority = in->priorities[i]->priority;
		out->n_net_priorities = i + 1;
	}
}

struct spec_resources *convert_resources(const Grpc__LinuxResources *in, struct arena *a,
					 struct err *e)
{
	struct reader r = { a, e };
	struct spec_resources *out = spec_resources_new(a);

	if (!out) {
		err_sys(e, ENOMEM, "linux.resources");
		return NULL;
	}
	read_devices(&r, in, out);
	read_memory(in->memory, &out->limits);
	read_cpu(&r, in->cpu, &out->limits);
	if (in->pids)
		out->limits.pids = in->pids->limit;
	read_block_io(&r, in->blockio, &out->limits);
	read_hugepages(&r, in, &out->limits);
	read_network(&r, in->network, &out->limits);
	return err_is_set(e) ? NULL : out;
}
