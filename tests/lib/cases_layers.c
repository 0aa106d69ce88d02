/* SPDX-License-Identifier: Apache-2.0 */
/* A root file system of layers: partitions of one disk, checked by dm-verity, with a disk for what is
 * written above them. VM only; see layers_of(). */
#include "lib/cases.h"

#define LAYERS	"1b"
#define FLIPPED "1c"
#define UPPER	"1d"

static char layers_drive[192], flipped_drive[192], upper_drive[192];
static char hash[2][130], offset[2][24];

static const char *const disks[] = {
	"-drive", layers_drive, "-device", "virtio-blk-pci,drive=layers,bus=pcie.0,addr=0x" LAYERS,
	"-drive", flipped_drive, "-device", "virtio-blk-pci,drive=flipped,bus=pcie.0,addr=0x" FLIPPED,
	"-drive", upper_drive, "-device", "virtio-blk-pci,drive=upper,bus=pcie.0,addr=0x" UPPER,
	NULL,
};

static int read_text(const struct rig *r, const char *name, char *out, size_t cap)
{
	char path[128];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	n = fread(out, 1, cap - 1, f);
	out[n] = '\0';
	fclose(f);
	return n ? 0 : -1;
}

static void drive(char *out, size_t cap, const struct rig *r, const char *name, const char *more)
{
	snprintf(out, cap, "if=none,id=%s,format=raw,file=%s/%s,file.locking=off%s", name, r->dir, name, more);
}

static int make_files(struct rig *r)
{
	char *argv[] = { (char *)"tests/lib/make-layers", r->dir, NULL };

	drive(layers_drive, sizeof(layers_drive), r, "layers", ",readonly=on");
	drive(flipped_drive, sizeof(flipped_drive), r, "flipped", ",readonly=on");
	drive(upper_drive, sizeof(upper_drive), r, "upper", "");
	if (rig_program(r, argv) != 0)
		return -1;
	return read_text(r, "hash1", hash[0], sizeof(hash[0])) < 0 ||
			       read_text(r, "hash2", hash[1], sizeof(hash[1])) < 0 ||
			       read_text(r, "offset1", offset[0], sizeof(offset[0])) < 0 ||
			       read_text(r, "offset2", offset[1], sizeof(offset[1])) < 0 ?
		       -1 :
		       0;
}

void layers_of(struct rig *r)
{
	r->prepare = make_files;
	r->vm_opts.extra = disks;
}

#define LAYER                                                                                        \
	"{\"driver\":\"blk\",\"source\":\"%s\",\"fstype\":\"erofs\",\"mount_point\":\"%s\",\"options\":[\"ro\","  \
	"\"X-kata.overlay-lower\",\"X-kata.multi-layer=true\",\"X-kata.gpt-partitioned=true\"," \
	"\"X-kata.partition-number=%d\",\"X-kata.dmverity-enabled=true\",\"X-kata.dmverity.roothash=%s\"," \
	"\"X-kata.dmverity.hashoffset=%s\",\"X-kata.dmverity.salt=0a1b2c\"]}"

/* CreateContainer on two layers, from that disk and with that hash of the first; upper: the disk above
 * them. */
static int create(struct rig *r, const char *id, const char *disk, const char *first_hash, bool upper,
		  const char *script)
{
	char at[96], storages[4096], above[512] = "";

	snprintf(at, sizeof(at), "/run/kata-containers/%s/rootfs", id);
	if (upper)
		snprintf(above, sizeof(above),
			 ",{\"driver\":\"blk\",\"source\":\"" UPPER "\",\"fstype\":\"ext4\",\"mount_point\":\"%s\","
			 "\"options\":[\"X-kata.overlay-upper\",\"X-kata.multi-layer=true\",\"X-kata.mkdir.path={{ mount 0 }}/upper/made:0755\"]}",
			 at);
	snprintf(storages, sizeof(storages), LAYER "," LAYER "%s", disk, at, 1, first_hash, offset[0], disk, at, 2,
		 hash[1], offset[1], above);
	return rig_call(r, "CreateContainer",
			"{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"storages\":[%s],\"OCI\":{\"Version\":\"1.0.2\","
			"\"Root\":{\"Path\":\"%s\"},\"Process\":{\"Args\":[\"/bin/sh\",\"-c\",\"%s\"],\"Cwd\":\"/\",\"Env\":[\"PATH=/bin\"],\"User\":{},"
			"\"Capabilities\":{}},"
			"\"Mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}],"
			"\"Linux\":{\"Namespaces\":[{\"Type\":\"mount\"},{\"Type\":\"pid\"}],\"Resources\":{}}}}",
			id, id, storages, at, script);
}

static char said[256];

static int run_to_end(struct rig *r, const char *id)
{
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, "") >= 0);
	snprintf(said, sizeof(said), "%.255s", r->reply);
	return rig_wait(r, id, "");
}

static void nothing_is_left(struct rig *r)
{
	assert_int_equal(rig_guest(r, "grep multi-layer /guest/1/mountinfo; ls -d /sys/block/dm-*; "
				      "ls -d /guest/1/root/run/kata-containers/layers-*; echo end"),
			 0);
	assert_string_equal(r->reply, "end\n");
}

/* What the first layer has comes before the second's; what is written is the container's own. */
static void one_above_the_other(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, create(r, "layers-1", LAYERS, hash[0], false,
			      "cat /which /data/block && test -x /bin/sh && echo new >/bin/new && cat /bin/new"));
	assert_int_equal(run_to_end(r, "layers-1"), 0);
	assert_string_equal(said, "from the first\na block that is checkednew\n");
	assert_int_equal(rig_guest(r, "cat /sys/block/dm-*/dm/name | cut -c 1-12; cat /sys/block/dm-*/ro"), 0);
	assert_string_equal(r->reply, "kata-verity-\nkata-verity-\n1\n1\n");
	assert_done(r, rig_remove(r, "layers-1"));
	nothing_is_left(r);
}

/* The same twice: the disk above keeps what was written. */
static void a_disk_above(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, create(r, "layers-2", LAYERS, hash[0], true, "echo kept >/note; ls -d /made"));
	assert_int_equal(run_to_end(r, "layers-2"), 0);
	assert_string_equal(said, "/made\n");
	assert_done(r, rig_remove(r, "layers-2"));
	assert_done(r, create(r, "layers-3", LAYERS, hash[0], true, "cat /note"));
	assert_int_equal(run_to_end(r, "layers-3"), 0);
	assert_string_equal(said, "kept\n");
	assert_done(r, rig_remove(r, "layers-3"));
	nothing_is_left(r);
}

static void two_containers_of_one_disk(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, create(r, "layers-4", LAYERS, hash[0], false, "cat /which"));
	assert_done(r, create(r, "layers-5", LAYERS, hash[0], false, "cat /which"));
	assert_done(r, rig_remove(r, "layers-4"));
	assert_int_equal(run_to_end(r, "layers-5"), 0);
	assert_string_equal(said, "from the first\n");
	assert_done(r, rig_remove(r, "layers-5"));
	nothing_is_left(r);
}

/* One bit on the disk is another one: that block cannot be read, others can. */
static void flipped_bit(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, create(r, "layers-6", FLIPPED, hash[0], false,
			      "cat /which; cat /data/block 2>&1 || echo refused"));
	assert_int_equal(run_to_end(r, "layers-6"), 0);
	assert_non_null(strstr(said, "from the first\n"));
	assert_non_null(strstr(said, "refused\n"));
	assert_null(strstr(said, "chEcked"));
	assert_done(r, rig_remove(r, "layers-6"));
	nothing_is_left(r);
}

/* Another root hash is another layer; what fails leaves nothing. */
static void other_hash(void **state)
{
	struct rig *r = cases_rig;
	char other[130];

	(void)state;
	snprintf(other, sizeof(other), "%s", hash[0]);
	other[0] = other[0] == '0' ? '1' : '0';
	assert_int_not_equal(create(r, "layers-7", LAYERS, other, false, "cat /which"), 0);
	assert_non_null(strstr(r->err.msg, "layers-7/multi-layer/lower-0"));
	nothing_is_left(r);
	assert_rc(r, create(r, "layers-7", LAYERS, "xyz", false, "cat /which"), RC_INVALID_ARGUMENT,
		  "roothash is not hexadecimal");
	nothing_is_left(r);
}

const struct CMUnitTest cases_layers[] = {
	cmocka_unit_test(one_above_the_other),
	cmocka_unit_test(a_disk_above),
	cmocka_unit_test(two_containers_of_one_disk),
	cmocka_unit_test(flipped_bit),
	cmocka_unit_test(other_hash),
	{ 0 },
};
