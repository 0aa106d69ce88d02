/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash report. Only async-signal-safe calls: the heap may be what broke. A fault in PID 1
 * would be a kernel panic without a word of ours; with this it is a report, a sync and a power-off,
 * which the host sees as the end of the VM.
 */
#include "main/crash.h"

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <ucontext.h>

#include "base/log.h"
#include "base/str.h"
#include "kernel/power.h"

#define SYNC_MS 2000

static const char *crash_version;
static char crash_build[2 * 20 + 1] = "unknown"; /* the linker's build id */
static unsigned int crash_flags;
static char crash_stack[16384], crash_tail[4096];

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

static void say(const char *text, size_t n)
{
	if (write(STDERR_FILENO, text, n) < 0)
		return; /* nobody is left to be told */
}

/* snprintf is not on the list of signal-safety(7). */
static void add_hex(struct str *s, uint64_t v)
{
	str_add(s, "0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		if (v >> shift || !shift)
			str_add_char(s, "0123456789abcdef"[(v >> shift) & 15]);
}

static uint64_t crash_pc(const ucontext_t *u)
{
#if defined(__x86_64__)
	return (uint64_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return u->uc_mcontext.pc;
#elif defined(__riscv)
	return u->uc_mcontext.__gregs[REG_PC];
#else
	(void)u;
	return 0;
#endif
}

static void on_crash(int signo, siginfo_t *info, void *context)
{
	char line[256];
	struct str s = STR_OVER(line);
	size_t n;

	str_add(&s, "\nmote-agent ");
	str_add(&s, crash_version);
	str_add(&s, " (build ");
	str_add(&s, crash_build);
	str_add(&s, "): fatal signal ");
	add_hex(&s, (uint64_t)signo);
	str_add(&s, " at ");
	add_hex(&s, crash_pc(context));
	str_add(&s, " address ");
	add_hex(&s, (uint64_t)(uintptr_t)info->si_addr);
	str_add(&s, "\n--- log ---\n");
	say(s.buf, s.len);
	n = log_ring_copy(crash_tail, sizeof(crash_tail));
	say(crash_tail, n);
	say("\n--- end ---\n", 13);
	if (crash_flags & CRASH_POWER_OFF) {
		power_sync(SYNC_MS);
		power_end(POWER_OFF);
	}
	raise(signo); /* SA_RESETHAND: the default action */
}

/* The description of the note NT_GNU_BUILD_ID in a segment of notes. */
static void find_build(const char *at, size_t left)
{
	while (left >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)at;
		size_t name = (n->n_namesz + 3) & ~(size_t)3;
		size_t size = sizeof(*n) + name + ((n->n_descsz + 3) & ~(size_t)3);
		const unsigned char *id = (const unsigned char *)at + sizeof(*n) + name;

		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && n->n_descsz &&
		    2 * n->n_descsz < sizeof(crash_build)) {
			struct str s = STR_OVER(crash_build);

			str_reset(&s);
			for (size_t i = 0; i < n->n_descsz; i++)
				str_addf(&s, "%02x", id[i]);
			return;
		}
		if (size > left)
			return;
		at += size;
		left -= size;
	}
}

static int see_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_NOTE)
			find_build((const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr),
				   info->dlpi_phdr[i].p_memsz);
	return 1; /* the first one is this program */
}

void crash_install(const char *version, unsigned int flags)
{
	stack_t stack = { .ss_sp = crash_stack, .ss_size = sizeof(crash_stack) };
	struct sigaction sa = { .sa_sigaction = on_crash,
				.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND };

	crash_version = version;
	dl_iterate_phdr(see_object, NULL);
	crash_flags = flags;
	sigfillset(&sa.sa_mask);
	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < COUNT_OF(crash_signals); i++)
		sigaction(crash_signals[i], &sa, NULL);
}
