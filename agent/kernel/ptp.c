/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ptp.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"

#define NAME "KVM virtual PTP"

/* The clock of an open PTP device: testptp.c of the kernel, clock_gettime(2) "Dynamic clocks". */
static clockid_t clock_of(int fd)
{
	return (clockid_t)((~(unsigned int)fd << 3) | 3);
}

static int open_named(DIR *d, const char *dev_dir)
{
	const struct dirent *entry;
	char path[300], name[64];

	while ((entry = readdir(d))) {
		snprintf(path, sizeof(path), "%.255s/clock_name", entry->d_name);
		if (entry->d_name[0] == '.' ||
		    io_read_line(dirfd(d), path, name, sizeof(name)) < 0 || !str_eq(name, NAME))
			continue;
		snprintf(path, sizeof(path), "%.32s/%.255s", dev_dir, entry->d_name);
		return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	errno = ENODEV;
	return -1;
}

int ptp_host_time(const char *class_dir, const char *dev_dir, struct timespec *out)
{
	DIR *d = opendir(class_dir);
	AUTO_FD fd = -1;
	int r;

	if (!d)
		return errno == ENOENT ? -ENODEV : -errno;
	fd = open_named(d, dev_dir);
	r = fd < 0 ? -errno : 0;
	closedir(d);
	if (r == 0 && clock_gettime(clock_of(fd), out) < 0)
		r = -errno;
	return r;
}
