/* SPDX-License-Identifier: Apache-2.0 */
/* dm-verity: what a device says of itself, and the device mapper's calls (check-code: job). */
#include "kernel/verity.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"

#define CONTROL	    "/dev/mapper/control"
#define SECTOR	    512u
#define BLOCK_MIN   512u
#define BLOCK_MAX   65536u
#define SALT_MAX    256u
#define TABLE_BYTES 2048u

/* --- what is said ----------------------------------------------------------------------------- */

static uint64_t little(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* The rest of the superblock: version 1, cryptsetup's. */
enum { SB_VERSION = 8, SB_HASH_TYPE = 12, SB_ALGORITHM = 32, SB_DATA_BLOCK = 64, SB_HASH_BLOCK = 68,
       SB_DATA_BLOCKS = 72, SB_SALT_SIZE = 80, SB_SALT = 88 };

static int take(uint64_t *value, uint64_t is, const char *what, struct err *e)
{
	if (*value && *value != is)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "verity: %s %llu, the superblock has %llu", what,
			       (unsigned long long)*value, (unsigned long long)is);
	*value = is;
	return 0;
}

static int take_u32(uint32_t *value, uint64_t is, const char *what, struct err *e)
{
	uint64_t v = *value;

	if (take(&v, is, what, e) < 0)
		return -1;
	*value = (uint32_t)v;
	return 0;
}

static int take_text(char *value, size_t cap, const char *is, const char *what, struct err *e)
{
	struct str s;

	if (*value && !str_eq(value, is))
		return err_set(e, RC_INVALID_ARGUMENT, "verity: %s is not the superblock's", what);
	str_init(&s, value, cap);
	str_add(&s, is);
	return 0;
}

int verity_read_superblock(struct verity *v, const uint8_t sb[VERITY_SUPERBLOCK], struct err *e)
{
	char algorithm[33] = { 0 }, salt[2 * SALT_MAX + 1];
	uint64_t n = little(sb + SB_SALT_SIZE, 2), type = little(sb + SB_HASH_TYPE, 4);
	struct str s = STR_OVER(salt);

	if (memcmp(sb, "verity\0\0", 8) != 0 || little(sb + SB_VERSION, 4) != 1)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "verity: no superblock of version 1 at offset %llu",
			       (unsigned long long)v->hash_offset);
	if (n > SALT_MAX || type > 1)
		return err_set(e, RC_FAILED_PRECONDITION, "verity: a superblock of no sense");
	if (v->set_hash_type && v->hash_type != type)
		return err_set(e, RC_INVALID_ARGUMENT, "verity: hashtype %u, the superblock has %u",
			       v->hash_type, (unsigned int)type);
	v->hash_type = (uint32_t)type;
	v->set_hash_type = true;
	memcpy(algorithm, sb + SB_ALGORITHM, 32);
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%02x", sb[SB_SALT + i]);
	if (take_text(v->algorithm, sizeof(v->algorithm), algorithm, "algorithm", e) < 0 ||
	    take_text(v->salt, sizeof(v->salt), n ? salt : "-", "salt", e) < 0 ||
	    take_u32(&v->data_block, little(sb + SB_DATA_BLOCK, 4), "blocksize", e) < 0 ||
	    take_u32(&v->hash_block, little(sb + SB_HASH_BLOCK, 4), "hashsize", e) < 0)
		return -1;
	return take(&v->data_blocks, little(sb + SB_DATA_BLOCKS, 8), "data blocks", e);
}

static bool is_block(uint32_t n)
{
	return n >= BLOCK_MIN && n <= BLOCK_MAX && (n & (n - 1)) == 0;
}

static bool is_hex(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return n && n % 2 == 0 && !s[n];
}

static void fill(char *text, size_t cap, const char *usual)
{
	struct str s;

	if (*text)
		return;
	str_init(&s, text, cap);
	str_add(&s, usual);
}

int verity_complete(struct verity *v, struct err *e)
{
	const char *word = "abcdefghijklmnopqrstuvwxyz0123456789-_";

	fill(v->algorithm, sizeof(v->algorithm), "sha256");
	fill(v->salt, sizeof(v->salt), "-");
	v->data_block = v->data_block ? v->data_block : 4096;
	v->hash_block = v->hash_block ? v->hash_block : 4096;
	v->hash_type = v->set_hash_type ? v->hash_type : 1;
	if (!is_hex(v->root_hash))
		return err_set(e, RC_INVALID_ARGUMENT, "verity: roothash is not hexadecimal");
	if (!str_eq(v->salt, "-") && !is_hex(v->salt))
		return err_set(e, RC_INVALID_ARGUMENT, "verity: salt is not hexadecimal");
	if (v->algorithm[strspn(v->algorithm, word)])
		return err_set(e, RC_INVALID_ARGUMENT, "verity: algorithm is no name");
	if (!is_block(v->data_block) || !is_block(v->hash_block) || v->hash_type > 1)
		return err_set(e, RC_INVALID_ARGUMENT, "verity: block size or hash type");
	if (v->hash_offset % v->hash_block)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "verity: hashoffset %llu is no multiple of %u",
			       (unsigned long long)v->hash_offset, v->hash_block);
	if (!v->data_blocks)
		v->data_blocks = v->hash_offset / v->data_block;
	/* the data lie before their hashes, so the product is small, too */
	if (!v->data_blocks || v->data_blocks > v->hash_offset / v->data_block)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "verity: %llu data blocks before hashoffset %llu",
			       (unsigned long long)v->data_blocks,
			       (unsigned long long)v->hash_offset);
	return 0;
}

void verity_table(const struct verity *v, uint32_t major, uint32_t minor, struct str *out)
{
	uint64_t start = v->hash_offset / v->hash_block + !v->no_superblock;

	str_addf(out, "%u %u:%u %u:%u %u %u %llu %llu %s %s %s", v->hash_type, major, minor, major,
		 minor, v->data_block, v->hash_block, (unsigned long long)v->data_blocks,
		 (unsigned long long)start, v->algorithm, v->root_hash, v->salt);
}

/* --- the device mapper ------------------------------------------------------------------------ */

struct request {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char table[TABLE_BYTES];
};

static void request_init(struct request *r, const char *name, uint32_t flags)
{
	struct str s;

	memset(r, 0, sizeof(*r));
	r->head.version[0] = DM_VERSION_MAJOR;
	r->head.data_size = sizeof(*r);
	r->head.data_start = offsetof(struct request, target);
	r->head.flags = flags;
	str_init(&s, r->head.name, sizeof(r->head.name));
	str_add(&s, name);
}

static int call(int control, unsigned long what, struct request *r)
{
	return ioctl(control, what, r) < 0 ? -errno : 0;
}

static int open_control(struct err *e)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "verity: the guest's kernel has no device mapper");
	return err_sys(e, errno, "open %s", CONTROL);
}

static int load_table(int control, const char *name, const struct verity *v, dev_t dev,
		      struct err *e)
{
	struct request r;
	struct str table;
	int error;

	request_init(&r, name, DM_READONLY_FLAG);
	r.head.target_count = 1;
	r.target.length = v->data_blocks * (v->data_block / SECTOR);
	memcpy(r.target.target_type, "verity", sizeof("verity"));
	str_init(&table, r.table, sizeof(r.table));
	verity_table(v, major(dev), minor(dev), &table);
	error = str_ok(&table) ? call(control, DM_TABLE_LOAD, &r) : -E2BIG;
	return error < 0 ? err_sys(e, -error, "verity: load %s", name) : 0;
}

/* Its node is devtmpfs's. */
static int activate(int control, const char *name, const struct verity *v, dev_t dev, char out[32],
		    struct err *e)
{
	struct request r;
	struct str node;
	int error;

	request_init(&r, name, DM_READONLY_FLAG);
	error = call(control, DM_DEV_CREATE, &r);
	if (error < 0)
		return err_sys(e, error == -EBUSY ? EEXIST : -error, "verity: make %s", name);
	if (load_table(control, name, v, dev, e) == 0) {
		request_init(&r, name, 0); /* without the flag: resume */
		error = call(control, DM_DEV_SUSPEND, &r);
		str_init(&node, out, 32);
		str_addf(&node, "/dev/dm-%u", minor(r.head.dev));
		if (error == 0)
			return 0;
		err_sys(e, -error, "verity: start %s", name);
	}
	request_init(&r, name, 0);
	call(control, DM_DEV_REMOVE, &r);
	return -1;
}

static int read_superblock(struct verity *v, int fd, struct err *e)
{
	uint8_t sb[VERITY_SUPERBLOCK];

	if (v->no_superblock)
		return 0;
	if (v->hash_offset > INT64_MAX ||
	    pread(fd, sb, sizeof(sb), (off_t)v->hash_offset) != (ssize_t)sizeof(sb))
		return err_set(e, RC_FAILED_PRECONDITION, "verity: nothing at offset %llu",
			       (unsigned long long)v->hash_offset);
	return verity_read_superblock(v, sb, e);
}

int verity_open(const char *name, struct verity *v, const char *node, char out[32], struct err *e)
{
	AUTO_FD fd = open(node, O_RDONLY | O_CLOEXEC);
	AUTO_FD control = -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open %s", node);
	if (!S_ISBLK(st.st_mode))
		return err_set(e, RC_INVALID_ARGUMENT, "%s: no disk", node);
	if (read_superblock(v, fd, e) < 0 || verity_complete(v, e) < 0)
		return err_ctx(e, "%s", node);
	control = open_control(e);
	return control < 0 ? -1 : activate(control, name, v, st.st_rdev, out, e);
}

int verity_close(const char *name, struct err *e)
{
	AUTO_FD control = open(CONTROL, O_RDWR | O_CLOEXEC);
	struct request r;
	int error;

	if (control < 0)
		return 0; /* then there is none */
	request_init(&r, name, DM_DEFERRED_REMOVE);
	error = call(control, DM_DEV_REMOVE, &r);
	return error < 0 && error != -ENXIO ? err_sys(e, -error, "verity: remove %s", name) : 0;
}
