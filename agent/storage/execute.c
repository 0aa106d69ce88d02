/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying a storage plan out, in a job: huge pages, a new filesystem, what is on the disk, the
 * mounts, the group. All of it may wait on hardware, on other programs, or on a filesystem of
 * somebody else's (check-code: job).
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/blkid.h"
#include "storage/driver.h"

/* A pool that is large enough already is left alone: it never shrinks under somebody
 * who uses it. */
static int reserve_hugepages(const char *dir, uint64_t count, struct err *e)
{
	AUTO_FD fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t have = 0;
	char text[32];
	struct str s = STR_OVER(text);

	if (fd < 0)
		return err_sys(e, errno, "huge pages of this size: %s", dir);
	for (int attempt = 0; attempt < 2; attempt++) {
		ssize_t n = io_read_line(fd, "nr_hugepages", text, sizeof(text));
		int r;

		if (n < 0 || num_u64(text, UINT64_MAX, &have) < 0)
			return err_sys(e, n < 0 ? (int)-n : EINVAL, "read %s/nr_hugepages", dir);
		if (have >= count)
			return 0;
		str_reset(&s);
		str_addf(&s, "%llu", (unsigned long long)count);
		r = attempt ? 0 : io_write_file(fd, "nr_hugepages", text);
		if (r < 0)
			return err_sys(e, -r, "write %s/nr_hugepages", dir);
	}
	return err_set(e, RC_RESOURCE_EXHAUSTED,
		       "%s: %llu of %llu huge pages, there is no memory for more", dir,
		       (unsigned long long)have, (unsigned long long)count);
}

/* --- a new filesystem ---------------------------------------------------------------------- */

static const char *const mkfs_paths[] = { "/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4" };

static void NORETURN mkfs_child(const char *program, const char *device)
{
	const char *const argv[] = {
		"mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-m", "0", "-i", "163840",
		"-I", "128", device, NULL,
	};
	const char *const env[] = { "PATH=/sbin:/usr/sbin:/bin:/usr/bin", NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* The job may be killed at its deadline. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
		execve(program, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	_exit(127);
}

static int make_filesystem(const char *device, struct err *e)
{
	const char *program = NULL;
	siginfo_t info = { 0 };
	pid_t pid;

	for (size_t i = 0; i < COUNT_OF(mkfs_paths) && !program; i++)
		if (access(mkfs_paths[i], X_OK) == 0)
			program = mkfs_paths[i];
	if (!program)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "create_filesystem: no mkfs.ext4 in the guest's image");
	pid = fork();
	if (pid == 0)
		mkfs_child(program, device);
	if (pid < 0)
		return err_sys(e, errno, "fork for mkfs.ext4");
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for mkfs.ext4");
	if (info.si_code == CLD_EXITED && info.si_status == 0)
		return 0;
	return err_set(e, RC_INTERNAL, "mkfs.ext4 %s: %s %d", device,
		       info.si_code == CLD_EXITED ? "exit code" : "killed by signal",
		       info.si_status);
}

/* --- the mounts ---------------------------------------------------------------------------- */

static int detect(const char *device, char *buf, size_t cap, struct err *e)
{
	AUTO_FD fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open %s", device);
	return blkid_fstype_of(fd, buf, cap, e) < 0 ? err_ctx(e, "filesystem of %s", device) : 0;
}

int storage_refuse_links(const char *target, struct err *e)
{
	size_t done = storage_place_length(target);
	char part[256];
	struct str s = STR_OVER(part);
	AUTO_FD fd = -1;

	/* The place itself may be a link of the image's (/var/run). */
	str_add_n(&s, target, done);
	fd = open(part, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (const char *p = target + done; fd >= 0 && *(p += strspn(p, "/"));) {
		size_t n = strcspn(p, "/");
		struct stat st;
		int next;

		str_reset(&s);
		str_add_n(&s, p, n);
		if (!str_ok(&s))
			return err_sys(e, ENAMETOOLONG, "%.160s", target);
		next = openat(fd, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		auto_close(&fd);
		fd = next;
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode))
			return err_set(e, RC_PERMISSION_DENIED,
				       "%.160s: \"%.48s\" in it is a symbolic link", target, part);
		p += n;
	}
	if (fd < 0 && errno != ENOENT)
		return err_sys(e, errno, "%.160s", target);
	return 0;
}

static int run_plan(const struct plan *p, size_t *done, struct err *e)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(e, errno, "open /");
	for (size_t i = 0; i < p->n; i++)
		if (storage_refuse_links(p->ops[i].target, e) < 0)
			return -1;
	return plan_run(p, root, done, e);
}

/* The op lends its fstype for the length of the run. */
static int run_detected(const struct storage_plan *sp, size_t *done, struct err *e)
{
	struct plan_op *op = &sp->plan.ops[sp->detect_op];
	const char *before = op->fstype;
	char fstype[32];
	int r;

	if (detect(sp->detect_device, fstype, sizeof(fstype), e) < 0)
		return -1;
	op->fstype = fstype;
	r = run_plan(&sp->plan, done, e);
	op->fstype = before;
	return r;
}

int storage_execute(const struct storage_plan *sp, const struct storage_req *r, size_t *done,
		    struct err *e)
{
	*done = 0;
	if (sp->hugepages_dir && reserve_hugepages(sp->hugepages_dir, sp->hugepages_count, e) < 0)
		return -1;
	if (sp->mkfs_device && make_filesystem(sp->mkfs_device, e) < 0)
		return -1;
	if ((sp->detect_device ? run_detected(sp, done, e) : run_plan(&sp->plan, done, e)) < 0)
		return -1;
	return sp->group_path ? storage_apply_fs_group(sp->group_path, r, e) : 0;
}
