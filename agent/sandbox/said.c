/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/said.h"

/* Hosts of different kinds say it in words of their own: v of the first, or of the others. */
static bool says(const struct container *c, const char *v, const char *others)
{
	static const char *const keys[] = {
		"io.katacontainers.pkg.oci.container_type",
		"io.kubernetes.cri.container-type",
		"io.kubernetes.cri-o.ContainerType",
	};

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		const char *said = container_annotation(c, keys[i]);

		if (said && str_eq(said, i ? others : v))
			return true;
	}
	return false;
}

bool said_is_pod_container(const struct container *c)
{
	return says(c, "pod_container", "container");
}

bool said_is_pod_sandbox(const struct container *c)
{
	return says(c, "pod_sandbox", "sandbox");
}

const char *said_name(const struct container *c)
{
	const char *name = container_annotation(c, "io.kubernetes.cri.container-name");

	return name ? name : container_annotation(c, "io.kubernetes.container.name");
}
