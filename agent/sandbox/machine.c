/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/swap.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/num.h"
#include "base/str.h"

#define CPUS	 "/sys/devices/system/cpu"
#define MEMORY	 "/sys/devices/system/memory"
#define CPUS_MAX 8192	/* the most that a kernel can be built for; a multiple of 64 */
#define LOOK_MS	 20	/* between two looks for what is being plugged */

static int count_online(struct err *e)
{
	uint64_t bits[CPUS_MAX / 64] = { 0 };
	char text[4096];
	ssize_t n = io_read_line(AT_FDCWD, CPUS "/online", text, sizeof(text));
	int r = n < 0 ? (int)n : num_list(text, bits, CPUS_MAX), count = 0;

	if (r < 0)
		return err_sys(e, -r, "read " CPUS "/online");
	for (size_t i = 0; i < COUNT_OF(bits); i++)
		count += __builtin_popcountll(bits[i]);
	return count;
}

/* Writes 1 to `online` of each directory PREFIXn that is offline, `most` of them. One that the
 * kernel refuses is left: the count tells. */
static int online_each(const char *dir, const char *prefix, unsigned int most, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char file[300], state[8];

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open %s", dir);
	while (most && (entry = readdir(d))) {
		if (!str_starts(entry->d_name, prefix) ||
		    !strchr("0123456789", entry->d_name[strlen(prefix)]))
			continue;
		snprintf(file, sizeof(file), "%.255s/online", entry->d_name);
		if (io_read_line(dirfd(d), file, state, sizeof(state)) < 0 || !str_eq(state, "0"))
			continue;
		most -= io_write_file(dirfd(d), file, "1") == 0;
	}
	closedir(d);
	return 0;
}

static int online_cpus(const struct machine_online *what, struct err *e)
{
	for (;;) {
		int n = count_online(e);

		if (n < 0)
			return -1;
		if ((uint32_t)n >= what->cpus)
			return 0;
		if (online_each(CPUS, "cpu", what->cpus - (uint32_t)n, e) < 0)
			return -1;
		n = count_online(e);
		if (n < 0)
			return -1;
		if ((uint32_t)n >= what->cpus)
			return 0;
		if (clock_ms() + LOOK_MS >= what->deadline_ms)
			return err_set(e, RC_DEADLINE_EXCEEDED,
				       "%d of %u processors are in use: no more have come", n,
				       what->cpus);
		poll(NULL, 0, LOOK_MS);
	}
}

int machine_online(const struct machine_online *what, struct err *e)
{
	if (what->cpus > CPUS_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "nb_cpus %u: there are never more than %d",
			       what->cpus, CPUS_MAX);
	if (what->cpus && online_cpus(what, e) < 0)
		return -1;
	return what->cpus_only ? 0 : online_each(MEMORY, "memory", UINT32_MAX, e);
}

int machine_probe_memory(const uint64_t *addresses, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		char text[32];
		int r;

		snprintf(text, sizeof(text), "0x%llX", (unsigned long long)addresses[i]);
		r = io_write_file(AT_FDCWD, MEMORY "/probe", text);
		if (r == -ENOENT)
			return err_set(e, RC_FAILED_PRECONDITION,
				       "this kernel has no " MEMORY "/probe");
		if (r < 0)
			return err_sys(e, -r, "%zu of %zu are told; memory at %s", i, n, text);
	}
	return 0;
}

int machine_swap_on(const char *path, struct err *e)
{
	if (swapon(path, 0) < 0 && errno != EBUSY)
		return err_sys(e, errno, "swap on %.128s", path);
	return 0;
}

int machine_set_clock(int64_t sec, int64_t usec, struct err *e)
{
	const struct timespec at = { .tv_sec = sec, .tv_nsec = usec * 1000 };

	if (sec < 0 || usec < 0 || usec >= 1000000)
		return err_set(e, RC_INVALID_ARGUMENT, "%lld s and %lld us are no time",
			       (long long)sec, (long long)usec);
	if (clock_settime(CLOCK_REALTIME, &at) < 0)
		return err_sys(e, errno, "set the clock");
	return 0;
}

#define NS_PER_S INT64_C(1000000000)

int64_t machine_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int machine_shift_clock(int64_t delta_ns, struct err *e)
{
	struct timespec t;
	int64_t at;

	if (__builtin_add_overflow(machine_clock_ns(), delta_ns, &at) || at < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "%lld ns from now is no time",
			       (long long)delta_ns);
	t.tv_sec = at / NS_PER_S;
	t.tv_nsec = at % NS_PER_S;
	return clock_settime(CLOCK_REALTIME, &t) < 0 ? err_sys(e, errno, "set the clock") : 0;
}
