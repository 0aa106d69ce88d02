/* SPDX-License-Identifier: Apache-2.0 */
/* Disks: there at boot, behind a bridge, plugged while the machine runs; mounted, and as devices of a
 * container. VM only; see disks_of(). */
#include "lib/cases.h"

#define MOUNT_POINT "/run/kata-containers/sandbox/storage/disk"
#define PORT_PATH   DISKS_PORT_PATH

static const char *const root_port[] = { "-device", "pcie-root-port,id=rootport,bus=pcie.0,addr=0x05,chassis=5,slot=5",
					 NULL };

static char disk_file[128], scratch_file[128];

/* An ext4 disk without anything in it, one of zeros to be plugged; and motectl for cases_peer, in the shared directory. */
static int make_disk(struct rig *r)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"mke2fs -q -t ext4 \"$1\" 8M >&2 && truncate -s 1M \"$3\" && cp \"$MOTE_BUILD/guest/motectl\" \"$2/bin/\"",
			 (char *)"sh", disk_file, r->rootfs, scratch_file, NULL };

	snprintf(disk_file, sizeof(disk_file), "%s/disk", r->dir);
	snprintf(scratch_file, sizeof(scratch_file), "%s/scratch", r->dir);
	return rig_program(r, argv) == 0 ? 0 : -1;
}

void disks_of(struct rig *r)
{
	r->prepare = make_disk;
	r->vm_opts.extra = root_port;
	r->vm_opts.n_drives = 3;
	r->drives[1] = (struct vm_drive){ .file = r->image,
					  .serial = "bridged",
					  .flags = VM_DRIVE_READONLY | VM_DRIVE_BRIDGE };
	r->drives[2] = (struct vm_drive){ .file = disk_file, .serial = "writable" };
}

struct disk {
	const char *source, *fstype, *options;
};

static const char *storage_of(const struct disk *d)
{
	static char text[512];

	snprintf(text, sizeof(text),
		 ",{\"driver\":\"blk\",\"source\":\"%s\",\"fstype\":\"%s\",\"options\":[%s],\"mount_point\":\"" MOUNT_POINT
		 "\"}",
		 d->source, d->fstype, d->options);
	return text;
}

static const char bind[] = ",{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"" MOUNT_POINT
			   "\",\"options\":[\"rbind\"]}";

static struct rig_container with_disk(const struct disk *d, const char *args)
{
	return (struct rig_container){ .args = args, .storages = storage_of(d), .mounts = bind };
}

static int script_on_disk(struct rig *r, const struct disk *d, const char *script)
{
	char args[256];
	struct rig_container what = with_disk(d, args);
	const char *id = rig_id(r);
	int status;

	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	assert_done(r, rig_run(r, id, &what));
	status = rig_wait(r, id, "");
	assert_done(r, rig_remove(r, id));
	return status;
}

static void nothing_is_mounted(struct rig *r)
{
	assert_int_equal(rig_guest(r, "grep storage/disk /guest/1/mountinfo"), 1);
}

/* How the guest calls the disk with a serial number: "/dev/vdb". */
static const char *node_of(struct rig *r, const char *serial)
{
	static char node[32];
	char script[128];

	snprintf(script, sizeof(script),
		 "cd /sys/block; for d in vd*; do grep -q %s $d/serial && echo /dev/$d; done; true", serial);
	assert_int_equal(rig_guest(r, script), 0);
	snprintf(node, sizeof(node), "%.*s", (int)strcspn(r->reply, "\n"), r->reply);
	return node;
}

static void behind_a_bridge(void **state)
{
	struct rig *r = cases_rig;
	char pci[VM_PCI_PATH];
	struct disk d = { vm_drive_pci_path(&r->vm_opts, 1, pci), "erofs", "\"ro\"" };

	(void)state;
	assert_string_equal(pci, "02/01");
	assert_int_equal(script_on_disk(r, &d, "grep -q program /mnt/bin/plain"), 0);
	nothing_is_mounted(r);
}

static void by_its_node(void **state)
{
	struct rig *r = cases_rig;
	struct disk d = { node_of(r, "bridged"), "erofs", "\"ro\"" };

	(void)state;
	assert_int_equal(script_on_disk(r, &d, "grep -q program /mnt/bin/plain"), 0);
	nothing_is_mounted(r);
}

/* The type is what is on the disk; what one container has written the next one finds. */
static void written_and_found(void **state)
{
	struct rig *r = cases_rig;
	char pci[VM_PCI_PATH];
	struct disk d = { vm_drive_pci_path(&r->vm_opts, 2, pci), "", "" };
	struct disk readonly = { pci, "ext4", "\"ro\"" };

	(void)state;
	assert_int_equal(script_on_disk(r, &d, "echo kept >/mnt/note"), 0);
	assert_int_equal(script_on_disk(r, &readonly, "grep -q kept /mnt/note"), 0);
	assert_int_equal(script_on_disk(r, &readonly, "echo lost >/mnt/note"), 1);
	assert_int_equal(script_on_disk(r, &d, "grep -q kept /mnt/note"), 0);
	nothing_is_mounted(r);
}

/* Mounted once for both, and until the second one goes. */
static void shared_by_two(void **state)
{
	struct rig *r = cases_rig;
	char pci[VM_PCI_PATH];
	struct disk d = { vm_drive_pci_path(&r->vm_opts, 2, pci), "ext4", "" };
	struct rig_container what = with_disk(&d, "[\"cat\"]");

	(void)state;
	assert_done(r, rig_run(r, "disk-1", &what));
	assert_done(r, rig_run(r, "disk-2", &what));
	assert_done(r, rig_exec(r, "disk-1", "e", "echo both >/mnt/both"));
	assert_int_equal(rig_wait(r, "disk-1", "e"), 0);
	assert_int_equal(rig_guest(r, "grep -c storage/disk /guest/1/mountinfo"), 0);
	assert_string_equal(r->reply, "1\n");
	assert_done(r, rig_remove(r, "disk-1"));
	assert_done(r, rig_exec(r, "disk-2", "e", "grep -q both /mnt/both"));
	assert_int_equal(rig_wait(r, "disk-2", "e"), 0);
	assert_done(r, rig_remove(r, "disk-2"));
	nothing_is_mounted(r);
}

/* The guest's image has no mkfs: said, and nothing is mounted instead. */
static void no_new_filesystem(void **state)
{
	struct rig *r = cases_rig;
	char pci[VM_PCI_PATH];
	struct disk d = { vm_drive_pci_path(&r->vm_opts, 2, pci),
			  "ext4", "],\"driver_options\":[\"create_filesystem\"" };
	struct rig_container what = with_disk(&d, "[\"true\"]");

	(void)state;
	assert_rc(r, rig_create(r, "disk-3", &what), RC_FAILED_PRECONDITION, "no mkfs.ext4");
	nothing_is_mounted(r);
}

/* --- plugged while the machine runs ------------------------------------------------------------ */

static void qmp(struct rig *r, const char *command, const char *arguments)
{
	if (vm_qmp(r->vm, command, arguments, NULL, 0, &r->err) < 0)
		fail_msg("%s", r->err.msg);
}

static void plug_drive(struct rig *r, const char *drive)
{
	char arguments[256];

	snprintf(arguments, sizeof(arguments),
		 "{\"driver\":\"virtio-blk-pci\",\"id\":\"hot\",\"drive\":\"%s\",\"bus\":\"rootport\",\"addr\":\"0\",\"serial\":\"hot\"}",
		 drive);
	qmp(r, "device_add", arguments);
}

static void plug(struct rig *r)
{
	plug_drive(r, "hotfile");
}

/* The host's word and the guest's consent: until the disk is out of sight. */
static void unplug(struct rig *r)
{
	qmp(r, "device_del", "{\"id\":\"hot\"}");
	assert_comes_true(r, "! grep -q hot /sys/block/vd*/serial");
	assert_true(rig_await_unplugged(r, "hot"));
}

static void plugged_before_and_after(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct disk d = { PORT_PATH, "erofs", "\"ro\"" };
	struct rig_container what = with_disk(&d, "[\"grep\",\"-q\",\"program\",\"/mnt/bin/plain\"]");
	char arguments[256];

	(void)state;
	snprintf(arguments, sizeof(arguments),
		 "{\"driver\":\"raw\",\"node-name\":\"hotfile\",\"read-only\":true,"
		 "\"file\":{\"driver\":\"file\",\"filename\":\"%s\",\"locking\":\"off\"}}",
		 r->image);
	qmp(r, "blockdev-add", arguments);
	plug(r);
	assert_int_equal(script_on_disk(r, &d, "grep -q program /mnt/bin/plain"), 0);
	unplug(r);

	rig_send_create(r, r->client, RIG_CALL_MS, &p, "disk-4", &what);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}")); /* it waits for the disk by now */
	assert_false(p.done);
	plug(r);
	r->err.rc = (uint16_t)rig_await(r, &p);
	r->err = p.err;
	assert_done(r, p.err.rc);
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"disk-4\"}"));
	assert_int_equal(rig_wait(r, "disk-4", ""), 0);
	assert_done(r, rig_remove(r, "disk-4"));
	unplug(r);
	nothing_is_mounted(r);
}

/* What was there and was pulled is not there any more: told with what is seen instead. */
static void unplugged_is_not_found(void **state)
{
	struct rig *r = cases_rig;
	struct disk d = { PORT_PATH, "erofs", "\"ro\"" };
	struct rig_container what = with_disk(&d, "[\"true\"]");

	(void)state;
	assert_create_is_late(r, "disk-5", &what, 2000, "device " PORT_PATH " (virtio-blk)");
	assert_non_null(strstr(r->err.msg, "saw: "));
	assert_non_null(strstr(r->err.msg, " at 02/01"));
	nothing_is_mounted(r);
}

/* --- as a device of the container ---------------------------------------------------------------- */

/* A node of the spec, as its host knows it. */
#define NODE(path, minor) \
	"{\"Path\":\"" path "\",\"Type\":\"b\",\"Major\":8,\"Minor\":" #minor ",\"FileMode\":384}"
#define RULE(minor, access) \
	"{\"Allow\":true,\"Type\":\"b\",\"Major\":8,\"Minor\":" #minor ",\"Access\":\"" access "\"}"

static const char two_nodes[] = ",\"Devices\":[" NODE("/dev/cold", 1) "," NODE("/dev/hot", 2)
				"],\"Resources\":{\"Devices\":[{\"Access\":\"rwm\"}," RULE(1, "r") "," RULE(2, "rw") "]}";

static const char *devices_of(struct rig *r)
{
	static char text[512];
	char pci[VM_PCI_PATH];

	snprintf(text, sizeof(text),
		 ",\"devices\":[{\"type\":\"blk\",\"id\":\"%s\",\"container_path\":\"/dev/cold\"},"
		 "{\"type\":\"blk\",\"id\":\"" PORT_PATH "\",\"container_path\":\"/dev/hot\"}]",
		 vm_drive_pci_path(&r->vm_opts, 2, pci));
	return text;
}

static void file_begins_with(const char *path, const char *text)
{
	char is[64] = { 0 };
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_int_equal(fread(is, 1, strlen(text), f), strlen(text));
	fclose(f);
	assert_string_equal(is, text);
}

/* One disk was there at boot, the other one comes while the container is being made. Both are written
 * and read; what else the guest has, and what has the numbers of the host, is refused. */
static void in_a_container(void **state)
{
	static const char script[] =
		"for d in cold hot; do echo seen-$d | dd of=/dev/$d conv=notrunc 2>/dev/null && sync; head -c 8 /dev/$d; echo; done; "
		"ls -l /dev/hot | cut -c 1-10; "
		"mknod /tmp/root b $(sed 's/:/ /' /sys/block/vda/dev) && head -c 1 /tmp/root 2>&1 | grep -o 'not permitted'; "
		"mknod /tmp/host b 8 1 && head -c 1 /tmp/host 2>&1 | grep -o 'not permitted'; exit 3";
	struct rig *r = cases_rig;
	static struct rig_pending p;
	char args[768], arguments[256];
	struct rig_container what = { .args = args, .linux = two_nodes, .request = devices_of(r) };

	(void)state;
	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	snprintf(arguments, sizeof(arguments),
		 "{\"driver\":\"raw\",\"node-name\":\"scratch\","
		 "\"file\":{\"driver\":\"file\",\"filename\":\"%s\",\"locking\":\"off\"}}",
		 scratch_file);
	qmp(r, "blockdev-add", arguments);
	rig_send_create(r, r->client, RIG_CALL_MS, &p, "disk-6", &what);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(p.done);
	plug_drive(r, "scratch");
	r->err.rc = (uint16_t)rig_await(r, &p);
	r->err = p.err;
	assert_done(r, p.err.rc);
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"disk-6\"}"));
	assert_true(rig_read(r, "ReadStdout", "disk-6", "") > 0);
	assert_string_equal(r->reply,
			    "seen-col\nseen-hot\nbrw-------\nnot permitted\nnot permitted\n");
	assert_int_equal(rig_wait(r, "disk-6", ""), 3);
	assert_done(r, rig_remove(r, "disk-6"));
	file_begins_with(disk_file, "seen-cold");
	file_begins_with(scratch_file, "seen-hot");
	unplug(r);
}

/* Told which one, and what is there in its place; the container is gone and may be made anew. */
static void device_that_never_comes(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .linux = two_nodes, .request = devices_of(r) };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_create_is_late(r, "disk-7", &what, 1500,
				      "devices[1] (/dev/hot): device " PORT_PATH " (virtio-blk): not there after");
		assert_non_null(strstr(r->err.msg, "saw: "));
		assert_non_null(strstr(r->err.msg, "vda at "));
	}
}

/* What is wrong with a request is said before anything is waited for. */
static void device_requests_refused(void **state)
{
#define DEVICE(type, id, path) \
	"{\"type\":\"" type "\",\"id\":\"" id "\",\"container_path\":\"" path "\"}"
	static const struct {
		const char *devices, *why;
	} rows[] = {
		{ DEVICE("", "02", "/dev/hot"), "devices[0]: type: missing" },
		{ DEVICE("floppy", "02", "/dev/hot"), "devices[0]: device type \"floppy\": unknown" },
		{ DEVICE("blk", "", "/dev/hot"), "devices[0]: id and vm_path: missing" },
		{ DEVICE("blk", "02", ""), "devices[0]: container_path: missing" },
		{ DEVICE("blk", "02/../01", "/dev/hot"), "devices[0]: PCI path" },
		{ DEVICE("vfio-pci", "x", "/dev/hot"), "devices[0]: options: no device" },
		{ DEVICE("scsi", "0:x", "/dev/hot"), "devices[0]: SCSI address" },
		{ DEVICE("blk", PORT_PATH, "/dev/hot") "," DEVICE("blk", "02", "/dev/none"),
		  "devices[1]: container_path /dev/none: not in linux.devices" },
		{ DEVICE("blk", PORT_PATH, "/dev/hot") "," DEVICE("blk", "02", "/dev/hot"),
		  "devices[1]: container_path /dev/hot: also of another device" },
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char request[512];
		struct rig_container what = { .linux = two_nodes, .request = request };

		snprintf(request, sizeof(request), ",\"devices\":[%s]", rows[i].devices);
		assert_rc(r, rig_create(r, "disk-8", &what), RC_INVALID_ARGUMENT, rows[i].why);
	}
}

/* --- handed through ------------------------------------------------------------------------------- */

/* Two devices that the guest's kernel drives, one there at boot (the bridge) and one that comes: the
 * environment names both by where they are here, also that of an exec; a node of /dev/infiniband comes
 * along, and what is no device does not. */
static void handed_through(void **state)
{
	static const char env[] = ",\"Env\":[\"PATH=/bin\",\"PCIDEVICE_ACME=0000:3a:00.0,0000:3b:00.1\","
				  "\"PCIDEVICE_ACME_INFO={\\\"0000:3b:00.1\\\":1}\",\"PCIDEVICE_GONE=0000:99:00.0\"]";
	static const char request[] =
		",\"devices\":[{\"type\":\"vfio-pci-gk\",\"id\":\"a\",\"container_path\":\"/dev/vfio/1\",\"options\":[\"0000:3a:00.0=02\"]},"
		"{\"type\":\"vfio-pci-gk\",\"id\":\"b\",\"container_path\":\"/dev/vfio/2\","
		"\"options\":[\"0000:3c:00.0=\",\"0000:3b:00.1=" PORT_PATH "\"]}]";
	static const char script[] =
		"d=$(echo /sys/bus/pci/devices/0000:00:05.0/0000:*:00.0); d=${d##*/}; "
		"echo ${PCIDEVICE_ACME%,$d} ${PCIDEVICE_ACME_INFO#*$d} $PCIDEVICE_GONE $(stat -c %t:%T /dev/infiniband/verbs)";
	struct rig *r = cases_rig;
	static struct rig_pending p;
	char args[512];
	struct rig_container what = { .args = args, .process = env, .request = request };

	(void)state;
	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s; sleep 1000\"]", script);
	assert_int_equal(rig_guest(r, "cd /guest/1/root/dev && mkdir infiniband && mknod infiniband/verbs c 231 192 && touch infiniband/file"),
			 0);
	rig_send_create(r, r->client, RIG_CALL_MS, &p, "disk-9", &what);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(p.done);
	qmp(r, "device_add", "{\"driver\":\"virtio-rng-pci\",\"id\":\"hot\",\"bus\":\"rootport\",\"addr\":\"0\"}");
	r->err.rc = (uint16_t)rig_await(r, &p);
	r->err = p.err;
	assert_done(r, p.err.rc);
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"disk-9\"}"));
	assert_true(rig_read_until(r, "ReadStdout", "disk-9", "", "\n") > 0);
	assert_string_equal(r->reply, "0000:00:02.0 \":1} 0000:99:00.0 e7:c0\n");
	assert_done(r, rig_call(r, "ExecProcess",
				"{\"container_id\":\"disk-9\",\"exec_id\":\"e\",\"process\":{\"Args\":[\"sh\",\"-c\",\"%s\"],"
				"\"Cwd\":\"/\"%s}}",
				script, env));
	assert_true(rig_read(r, "ReadStdout", "disk-9", "e") > 0);
	assert_string_equal(r->reply, "0000:00:02.0 \":1} 0000:99:00.0 e7:c0\n");
	assert_done(r, rig_remove(r, "disk-9"));
	assert_int_equal(rig_guest(r, "rm -r /guest/1/root/dev/infiniband"), 0);
	qmp(r, "device_del", "{\"id\":\"hot\"}");
	assert_comes_true(r, "! ls -d /sys/bus/pci/devices/0000:00:05.0/0000:*:00.0");
}

/* What the guest's kernel cannot do is said. */
static void no_driver_to_hand_through(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.linux = ",\"Devices\":[{\"Path\":\"/dev/vfio/9\",\"Type\":\"c\",\"Major\":240,\"Minor\":9}]",
		.request = ",\"devices\":[{\"type\":\"vfio-pci\",\"id\":\"a\",\"container_path\":\"/dev/vfio/9\",\"options\":[\"0000:3a:00.0=02\"]}]",
	};

	(void)state;
	assert_rc(r, rig_create(r, "disk-10", &what), RC_FAILED_PRECONDITION,
		  "devices[0] (/dev/vfio/9): the guest's kernel has no driver vfio-pci");
}

const struct CMUnitTest cases_disk[] = {
	cmocka_unit_test(behind_a_bridge),
	cmocka_unit_test(by_its_node),
	cmocka_unit_test(written_and_found),
	cmocka_unit_test(shared_by_two),
	cmocka_unit_test(no_new_filesystem),
	cmocka_unit_test(plugged_before_and_after),
	cmocka_unit_test(unplugged_is_not_found),
	cmocka_unit_test(in_a_container),
	cmocka_unit_test(device_that_never_comes),
	cmocka_unit_test(device_requests_refused),
	cmocka_unit_test(handed_through),
	cmocka_unit_test(no_driver_to_hand_through),
	{ 0 },
};
