/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM is like on each architecture: one table. Which one a guest is of, its kernel tells: the
 * image's own header names it, so that nobody has to say it.
 */
#ifndef MOTE_VM_ARCH_H
#define MOTE_VM_ARCH_H

#include "base/defs.h"

struct vm_arch {
	const char *name;    /* as uname(2) and the build say it */
	const char *qemu;    /* the program */
	const char *machine; /* -machine; its root bus is called pcie.0 */
	const char *cpu;     /* -cpu under emulation */
	const char *cmdline; /* the kernel's: consoles and what makes its boot quick and quiet */
	bool acpi; /* which alone tells a guest of persistent memory and of memory's slots */
	bool firmware_speaks; /* on the console, before the kernel: then the kernel has to say a line too */
};

/* The row of a name; NULL when there is none. */
const struct vm_arch *vm_arch_find(const char *name);

/* The row of this program's own architecture, the first one where it has none. */
const struct vm_arch *vm_arch_host(void);

/* The row of a kernel image: x86's bzImage, the Image of arm64 and riscv, or an ELF file. The host's
 * own where the file tells nothing or cannot be read. May wait for the file system. */
const struct vm_arch *vm_arch_of_kernel(const char *path);

#endif
