/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/said.h"

bool said_is_pod_container(const struct container *c)
{
	static const struct {
		const char *key, *value;
	} said[] = {
		{ "io.katacontainers.pkg.oci.container_type", "pod_container" },
		{ "io.kubernetes.cri.container-type", "container" },
		{ "io.kubernetes.cri-o.ContainerType", "container" },
	};

	for (size_t i = 0; i < COUNT_OF(said); i++) {
		const char *v = container_annotation(c, said[i].key);

		if (v && str_eq(v, said[i].value))
			return true;
	}
	return false;
}

const char *said_name(const struct container *c)
{
	const char *name = container_annotation(c, "io.kubernetes.cri.container-name");

	return name ? name : container_annotation(c, "io.kubernetes.container.name");
}
