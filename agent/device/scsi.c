/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCSI disks by "ID:LUN" in decimal, on channel 0 of whichever host has them (the lowest, should
 * several). The kernel does not look for them by itself on every host adapter: a write to the scan
 * file makes it ask the one address, which takes as long as the device takes to answer, so it
 * happens in a job.
 */
#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"
#include "device/rows.h"

#define ID_MAX	255
#define LUN_MAX	16383	/* virtio-scsi's */

struct address {
	uint64_t id, lun;
};

static int parse(const char *text, struct address *out)
{
	const char *colon = strchr(text, ':');
	char id[8] = { 0 };

	if (!colon || colon - text >= (ptrdiff_t)sizeof(id))
		return -EINVAL;
	memcpy(id, text, (size_t)(colon - text));
	if (num_u64(id, ID_MAX, &out->id) < 0 || num_u64(colon + 1, LUN_MAX, &out->lun) < 0)
		return -EINVAL;
	return 0;
}

static int check(const char *id, struct err *e)
{
	struct address a;

	if (parse(id, &a) == 0)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT,
		       "SCSI address \"%.64s\": not of the form ID:LUN (0-%d:0-%d)", id, ID_MAX,
		       LUN_MAX);
}

struct search {
	const struct device_tree *tree;
	char tail[32];			/* ":0:ID:LUN" */
	uint64_t host;			/* of what was found */
	bool found;
	char entry[DEVICE_PATH_MAX];	/* the sysfs path of the device looked at */
	struct device_found *out, candidate;
};

static int see_disk(void *arg, int dirfd, const char *name)
{
	struct search *s = arg;
	char path[DEVICE_PATH_MAX];
	struct str p = STR_OVER(path);
	AUTO_FD fd = device_open_dir(dirfd, name);

	str_addf(&p, "%s/block/%s", s->entry, name);
	if (fd < 0 || !str_ok(&p) || device_is_going(fd))
		return 0;
	return device_fill_block(s->tree, fd, name, path, &s->candidate);
}

static void entry_path(struct search *s, int dirfd, const char *name)
{
	char target[DEVICE_PATH_MAX];
	struct str p = STR_OVER(s->entry);
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);
	const char *rest = target;

	target[n > 0 ? n : 0] = '\0';
	while (str_starts(rest, "../"))
		rest += 3;
	if (n > 0)
		str_addf(&p, "/sys/%s", rest);
	else
		str_addf(&p, "/sys/bus/scsi/devices/%s", name);
}

static int see_device(void *arg, int dirfd, const char *name)
{
	struct search *s = arg;
	const char *colon = strchr(name, ':');
	char number[16] = { 0 };
	uint64_t host;
	AUTO_FD fd = -1;

	if (!colon || !str_eq(colon, s->tail) || colon - name >= (ptrdiff_t)sizeof(number))
		return 0;
	memcpy(number, name, (size_t)(colon - name));
	if (num_u64(number, UINT32_MAX, &host) < 0 || (s->found && host > s->host))
		return 0;
	fd = device_open_dir(dirfd, name);
	if (fd < 0)
		return 0;
	entry_path(s, dirfd, name);
	if (device_each(fd, "block", see_disk, s) != 1)
		return 0;
	s->found = true;
	s->host = host;
	*s->out = s->candidate;
	return 0;
}

static int find(const struct device_tree *t, const char *id, struct device_found *out,
		struct err *e)
{
	struct search s = { .tree = t, .out = out };
	struct str tail = STR_OVER(s.tail);
	struct address a;

	if (parse(id, &a) < 0)
		return check(id, e);
	str_addf(&tail, ":0:%u:%u", (unsigned int)a.id, (unsigned int)a.lun);
	device_each(t->sysfd, "bus/scsi/devices", see_device, &s);
	return s.found;
}

struct scan {
	const char *what;	/* "0 ID LUN" */
	struct err *e;
	size_t hosts;
};

static int scan_host(void *arg, int dirfd, const char *name)
{
	struct scan *s = arg;
	AUTO_FD fd = device_open_dir(dirfd, name);
	int r = fd < 0 ? fd : io_write_file(fd, "scan", s->what);

	/* A host that refuses must not keep the others from being asked. */
	if (r < 0)
		err_sys(s->e, -r, "scan %s", name);
	s->hosts++;
	return 0;
}

static int provoke(const struct device_tree *t, const char *id, struct err *e)
{
	char text[32];
	struct str what = STR_OVER(text);
	struct scan s = { .what = text, .e = e };
	struct address a;

	if (parse(id, &a) < 0)
		return check(id, e);
	str_addf(&what, "0 %u %u", (unsigned int)a.id, (unsigned int)a.lun);
	device_each(t->sysfd, "class/scsi_host", scan_host, &s);
	if (!s.hosts)
		return err_set(e, RC_NOT_FOUND, "no SCSI host adapter");
	return err_is_set(e) ? -1 : 0;
}

const struct device_row device_row_scsi = {
	.what = "SCSI disk", .subsystem = "block", .check = check, .find = find, .provoke = provoke,
	.open = device_open_disk,
};
