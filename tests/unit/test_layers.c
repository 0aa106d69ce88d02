/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of a root file system: what their options say, the plan of a whole group, and what dm-verity
 * makes of a superblock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "storage/layers.h"

#define ROOT   "/run/kata-containers/c1/rootfs"
#define GOLDEN "tests/golden/storage/layers.txt"
#define HASH   "aabbccdd"

static struct arena arena;
static struct storage_req reqs[4];
static char *options[4][16];
static size_t n_reqs;
static struct storage_layer layers[LAYERS_MAX];

static int setup(void **state UNUSED)
{
	arena_init(&arena, 4 << 20);
	n_reqs = 0;
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	return 0;
}

/* Options with "|" between them. */
static void layer(const char *driver, const char *source, const char *fstype, const char *opts)
{
	struct storage_req *r = &reqs[n_reqs];
	char *text = arena_strdup(&arena, opts), *word;

	*r = (struct storage_req){ .driver = driver, .source = source, .fstype = fstype, .mount_point = ROOT "/" };
	r->options = options[n_reqs++];
	while (text && (word = strsep(&text, "|")))
		r->options[r->n_options++] = word;
}

static int read_all(struct err *e)
{
	return layers_read(reqs, n_reqs, ROOT, &arena, layers, e);
}

#define MULTI "X-kata.multi-layer=true"
#define CHECK "|X-kata.dmverity-enabled=true|X-kata.dmverity.roothash=" HASH "|X-kata.dmverity.hashoffset=8192"

static void whole_group(void **state UNUSED)
{
	struct device_found nodes[3] = { { .node = "/dev/vda" }, { .node = "/dev/sdb" }, { .node = "/dev/vdc" } };
	struct storage_plan sp;
	struct err e = { 0 };
	char want[4096] = "";
	const char *is;

	layer("blk", "02", "erofs", MULTI "|X-kata.gpt-partitioned=true|X-kata.partition-number=3" CHECK);
	layer("scsi", "0:1", "ext4", "X-kata.overlay-upper|" MULTI "|noatime|loop|X-kata.mkdir.path={{ mount 0 }}/upper//etc:0755");
	layer("erofs.multi-layer", "/dev/vdc", "erofs", "X-kata.overlay-lower|ro");
	assert_int_equal(read_all(&e), 3);
	assert_true(layers[0].checked && layers[0].partition == 3 && layers[0].role == LAYER_LOWER);
	assert_string_equal(layers[0].verity.root_hash, HASH);
	assert_int_equal(layers[0].verity.hash_offset, 8192);
	assert_int_equal(layers[1].role, LAYER_UPPER);
	if (layers_plan(layers, 3, nodes, "c1", ROOT, &arena, &sp, &e) < 0)
		fail_msg("%s", e.msg);
	is = plan_print(&sp.plan, &arena);
	if (getenv("GOLDEN"))
		assert_int_equal(io_create_file(AT_FDCWD, GOLDEN, is, strlen(is), 0644), 0);
	assert_true(io_read_file(AT_FDCWD, GOLDEN, want, sizeof(want)) > 0);
	assert_string_equal(is, want);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(sp.plan.ops[layers[i].op].source, nodes[i].node);
}

static void refused(void **state UNUSED)
{
	static const struct {
		const char *fstype, *opts, *why;
		enum rc rc;
	} rows[] = {
		{ "erofs", MULTI "|X-kata.overlay-upper|X-kata.overlay-lower", "both upper and lower", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.overlay-upper", "the upper layer is ext4", RC_INVALID_ARGUMENT },
		{ "ext4", MULTI "|X-kata.overlay-lower", "a lower layer is erofs", RC_INVALID_ARGUMENT },
		{ "ext4", MULTI, "no lower layer", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.partition-number=1", "go together", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.gpt-partitioned=true", "go together", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.gpt-partitioned=true|X-kata.partition-number=129", "is no number", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.dmverity.roothash=" HASH, "without dmverity-enabled", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.dmverity-enabled=true", "roothash or hashoffset missing", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.dmverity.hashoffset=-1", "hashoffset: \"-1\" is no number", RC_INVALID_ARGUMENT },
		{ "erofs", MULTI "|X-kata.dmverity.fec=1", "option dmverity.fec: not supported", RC_UNIMPLEMENTED },
		{ "erofs", MULTI "|X-kata.new=1", "option X-kata.new: not supported", RC_UNIMPLEMENTED },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = { 0 };

		n_reqs = 0;
		layer("blk", "02", rows[i].fstype, rows[i].opts);
		assert_int_equal(read_all(&e), -1);
		if (e.rc != rows[i].rc || !strstr(e.msg, rows[i].why))
			fail_msg("not \"%s\" but %s", rows[i].why, e.msg);
	}
	{
		struct err e = { 0 };

		n_reqs = 0;
		layer("blk", "02", "ext4", MULTI);
		layer("blk", "03", "ext4", MULTI);
		assert_int_equal(read_all(&e), -1);
		assert_non_null(strstr(e.msg, "2 upper layers"));
	}
}

static void paths_that_escape(void **state UNUSED)
{
	static const char *const paths[] = { "/etc", "{{ mount 0 }}/../x", "{{ mount 0 }}x", "{{ mount 2 }}/x", "",
					     "{{ mount 1 }}/a/../../b", "x{{ mount 0 }}/a" };
	struct device_found nodes[2] = { { .node = "/dev/vda" }, { .node = "/dev/vdb" } };

	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct storage_plan sp;
		struct err e = { 0 };

		n_reqs = 0;
		layer("blk", "02", "erofs", MULTI);
		layer("blk", "03", "ext4", arena_printf(&arena, MULTI "|X-kata.mkdir.path=%s", paths[i]));
		assert_int_equal(read_all(&e), 2);
		if (layers_plan(layers, 2, nodes, "c1", ROOT, &arena, &sp, &e) == 0)
			fail_msg("%s was taken", paths[i]);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

static void drivers_without_a_disk(void **state UNUSED)
{
	struct device_need need;
	struct err e = { 0 };

	layer("virtio-fs", "tag", "erofs", MULTI);
	assert_int_equal(read_all(&e), 1);
	assert_int_equal(layers_need(&layers[0], &need, &e), -1);
	assert_non_null(strstr(e.msg, "no disk"));
}

/* --- verity ----------------------------------------------------------------------------------- */

static void put(uint8_t *p, size_t n, uint64_t v)
{
	for (; n-- > 0; v >>= 8)
		*p++ = (uint8_t)v;
}

static void superblock(uint8_t sb[VERITY_SUPERBLOCK])
{
	memset(sb, 0, VERITY_SUPERBLOCK);
	memcpy(sb, "verity", 6);
	put(sb + 8, 4, 1);
	put(sb + 12, 4, 1);
	memcpy(sb + 32, "sha256", 6);
	put(sb + 64, 4, 4096);
	put(sb + 68, 4, 4096);
	put(sb + 72, 8, 2);
	put(sb + 80, 2, 2);
	sb[88] = 0x0a;
	sb[89] = 0xff;
}

static struct verity said(void)
{
	struct verity v = { .hash_offset = 8192 };

	memcpy(v.root_hash, HASH, sizeof(HASH));
	return v;
}

static void superblock_is_read(void **state UNUSED)
{
	struct verity v = said();
	uint8_t sb[VERITY_SUPERBLOCK];
	struct err e = { 0 };
	char text[256];
	struct str s = STR_OVER(text);

	superblock(sb);
	assert_int_equal(verity_read_superblock(&v, sb, &e), 0);
	assert_int_equal(verity_complete(&v, &e), 0);
	verity_table(&v, 254, 1, &s);
	assert_string_equal(text, "1 254:1 254:1 4096 4096 2 3 sha256 " HASH " 0aff");
}

static void without_a_superblock(void **state UNUSED)
{
	struct verity v = said();
	struct err e = { 0 };
	char text[256];
	struct str s = STR_OVER(text);

	v.no_superblock = true;
	assert_int_equal(verity_complete(&v, &e), 0);
	verity_table(&v, 254, 1, &s);
	assert_string_equal(text, "1 254:1 254:1 4096 4096 2 2 sha256 " HASH " -");
}

static void verity_refuses(void **state UNUSED)
{
	static const struct {
		size_t at;
		uint8_t byte;
		enum rc rc;
	} rows[] = {
		{ 0, 'x', RC_FAILED_PRECONDITION }, { 8, 2, RC_FAILED_PRECONDITION },  { 12, 2, RC_FAILED_PRECONDITION },
		{ 81, 2, RC_FAILED_PRECONDITION },  { 64, 1, RC_INVALID_ARGUMENT },    { 70, 2, RC_INVALID_ARGUMENT },
		{ 72, 3, RC_INVALID_ARGUMENT },	    { 79, 0x80, RC_INVALID_ARGUMENT }, { 33, ' ', RC_INVALID_ARGUMENT },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct verity v = said();
		uint8_t sb[VERITY_SUPERBLOCK];
		struct err e = { 0 };

		superblock(sb);
		sb[rows[i].at] = rows[i].byte;
		if (verity_read_superblock(&v, sb, &e) == 0 && verity_complete(&v, &e) == 0)
			fail_msg("byte %zu was taken", rows[i].at);
		assert_int_equal(e.rc, rows[i].rc);
	}
	{
		struct verity v = said();
		uint8_t sb[VERITY_SUPERBLOCK];
		struct err e = { 0 };

		superblock(sb);
		memcpy(v.salt, "0b", 3);
		assert_int_equal(verity_read_superblock(&v, sb, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		memset(&e, 0, sizeof(e));
		v = said();
		memcpy(v.root_hash, "0g", 3);
		assert_int_equal(verity_complete(&v, &e), -1);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(whole_group),	   TEST(refused),	       TEST(paths_that_escape), TEST(drivers_without_a_disk),
		TEST(superblock_is_read), TEST(without_a_superblock), TEST(verity_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
