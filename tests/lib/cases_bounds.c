/* SPDX-License-Identifier: Apache-2.0 */
/* Values at and beyond their bounds, in the calls of a container's life: a clear answer, and the next
 * call is served. */
#include "lib/cases.h"

/* The names of directories below the run directory are no container's. */
static void ids_of_the_agents_own(void **state)
{
	static const char *const ids[] = { "sandbox", "shared", "image", "virtual-volumes" };
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		struct rig_container what = { 0 };

		assert_rc(r, rig_create(r, ids[i], &what), RC_INVALID_ARGUMENT, ids[i]);
	}
	assert_int_equal(rig_shell(r, "true"), 0);
}

/* A mount point has one spelling, whatever the host's: mounted once, and found as the rootfs. */
static void mount_points_spelled_otherwise(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	char storages[1024];
	struct rig_container what = { .root = "/run/kata-containers/none",
				      .args = "[\"sleep\",\"100\"]",
				      .storages = storages };
	struct rig_status before, after;

	(void)state;
	if (r->kind != RIG_NAMESPACES)
		skip();
#define LAYER "{\"driver\":\"overlayfs\",\"fstype\":\"overlay\",\"mount_point\":"
#define LOWER ",\"options\":[\"lowerdir=%s\",\"io.katacontainers.fs-opt.overlay-rw\"]}"
	snprintf(storages, sizeof(storages),
		 LAYER "\"/run/kata-containers//%s/./rootfs/\"" LOWER "," LAYER
		       "\"/run/kata-containers/%s/rootfs\"" LOWER,
		 id, r->rootfs, id, r->rootfs);
	assert_int_equal(rig_status(r, &before), 0);
	assert_done(r, rig_run(r, id, &what));
	assert_int_equal(rig_status(r, &after), 0);
	assert_int_equal(after.storages, before.storages + 1);
	assert_done(r, rig_remove(r, id));
	assert_int_equal(rig_status(r, &after), 0);
	assert_int_equal(after.storages, before.storages);
}

const struct CMUnitTest cases_bounds[] = {
	cmocka_unit_test(ids_of_the_agents_own),
	cmocka_unit_test(mount_points_spelled_otherwise),
	{ 0 },
};
