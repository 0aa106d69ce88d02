/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/disks.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "shim/shim.h"

#define TEXT_MAX  (PATH_MAX * 2) /* the launcher takes no longer command anyway */
#define UNPLUG_MS 5000
#define RETRY_MS  50

bool disk_is_one(const struct share_mount *m)
{
	struct stat st;

	if (!str_eq(m->type, "erofs") && !str_eq(m->type, "ext4"))
		return false;
	return str_empty(m->target) && stat(m->source, &st) == 0 &&
	       (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

bool disk_is_readonly(const struct share_mount *m)
{
	if (str_eq(m->type, "erofs"))
		return true;
	for (size_t i = 0; i < m->n_options; i++)
		if (str_eq(m->options[i], "ro"))
			return true;
	return false;
}

static int plug(struct shim *s, int slot, const char *source, bool readonly, struct err *e)
{
	char text[TEXT_MAX];
	struct str t = STR_OVER(text);
	struct stat st;
	bool device;

	if (!path_is_plain(source) || stat(source, &st) < 0)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "'%.100s' is no path of a file that is there", source);
	device = S_ISBLK(st.st_mode);
	/* a device may be read and written elsewhere too, on another host at that: not from the
	 * host's cache */
	str_addf(
		&t,
		"{\"driver\":\"raw\",\"node-name\":\"disk%d\",\"read-only\":%s,\"cache\":{\"direct\":%s},\"file\":{\"driver\":\"%s\",\"filename\":",
		slot, readonly ? "true" : "false", device ? "true" : "false",
		device ? "host_device" : "file");
	json_add_string(&t, source);
	str_add(&t, "}}");
	if (!str_ok(&t))
		return err_set(e, RC_INVALID_ARGUMENT, "the path is too long");
	if (vm_qmp(s->vm, "blockdev-add", text, NULL, 0, e) < 0)
		return -1;
	str_reset(&t);
	/* one that is only read here may be written there */
	str_addf(
		&t,
		"{\"driver\":\"virtio-blk-pci\",\"bus\":\"disks\",\"addr\":\"%x\",\"id\":\"slot%d\",\"drive\":\"disk%d\"%s}",
		(unsigned int)slot, slot, slot, device && readonly ? ",\"share-rw\":true" : "");
	if (vm_qmp(s->vm, "device_add", text, NULL, 0, e) == 0)
		return 0;
	str_reset(&t);
	str_addf(&t, "{\"node-name\":\"disk%d\"}", slot);
	vm_qmp(s->vm, "blockdev-del", text, NULL, 0, &(struct err){ 0 });
	return -1;
}

void disk_path(int slot, char path[DISK_PATH])
{
	snprintf(path, DISK_PATH, DISKS_PCI_BUS "/%02x", (unsigned int)slot & 0x1f);
}

int disk_add(struct shim *s, const char *source, bool readonly, struct err *e)
{
	int slot = 1;

	if (!s->vm)
		return err_set(e, RC_UNAVAILABLE, "the machine does not run");
	while (slot <= DISKS_SLOTS && s->disks & (1u << slot))
		slot++;
	if (slot > DISKS_SLOTS)
		return err_set(e, RC_RESOURCE_EXHAUSTED,
			       "the machine has %d disks already, as many as it takes",
			       DISKS_SLOTS);
	s->disks |= 1u << slot;
	if (plug(s, slot, source, readonly, e) < 0) {
		s->disks &= ~(1u << slot);
		return err_ctx(e, "disk %s", source);
	}
	return slot;
}

struct unplug {
	struct work work;
	struct shim *s;
	int slot;
};

/* A machine that is about to end lets go of everything by that. */
static bool is_worth_it(const struct shim *s)
{
	return s->vm && s->machine == MACHINE_UP && !s->done;
}

/* QEMU lets the file go once the guest has agreed, of which it tells by nothing that the launcher
 * listens to. One that is never let go of keeps its slot. */
static void let_go(struct shim *s, int slot)
{
	uint64_t deadline = clock_after(UNPLUG_MS), until;
	char text[64];
	struct str t = STR_OVER(text);
	struct err e = { 0 };

	str_addf(&t, "{\"id\":\"slot%d\"}", slot);
	if (vm_qmp(s->vm, "device_del", text, NULL, 0, &e) < 0) {
		log_warn("disks", "%s", e.msg);
		return;
	}
	str_reset(&t);
	str_addf(&t, "{\"node-name\":\"disk%d\"}", slot);
	while (is_worth_it(s) && clock_ms() < deadline) {
		err_clear(&e);
		if (vm_qmp(s->vm, "blockdev-del", text, NULL, 0, &e) == 0) {
			s->disks &= ~(1u << slot);
			return;
		}
		for (until = clock_after(RETRY_MS); clock_ms() < until;)
			loop_once(s->loop, RETRY_MS);
	}
	if (is_worth_it(s))
		log_warn("disks", "slot %d: %s", slot, e.msg);
}

static void run_unplug(struct work *w)
{
	struct unplug *u = container_of(w, struct unplug, work);

	if (is_worth_it(u->s))
		let_go(u->s, u->slot);
	free(u);
}

void disk_remove(struct shim *s, int slot)
{
	struct unplug *u = slot > 0 && s->machine == MACHINE_UP ? mem_new(1, sizeof(*u)) : NULL;

	if (!u)
		return;
	u->s = s;
	u->slot = slot;
	shim_queue(s, &u->work, run_unplug);
}
