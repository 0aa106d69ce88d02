/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.LinuxResources. proto3 has no absent numbers: 0 is "not said", -1 is "no limit". A device
 * rule's major or minor of 0 or below is "every one": hosts send 0 for what their spec leaves out.
 */
#include "service/convert.h"
#include "service/reader.h"

static int64_t limit_of(int64_t v)
{
	return v ? v : CGROUP_UNSET;
}

static struct spec_i64 some_i64(int64_t v)
{
	return (struct spec_i64){ v, v != 0 };
}

static struct spec_u64 some_u64(uint64_t v)
{
	return (struct spec_u64){ v, v != 0 };
}

static void read_devices(struct reader *r, const Grpc__LinuxResources *in,
			 struct spec_resources *out)
{
	out->devices = READER_ARRAY(r, struct spec_device_rule, in->n_devices);
	if (!out->devices)
		return;
	for (size_t i = 0; i < in->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *d = in->devices[i];
		struct spec_device_rule *rule = &out->devices[i];

		rule->allow = d->allow;
		rule->type = str_empty(d->type) ? 'a' : *d->type;
		rule->major = d->major > 0 ? d->major : -1;
		rule->minor = d->minor > 0 ? d->minor : -1;
		if (strlen(d->type) > 1 || !strchr("abc", rule->type))
			err_set(r->e, RC_INVALID_ARGUMENT,
				"linux.resources.devices[%zu].type: \"%.8s\" is not a, b or c", i,
				d->type);
		if (spec_parse_device_access(d->access, &rule->access) < 0)
			err_set(r->e, RC_INVALID_ARGUMENT,
				"linux.resources.devices[%zu].access: not of r, w, m", i);
	}
	out->n_devices = in->n_devices;
}

static void read_memory(const Grpc__LinuxMemory *in, struct spec_resources *out)
{
	if (!in)
		return;
	out->limits.memory = limit_of(in->limit);
	out->limits.reservation = limit_of(in->reservation);
	out->limits.swap = limit_of(in->swap);
	out->memory_kernel = some_i64(in->kernel);
	out->memory_kernel_tcp = some_i64(in->kerneltcp);
	out->memory_swappiness = some_u64(in->swappiness);
	out->memory_disable_oom_killer = in->disableoomkiller;
}

static void read_cpu(struct reader *r, const Grpc__LinuxCPU *in, struct spec_resources *out)
{
	if (!in)
		return;
	if (in->shares > INT64_MAX || in->period > INT64_MAX)
		err_set(r->e, RC_INVALID_ARGUMENT,
			"linux.resources.cpu: shares or period too large");
	out->limits.cpu_shares = (int64_t)in->shares;
	out->limits.cpu_quota = limit_of(in->quota);
	out->limits.cpu_period = in->period ? (int64_t)in->period : CGROUP_UNSET;
	out->limits.cpus = reader_text(r, in->cpus);
	out->limits.mems = reader_text(r, in->mems);
	out->cpu_rt_runtime = some_i64(in->realtimeruntime);
	out->cpu_rt_period = some_u64(in->realtimeperiod);
}

static struct spec_block_rates read_rates(struct reader *r, Grpc__LinuxThrottleDevice *const *in,
					  size_t n)
{
	struct spec_block_rates out = { .v = READER_ARRAY(r, struct spec_block_rate, n) };

	if (!out.v)
		return out;
	for (size_t i = 0; i < n; i++)
		out.v[i] = (struct spec_block_rate){ in[i]->major, in[i]->minor, in[i]->rate };
	out.n = n;
	return out;
}

static void read_block_io(struct reader *r, const Grpc__LinuxBlockIO *in,
			  struct spec_resources *out)
{
	if (!in)
		return;
	out->block_weight = some_u64(in->weight);
	out->block_leaf_weight = some_u64(in->leafweight);
	out->block_weights = READER_ARRAY(r, struct spec_block_weight, in->n_weightdevice);
	for (size_t i = 0; out->block_weights && i < in->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *w = in->weightdevice[i];

		out->block_weights[i] =
			(struct spec_block_weight){ w->major, w->minor, w->weight, w->leafweight };
		out->n_block_weights = i + 1;
	}
	out->block_read_bps = read_rates(r, in->throttlereadbpsdevice, in->n_throttlereadbpsdevice);
	out->block_write_bps =
		read_rates(r, in->throttlewritebpsdevice, in->n_throttlewritebpsdevice);
	out->block_read_iops =
		read_rates(r, in->throttlereadiopsdevice, in->n_throttlereadiopsdevice);
	out->block_write_iops =
		read_rates(r, in->throttlewriteiopsdevice, in->n_throttlewriteiopsdevice);
}

static void read_hugepages(struct reader *r, const Grpc__LinuxResources *in,
			   struct spec_resources *out)
{
	out->hugepages = READER_ARRAY(r, struct spec_hugepage, in->n_hugepagelimits);
	for (size_t i = 0; out->hugepages && i < in->n_hugepagelimits; i++) {
		out->hugepages[i].page_size = reader_word(r, in->hugepagelimits[i]->pagesize);
		out->hugepages[i].limit = in->hugepagelimits[i]->limit;
		out->n_hugepages = i + 1;
	}
}

static void read_network(struct reader *r, const Grpc__LinuxNetwork *in, struct spec_resources *out)
{
	if (!in)
		return;
	out->net_class_id = some_u64(in->classid);
	out->net_priorities = READER_ARRAY(r, struct spec_priority, in->n_priorities);
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
	read_memory(in->memory, out);
	read_cpu(&r, in->cpu, out);
	if (in->pids)
		out->limits.pids = in->pids->limit;
	read_block_io(&r, in->blockio, out);
	read_hugepages(&r, in, out);
	read_network(&r, in->network, out);
	return err_is_set(e) ? NULL : out;
}
