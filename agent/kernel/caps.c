/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities. The table's index is the kernel's number. What the running kernel does not know
 * (numbers above its last) is silently left out when sets are applied: a newer host may name more
 * than an older guest has.
 */
#include "kernel/caps.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/num.h"
#include "kernel/sys.h"

static const char *const names[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
	"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

_Static_assert(COUNT_OF(names) == 41, "CAP_CHECKPOINT_RESTORE is number 40");

int caps_number(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcasecmp(names[i] + 4, name) == 0)
			return (int)i;
	return -EINVAL;
}

const char *caps_name(unsigned int nr)
{
	return nr < COUNT_OF(names) ? names[nr] : NULL;
}

int caps_parse(char *const *list, size_t n, uint64_t *mask, struct err *e)
{
	uint64_t m = 0;

	for (size_t i = 0; i < n; i++) {
		int nr = list[i] ? caps_number(list[i]) : -EINVAL;

		if (nr < 0)
			return err_set(e, RC_INVALID_ARGUMENT, "unknown capability '%.40s'",
				       list[i] ? list[i] : "");
		m |= 1ull << nr;
	}
	*mask = m;
	return 0;
}

unsigned int caps_last(void)
{
	unsigned int nr = 0;
	char text[16];
	uint64_t v;

	if (io_read_line(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", text, sizeof(text)) > 0 &&
	    num_u64(text, 63, &v) == 0)
		return (unsigned int)v;
	while (nr < 63 && prctl(PR_CAPBSET_READ, nr + 1, 0, 0, 0) >= 0)
		nr++;
	return nr;
}

uint64_t caps_all(void)
{
	return UINT64_MAX >> (63 - caps_last());
}

int caps_drop_bounding(uint64_t keep, struct err *e)
{
	unsigned int last = caps_last();

	for (unsigned int nr = 0; nr <= last; nr++) {
		if (keep >> nr & 1 || prctl(PR_CAPBSET_READ, nr, 0, 0, 0) == 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, nr, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop %s from the bounding set",
				       caps_name(nr) ? caps_name(nr) : "a capability");
	}
	return 0;
}

static int set_three(const struct caps_sets *s, uint64_t known)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (unsigned int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)((s->effective & known) >> (32 * i));
		data[i].permitted = (uint32_t)((s->permitted & known) >> (32 * i));
		data[i].inheritable = (uint32_t)((s->inheritable & known) >> (32 * i));
	}
	return sys_result(syscall(SYS_capset, &head, data));
}

int caps_apply(const struct caps_sets *s, struct err *e)
{
	uint64_t known = caps_all();
	int r = set_three(s, known);

	if (r < 0)
		return err_sys(e, -r, "set capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
		if (errno == EINVAL)	/* before Linux 4.3: no ambient set */
			return 0;
		return err_sys(e, errno, "clear the ambient capabilities");
	}
	for (unsigned int nr = 0; nr < 64; nr++) {
		if (!(s->ambient & known & (1ull << nr)))
			continue;
		/* EPERM: it is not permitted and inheritable, and so not there, as runc has it. */
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, nr, 0, 0) < 0 && errno != EPERM)
			return err_sys(e, errno, "raise the ambient capability %u", nr);
	}
	return 0;
}

int caps_get(struct caps_sets *out)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	unsigned int last = caps_last();

	memset(out, 0, sizeof(*out));
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	out->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	out->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	out->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	for (unsigned int nr = 0; nr <= last; nr++) {
		if (prctl(PR_CAPBSET_READ, nr, 0, 0, 0) == 1)
			out->bounding |= 1ull << nr;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, nr, 0, 0) == 1)
			out->ambient |= 1ull << nr;
	}
	return 0;
}
