/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's specs and pods, made for its own machine, in this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cri.pb-c.h"
#include "lib/pbjson.h"
#include "mote.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/pod_config.h"
#include "service/containerd/task_spec.h"

static struct container c;
static struct sandbox_container what;

static int set_up(void **state UNUSED)
{
	c = (struct container){ .id = "c" };
	what = (struct sandbox_container){ .container = &c };
	arena_init(&c.arena, 1 << 20);
	c.spec = spec_new(&c.arena);
	c.spec->process = ARENA_NEW(&c.arena, struct spec_process);
	c.spec->root.path = "rootfs";
	return 0;
}

static int tear_down(void **state UNUSED)
{
	arena_fini(&c.arena);
	return 0;
}

static void adapt(const char *bundle, const char *rootfs, bool pod_files)
{
	struct err e = { 0 };
	const struct task_spec in = { &what, pod_files, bundle, rootfs, true };

	if (task_spec_adapt(&in, &e) < 0)
		fail_msg("%s", e.msg);
}

/* --- task_spec.c --- */

static void namespaces(void **state UNUSED)
{
	struct spec_namespace *ns = c.spec->linux.ns;

	for (size_t i = 0; i < NS_TYPES; i++)
		ns[i] = (struct spec_namespace){ true, "/proc/7/ns/x" };
	ns[NS_PID].path = NULL;
	adapt("", "", false);
	assert_false(what.share_pid);
	assert_false(ns[NS_NET].want);
	for (size_t i = 0; i < NS_TYPES; i++) {
		assert_null(ns[i].path);
		assert_true(i == NS_NET || ns[i].want);
	}
	ns[NS_PID].path = "/proc/7/ns/pid";
	adapt("", "", false);
	assert_true(what.share_pid);
	assert_null(ns[NS_PID].path);
	/* what the request says stays */
	adapt("", "", false);
	assert_true(what.share_pid);
	assert_true(c.spec->process->terminal);
	assert_true(c.spec->process->apparmor_if_there);
}

static void root(void **state UNUSED)
{
	struct err e = { 0 };
	const struct task_spec in = { &what, false, "/b", "", false };

	adapt("/run/b", "", false);
	assert_string_equal(c.spec->root.path, "/run/b/rootfs");
	adapt("/run/b", "", false); /* absolute by now */
	assert_string_equal(c.spec->root.path, "/run/b/rootfs");
	adapt("/run/b", "/run/r", false);
	assert_string_equal(c.spec->root.path, "/run/r");
	c.spec->root.path = "rootfs"; /* for spec_validate to refuse, unless a storage is the root */
	adapt("", "", false);
	assert_string_equal(c.spec->root.path, "rootfs");
	c.spec->root.path = NULL;
	assert_int_equal(task_spec_adapt(&in, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	err_clear(&e);
	c.spec->root.path = "/";
	c.spec->process = NULL;
	assert_int_equal(task_spec_adapt(&in, &e), -1);
	assert_non_null(strstr(e.msg, "process"));
}

static const struct spec_mount *at(const char *destination)
{
	const struct spec_mount *found = NULL;

	for (size_t i = 0; i < c.spec->n_mounts; i++)
		if (str_eq(c.spec->mounts[i].destination, destination))
			found = &c.spec->mounts[i];
	return found;
}

static void mounts(void **state UNUSED)
{
	struct spec_mount own[] = {
		{ .destination = "/dev", .source = "tmpfs", .type = "tmpfs" },
		{ .destination = "/dev/shm", .source = "shm", .type = "tmpfs" },
		{ .destination = "/etc//hosts/", .source = "/run/own", .type = "bind" },
	};

	c.spec->mounts = own;
	c.spec->n_mounts = COUNT_OF(own);
	adapt("", "", false);
	assert_int_equal(c.spec->n_mounts, 3);
	adapt("", "", true);
	assert_int_equal(c.spec->n_mounts, 5);
	assert_string_equal(at("/dev/shm")->source, SANDBOX_DIR "/shm");
	assert_string_equal(at("/dev/shm")->type, "bind");
	assert_ptr_equal(at("/dev/shm"), &c.spec->mounts[1]); /* where it was: after /dev */
	assert_string_equal(at("/etc//hosts/")->source, "/run/own");
	assert_null(at("/etc/hosts"));
	assert_string_equal(at("/etc/resolv.conf")->source, SANDBOX_DIR "/resolv.conf");
	assert_int_equal(at("/etc/hostname")->options.n, 2);
	assert_null(at("/etc/hostname")->options.v[2]);
}

static void mounts_readonly(void **state UNUSED)
{
	struct spec_mount own[] = {
		{ .destination = "/dev/shm", .source = "/run/x", .type = "bind" },
	};

	c.spec->mounts = own;
	c.spec->n_mounts = COUNT_OF(own);
	c.spec->root.readonly = true;
	adapt("", "", true);
	assert_string_equal(at("/dev/shm")->source, "/run/x");
	assert_int_equal(at("/etc/hostname")->options.n, 3);
	assert_string_equal(at("/etc/hostname")->options.v[0], "ro");
}

static void rootfs_mount(void **state UNUSED)
{
	char *options[] = { (char *)"ro", (char *)"loop", (char *)"noatime" };
	struct storage_req out;
	struct err e = { 0 };

	assert_int_equal(task_spec_rootfs("erofs", "/dev/vdb", options, 3, "/run/r", &c.arena, &out, &e),
			 0);
	assert_string_equal(out.driver, "blk");
	assert_string_equal(out.fstype, "erofs");
	assert_int_equal(out.n_options, 2);
	assert_string_equal(out.options[1], "noatime");
	assert_int_equal(task_spec_rootfs("proc", "", NULL, 0, "/run/r", &c.arena, &out, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
}

/* --- pod_config.c --- */

static int read_pod(const char *type, const char *text, struct sandbox_spec *out, struct err *e)
{
	const ProtobufCMessageDescriptor *d = strstr(type, "mote") ?
						      &mote__v1__sandbox_options__descriptor :
						      &runtime__v1__pod_sandbox_config__descriptor;
	ProtobufCMessage *msg = pbjson_read(&c.arena, d, text, strlen(text), e);
	Google__Protobuf__Any any;

	assert_non_null(msg);
	assert_int_equal(any_make(&any, type, msg, &c.arena, e), 0);
	return pod_config_read(&any, &c.arena, out, e);
}

static void pod(void **state UNUSED)
{
	struct sandbox_spec s;
	struct err e = { 0 };

	assert_int_equal(read_pod("runtime.v1.PodSandboxConfig",
				  "{\"hostname\":\"h\",\"dns_config\":{\"servers\":[\"10.0.0.1\"],\"searches\":[\"a\",\"b\"]},"
				  "\"linux\":{\"sysctls\":{\"net.core.somaxconn\":\"9\"}}}",
				  &s, &e),
			 0);
	assert_string_equal(s.hostname, "h");
	assert_true(s.pod_files);
	assert_int_equal(s.n_dns, 2);
	assert_string_equal(s.dns[0], "search a b");
	assert_string_equal(s.dns[1], "nameserver 10.0.0.1");
	assert_int_equal(s.sysctls.n, 1);
	assert_string_equal(s.sysctls.v[0].key, "net.core.somaxconn");
	assert_int_equal(s.n_storages, 1);
	assert_string_equal(s.storages[0].mount_point, SANDBOX_DIR "/shm");
}

/* Nothing, or what is not known, is a sandbox all the same. */
static void no_pod(void **state UNUSED)
{
	struct sandbox_spec s;
	struct err e = { 0 };

	assert_int_equal(pod_config_read(NULL, &c.arena, &s, &e), 0);
	assert_string_equal(s.hostname, "");
	assert_false(s.pod_files);
	assert_int_equal(read_pod("containerd.runc.v1.Options", "{}", &s, &e), 0);
	assert_false(s.pod_files);
	assert_int_equal(s.n_storages, 0);
}

static void own_options(void **state UNUSED)
{
	struct sandbox_spec s;
	struct err e = { 0 };

	assert_int_equal(read_pod("x/mote.v1.SandboxOptions",
				  "{\"hostname\":\"mine\",\"dns\":[\"nameserver 1.1.1.1\"],\"guest_hook_path\":\"/h\","
				  "\"kernel_modules\":[{\"name\":\"m\"}],\"storages\":[{\"driver\":\"virtio-fs\"}],"
				  "\"config\":{\"type_url\":\"runtime.v1.PodSandboxConfig\"}}",
				  &s, &e),
			 0);
	assert_string_equal(s.hostname, "mine");
	assert_int_equal(s.n_dns, 1);
	assert_string_equal(s.guest_hooks, "/h");
	assert_string_equal(s.modules[0].name, "m");
	assert_int_equal(s.n_storages, 2);
	assert_string_equal(s.storages[1].driver, "virtio-fs");
	assert_true(s.pod_files);
}

static void bad_pods(void **state UNUSED)
{
	static const char *const bad[] = {
		"{\"dns_config\":{\"servers\":[\"\"]}}",
		"{\"dns_config\":{\"servers\":[\"a b\"]}}",
		"{\"dns_config\":{\"searches\":[\"a\\nb\"]}}",
		"{\"dns_config\":{\"options\":[\"a\\tb\"]}}",
	};
	struct sandbox_spec s;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = { 0 };

		assert_int_equal(read_pod("runtime.v1.PodSandboxConfig", bad[i], &s, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

static int read_json(const char *text, struct sandbox_spec *s, struct err *e)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)"runtime.v1.PodSandboxConfig";
	any.value.data = (uint8_t *)(uintptr_t)text;
	any.value.len = strlen(text);
	return pod_config_read(&any, &c.arena, s, e);
}

static void pod_in_json(void **state UNUSED)
{
	static const char *const bad[] = {
		"{", "{\"hostname\":1}", "{\"dns_config\":{\"servers\":[1]}}",
		"{\"dns_config\":{\"options\":{}}}", "{\"linux\":{\"sysctls\":{\"a\":1}}}",
	};
	struct sandbox_spec s;
	struct err e = { 0 };

	assert_int_equal(read_json("{\"hostname\":\"h\",\"more\":{},\"dns_config\":{\"servers\":[\"10.0.0.1\"],"
				   "\"searches\":null},\"linux\":{\"sysctls\":{\"net.a\":\"1\"},\"x\":0}}",
				   &s, &e),
			 0);
	assert_string_equal(s.hostname, "h");
	assert_string_equal(s.dns[0], "nameserver 10.0.0.1");
	assert_int_equal(s.n_dns, 1);
	assert_string_equal(s.sysctls.v[0].value, "1");
	assert_int_equal(read_json("{\"linux\":null,\"dns_config\":null,\"hostname\":null}", &s, &e), 0);
	assert_string_equal(s.hostname, "");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		err_clear(&e);
		assert_int_equal(read_json(bad[i], &s, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

/* --- any.c --- */

static void any_types(void **state UNUSED)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	assert_false(any_is(NULL, "a.B"));
	any.type_url = (char *)"a.B";
	assert_true(any_is(&any, "a.B"));
	assert_false(any_is(&any, "B"));
	any.type_url = (char *)"types.containerd.io/x/1/Process";
	assert_true(any_is(&any, "Process"));
	any.type_url = (char *)"/";
	assert_false(any_is(&any, "Process"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		T(namespaces), T(root), T(mounts), T(mounts_readonly), T(rootfs_mount),
		T(pod), T(no_pod), T(own_options), T(bad_pods), T(pod_in_json),
		T(any_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
