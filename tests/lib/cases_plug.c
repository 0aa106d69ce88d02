/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that a host plugs into the running machine: disks behind one bridge and behind two, SCSI
 * disks with and without a word of the adapter's, persistent memory, two network cards. Each was there
 * before it is asked for, comes while a call waits, or never does. VM only; see hotplug_of().
 */
#include "base/clock.h"
#include "lib/cases.h"

#define MOUNT_POINT "/run/kata-containers/sandbox/storage/plug"
#define LIMIT_MS    60000 /* against hangs only */

/* The PCI paths of what is plugged: a bridge in slot 5, another one in its slot 2. */
#define ONE_BRIDGE  "05/03"
#define TWO_BRIDGES "05/02/04"

static char image_file[128], pmem_file[2][128];

/* QEMU merges these with what the launcher says. The second SCSI adapter tells the guest nothing. */
#define MEMORY_WORDS 4 /* of the slots for memory, at the start */

static const char *const room[] = {
	"-m", "slots=4,maxmem=2G", "-machine", "nvdimm=on",
	"-smp", "3",
	"-device", "pci-bridge,id=outer,chassis_nr=5,bus=pcie.0,addr=0x05",
	"-device", "pci-bridge,id=inner,chassis_nr=6,bus=outer,addr=0x02",
	"-device", "virtio-scsi-pci,id=telling,bus=pcie.0,addr=0x06",
	"-device", "virtio-scsi-pci,id=silent,hotplug=off,bus=pcie.0,addr=0x07",
	NULL,
};

static int make_files(struct rig *r)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"mke2fs -q -t ext4 -b 4096 -d \"$1\" \"$2\" 16M >&2 && cp \"$2\" \"$3\"",
			 (char *)"sh", r->rootfs, pmem_file[0], pmem_file[1], NULL };

	snprintf(image_file, sizeof(image_file), "%s", r->image);
	for (size_t i = 0; i < COUNT_OF(pmem_file); i++)
		snprintf(pmem_file[i], sizeof(pmem_file[i]), "%s/pmem%zu", r->dir, i);
	return rig_program(r, argv) == 0 ? 0 : -1;
}

void hotplug_of(struct rig *r)
{
	r->prepare = make_files;
	r->vm_opts.extra = rig_has_acpi() ? room : room + MEMORY_WORDS;
}

static void qmp(const char *command, const char *fmt, ...) PRINTF(2, 3);
static void qmp(const char *command, const char *fmt, ...)
{
	struct rig *r = cases_rig;
	char arguments[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(arguments, sizeof(arguments), fmt, ap);
	va_end(ap);
	if (vm_qmp(r->vm, command, arguments, NULL, 0, &r->err) < 0)
		fail_msg("%s %s: %s", command, arguments, r->err.msg);
}

/* --- disks ----------------------------------------------------------------------------------- */

/* How a disk is asked for, and what QEMU does to bring it. */
struct disk {
	const char *storage;  /* members of the request */
	const char *device;   /* members of device_add */
	const char *gone;     /* what the guest's shell finds once the disk is out of sight */
	const char *told;     /* when it never comes */
};

#define BLK(path, bus, slot)                                                                            \
	{                                                                                               \
		"\"driver\":\"blk\",\"source\":\"" path "\",\"fstype\":\"erofs\",\"options\":[\"ro\"]", \
			"\"driver\":\"virtio-blk-pci\",\"bus\":\"" bus "\",\"addr\":\"" slot "\",\"serial\":\"plugged\"", \
			"! grep -q plugged /sys/block/vd*/serial", "device " path " (virtio-blk): not there after" \
	}

/* The adapter forgets the disk, and the kernel does only where it is told: by us, where it is not. */
#define SCSI(id, lun, bus, gone)                                                                             \
	{                                                                                                    \
		"\"driver\":\"scsi\",\"source\":\"" id ":" lun "\",\"fstype\":\"erofs\",\"options\":[\"ro\"]",  \
			"\"driver\":\"scsi-hd\",\"bus\":\"" bus ".0\",\"channel\":0,\"scsi-id\":" id ",\"lun\":" lun, \
			gone, "device " id ":" lun " (SCSI disk): not there after"                           \
	}

#define SCSI_DIR(sys, id, lun) "d=$(echo " sys "/class/scsi_device/*:0:" id ":" lun "); "

static const struct disk one_bridge = BLK(ONE_BRIDGE, "outer", "3");
static const struct disk two_bridges = BLK(TWO_BRIDGES, "inner", "4");
static const struct disk scsi_told = SCSI("3", "1", "telling", SCSI_DIR("/sys", "3", "1") "test ! -e $d");
static const struct disk scsi_asked =
	SCSI("4", "2", "silent", "mkdir /mnt && mount -t sysfs none /mnt && " SCSI_DIR("/mnt", "4", "2")
			 "{ test ! -e $d || echo 1 >$d/device/delete; } && test ! -e $d");

static void plug(const struct disk *d)
{
	qmp("blockdev-add",
	    "{\"driver\":\"raw\",\"node-name\":\"plugged\",\"read-only\":true,"
	    "\"file\":{\"driver\":\"file\",\"filename\":\"%s\",\"locking\":\"off\"}}",
	    image_file);
	qmp("device_add", "{%s,\"id\":\"hot\",\"drive\":\"plugged\"}", d->device);
}

/* The host's word and the guest's consent; QEMU lets the file go a while after. */
static void unplug(const struct disk *d)
{
	struct rig *r = cases_rig;

	qmp("device_del", "{\"id\":\"hot\"}");
	assert_comes_true(r, d->gone);
	for (uint64_t end = clock_after(LIMIT_MS); clock_ms() < end; loop_once(r->loop, 10))
		if (vm_qmp(r->vm, "blockdev-del", "{\"node-name\":\"plugged\"}", NULL, 0, &r->err) == 0)
			return;
	fail_msg("%s", r->err.msg);
}

static const char *storage_text(const char *storage)
{
	static char text[256];

	snprintf(text, sizeof(text), ",{%s,\"mount_point\":\"" MOUNT_POINT "\"}", storage);
	return text;
}

/* A container that reads what is on it. */
static struct rig_container reader(const char *storage)
{
	return (struct rig_container){
		.args = "[\"grep\",\"-q\",\"program\",\"/mnt/bin/plain\"]",
		.storages = storage_text(storage),
		.mounts = ",{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"" MOUNT_POINT "\",\"options\":[\"rbind\"]}",
	};
}

static void reads_it(const char *id)
{
	struct rig *r = cases_rig;

	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
	assert_int_equal(rig_guest(r, "grep storage/plug /guest/1/mountinfo"), 1);
}

static void is_there(const char *storage)
{
	struct rig *r = cases_rig;
	struct rig_container what = reader(storage);
	const char *id = rig_id(r);

	assert_done(r, rig_create(r, id, &what));
	reads_it(id);
}

static struct rig_pending pending;

/* The call is sent and waits. */
static const char *asks(const char *storage)
{
	struct rig *r = cases_rig;
	struct rig_container what = reader(storage);
	const char *id = rig_id(r);

	rig_send_create(r, r->client, RIG_CALL_MS, &pending, id, &what);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(pending.done);
	return id;
}

static void is_done(struct rig_pending *p)
{
	struct rig *r = cases_rig;

	rig_await(r, p);
	r->err = p->err;
	assert_done(r, p->err.rc);
}

static void gets_it(const char *id)
{
	is_done(&pending);
	reads_it(id);
}

static void never_comes(const char *storage, const char *told)
{
	struct rig *r = cases_rig;
	struct rig_container what = reader(storage);

	assert_create_is_late(r, NULL, &what, 1500, told);
	assert_int_equal(rig_guest(r, "grep storage/plug /guest/1/mountinfo"), 1);
}

static void disk_before(void **state)
{
	const struct disk *d = *state;

	if (d == &two_bridges && !rig_has_acpi()) {
		skip();
		return;
	}
	for (int i = 0; i < 2; i++) { /* pulled, and plugged once more */
		plug(d);
		is_there(d->storage);
		unplug(d);
	}
}

static void disk_while_it_is_waited_for(void **state)
{
	const struct disk *d = *state;
	const char *id;

	if (d == &two_bridges && !rig_has_acpi()) {
		skip();
		return;
	}
	id = asks(d->storage);
	plug(d);
	gets_it(id);
	unplug(d);
}

static void disk_never(void **state)
{
	const struct disk *d = *state;

	if (d == &two_bridges && !rig_has_acpi()) {
		skip();
		return;
	}
	never_comes(d->storage, d->told);
}

/* --- persistent memory ----------------------------------------------------------------------- */

#define PMEM(n) "\"driver\":\"nvdimm\",\"source\":\"/dev/pmem" #n "\",\"fstype\":\"ext4\",\"options\":[\"ro\"]"

static void plug_pmem(int i)
{
	qmp("object-add",
	    "{\"qom-type\":\"memory-backend-file\",\"id\":\"pmem%d\",\"share\":true,\"mem-path\":\"%s\",\"size\":16777216}",
	    i, pmem_file[i]);
	qmp("device_add", "{\"driver\":\"nvdimm\",\"id\":\"nvdimm%d\",\"memdev\":\"pmem%d\",\"unarmed\":false}", i, i);
}

/* QEMU takes none away: the first is there before it is asked for, the second one comes, and no third. */
static void persistent_memory(void **state)
{
	const char *id;

	(void)state;
	if (!rig_has_acpi()) {
		skip();
		return;
	}
	plug_pmem(0);
	is_there(PMEM(0));
	id = asks(PMEM(1));
	plug_pmem(1);
	gets_it(id);
	never_comes(PMEM(2), "device /dev/pmem2 (nvdimm): not there after");
}

/* --- network cards --------------------------------------------------------------------------- */

/* What each shall be called is what the other one is by the order in which they come. */
static const struct card {
	const char *slot, *mac, *name, *address;
} cards[] = {
	{ "5", "02:00:00:00:00:1a", "eth1", "10.3.0.1" },
	{ "6", "02:00:00:00:00:1b", "eth0", "10.4.0.1" },
};

static void plug_card(size_t i)
{
	qmp("netdev_add", "{\"type\":\"hubport\",\"hubid\":%zu,\"id\":\"hub%zu\"}", i, i);
	qmp("device_add",
	    "{\"driver\":\"virtio-net-pci\",\"id\":\"card%zu\",\"netdev\":\"hub%zu\",\"bus\":\"outer\",\"addr\":\"%s\",\"mac\":\"%s\"}",
	    i, i, cards[i].slot, cards[i].mac);
}

static void unplug_cards(void)
{
	for (size_t i = 0; i < COUNT_OF(cards); i++) {
		char script[128];

		qmp("device_del", "{\"id\":\"card%zu\"}", i);
		snprintf(script, sizeof(script), "! grep -q %s /sys/class/net/*/address", cards[i].mac);
		assert_comes_true(cases_rig, script);
		qmp("netdev_del", "{\"id\":\"hub%zu\"}", i);
	}
}

static void send_card(size_t i, const char *name, struct rig_pending *p)
{
	struct rig *r = cases_rig;

	rig_send(r, r->client, RIG_CALL_MS, p, "UpdateInterface",
		 "{\"interface\":{\"hwAddr\":\"%s\",\"devicePath\":\"05/0%s\",\"name\":\"%s\","
		 "\"IPAddresses\":[{\"address\":\"%s\",\"mask\":\"16\"}]}}",
		 cards[i].mac, cards[i].slot, name, cards[i].address);
}

static void cards_are_set(void)
{
	struct rig *r = cases_rig;

	for (size_t i = 0; i < COUNT_OF(cards); i++) {
		char want[64];

		snprintf(want, sizeof(want), "ip addr show %s", cards[i].name);
		assert_int_equal(rig_guest(r, want), 0);
		assert_output(r, cards[i].mac);
		assert_output(r, cards[i].address);
		assert_output(r, "LOWER_UP");
	}
}

#define ROUNDS	64	/* even: the names are as before */

/* Both at once, so that one is looked for while the other call takes its name away. */
static void swap_again_and_again(struct rig_pending p[2])
{
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < 2; i++)
			send_card(i, cards[(i + round + 1) % 2].name, &p[i]);
		for (size_t i = 0; i < 2; i++)
			is_done(&p[i]);
	}
}

/* Both are there and have each other's names. */
static void two_cards_with_swapped_names(void **state)
{
	static struct rig_pending p[2];
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char script[64];

		plug_card(i);
		snprintf(script, sizeof(script), "grep -q %s /sys/class/net/eth%zu/address", cards[i].mac, i);
		assert_comes_true(cases_rig, script);
	}
	for (size_t i = 0; i < 2; i++) {
		send_card(i, cards[i].name, &p[i]);
		is_done(&p[i]);
	}
	cards_are_set();
	swap_again_and_again(p);
	cards_are_set();
	unplug_cards();

	/* both calls wait when they come */
	for (size_t i = 0; i < 2; i++)
		send_card(i, cards[i].name, &p[i]);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(p[0].done || p[1].done);
	for (size_t i = 0; i < 2; i++)
		plug_card(i);
	for (size_t i = 0; i < 2; i++)
		is_done(&p[i]);
	cards_are_set();
	unplug_cards();
}

#define CASE(fn, disk_) { #fn " " #disk_, fn, NULL, NULL, (void *)(uintptr_t)&disk_ }

/* SCSI without a word of the adapter's: the agent has it asked when the call comes, once. */
const struct CMUnitTest cases_plug[] = {
	CASE(disk_before, one_bridge),
	CASE(disk_while_it_is_waited_for, one_bridge),
	CASE(disk_never, one_bridge),
	CASE(disk_before, two_bridges),
	CASE(disk_while_it_is_waited_for, two_bridges),
	CASE(disk_never, two_bridges),
	CASE(disk_before, scsi_told),
	CASE(disk_while_it_is_waited_for, scsi_told),
	CASE(disk_never, scsi_told),
	CASE(disk_before, scsi_asked),
	CASE(disk_never, scsi_asked),
	cmocka_unit_test(persistent_memory),
	cmocka_unit_test(two_cards_with_swapped_names),
	{ 0 },
};
