/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_arch.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"

#define HEADER_SIZE 1024 /* the last of the marks lies at 0x202 */

/* Quiet and quick to boot; a panic ends the VM (-no-reboot). */
#define QUICK "rcupdate.rcu_expedited=1 "
#define QUIET "cryptomgr.notests net.ifnames=0 selinux=0"

/* "virt" is started without a firmware, hence without ACPI. */
static const struct vm_arch arches[] = {
	{ "x86_64", "qemu-system-x86_64", "q35", "max",
	  "console=ttyS0 quiet panic=1 reboot=t no_timer_check tsc=reliable noreplace-smp " QUICK
	  "i8042.noaux " QUIET " pci=lastbus=0 8250.nr_uarts=1", true, false },
	/* An interrupt controller that takes messages from any PCI device. Pointer signatures by an
	 * algorithm of QEMU's own: the architecture's costs a boot half its time. The real console comes
	 * late there, so the early one is on. */
	{ "aarch64", "qemu-system-aarch64", "virt,gic-version=max", "max,pauth-impdef=on",
	  "console=ttyAMA0 earlycon quiet panic=1 " QUICK QUIET, false, false },
	/* QEMU before 8.2 knows no "max" there. The kernel's banner ends what the firmware has to say. The
	 * interrupt controller takes no messages, so a PCIe port shares its line with what is plugged into
	 * it: virtio's driver waits at its end for all threads of the line, one of which, the port's, is
	 * ending it. Ports are polled instead, every second. */
	{ "riscv64", "qemu-system-riscv64", "virt", "rv64",
	  "console=ttyS0 earlycon loglevel=6 panic=1 " QUICK QUIET " 8250.nr_uarts=1"
	  " pciehp.pciehp_poll_mode=1 pciehp.pciehp_poll_time=1", false, true },
};

/* Linux: Documentation/arch/x86/boot.rst, arm64/booting.rst, riscv/boot-image-header.rst. */
static const struct mark {
	size_t at;
	const char *bytes; /* four of them */
	const char *arch;
} marks[] = {
	{ 0x202, "HdrS", "x86_64" },
	{ 56, "ARM\x64", "aarch64" },
	{ 56, "RSC\x05", "riscv64" },
};

static const struct {
	unsigned int machine; /* e_machine */
	const char *arch;
} machines[] = {
	{ EM_X86_64, "x86_64" },
	{ EM_AARCH64, "aarch64" },
	{ EM_RISCV, "riscv64" },
};

const struct vm_arch *vm_arch_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(arches); i++)
		if (str_eq(arches[i].name, name))
			return &arches[i];
	return NULL;
}

const struct vm_arch *vm_arch_host(void)
{
	struct utsname u;
	const struct vm_arch *a = uname(&u) == 0 ? vm_arch_find(u.machine) : NULL;

	return a ? a : &arches[0];
}

/* The name of the architecture that an image's first n bytes tell, or NULL. */
static const char *read_header(const unsigned char *header, size_t n)
{
	for (size_t i = 0; i < COUNT_OF(marks); i++)
		if (n >= marks[i].at + 4 && memcmp(header + marks[i].at, marks[i].bytes, 4) == 0)
			return marks[i].arch;
	if (n < sizeof(Elf64_Ehdr) || memcmp(header, ELFMAG, SELFMAG) != 0)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(machines); i++)
		if (header[offsetof(Elf64_Ehdr, e_machine)] == (machines[i].machine & 0xff) &&
		    header[offsetof(Elf64_Ehdr, e_machine) + 1] == machines[i].machine >> 8)
			return machines[i].arch;
	return NULL;
}

const struct vm_arch *vm_arch_of_kernel(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	unsigned char header[HEADER_SIZE];
	ssize_t n = fd < 0 ? -1 : io_read_full(fd, header, sizeof(header));
	const char *name = n < 0 ? NULL : read_header(header, (size_t)n);

	return name ? vm_arch_find(name) : vm_arch_host();
}
