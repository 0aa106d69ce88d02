/* SPDX-License-Identifier: Apache-2.0 */
/* Layers for real: partitions, checked devices, and their end (check-code: job). */
#include <dirent.h>
#include <fcntl.h>
#include <time.h>

#include "base/io.h"
#include "base/num.h"
#include "storage/driver.h"
#include "storage/layers.h"

#define RUN_DIR	      "/run/kata-containers/"
#define PARTITION_MS  1000 /* that the kernel may take to read a table of partitions */
#define LOOK_AGAIN_MS 20

/* --- partitions ------------------------------------------------------------------------------- */

static bool has_number(int dirfd, const char *name, uint32_t number)
{
	char path[128], text[16];
	struct str p = STR_OVER(path);
	uint64_t n;

	str_addf(&p, "%s/partition", name);
	return str_ok(&p) && io_read_line(dirfd, path, text, sizeof(text)) > 0 &&
	       num_u64(text, UINT32_MAX, &n) == 0 && n == number;
}

/* The node of a disk's partition: the kernel has read the table, and sysfs tells the number. */
static int find_partition(const char *disk, uint32_t number, char *node, size_t cap)
{
	char path[64];
	struct str p = STR_OVER(path), out;
	struct dirent *d;
	bool found = false;
	DIR *dir;

	str_addf(&p, "/sys/class/block/%s", disk);
	dir = str_ok(&p) ? opendir(path) : NULL;
	if (!dir)
		return -ENOENT;
	while (!found && (d = readdir(dir))) {
		if (!str_starts(d->d_name, disk) || !has_number(dirfd(dir), d->d_name, number))
			continue;
		str_init(&out, node, cap);
		str_addf(&out, "/dev/%s", d->d_name);
		found = str_ok(&out) && access(node, F_OK) == 0;
	}
	closedir(dir);
	return found ? 0 : -ENOENT;
}

static int wait_partition(const struct storage_layer *l, char *node, size_t cap, struct err *e)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN_MS * 1000000L };
	const char *disk = strrchr(l->node, '/');

	for (int ms = 0; disk && ms <= PARTITION_MS; ms += LOOK_AGAIN_MS) {
		if (find_partition(disk + 1, l->partition, node, cap) == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return err_set(e, RC_DEADLINE_EXCEEDED, "%s: no partition %u after %d ms", l->node,
		       l->partition, PARTITION_MS);
}

/* --- checked devices -------------------------------------------------------------------------- */

/* By container and layer, so that two containers may have one disk. */
static int name_of(const char *base, size_t i, char name[VERITY_NAME_MAX + 1])
{
	const char *id = base + strlen(RUN_DIR);
	struct str s;

	str_init(&s, name, VERITY_NAME_MAX + 1);
	str_addf(&s, "kata-verity-%zu-%.*s", i, (int)MIN(strcspn(id, "/"), (size_t)100), id);
	return str_ok(&s) ? 0 : -1;
}

static int open_one(const struct storage_plan *sp, size_t i, char *node, size_t cap, struct err *e)
{
	struct storage_layer *l = &sp->layers[i];
	char name[VERITY_NAME_MAX + 1], checked[32];
	struct str s;

	str_init(&s, node, cap);
	str_add(&s, l->node);
	if (l->partitioned && wait_partition(l, node, cap, e) < 0)
		return -1;
	if (!l->checked)
		return 0;
	if (name_of(sp->layers_base, i, name) < 0 ||
	    verity_open(name, &l->verity, node, checked, e) < 0)
		return -1;
	str_reset(&s);
	str_add(&s, checked);
	return 0;
}

int layers_open(const struct storage_plan *sp, struct err *e)
{
	static char nodes[LAYERS_MAX][64];

	for (size_t i = 0; i < sp->n_layers; i++) {
		if (open_one(sp, i, nodes[i], sizeof(nodes[i]), e) < 0) {
			struct err ignored = { 0 };

			layers_close(sp->layers_base, &ignored);
			return err_ctx(e, "layer %zu", i);
		}
		sp->plan.ops[sp->layers[i].op].source = nodes[i];
	}
	return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static int unmount_one(const char *base, const char *name, struct err *e)
{
	char path[512];
	struct str p = STR_OVER(path);

	str_addf(&p, "%s/%s", base, name);
	return str_ok(&p) ? storage_unmount(path, e) : 0;
}

/* Whatever is there: what a request had mounted is not known any more. */
static int unmount_all(const char *base, struct err *e)
{
	DIR *dir = opendir(base);
	struct dirent *d;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", base);
	while (r == 0 && (d = readdir(dir)))
		if (str_eq(d->d_name, "upper") || str_starts(d->d_name, "lower-"))
			r = unmount_one(base, d->d_name, e);
	closedir(dir);
	return r;
}

int layers_close(const char *base, struct err *e)
{
	char name[VERITY_NAME_MAX + 1];
	int r = unmount_all(base, e);

	for (size_t i = 0; i < LAYERS_MAX; i++)
		if (name_of(base, i, name) == 0 && verity_close(name, e) < 0)
			r = -1;
	return r;
}
