/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/spec_dump.h"

static void say_limit(struct str *out, const char *path, int64_t v)
{
	if (v != CGROUP_UNSET)
		str_addf(out, "linux.resources.%s = %lld\n", path, (long long)v);
}

void spec_dump_resources(struct str *out, const struct spec_resources *r)
{
	say_limit(out, "memory.limit", r->limits.memory);
	say_limit(out, "memory.reservation", r->limits.reservation);
	say_limit(out, "memory.swap", r->limits.swap);
	if (r->limits.cpu_shares)
		say_limit(out, "cpu.shares", r->limits.cpu_shares);
	say_limit(out, "cpu.quota", r->limits.cpu_quota);
	say_limit(out, "cpu.period", r->limits.cpu_period);
	if (r->limits.cpus)
		str_addf(out, "linux.resources.cpu.cpus = %s\n", r->limits.cpus);
	if (r->limits.mems)
		str_addf(out, "linux.resources.cpu.mems = %s\n", r->limits.mems);
	say_limit(out, "pids.limit", r->limits.pids);
}
