/* SPDX-License-Identifier: Apache-2.0 */
/* The guest of the measurements, and the privileged container in it that serves the floors. */
#include <limits.h>

#include "bench/bench.h"

#define GUEST_MB 1024 /* a thousand containers that wait for their start */

/* Everything crun needs to make a container and a privileged container is usually given. */
#define ALL_CAPS                                                                                     \
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_DAC_READ_SEARCH\",\"CAP_FOWNER\",\"CAP_FSETID\"," \
	"\"CAP_KILL\",\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\","       \
	"\"CAP_NET_RAW\",\"CAP_NET_ADMIN\",\"CAP_SYS_CHROOT\",\"CAP_SYS_ADMIN\",\"CAP_SYS_PTRACE\"," \
	"\"CAP_SYS_RESOURCE\",\"CAP_SYS_NICE\",\"CAP_MKNOD\",\"CAP_AUDIT_WRITE\",\"CAP_SETFCAP\","   \
	"\"CAP_BPF\"]"

/* Two images: the busybox of every container, mounted here too so that it stays mounted, and ours.
 */
static void storages(const struct bench *b, char *out, size_t cap)
{
	char root[VM_PCI_PATH], tools[VM_PCI_PATH];

	snprintf(
		out, cap,
		"{\"driver\":\"blk\",\"source\":\"%s\",\"fstype\":\"erofs\",\"mount_point\":\"" BENCH_ROOT
		"\",\"options\":[\"ro\"]},"
		"{\"driver\":\"blk\",\"source\":\"%s\",\"fstype\":\"erofs\",\"mount_point\":\"" BENCH_TOOLS
		"\",\"options\":[\"ro\"]}",
		vm_drive_pci_path(&b->rig.vm_opts, 0, root),
		vm_drive_pci_path(&b->rig.vm_opts, 1, tools));
}

/* With the guest's /proc and a cgroup tree that can be written to. */
static int start_tools(struct bench *b, struct err *e)
{
	char disks[512], args[64];
	struct rig_container what = {
		.root = BENCH_TOOLS,
		.readonly = true,
		.args = args,
		.storages = disks,
		.process = ",\"Capabilities\":{\"Bounding\":" ALL_CAPS ",\"Effective\":" ALL_CAPS
			   ",\"Permitted\":" ALL_CAPS "}",
		.linux =
			",\"Namespaces\":[{\"Type\":\"ipc\"},{\"Type\":\"uts\"},{\"Type\":\"mount\"},{\"Type\":\"pid\"}]",
		.mounts =
			",{\"destination\":\"/run\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"mode=755\"]}"
			",{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"mode=1777\"]}"
			",{\"destination\":\"/rootfs\",\"type\":\"bind\",\"source\":\"" BENCH_ROOT
			"\",\"options\":[\"bind\",\"ro\"]}"
			",{\"destination\":\"/guest-proc\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\",\"ro\"]}"
			",{\"destination\":\"/sys/fs/cgroup\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\",\"options\":[\"rbind\",\"rw\"]}",
	};

	storages(b, disks, sizeof(disks));
	snprintf(args, sizeof(args), "[\"/bin/tool\",\"serve\",\"%d\"]", BENCH_TOOL_PORT);
	if (rig_run(&b->rig, "bench-tools", &what) ||
	    rig_call(&b->rig, "ReadStdout",
		     "{\"container_id\":\"bench-tools\",\"exec_id\":\"bench-tools\",\"len\":64}")) {
		*e = b->rig.err;
		return err_ctx(e, "the container of the floors");
	}
	return 0;
}

static const char *const bridge[] = {
	"-device", "pci-bridge,id=hot,chassis_nr=5,bus=pcie.0,addr=0x" BENCH_BRIDGE, NULL,
};

static int start_guest(struct bench *b, struct err *e)
{
	static char image[PATH_MAX];
	const char *build = getenv("MOTE_BUILD");

	bench_say("booting the guest");
	snprintf(image, sizeof(image), "%s/bench/tools.erofs", build ? build : "build/x86_64");
	b->rig.drives[1] =
		(struct vm_drive){ .file = image, .serial = "tools", .flags = VM_DRIVE_READONLY };
	b->rig.vm_opts.n_drives = 2;
	b->rig.vm_opts.extra = bridge;
	b->rig.vm_opts.memory_mb = GUEST_MB;
	b->rig.vm_opts.cancel = &b->interrupted;
	if (rig_start(&b->rig, RIG_VM) < 0)
		return err_set(e, RC_UNAVAILABLE, "the guest does not start");
	if (rig_call(&b->rig, "CreateSandbox", "{\"sandbox_id\":\"bench\"}")) {
		*e = b->rig.err;
		return -1;
	}
	if (start_tools(b, e) < 0 || wire_open(&b->agent, b->rig.address, VM_PORT, e) < 0)
		return -1;
	return wire_open(&b->tool, b->rig.address, BENCH_TOOL_PORT, e);
}

int bench_guest(struct bench *b, struct err *e)
{
	if (b->guest == GUEST_FAILED)
		return err_set(e, RC_FAILED_PRECONDITION, "there is no guest");
	if (b->guest == GUEST_UP)
		return 0;
	b->guest = start_guest(b, e) < 0 ? GUEST_FAILED : GUEST_UP;
	return b->guest == GUEST_UP ? 0 : -1;
}

int bench_turn(struct bench *b, struct err *e)
{
	while (loop_once(b->rig.loop, 0) > 0)
		;
	if (b->interrupted)
		return err_set(e, RC_CANCELLED, "interrupted");
	if (!vm_is_alive(b->rig.vm))
		return err_set(e, RC_UNAVAILABLE, "the guest has ended: %.150s",
			       vm_console(b->rig.vm));
	return 0;
}

int bench_tool(struct bench *b, const char *command, char *text, size_t cap, struct err *e)
{
	int status = wire_command(&b->tool, command, text, cap, e);

	if (status > 0)
		err_set(e, RC_INTERNAL, "%s: status %d: %.120s", command, status, text);
	return status == 0 ? 0 : -1;
}

int bench_hold(struct bench *b, const char *id, const char *args, struct err *e)
{
	struct rig_container what = { .root = BENCH_ROOT, .readonly = true, .args = args };

	if (!rig_run(&b->rig, id, &what))
		return 0;
	*e = b->rig.err;
	return err_ctx(e, "container %s", id);
}
