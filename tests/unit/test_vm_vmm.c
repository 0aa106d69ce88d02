/* SPDX-License-Identifier: Apache-2.0 */
/* What Cloud Hypervisor and Firecracker would be started with, as text. */
#include <setjmp.h>
#include <stdarg.h>

#include "base/json.h"
#include "base/str.h"
#include "vm/vm_vmm.h"

#include <cmocka.h>

static struct arena a;
static struct err e;
static const struct vm_drive drives[] = { { "/img/a", "one", VM_DRIVE_READONLY },
					  { "/img/b", NULL, 0 } };
static const struct vm_share share = { "/dir", "tag" };
static const struct vm_arch arch = { .name = "x86_64", .cmdline = "console=ttyS0" };
static struct vm_opts opts;
static struct vmm_plan plan;

static int setup(void **state UNUSED)
{
	arena_init(&a, 1u << 20);
	err_clear(&e);
	opts = (struct vm_opts){
		.cmdline = "agent.log=debug", .drives = drives, .n_drives = 2, .cpus = 2
	};
	plan = (struct vmm_plan){ .opts = &opts,
				  .arch = &arch,
				  .program = "/bin/vmm",
				  .kernel = "/k",
				  .initrd = "/i",
				  .vsock = "/s/vsock",
				  .nets = { { "tap0", "02:00:00:00:00:01" } },
				  .n_nets = 1 };
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&a);
	return 0;
}

static void cloud_hypervisor(void **state UNUSED)
{
	static const char want[] =
		"/bin/vmm|--api-socket|/s/api|--cpus|boot=2|--memory|size=256M,shared=on|--kernel|/k|--initramfs|/i|--cmdline|"
		"console=ttyS0 cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1 agent.log=debug|--vsock|cid=3,socket=/s/vsock|"
		"--disk|path=/img/a,readonly=on,serial=one|path=/img/b,readonly=off|--fs|tag=tag,socket=/s/fs,num_queues=1,queue_size=1024|"
		"--net|tap=tap0,mac=02:00:00:00:00:01|--serial|tty|--console|off|";
	char text[2048];
	struct str s = STR_OVER(text);
	const char **argv;

	opts.shares = &share;
	opts.n_shares = 1;
	plan.share_sockets[0] = "/s/fs";
	plan.api = "/s/api";
	argv = vmm_cloud_hypervisor(&a, &plan, &e);
	assert_non_null(argv);
	for (; *argv; argv++)
		str_addf(&s, "%s|", *argv);
	assert_string_equal(text, want);
	plan.share_sockets[0] = "/s,fs";
	assert_null(vmm_cloud_hypervisor(&a, &plan, &e));
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
}

static void firecracker(void **state UNUSED)
{
	static const char want[] =
		"{\"boot-source\":{\"kernel_image_path\":\"/k\",\"initrd_path\":\"/i\",\"boot_args\":\"console=ttyS0 "
		"systemd.unified_cgroup_hierarchy=0\"},\"machine-config\":{\"vcpu_count\":2,\"mem_size_mib\":64},\"drives\":["
		"{\"drive_id\":\"drive0\",\"path_on_host\":\"/img/a\",\"is_root_device\":false,\"is_read_only\":true},"
		"{\"drive_id\":\"drive1\",\"path_on_host\":\"/img/b\",\"is_root_device\":false,\"is_read_only\":false}],"
		"\"network-interfaces\":[{\"iface_id\":\"net0\",\"host_dev_name\":\"tap0\",\"guest_mac\":\"02:00:00:00:00:01\"}],"
		"\"vsock\":{\"guest_cid\":7,\"uds_path\":\"/s/\\\"vsock\"}}";
	const char *text;

	opts.cmdline = "systemd.unified_cgroup_hierarchy=0";
	opts.memory_mb = 64;
	opts.cid = 7;
	plan.vsock = "/s/\"vsock";
	text = vmm_firecracker(&a, &plan, &e);
	assert_string_equal(text, want);
	assert_non_null(json_read(&a, text, strlen(text), &e));
	opts.shares = &share;
	opts.n_shares = 1;
	assert_null(vmm_firecracker(&a, &plan, &e));
	assert_int_equal(e.rc, RC_UNIMPLEMENTED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(cloud_hypervisor), TEST(firecracker) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
