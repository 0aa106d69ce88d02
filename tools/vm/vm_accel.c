/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_accel.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "vm/vm_proc.h"
#include "vm/vm_scratch.h"

#define PROOF_MS	5000
#define BIOS_SIZE	65536
#define MEASURE_NS	5000000
#define MEASURE_TRIES	16
#define EXIT_VALUE	0x2a	/* QEMU's debug exit ends with 2 * value + 1 */

static bool processor_can(void)
{
	AUTO_FD fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	char text[4096];	/* the first processor is enough */
	ssize_t n = fd < 0 ? -1 : io_read_full(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = 0;
	return strstr(text, " vmx") || strstr(text, " svm");
}

static bool node_works(void)
{
	AUTO_FD fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	return fd >= 0 && ioctl(fd, KVM_GET_API_VERSION, 0) == KVM_API_VERSION;
}

/* A guest whose reset vector holds "al = value; port 0xf4 = al; halt". */
static bool guest_runs(struct loop *l, const char *qemu, const char *accel, const bool *cancel)
{
	static const uint8_t code[] = { 0xb0, EXIT_VALUE, 0xe6, 0xf4, 0xf4 };
	static const char *const parents[] = { "$XDG_RUNTIME_DIR", "/tmp", NULL };
	static uint8_t bios[BIOS_SIZE];
	struct err e = { 0 };
	struct vm_scratch dir;
	struct vm_proc p;
	char path[PATH_MAX];
	struct str s = STR_OVER(path);
	const char *argv[] = {
		qemu, "-machine", "q35", "-accel", accel, "-m", "16M", "-nodefaults",
		"-no-user-config", "-display", "none", "-bios", path,
		"-device", "isa-debug-exit,iobase=0xf4,iosize=1", NULL,
	};
	struct vm_proc_opts opts = { .name = "QEMU", .argv = argv };
	bool ok = false;

	if (vm_scratch_make(l, &dir, parents, &e) < 0)
		return false;
	str_addf(&s, "%s/bios", dir.path);
	memcpy(bios + BIOS_SIZE - 16, code, sizeof(code));
	if (str_ok(&s) && io_create_file(AT_FDCWD, path, bios, sizeof(bios), 0600) == 0 &&
	    vm_proc_start(l, &p, &opts, &e) == 0) {
		ok = vm_proc_wait(&p, clock_after(PROOF_MS), cancel) == 0 &&
		     p.status == 2 * EXIT_VALUE + 1;
		vm_proc_stop(&p);
	}
	vm_scratch_remove(&dir);
	return ok;
}

/* "BOOT_ID QEMU_MTIME ": what the verdict holds for. false when it cannot be told. */
static bool verdict_key(struct str *s, const char *qemu)
{
	char boot[64];
	struct stat st;

	if (io_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) <= 0 ||
	    stat(qemu, &st) < 0)
		return false;
	str_addf(s, "%s %lld ", boot, (long long)st.st_mtime);
	return str_ok(s);
}

static bool cache_path(struct str *s)
{
	const char *dir = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (dir && *dir)
		str_add(s, dir);
	else if (home && *home)
		str_addf(s, "%s/.cache", home);
	else
		return false;
	mkdir(s->buf, 0700);
	str_add(s, "/mote");
	mkdir(s->buf, 0755);
	str_add(s, "/kvm-verdict");
	return str_ok(s);
}

/* The proof, or what the cache remembers of it. */
static bool kvm_is_proven(struct loop *l, const char *qemu, const bool *cancel)
{
	char key[128], path[PATH_MAX], text[192];
	struct str k = STR_OVER(key), p = STR_OVER(path);
	bool cached = verdict_key(&k, qemu) && cache_path(&p), works;

	if (cached && io_read_line(AT_FDCWD, path, text, sizeof(text)) > 0 && str_starts(text, key))
		return str_eq(text + strlen(key), "kvm");
	works = guest_runs(l, qemu, "kvm", cancel);
	if (cached && !(cancel && *cancel)) {
		str_add(&k, works ? "kvm" : "tcg");
		if (str_ok(&k))	/* without a cache it is proven again next time */
			(void)io_create_file(AT_FDCWD, path, key, k.len, 0644);
	}
	return works;
}

const char *vm_accel_choose(struct loop *l, const struct vm_arch *arch, const char *qemu,
			    const bool *cancel)
{
	const char *named = getenv("MOTE_ACCEL");

	if (named && *named)
		return str_eq(named, "kvm") ? "kvm" : "tcg";
	if (arch != vm_arch_host())
		return "tcg";
	return processor_can() && node_works() && kvm_is_proven(l, qemu, cancel) ? "kvm" : "tcg";
}

/* --- the time stamp counter --- */

#if defined(__x86_64__)
struct moment {
	uint64_t ns, ticks;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Both clocks at one time: of some tries the one that was interrupted least. */
static struct moment read_both(void)
{
	uint64_t shortest = UINT64_MAX;
	struct moment best = { 0 };

	for (int i = 0; i < MEASURE_TRIES; i++) {
		uint64_t before = now_ns(), ticks = __builtin_ia32_rdtsc(), after = now_ns();

		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best = (struct moment){ .ns = before, .ticks = ticks };
	}
	return best;
}

uint32_t vm_accel_tsc_khz(void)
{
	const struct timespec wait = { .tv_nsec = MEASURE_NS };
	struct moment a = read_both(), b;

	nanosleep(&wait, NULL);
	b = read_both();
	return (uint32_t)((b.ticks - a.ticks) * 1000000 / (b.ns - a.ns));
}
#else
uint32_t vm_accel_tsc_khz(void)
{
	return 0;
}
#endif
