/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that a host or a container shaped. Such a path is never handed to a plain open(2): it is
 * resolved inside a root directory by openat2(RESOLVE_IN_ROOT) (openat2(2), Linux 5.6), symlinks
 * and ".." confined; where the kernel lacks it (ENOSYS) a component-wise walk with O_NOFOLLOW does
 * the same. Tier 0 unless it takes an err. These calls can wait when a slow filesystem lies below
 * the root: jobs and container children only.
 */
#ifndef MOTE_BASE_PATH_H
#define MOTE_BASE_PATH_H

#include <sys/stat.h>

#include "base/defs.h"
#include "base/mem.h"

/* Opens `path` (leading slashes ignored) below rootfd; flags as open(2), O_CLOEXEC added.
 * Descriptor, or -errno. */
int path_open_in(int rootfd, const char *path, int flags, mode_t mode);

/* mkdir -p below rootfd, missing directories get `mode`; existing ones are left alone. A final
 * symlink to a directory inside the root counts as existing. Returns an O_PATH|O_DIRECTORY
 * descriptor of the last one, or -errno. */
int path_mkdirs_in(int rootfd, const char *path, mode_t mode);

/* Opens (O_PATH) the parent directory of `path` below rootfd, made when missing if mkdir_mode is
 * not 0, and points *name at the last component inside `path`; -EINVAL when it is empty, "." or
 * "..". */
int path_parent_in(int rootfd, const char *path, mode_t mkdir_mode, const char **name);

/* Both without following anything: a symbolic link on the way, or at the end of path_open_strict, is
 * -ELOOP, or -ENOTDIR where it appeared just now. For a tree in which others are at work: what is
 * opened lies where the path says. */
int path_open_strict(int rootfd, const char *path, int flags);
int path_parent_strict(int rootfd, const char *path, mode_t mkdir_mode, const char **name);

/* An O_PATH descriptor of what shall be a mount's target: a directory (type S_IFDIR) or an empty
 * file (S_IFREG, mode 0644), made with its parents when missing; -ENOTDIR/-EISDIR when the existing
 * one is of the other kind. */
int path_target_in(int rootfd, const char *path, mode_t type);

/* "/proc/self/fd/N" for calls that know no descriptors (mount(2) before the new API). buf: 32
 * bytes. */
const char *path_of_fd(int fd, char buf[32]);

/* Lexical: collapses "//", "/./", and "x/.."; an absolute path stays absolute and never climbs
 * above "/". NULL: no memory. */
char *path_clean(struct arena *a, const char *path);

/* a + "/" + b with exactly one slash between. */
char *path_join(struct arena *a, const char *left, const char *right);

/* Is `path` (cleaned) `dir` itself or below it? */
bool path_is_below(const char *path, const char *dir);

/* Is a component ".."? */
bool path_climbs(const char *path);

/* Absolute, and does not climb. */
bool path_is_plain(const char *path);

/* rm -rf of `name` below dirfd, never across a mount point and never through a symlink. 0 also when
 * it does not exist. Job only. */
int path_remove_tree(int dirfd, const char *name);

#endif
