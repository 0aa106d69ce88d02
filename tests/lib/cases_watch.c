/* SPDX-License-Identifier: Apache-2.0 */
/* A volume of configuration on a virtio-fs share, which the host changes under a container that runs, and
 * one that it removes after the container. In a VM with the share "rootfs" only: its directory is this machine's. */
#include <glob.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/cases.h"

#define SHARED "/run/kata-containers/shared/containers"
#define COPY   SHARED "/watchable/conf"

/* grep of the files themselves would fail of a process that goes meanwhile */
#define FOLLOWS "cat /guest/[0-9]*/comm 2>/dev/null | grep mote-watch"

static void put(struct rig *r, const char *dir, const char *text)
{
	char path[256], link[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", r->rootfs);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/conf/%s", r->rootfs, dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/conf/%s/key", r->rootfs, dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
	snprintf(path, sizeof(path), "%s/conf/..tmp", r->rootfs);
	snprintf(link, sizeof(link), "%s/conf/..data", r->rootfs);
	assert_int_equal(symlink(dir, path), 0);
	assert_int_equal(rename(path, link), 0);
}

static const char storages[] =
	",{\"driver\":\"virtio-fs\",\"source\":\"rootfs\",\"fstype\":\"virtiofs\",\"mount_point\":\"" SHARED "/\"}"
	",{\"driver\":\"watchable-bind\",\"source\":\"" SHARED "/conf\",\"fstype\":\"bind\",\"mount_point\":\"" COPY "\"}";

/* No event comes by virtio-fs, and yet the container sees what its host has changed. */
static void changed_by_the_host(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"cat /conf/key; until grep second /conf/key; do usleep 10000; done; while test -e /conf/..1; do usleep 10000; done; ls -A /conf\"]",
		.storages = storages,
		.mounts = ",{\"destination\":\"/conf\",\"type\":\"bind\",\"source\":\"" COPY "\",\"options\":[\"rbind\",\"ro\"]}",
	};
	char path[256];

	(void)state;
	put(r, "..1", "first");
	snprintf(path, sizeof(path), "%s/conf/key", r->rootfs);
	assert_int_equal(symlink("..data/key", path), 0);
	assert_done(r, rig_run(r, "watch-1", &what));
	assert_true(rig_read_until(r, "ReadStdout", "watch-1", "", "\n") > 0);
	assert_string_equal(r->reply, "first\n");
	put(r, "..2", "second");
	snprintf(path, sizeof(path), "%s/conf/..1/key", r->rootfs);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/conf/..1", r->rootfs);
	assert_int_equal(rmdir(path), 0);
	assert_true(rig_read(r, "ReadStdout", "watch-1", "") > 0);
	assert_string_equal(r->reply, "second\n..2\n..data\nkey\n");
	assert_int_equal(rig_wait(r, "watch-1", ""), 0);
	assert_int_equal(rig_guest(r, FOLLOWS), 0);
	assert_done(r, rig_remove(r, "watch-1"));
	assert_int_equal(rig_guest(r, FOLLOWS), 1);
	assert_int_equal(rig_guest(r, "ls /guest/1/root" COPY), 1);
	assert_int_equal(rig_guest(r, "grep watchable /guest/1/mountinfo"), 1);
}

/* The copy lies in a tmpfs on the share. While the share's server is stopped, others are made all the
 * same, and see nothing of either. */
static void others_without_the_server(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"cat\"]", .storages = storages };
	int status;

	(void)state;
	put(r, "..3", "third");
	assert_done(r, rig_run(r, "watch-3", &what));
	assert_int_equal(kill(-vm_share_pid(r->vm, 0), SIGSTOP), 0);
	status = rig_shell(r, "grep -E 'virtiofs|watchable' /proc/mounts || exit 6");
	assert_int_equal(kill(-vm_share_pid(r->vm, 0), SIGCONT), 0);
	assert_int_equal(status, 6);
	assert_done(r, rig_remove(r, "watch-3"));
}

static void gone_at_the_start(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.storages = ",{\"driver\":\"watchable-bind\",\"source\":\"" SHARED "/nothing\",\"mount_point\":\"" COPY "\"}",
	};

	(void)state;
	assert_rc(r, rig_create(r, "watch-2", &what), RC_NOT_FOUND, "watchable-bind on " COPY);
	assert_int_equal(rig_guest(r, FOLLOWS), 1);
}

/* --- what the host has removed --- */

#define LIMIT_MS 60000 /* against hangs only */

static char left[32]; /* this program's own: others may run on this machine */

/* How many of its files the server holds, by what /proc says of all descriptors. */
static int held(void)
{
	char link[512];
	int n = 0;
	glob_t g;

	assert_int_equal(glob("/proc/[0-9]*/fd/*", GLOB_NOSORT, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		ssize_t len = readlink(g.gl_pathv[i], link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		n += strstr(link, left) != NULL;
	}
	globfree(&g);
	return n;
}

static void put_left(struct rig *r, bool there)
{
	char dir[256], file[256];
	FILE *f;

	snprintf(dir, sizeof(dir), "%s/%s", r->rootfs, left);
	snprintf(file, sizeof(file), "%s/%s/file", r->rootfs, left);
	if (!there) {
		assert_int_equal(unlink(file), 0);
		assert_int_equal(rmdir(dir), 0);
		return;
	}
	assert_int_equal(mkdir(dir, 0755), 0);
	f = fopen(file, "w");
	assert_non_null(f);
	fprintf(f, "text\n");
	fclose(f);
}

/* The share stays mounted for another container. The guest was told that it may believe what it knows of a
 * name for a second: it looks all the same. */
static void removed_by_the_host(void **state)
{
	struct rig *r = cases_rig;
	const struct rig_container keeper = {
		.args = "[\"cat\"]",
		.storages = ",{\"driver\":\"virtio-fs\",\"source\":\"rootfs\",\"fstype\":\"virtiofs\",\"mount_point\":\"" SHARED "/\"}",
	};
	char mounts[256], look[128];
	const struct rig_container user = { .args = "[\"cat\",\"/left/file\"]", .mounts = mounts };

	(void)state;
	snprintf(left, sizeof(left), "mote-left-%d", (int)getpid());
	snprintf(mounts, sizeof(mounts),
		 ",{\"destination\":\"/left\",\"type\":\"bind\",\"source\":\"" SHARED "/%s\",\"options\":[\"rbind\"]}", left);
	snprintf(look, sizeof(look), "ls -A /guest/1/root" SHARED " | grep -c %s", left);
	put_left(r, true);
	assert_done(r, rig_run(r, "watch-4", &keeper));
	assert_done(r, rig_run(r, "watch-5", &user));
	assert_int_equal(rig_wait(r, "watch-5", ""), 0);
	assert_done(r, rig_remove(r, "watch-5"));
	assert_done(r, rig_call(r, "RemoveStaleVirtiofsShareMounts", "{}"));
	assert_true(held() > 0); /* it is there, and will be looked at again */
	put_left(r, false);
	assert_true(held() > 0);
	assert_done(r, rig_call(r, "RemoveStaleVirtiofsShareMounts", "{}"));
	/* the server lets go when it has read the kernel's word, which nobody answers */
	for (uint64_t until = clock_after(LIMIT_MS); held() && clock_ms() < until;)
		loop_once(r->loop, 10);
	assert_int_equal(held(), 0);
	assert_int_equal(rig_guest(r, look), 1);
	assert_done(r, rig_remove(r, "watch-4"));
}

const struct CMUnitTest cases_watch[] = {
	cmocka_unit_test(changed_by_the_host),
	cmocka_unit_test(others_without_the_server),
	cmocka_unit_test(gone_at_the_start),
	cmocka_unit_test(removed_by_the_host),
	{ 0 },
};
