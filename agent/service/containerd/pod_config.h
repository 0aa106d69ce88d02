/* SPDX-License-Identifier: Apache-2.0 */
/* From what CreateSandbox says of the pod to a spec of the sandbox. Pure. */
#ifndef MOTE_SERVICE_CONTAINERD_POD_CONFIG_H
#define MOTE_SERVICE_CONTAINERD_POD_CONFIG_H

#include "google/protobuf/any.pb-c.h"
#include "sandbox/sandbox.h"

/* options: mote.v1.SandboxOptions, a PodSandboxConfig of Kubernetes' runtime interface, or NULL;
 * another type counts as none. Fills out, but for the id, from memory of the arena and the message. -1
 * with e. */
int pod_config_read(const Google__Protobuf__Any *options, struct arena *a,
		    struct sandbox_spec *out, struct err *e);

#endif
