/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What motectl makes of its options, as text: QEMU's command line and the CreateContainer request,
 * each against a file of tests/golden/motectl (GOLDEN=write writes them anew: read the difference
 * before you commit it).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <fcntl.h>

#include "base/io.h"
#include "base/str.h"
#include "lib/pbjson.h"
#include "lib/schema.h"
#include "lib/spec.h"
#include "vm/vm_accel.h"
#include "vm/vm_args.h"

#include <cmocka.h>

#define GOLDEN_DIR	"tests/golden/motectl"
#define GOLDEN_MAX	65536

static void check_golden(const char *name, const char *text)
{
	static char want[GOLDEN_MAX];
	const char *mode = getenv("GOLDEN");
	char path[128];

	snprintf(path, sizeof(path), GOLDEN_DIR "/%s", name);
	if (mode && str_eq(mode, "write")) {
		assert_int_equal(io_create_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
		return;
	}
	if (io_read_file(AT_FDCWD, path, want, sizeof(want)) < 0)
		fail_msg("%s is missing (GOLDEN=write writes it; run from the project's root)",
			 path);
	assert_string_equal(text, want);
}

/* --- QEMU's command line --- */

static void check_args(const char *name, const struct vm_plan *plan)
{
	char text[8192];
	struct str s = STR_OVER(text);
	struct err e = { 0 };
	struct arena a;
	const char **argv;

	arena_init(&a, 65536);
	argv = vm_args_build(&a, plan, &e);
	if (!argv)
		fail_msg("%s", e.msg);
	for (; *argv; argv++)
		str_addf(&s, "%s\n", *argv);
	assert_true(str_ok(&s));
	check_golden(name, text);
	arena_fini(&a);
}

static void qemu_with_everything(void **state UNUSED)
{
	static const struct vm_drive drives[] = {
		{ "/img/a,b", "serial,1", VM_DRIVE_READONLY },
		{ "/img/c", NULL, VM_DRIVE_BRIDGE },
		{ "/img/d", NULL, 0 },
		{ "/img/e", NULL, VM_DRIVE_BRIDGE | VM_DRIVE_READONLY },
	};
	static const struct vm_share shares[] = { { "/dir", "one" }, { "/other", "two" } };
	static const char *const extra[] = { "-device", "virtio-rng-pci", NULL };
	struct vm_opts o = {
		.cmdline = "agent.log=debug",
		.memory_mb = 300,
		.cpus = 2,
		.drives = drives,
		.n_drives = COUNT_OF(drives),
		.shares = shares,
		.n_shares = COUNT_OF(shares),
		.extra = extra,
	};
	struct vm_plan p = {
		.opts = &o, .arch = vm_arch_find("x86_64"), .qemu = "/usr/bin/qemu", .kernel = "/k",
		.initrd = "/i", .accel = "tcg",
		.tsc_khz = 2596146,
		.qmpfd = 10, .consolefd = 11, .vsockfd = 12, .share_fds = { 13, 14 },
	};

	check_args("qemu-everything.txt", &p);
}

static void qemu_with_kvm_and_vhost(void **state UNUSED)
{
	struct vm_opts o = { 0 };
	struct vm_plan p = {
		.opts = &o, .arch = vm_arch_find("x86_64"), .qemu = "/usr/bin/qemu", .kernel = "/k",
		.accel = "kvm",
		.qmpfd = 3, .consolefd = 4, .vsockfd = 5, .kernel_cid = 42,
	};

	check_args("qemu-kvm.txt", &p);
}

/* What another architecture changes, and no more: program, machine, processor, the kernel's words. */
static void qemu_of_other_architectures(void **state UNUSED)
{
	static const char *const names[] = { "aarch64", "riscv64" };
	struct vm_opts o = { 0 };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct vm_arch *arch = vm_arch_find(names[i]);
		struct vm_plan p = {
			.opts = &o, .arch = arch, .kernel = "/k", .accel = "tcg",
			.qmpfd = 3, .consolefd = 4, .vsockfd = 5,
		};
		char file[32];

		assert_non_null(arch);
		assert_string_equal(arch->name, names[i]);
		p.qemu = arch->qemu;
		snprintf(file, sizeof(file), "qemu-%s.txt", names[i]);
		check_args(file, &p);
	}
	assert_null(vm_arch_find("pdp11"));
}

/* A kernel's image tells its architecture; what is none is taken for the host's. */
static void a_kernel_tells_its_architecture(void **state UNUSED)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t n;
		const char *arch; /* NULL: the host's */
	} rows[] = {
		{ 0x202, "HdrS", 4, "x86_64" },
		{ 56, "ARM\x64", 4, "aarch64" },
		{ 56, "RSC\x05", 4, "riscv64" },
		{ 56, "RSC\x06", 4, NULL },
		{ 0, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0", 20, "aarch64" },
		{ 0, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\363\0", 20, "riscv64" },
		{ 0, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\376\376", 20, NULL },
	};
	const char *other = str_eq(vm_arch_host()->name, "aarch64") ? "RSC\x05" : "ARM\x64";
	char path[] = "/tmp/mote-kernel-XXXXXX", image[1024];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct vm_arch *want = rows[i].arch ? vm_arch_find(rows[i].arch) :
							    vm_arch_host();

		memset(image, 0, sizeof(image));
		memcpy(image + rows[i].at, rows[i].bytes, rows[i].n);
		assert_int_equal(pwrite(fd, image, sizeof(image), 0), sizeof(image));
		assert_string_equal(vm_arch_of_kernel(path)->name, want->name);
	}
	memcpy(image + 56, other, 4);
	assert_int_equal(pwrite(fd, image, sizeof(image), 0), sizeof(image));
	assert_string_not_equal(vm_arch_of_kernel(path)->name, vm_arch_host()->name);
	assert_int_equal(ftruncate(fd, 59), 0); /* the mark is cut off */
	assert_ptr_equal(vm_arch_of_kernel(path), vm_arch_host());
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_ptr_equal(vm_arch_of_kernel(path), vm_arch_host());
	close(fd);
	unlink(path);
	assert_ptr_equal(vm_arch_of_kernel("/nowhere"), vm_arch_host());
	assert_ptr_equal(vm_arch_of_kernel("/"), vm_arch_host());
}

static void pci_paths_name_the_slots_of_the_command_line(void **state UNUSED)
{
	static const struct vm_drive drives[] = {
		{ "a", NULL, 0 },
		{ "b", NULL, VM_DRIVE_BRIDGE },
		{ "c", NULL, 0 },
		{ "d", NULL, VM_DRIVE_BRIDGE },
	};
	static const char *const want[] = { "10", "02/01", "11", "02/02" };
	struct vm_opts o = { .drives = drives, .n_drives = COUNT_OF(drives) };
	char path[VM_PCI_PATH];

	for (size_t i = 0; i < COUNT_OF(want); i++)
		assert_string_equal(vm_drive_pci_path(&o, i, path), want[i]);
}

/* Whatever the rate is: measured again it is the same, and it is one that a processor can have. */
static void the_counters_rate_is_measured(void **state UNUSED)
{
	uint32_t first = vm_accel_tsc_khz(), again = vm_accel_tsc_khz();

#if defined(__x86_64__)
	assert_in_range(first, 100000, 20000000);
	assert_in_range(again, first - first / 100, first + first / 100);
#else
	assert_int_equal(first, 0);
	assert_int_equal(again, 0);
#endif
}

static void too_much_is_refused(void **state UNUSED)
{
	static const char *extra[201];
	struct vm_opts o = { .extra = extra };
	struct vm_plan p = { .opts = &o, .arch = vm_arch_find("x86_64"), .qemu = "q",
			      .kernel = "k", .accel = "tcg" };
	struct err e = { 0 };
	struct arena a;

	for (size_t i = 0; i < 200; i++)
		extra[i] = "x";
	arena_init(&a, 65536);
	assert_null(vm_args_build(&a, &p, &e));
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	arena_fini(&a);
	o.extra = NULL;
	for (size_t budget = 0; budget < 8192;
	     budget += 256) { /* no memory is an error, not a crash */
		err_clear(&e);
		arena_init(&a, budget);
		if (!vm_args_build(&a, &p, &e))
			assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
		arena_fini(&a);
	}
}

/* --- the container's spec --- */

static void check_spec(const char *name, const struct spec_opts *o)
{
	struct err e = { 0 };
	struct arena a;
	Grpc__CreateContainerRequest *r;
	size_t len;
	char *text, line[GOLDEN_MAX];

	arena_init(&a, 1u << 20);
	r = spec_build(&a, o, &e);
	if (!r)
		fail_msg("%s", e.msg);
	assert_true(protobuf_c_message_check(&r->base));
	text = pbjson_write(&a, &r->base, 0, &len, &e);
	assert_non_null(text);
	snprintf(line, sizeof(line), "%s\n", text);
	check_golden(name, line);
	arena_fini(&a);
}

static const char *const command[] = { "sh", "-c", "echo $A", NULL };

static void spec_over_an_image(void **state UNUSED)
{
	static const struct user root = { 0 };
	struct spec_opts o = {
		.id = "c0ffee",
		.hostname = "mote",
		.args = command,
		.user = &root,
		.image_pci_path = "10",
		.image_fstype = "erofs",
	};

	check_spec("spec-image.json", &o);
}

static void spec_with_everything(void **state UNUSED)
{
	static const struct user user = {
		.uid = 33, .gid = 44, .groups = { 4, 29 }, .n_groups = 2
	};
	static const char *const env[] = {
		"A=1", "TERM=dumb", "PATH=/bin", "A=2", "PATHS=x", NULL
	};
	struct spec_opts o = {
		.id = "c0ffee",
		.hostname = "box",
		.cwd = "/work",
		.args = command,
		.env = env,
		.term = "xterm",
		.rows = 24,
		.columns = 80,
		.user = &user,
		.memory_bytes = 64u << 20,
		.cpu_us_per_second = 1500000,
		.share_tag = "rootfs",
	};

	check_spec("spec-everything.json", &o);
}

static void spec_without_memory(void **state UNUSED)
{
	static const struct user root = { 0 };
	struct spec_opts o = { .id = "c",
			       .hostname = "h",
			       .args = command,
			       .user = &root,
			       .share_tag = "t",
			       .term = "x",
			       .rows = 1,
			       .columns = 1,
			       .memory_bytes = 1,
			       .cpu_us_per_second = 1 };

	for (size_t budget = 0; budget < 200000; budget += 1024) {
		struct err e = { 0 };
		struct arena a;

		arena_init(&a, budget);
		if (!spec_build(&a, &o, &e))
			assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
		arena_fini(&a);
	}
}

/* --- names of the schema --- */

static void methods_are_found_by_name(void **state UNUSED)
{
	const ProtobufCServiceDescriptor *s;
	const ProtobufCMethodDescriptor *m;
	struct err e = { 0 };

	assert_int_equal(schema_find_method("grpc.Health/Check", &s, &m, &e), 0);
	assert_string_equal(m->output->name, "grpc.HealthCheckResponse");
	assert_int_equal(schema_find_method("AgentService/StartContainer", &s, &m, &e), 0);
	assert_string_equal(s->name, "grpc.AgentService");
	assert_int_equal(schema_find_method("AgentService/Nope", &s, &m, &e), -1);
	assert_string_equal(e.msg,
			    "grpc.AgentService has no method 'Nope' ('motectl list' shows them)");
	err_clear(&e);
	assert_int_equal(schema_find_method("Service/Check", &s, &m, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(schema_find_method("Check", &s, &m, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
}

static void check_description(const char *name, const char *want)
{
	char text[4096] = { 0 };
	struct err e = { 0 };
	FILE *f = fmemopen(text, sizeof(text) - 1, "w");

	if (schema_describe(f, name, &e) < 0)
		fail_msg("%s", e.msg);
	fclose(f);
	assert_string_equal(text, want);
}

static void descriptions(void **state UNUSED)
{
	struct err e = { 0 };

	check_description(
		"Health/Check",
		"grpc.Health/Check (grpc.CheckRequest) returns (grpc.HealthCheckResponse)\n"
		"message grpc.CheckRequest {\n  string service = 1;\n}\n"
		"message grpc.HealthCheckResponse {\n  grpc.HealthCheckResponse.ServingStatus "
		"status = 1;\n}\n");
	check_description("ServingStatus", "enum grpc.HealthCheckResponse.ServingStatus {\n  "
					   "UNKNOWN = 0;\n  SERVING = 1;\n  NOT_SERVING = 2;\n}\n");
	check_description("CgroupStats",
			  "message grpc.CgroupStats {\n  grpc.CpuStats cpu_stats = 1;\n  "
			  "grpc.MemoryStats memory_stats = 2;\n"
			  "  grpc.PidsStats pids_stats = 3;\n  grpc.BlkioStats blkio_stats = 4;\n"
			  "  map<string, grpc.HugetlbStats> hugetlb_stats = 5;\n}\n");
	assert_int_equal(schema_describe(stdout, "Nothing", &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qemu_with_everything),
		cmocka_unit_test(qemu_with_kvm_and_vhost),
		cmocka_unit_test(qemu_of_other_architectures),
		cmocka_unit_test(a_kernel_tells_its_architecture),
		cmocka_unit_test(pci_paths_name_the_slots_of_the_command_line),
		cmocka_unit_test(the_counters_rate_is_measured),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(spec_over_an_image),
		cmocka_unit_test(spec_with_everything),
		cmocka_unit_test(spec_without_memory),
		cmocka_unit_test(methods_are_found_by_name),
		cmocka_unit_test(descriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
