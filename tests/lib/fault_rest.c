/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fault_rest.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"

/* Elsewhere others are at work: who removes a mount point takes the mount away in every namespace. */
static bool is_watched(const char *target)
{
	static const char *const where[] = { "/run", "/etc", "/proc", "/sys", "/dev" };

	for (size_t i = 0; i < COUNT_OF(where); i++)
		if (str_starts(target, where[i]))
			return true;
	return str_eq(target, "/");
}

/* The agent's own places, made for the first sandbox: they stay for the next try. */
static bool is_place(const char *path)
{
	static const char *const places[] = {
		"/run/sandbox-ns",
		"/run/kata-containers",
		"/run/kata-containers/sandbox",
		"/run/kata-containers/shared",
		"/run/kata-containers/shared/containers",
	};

	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (str_eq(path, places[i]))
			return true;
	return false;
}

static void list_mounts(pid_t pid, char *out, size_t cap)
{
	char path[64], line[4096], target[1024];
	struct str s;
	FILE *f;

	str_init(&s, out, cap);
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d %*d %*s %*s %1023s", target) == 1 && is_watched(target))
			str_addf(&s, "mount %s\n", target);
	if (f)
		fclose(f);
}

static void list_files(int dirfd, const char *name, const char *shown, struct str *s)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	char below[1024];

	while (dir && (de = readdir(dir))) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", shown, de->d_name);
		if (!is_place(below))
			str_addf(s, "%s\n", below);
		if (de->d_type == DT_DIR)
			list_files(fd, de->d_name, below, s);
	}
	if (dir)
		closedir(dir);
	else
		auto_close(&fd);
}

static const char *group_of(const struct rig *r, const char *id, char *path, size_t cap)
{
	snprintf(path, cap, "/proc/%d/root/sys/fs/cgroup/mote-test/%s", (int)r->agent_pid, id);
	return path;
}

int fault_rest_take(struct fault *f, const char *const *ids, struct fault_rest *out)
{
	struct rig *r = f->rig;
	char path[128];
	struct str s = STR_OVER(out->files);

	memset(out, 0, sizeof(*out));
	/* before: a connection that is not accepted yet is none */
	if (rig_call(r, "grpc.Health/Check", "{}") || rig_status(r, &out->status) < 0)
		return -1;
	if (rig_call(r, "grpc.Health/Check", "{}"))
		return -1;
	out->heap = f->heap;
	list_mounts(r->agent_pid, out->mounts, sizeof(out->mounts));
	snprintf(path, sizeof(path), "/proc/%d/root/run", (int)r->agent_pid);
	list_files(AT_FDCWD, path, "/run", &s);
	for (size_t i = 0; ids && ids[i]; i++)
		if (access(group_of(r, ids[i], path, sizeof(path)), F_OK) == 0)
			str_addf(&s, "cgroup %s\n", ids[i]);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)r->agent_pid,
		 (int)r->agent_pid);
	io_read_file(AT_FDCWD, path, out->children, sizeof(out->children));
	return 0;
}

/* The lines of `a` that `b` has not (or has less often). */
static void lines_missing(const char *a, const char *b, const char *sign, struct str *why)
{
	for (const char *at = a, *end; (end = strchr(at, '\n')); at = end + 1) {
		size_t n = (size_t)(end - at) + 1, in_a = 0, in_b = 0;

		for (const char *p = a; p <= at; p = strchr(p, '\n') + 1)
			in_a += strncmp(p, at, n) == 0;
		for (const char *p = b; *p; p = strchr(p, '\n') + 1)
			in_b += strncmp(p, at, n) == 0;
		if (in_a > in_b)
			str_addf(why, " %s%.*s", sign, (int)n - 1, at);
	}
}

static void number(const char *name, uint64_t before, uint64_t after, struct str *why)
{
	if (before != after)
		str_addf(why, " %s %llu, not %llu", name, (unsigned long long)after,
			 (unsigned long long)before);
}

bool fault_rest_same(const struct fault_rest *before, const struct fault_rest *after, char *why,
		     size_t cap)
{
	const struct rig_status *b = &before->status, *a = &after->status;
	struct str s;

	str_init(&s, why, cap);
	*why = '\0';
	number("connections", b->connections, a->connections, &s);
	number("calls", b->calls, a->calls, &s);
	number("containers", b->containers, a->containers, &s);
	number("storages", b->storages, a->storages, &s);
	number("children", b->children, a->children, &s);
	number("jobs", b->jobs, a->jobs, &s);
	number("descriptors", (uint64_t)b->fds, (uint64_t)a->fds, &s);
	number("arena bytes", b->arena_bytes, a->arena_bytes, &s);
	number("heap bytes", before->heap, after->heap, &s);
	if (!str_eq(before->children, after->children))
		str_addf(&s, " processes \"%s\"", after->children);
	lines_missing(after->mounts, before->mounts, "+", &s);
	lines_missing(before->mounts, after->mounts, "-", &s);
	lines_missing(after->files, before->files, "+", &s);
	return s.len == 0;
}
