/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of other buses than PCI's own, and what is no disk: SCSI, persistent memory, 9p. VM only; see
 * buses_of(). */
#include "lib/cases.h"

#define MOUNT_POINT "/run/kata-containers/sandbox/storage/bus"

static char scsi_drive[192], nvdimm[192], pmem[192], plan9[192];

#define MEMORY_WORDS 12 /* of the persistent memory, at the start */

static const char *const devices[] = {
	"-machine", "nvdimm=on",
	"-m", "slots=2,maxmem=2G",
	"-object", nvdimm,
	"-device", "nvdimm,id=nv0,memdev=nvdimm0,unarmed=off",
	"-object", pmem,
	"-device", "virtio-pmem-pci,memdev=pmem0,id=pm0",
	"-device", "virtio-scsi-pci,id=scsi0",
	"-drive", scsi_drive,
	"-device", "scsi-hd,drive=scsidisk,bus=scsi0.0,channel=0,scsi-id=1,lun=2",
	"-fsdev", plan9,
	"-device", "virtio-9p-pci,fsdev=plan9,mount_tag=plan9",
	NULL,
};

static int make_files(struct rig *r)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"mke2fs -q -t ext4 -b 4096 \"$1/scsi\" 8M >&2 && "
				 "mke2fs -q -t ext4 -b 4096 \"$1/nvdimm\" 16M >&2 && "
				 "mke2fs -q -t ext4 -b 4096 \"$1/pmem\" 16M >&2 && "
				 "mkdir \"$1/plan9\" && echo shared >\"$1/plan9/note\"",
			 (char *)"sh", r->dir, NULL };

	snprintf(scsi_drive, sizeof(scsi_drive),
		 "if=none,id=scsidisk,format=raw,file=%s/scsi,file.locking=off", r->dir);
	snprintf(nvdimm, sizeof(nvdimm),
		 "memory-backend-file,id=nvdimm0,share=on,mem-path=%s/nvdimm,size=16M", r->dir);
	snprintf(pmem, sizeof(pmem),
		 "memory-backend-file,id=pmem0,share=on,mem-path=%s/pmem,size=16M", r->dir);
	snprintf(plan9, sizeof(plan9), "local,id=plan9,path=%s/plan9,security_model=none", r->dir);
	return rig_program(r, argv) == 0 ? 0 : -1;
}

void buses_of(struct rig *r)
{
	r->prepare = make_files;
	r->vm_opts.extra = rig_has_acpi() ? devices : devices + MEMORY_WORDS;
}

static char said[256];

/* Runs in a container that sees the storage on /mnt: what it says, what it ends with. */
static int script_on(struct rig *r, const char *storage, const char *script)
{
	static const char bind[] = ",{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"" MOUNT_POINT
				   "\",\"options\":[\"rbind\"]}";
	char args[256], text[512];
	struct rig_container what = { .args = args, .storages = text, .mounts = bind };
	const char *id = rig_id(r);
	int status;

	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	snprintf(text, sizeof(text), ",{%s,\"mount_point\":\"" MOUNT_POINT "\"}", storage);
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, "") >= 0);
	snprintf(said, sizeof(said), "%.255s", r->reply);
	status = rig_wait(r, id, "");
	assert_done(r, rig_remove(r, id));
	assert_int_equal(rig_guest(r, "grep storage/bus /guest/1/mountinfo"), 1);
	return status;
}

/* The kernel was told to forget the disk: it comes back when the agent has it asked for. */
static void scsi_is_asked_for(void **state)
{
	static const char disk[] = "\"driver\":\"scsi\",\"source\":\"1:2\",\"fstype\":\"ext4\"";
	struct rig *r = cases_rig;

	(void)state;
	assert_int_equal(script_on(r, disk, "echo kept >/mnt/note"), 0);
	assert_int_equal(rig_guest(r, "mkdir /mnt && mount -t sysfs none /mnt && d=$(echo /mnt/class/scsi_device/*:0:1:2) && "
				      "test -e $d && echo 1 >$d/device/delete && test ! -e $d"),
			 0);
	assert_int_equal(script_on(r, disk, "grep -q kept /mnt/note"), 0);
}

static void scsi_that_never_comes(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.storages = ",{\"driver\":\"scsi\",\"source\":\"1:3\",\"fstype\":\"ext4\",\"mount_point\":\"" MOUNT_POINT "\"}",
	};

	(void)state;
	assert_create_is_late(r, NULL, &what, 2000, "device 1:3 (SCSI disk): not there after");
	assert_non_null(strstr(r->err.msg, "sda"));
}

#define NODE(path, minor) \
	"{\"Path\":\"" path "\",\"Type\":\"b\",\"Major\":8,\"Minor\":" #minor ",\"FileMode\":384}"

static void as_devices_of_a_container(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"for d in scsi pmem; do head -c 1082 /dev/$d | tail -c 2 | hexdump -e '/2 \\\"%x\\\\n\\\"'; done\"]",
		.linux = ",\"Devices\":[" NODE("/dev/scsi", 1) "," NODE("/dev/pmem", 2) "]",
		.request = ",\"devices\":[{\"type\":\"scsi\",\"id\":\"1:2\",\"container_path\":\"/dev/scsi\"},"
			   "{\"type\":\"nvdimm\",\"vm_path\":\"/dev/pmem0\",\"container_path\":\"/dev/pmem\"}]",
	};
	const char *id = rig_id(r);

	(void)state;
	if (!rig_has_acpi()) {
		skip();
		return;
	}
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, "") > 0);
	assert_string_equal(r->reply, "ef53\nef53\n");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

static const char *pmem_of(struct rig *r, const char *bus)
{
	static char node[32];
	char script[128];

	snprintf(script, sizeof(script),
		 "cd /sys/block; for d in pmem*; do readlink $d | grep -q %s && echo /dev/$d; done; true", bus);
	assert_int_equal(rig_guest(r, script), 0);
	snprintf(node, sizeof(node), "%.*s", (int)strcspn(r->reply, "\n"), r->reply);
	return node;
}

/* Direct access where it can be had: the kernel has none for a module without a superblock of its
 * own, which is mounted without. */
static void persistent_memory(void **state)
{
	static const struct {
		const char *bus, *options, *said;
	} rows[] = {
		{ "virtio", "\"dax\"", "1\n" },
		{ "virtio", "\"noatime\"", "0\n" },
		{ "ndbus", "\"dax,data=ordered\",\"noatime\"", "0\n" },
	};
	struct rig *r = cases_rig;

	(void)state;
	if (!rig_has_acpi()) {
		skip();
		return;
	}
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char storage[256];

		snprintf(storage, sizeof(storage),
			 "\"driver\":\"nvdimm\",\"source\":\"%s\",\"fstype\":\"ext4\",\"options\":[%s]",
			 pmem_of(r, rows[i].bus), rows[i].options);
		assert_int_equal(script_on(r, storage,
					   "grep ' /mnt ' /proc/mounts | grep -c dax; echo x >/mnt/note"),
				 0);
		assert_string_equal(said, rows[i].said);
	}
}

static void plan9_by_its_tag(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_int_equal(script_on(r,
				   "\"driver\":\"9p\",\"source\":\"plan9\",\"fstype\":\"9p\","
				   "\"options\":[\"trans=virtio,version=9p2000.L,cache=mmap\",\"nodev\"]",
				   "cat /mnt/note && echo back >/mnt/reply"),
			 0);
	assert_string_equal(said, "shared\n");
}

const struct CMUnitTest cases_bus[] = {
	cmocka_unit_test(scsi_is_asked_for),
	cmocka_unit_test(scsi_that_never_comes),
	cmocka_unit_test(as_devices_of_a_container),
	cmocka_unit_test(persistent_memory),
	cmocka_unit_test(plan9_by_its_tag),
	{ 0 },
};
