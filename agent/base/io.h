/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole small reads and writes. For files of the kernel (proc, sysfs, cgroup) and of our own run
 * directory, which do not wait; anything that a container or a slow filesystem backs belongs in a
 * job. Tier 0. dirfd may be AT_FDCWD. Every open uses O_CLOEXEC.
 */
#ifndef MOTE_BASE_IO_H
#define MOTE_BASE_IO_H

#include "base/defs.h"
#include "base/mem.h"

/* Reads the whole file into buf and terminates it. Length, or -errno; -EFBIG when it does not fit
 * in cap - 1. */
ssize_t io_read_file(int dirfd, const char *path, char *buf, size_t cap);

/* The same into an arena, at most max bytes. *out is terminated. */
ssize_t io_read_file_arena(int dirfd, const char *path, struct arena *a, size_t max, char **out);

/* As io_read_file, and trailing white space is cut. */
ssize_t io_read_line(int dirfd, const char *path, char *buf, size_t cap);

/* One write(2) of the whole text to an existing file (O_WRONLY, no creation, no truncation): what
 * the kernel's control files want. */
int io_write_file(int dirfd, const char *path, const char *text);

/* Creates or replaces a regular file (O_CREAT|O_TRUNC|O_NOFOLLOW, mode as given, whatever the
 * umask). */
int io_create_file(int dirfd, const char *path, const void *data, size_t n, mode_t mode);

/* Loop over short reads or writes and EINTR, on a blocking descriptor. io_read_full: bytes read,
 * short only at EOF. */
ssize_t io_read_full(int fd, void *buf, size_t n);
int io_write_full(int fd, const void *buf, size_t n);

/* What a regular file (a memory file) holds, read-only, until io_unmap. -EFBIG: more than max; an
 * empty file gives NULL and 0. */
int io_map(int fd, size_t max, const void **out, size_t *len);
void io_unmap(const void *p, size_t len);

#endif
