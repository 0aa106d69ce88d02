/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that is plugged into the running guest: until a container that has it is made, less what the
 * same container takes without it; beside the time until the kernel tells of the disk.
 */
#include "bench/bench.h"

#include <stdio.h>

#define SLOT	"3"
#define SOURCE	BENCH_BRIDGE "/03"
#define DISK	",{\"driver\":\"blk\",\"source\":\"" SOURCE "\",\"fstype\":\"erofs\",\"options\":[\"ro\"],\"mount_point\":" \
		"\"/run/kata-containers/sandbox/storage/plugged\"}"
#define TRIES	1000 /* for QEMU to let a file go */

static int plug(struct bench *b, struct err *e)
{
	char file[512];

	snprintf(file, sizeof(file),
		 "{\"driver\":\"raw\",\"node-name\":\"plugged\",\"read-only\":true,\"file\":{\"driver\":\"file\","
		 "\"filename\":\"%s\",\"locking\":\"off\"}}",
		 b->rig.image);
	if (vm_qmp(b->rig.vm, "blockdev-add", file, NULL, 0, e) < 0)
		return -1;
	return vm_qmp(b->rig.vm, "device_add",
		      "{\"driver\":\"virtio-blk-pci\",\"id\":\"plugged\",\"drive\":\"plugged\",\"bus\":\"hot\","
		      "\"addr\":\"" SLOT "\"}",
		      NULL, 0, e);
}

static int unplug(struct bench *b, struct err *e)
{
	char said[64];

	if (vm_qmp(b->rig.vm, "device_del", "{\"id\":\"plugged\"}", NULL, 0, e) < 0 ||
	    bench_tool(b, "event remove", said, sizeof(said), e) < 0)
		return -1;
	for (int i = 0; i < TRIES; i++)
		if (vm_qmp(b->rig.vm, "blockdev-del", "{\"node-name\":\"plugged\"}", NULL, 0, e) == 0)
			return 0;
	return err_ctx(e, "unplug the disk");
}

static int shot_create(struct bench *b, struct shot *s, const char *storages, struct err *e)
{
	struct rig_container what = {
		.root = BENCH_ROOT, .readonly = true, .args = "[\"true\"]", .storages = storages
	};
	char *text = rig_create_text(&b->rig, &b->arena, "plug", &what);

	return text ? shot_make(s, &b->arena, e, "CreateContainer", "%s", text) :
		      err_sys(e, ENOMEM, "a request");
}

/* The time of one create, with the disk plugged right before it or without. */
static int create(struct bench *b, const struct shot *s, bool plugged, double *us, struct err *e)
{
	struct shot gone;
	double began;

	if (shot_make(&gone, &b->arena, e, "RemoveContainer", "{\"container_id\":\"plug\"}") < 0)
		return -1;
	began = wire_now();
	if ((plugged && plug(b, e) < 0) || wire_fire(&b->agent, s, NULL, e) < 0)
		return -1;
	*us = wire_now() - began;
	return wire_fire(&b->agent, &gone, NULL, e) < 0 || (plugged && unplug(b, e) < 0) ? -1 : 0;
}

static int kernel(struct bench *b, double *us, struct err *e)
{
	char said[64];
	double began = wire_now();

	if (plug(b, e) < 0 || bench_tool(b, "event add", said, sizeof(said), e) < 0)
		return -1;
	*us = wire_now() - began;
	return unplug(b, e);
}

int bench_plug(struct bench *b, struct err *e)
{
	static struct samples mounted, told;
	struct shot with, without;
	char said[64];

	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("disks that are plugged");
	if (shot_create(b, &with, DISK, e) < 0 || shot_create(b, &without, NULL, e) < 0)
		return -1;
	for (size_t i = 0; i <= b->counts->plugs; i++) {
		double full, bare, event;

		if (bench_tool(b, "listen", said, sizeof(said), e) < 0 || create(b, &with, true, &full, e) < 0 ||
		    create(b, &without, false, &bare, e) < 0 || kernel(b, &event, e) < 0 || bench_turn(b, e) < 0)
			return -1;
		if (!i) /* the first one is not counted */
			continue;
		samples_add(&mounted, MAX(full - bare, 1.0)); /* noise may be larger */
		samples_add(&told, event);
	}
	rows_set_samples(&b->rows, ROW_PLUG, 0.5, &mounted, &told);
	return 0;
}
