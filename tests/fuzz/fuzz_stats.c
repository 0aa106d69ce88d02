/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer of counters, as a job sends it, in either version. Slashes stand for its NULs, so that
 * names of files can be found. */
#include <assert.h>

#include "kernel/cgroup_stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_link_stats *links;
	struct cgroup_stats s;
	struct arena a;
	size_t n;
	char *buf;

	arena_init(&a, 16 << 20);
	buf = malloc(size + 1);
	assert(buf);
	for (size_t i = 0; i < size; i++)
		buf[i] = data[i] == '/' ? '\0' : (char)data[i];
	for (int v = CGROUP_VERSION_1; v <= CGROUP_VERSION_2; v++) {
		if (cgroup_stats_parse((enum cgroup_version)v, buf, size, &a, &s) < 0)
			continue;
		for (size_t i = 0; i < CGROUP_IO_KINDS; i++)
			for (size_t k = 0; k < s.io[i].n; k++)
				assert(s.io[i].v[k].op);
		for (size_t i = 0; i < s.n_memory_stat; i++)
			assert(*s.memory_stat[i].key);
	}
	buf[size] = '\0';
	if (net_links_parse(buf, &a, &links, &n) == 0)
		for (size_t i = 0; i < n; i++)
			assert(*links[i].name);
	free(buf);
	arena_fini(&a);
	return 0;
}
