/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of AppArmor and SELinux, which hold from execve on. The files are opened while the
 * guest's own /proc is there; without the security module they take nothing, or are not there, so
 * the module is asked for first: who wants a label shall not run without.
 */
#include <fcntl.h>

#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "container/stage_parts.h"

#define FILESYSTEMS_MAX	8192

static const char *label_of(const struct stage *st, size_t offset)
{
	const struct spec_process *all[] = { st->process, st->spec->process };

	for (size_t i = 0; i < COUNT_OF(all); i++) {
		const char *label = NULL;

		if (all[i])
			memcpy(&label, (const char *)all[i] + offset, sizeof(label));
		if (!str_empty(label))
			return label;
	}
	return NULL;
}

static const char *selinux_of(const struct stage *st)
{
	return label_of(st, offsetof(struct spec_process, selinux_label));
}

/* "unconfined" is what there is without the module. */
static const char *apparmor_of(const struct stage *st)
{
	const char *profile = label_of(st, offsetof(struct spec_process, apparmor_profile));

	return profile && !str_eq(profile, "unconfined") ? profile : NULL;
}

static bool kernel_has_selinux(void)
{
	static char text[FILESYSTEMS_MAX];

	return io_read_file(AT_FDCWD, "/proc/filesystems", text, sizeof(text)) > 0 &&
	       strstr(text, "\tselinuxfs\n");
}

static bool kernel_has_apparmor(void)
{
	char text[8];

	return io_read_line(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", text,
			    sizeof(text)) > 0 && text[0] == 'Y';
}

static int no_module(struct err *e, const char *field, const char *module)
{
	return err_set(e, RC_FAILED_PRECONDITION, "%s: the kernel has no %s", field, module);
}

static int open_selinux(const struct stage *st, struct stage_labels *l, struct err *e)
{
	bool mounts = st->rootfs && !str_empty(st->spec->linux.mount_label);

	if (!selinux_of(st) && !mounts)
		return 0;
	if (!kernel_has_selinux())
		return no_module(e, selinux_of(st) ? "process.selinuxLabel" : "linux.mountLabel",
				 "SELinux");
	if (!selinux_of(st))
		return 0;
	l->selinux = open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC);
	return l->selinux < 0 ? err_sys(e, errno, "process.selinuxLabel") : 0;
}

static int open_apparmor(const struct stage *st, struct stage_labels *l, struct err *e)
{
	if (!apparmor_of(st))
		return 0;
	if (!kernel_has_apparmor()) {
		if (!st->process->apparmor_if_there)
			return no_module(e, "process.apparmorProfile", "AppArmor");
		log_info("stage",
			 "container %s: process.apparmorProfile: the kernel has no AppArmor",
			 st->container_id);
		return 0;
	}
	l->apparmor = open("/proc/thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
	if (l->apparmor < 0)	/* before Linux 5.8 */
		l->apparmor = open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC);
	return l->apparmor < 0 ? err_sys(e, errno, "process.apparmorProfile") : 0;
}

int stage_labels_open(const struct stage *st, struct stage_labels *l, struct err *e)
{
	return open_selinux(st, l, e) < 0 || open_apparmor(st, l, e) < 0 ? -1 : 0;
}

static int set_one(int *fd, const char *text, const char *field, struct err *e)
{
	if (*fd < 0)
		return 0;
	if (write(*fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "%s", field);
	auto_close(fd);
	return 0;
}

int stage_labels_set(const struct stage *st, struct stage_labels *l, struct err *e)
{
	char text[4096];
	struct str s = STR_OVER(text);

	if (set_one(&l->selinux, selinux_of(st), "process.selinuxLabel", e) < 0)
		return -1;
	if (l->apparmor < 0)
		return 0;
	str_addf(&s, "exec %s", apparmor_of(st));
	if (!str_ok(&s))
		return err_set(e, RC_INVALID_ARGUMENT, "process.apparmorProfile: too long");
	return set_one(&l->apparmor, text, "process.apparmorProfile", e);
}
