/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel that does not come back: a filesystem (FUSE, served by a child of this test) whose look-up
 * of "hang" is taken and never answered. Who waits for it sleeps through every signal, SIGKILL too,
 * until the server is gone. The agent must tell its deadlines, serve everybody else, and clear up once
 * the sleepers wake.
 */
#include "lib/cases.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/clock.h"

#define AT	 "/mnt" /* a place where a host may mount */
#define LIMIT_MS 60000	/* against hangs only */

static struct rig rig;
static pid_t server;
static int asked = -1; /* a byte for each look-up that hangs */
static int answer = -1;	/* a byte lets one of "late" go on */
static bool *late;	/* it hangs from now on; shared with the server */
static const char *no_fuse;

/* --- the filesystem ------------------------------------------------------------------------- */

static void reply(int fd, const struct fuse_in_header *in, int error, const void *data, size_t len)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + len),
				       .error = error,
				       .unique = in->unique };
	const struct iovec iov[] = { { &out, sizeof(out) }, { (void *)(uintptr_t)data, len } };

	if (writev(fd, iov, len ? 2 : 1) < 0 && errno != ENOENT)
		_exit(3);
}

/* A directory, which comes late, or at once. */
static void look_up_late(int fd, int tell, int go, const struct fuse_in_header *in)
{
	const struct fuse_entry_out entry = {
		.nodeid = 2,
		.attr = { .ino = 2, .mode = S_IFDIR | 0755, .nlink = 2 },
	};
	char byte;

	if (*late && (write(tell, "", 1) != 1 || read(go, &byte, 1) != 1))
		_exit(5);
	reply(fd, in, 0, &entry, sizeof(entry));
}

static void serve_one(int fd, int tell, int go, const struct fuse_in_header *in)
{
	const struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 4096 };
	const struct fuse_attr_out attr = {
		.attr_valid = 3600,
		.attr = { .ino = in->nodeid, .mode = S_IFDIR | 0755, .nlink = 2 },
	};
	const char *name = (const char *)(in + 1);

	switch (in->opcode) {
	case FUSE_INIT:
		reply(fd, in, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		reply(fd, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_LOOKUP:
		if (str_eq(name, "late"))
			look_up_late(fd, tell, go, in);
		else if (!str_eq(name, "hang"))
			reply(fd, in, -ENOENT, NULL, 0);
		else if (write(tell, "", 1) != 1)
			_exit(4);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* the sleeper was sent a signal */
		break;
	default:
		reply(fd, in, -ENOSYS, NULL, 0);
	}
}

static void serve(int fd, int tell, int go)
{
	static _Alignas(struct fuse_in_header) char buf[1 << 17];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, buf, sizeof(buf)) > 0 || errno == EINTR || errno == ENOENT)
		serve_one(fd, tell, go, (struct fuse_in_header *)buf);
	_exit(0);
}

static int mount_it(void)
{
	AUTO_FD fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[96];
	int ends[2], going[2];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (fd < 0 || pipe2(ends, O_CLOEXEC) < 0 || pipe2(going, O_CLOEXEC) < 0 ||
	    mount("hang", AT, "fuse", 0, options) < 0)
		return -1;
	late = mmap(NULL, sizeof(*late), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	server = late == MAP_FAILED ? -1 : fork();
	if (server == 0) {
		close(ends[0]);
		serve(fd, ends[1], going[0]);
	}
	close(ends[1]);
	close(going[0]);
	asked = ends[0];
	answer = going[1];
	return server < 0 ? -1 : 0;
}

/* Somebody sleeps in it now. */
static void await_hang(void)
{
	char byte;

	assert_int_equal(read(asked, &byte, 1), 1);
}

/* The kernel wakes all who wait with an error. */
static void let_go(void)
{
	kill(server, SIGKILL);
}

static int start(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	if (mount_it() < 0) {
		no_fuse = "no FUSE in this kernel";
		return 0;
	}
	return rig_start(&rig, RIG_NAMESPACES);
}

static int stop(void **state)
{
	(void)state;
	if (no_fuse)
		return 0;
	let_go();
	rig_stop(&rig);
	auto_close(&asked);
	auto_close(&answer);
	return umount2(AT, MNT_DETACH);
}

#define NEEDS_FUSE()                                           \
	do {                                                   \
		(void)state;                                   \
		if (no_fuse) {                                 \
			print_message("skip: %s\n", no_fuse); \
			skip();                                \
		}                                              \
	} while (0)

static void others_are_served(void)
{
	struct rig_container what = { .args = "[\"true\"]" };
	const char *id = rig_id(&rig);

	assert_done(&rig, rig_call(&rig, "grpc.Health/Check", "{}"));
	assert_done(&rig, rig_run(&rig, id, &what));
	assert_int_equal(rig_wait(&rig, id, ""), 0);
	assert_done(&rig, rig_remove(&rig, id));
}

/* --- the cases ------------------------------------------------------------------------------ */

static void a_process_that_does_not_die(void **state)
{
	struct rig_container what = {
		.args = "[\"ls\",\"/stuck/hang\"]",
		.mounts = ",{\"destination\":\"/stuck\",\"type\":\"bind\",\"source\":\"" AT
			  "\",\"options\":[\"rbind\"]}",
	};

	NEEDS_FUSE();
	assert_done(&rig, rig_call(&rig, "CreateSandbox", "{}"));
	assert_done(&rig, rig_run(&rig, "stuck", &what));
	await_hang();
	assert_done(&rig, rig_call(&rig, "SignalProcess", "{\"container_id\":\"stuck\",\"signal\":9}"));
	for (int i = 0; i < 2; i++) {
		assert_rc(&rig,
			  rig_call(&rig, "RemoveContainer", "{\"container_id\":\"stuck\",\"timeout\":1}"),
			  RC_DEADLINE_EXCEEDED, "do not end");
		others_are_served();
	}
	assert_rc(&rig,
		  rig_call_on(&rig, rig.client, 1500, "RemoveContainer",
			      "{\"container_id\":\"stuck\",\"timeout\":0}"),
		  RC_DEADLINE_EXCEEDED, "do not end");
	assert_rc(&rig, rig_exec(&rig, "stuck", "e", "true"), RC_FAILED_PRECONDITION, "being removed");
	assert_rc(&rig, rig_create(&rig, "stuck", &what), RC_ALREADY_EXISTS, "stuck");
	let_go();
	assert_done(&rig, rig_remove(&rig, "stuck"));
	assert_rc(&rig, rig_remove(&rig, "stuck"), RC_NOT_FOUND, "stuck");
	assert_int_equal(rig_end_agent(&rig), 0);
}

#define LOCAL                                                                                \
	"{\"container_id\":\"%s\",\"OCI\":{\"Root\":{\"Path\":\"/x\"},\"Linux\":{},"              \
	"\"Process\":{\"Args\":[\"x\"],\"Cwd\":\"/\",\"Capabilities\":{}}},\"storages\":[{"       \
	"\"driver\":\"local\",\"source\":\"l\",\"fstype\":\"local\",\"mount_point\":\"" AT "/hang/x\"}]}"

static void a_mount_that_does_not_end(void **state)
{
	struct rig_status st;
	uint64_t end;

	NEEDS_FUSE();
	assert_done(&rig, rig_call(&rig, "CreateSandbox", "{}"));
	assert_rc(&rig, rig_call_on(&rig, rig.client, 1500, "CreateContainer", LOCAL, "first"),
		  RC_DEADLINE_EXCEEDED, "mount");
	await_hang();
	assert_rc(&rig, rig_remove(&rig, "first"), RC_NOT_FOUND, "first");
	/* nobody mounts over what may still come to be mounted */
	assert_rc(&rig, rig_call_on(&rig, rig.client, 1500, "CreateContainer", LOCAL, "second"),
		  RC_DEADLINE_EXCEEDED, "has not ended");
	others_are_served();
	assert_int_equal(rig_status(&rig, &st), 0);
	assert_int_equal(st.storages, 1);
	assert_int_equal(st.jobs, 1);
	let_go();
	/* the name is free again, and what is there now answers at once */
	assert_rc(&rig, rig_call(&rig, "CreateContainer", LOCAL, "third"), RC_INTERNAL, AT "/hang/x");
	end = clock_after(LIMIT_MS);
	do
		assert_int_equal(rig_status(&rig, &st), 0);
	while (st.jobs && clock_ms() < end);
	assert_int_equal(st.jobs, 0);
	assert_int_equal(st.storages, 0);
	assert_int_equal(rig_end_agent(&rig), 0);
}

/* Until a scrape has it. */
static void scrape_with(const char *part)
{
	uint64_t end = clock_after(LIMIT_MS);

	do
		assert_done(&rig, rig_call(&rig, "GetMetrics", "{}"));
	while (!strstr(rig.reply, part) && clock_ms() < end);
	assert_output(&rig, part);
}

/* An overlay whose place cannot be looked up: the scrape comes without the file systems, however often
 * it is asked for, and only one child of the agent hangs. */
static void a_file_system_that_does_not_answer(void **state)
{
	static char storages[512];
	static const struct rig_container what = { .args = "[\"sleep\",\"1000\"]",
						   .storages = storages };
	const char volumes[] = "kata_guest_filesystem_bytes";
	struct rig_status st;

	NEEDS_FUSE();
	snprintf(storages, sizeof(storages),
		 ",{\"driver\":\"overlayfs\",\"source\":\"overlay\",\"fstype\":\"overlay\",\"mount_point\":\"" AT
		 "/late\",\"options\":[\"lowerdir=%s\",\"io.katacontainers.fs-opt.overlay-rw\"]}", rig.rootfs);
	assert_done(&rig, rig_call(&rig, "CreateSandbox", "{}"));
	assert_done(&rig, rig_run(&rig, "c1", &what));
	scrape_with(volumes); /* the agent's own patience with a look is METRICS_LOOK_MS */
	*late = true;
	for (int i = 0; i < 3; i++) {
		assert_done(&rig, rig_call(&rig, "GetMetrics", "{}"));
		assert_output(&rig, "kata_guest_load");
		assert_null(strstr(rig.reply, volumes));
		assert_int_equal(rig_status(&rig, &st), 0);
		assert_int_equal(st.jobs, 1);
	}
	await_hang();
	others_are_served();
	*late = false;
	assert_int_equal(write(answer, "", 1), 1);
	scrape_with(volumes);
	assert_done(&rig, rig_remove(&rig, "c1"));
	assert_int_equal(rig_end_agent(&rig), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_process_that_does_not_die),
		TEST(a_mount_that_does_not_end),
		TEST(a_file_system_that_does_not_answer),
	};
	const char *missing = rig_missing(RIG_NAMESPACES);

	if (!missing && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0))
		missing = "no mount namespace can be made here";
	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	return cmocka_run_group_tests_name("an agent whose kernel hangs", tests, NULL, NULL);
}
