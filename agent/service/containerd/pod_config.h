/* SPDX-License-Identifier: Apache-2.0 */
/* From what CreateSandbox says of the pod to a spec of the sandbox. Pure. */
#ifndef MOTE_SERVICE_CONTAINERD_POD_CONFIG_H
#define MOTE_SERVICE_CONTAINERD_POD_CONFIG_H

#include "cri.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "sandbox/sandbox.h"

/* options: mote.v1.SandboxOptions, a PodSandboxConfig of Kubernetes' runtime interface, or NULL;
 * another type counts as none. Fills out, but for the id, from memory of the arena and the message. -1
 * with e. */
int pod_config_read(const Google__Protobuf__Any *options, struct arena *a,
		    struct sandbox_spec *out, struct err *e);

/* The same from a message of the interface alone. */
int pod_config_take(const Runtime__V1__PodSandboxConfig *in, struct arena *a,
		    struct sandbox_spec *out, struct err *e);

/* pod_config_json.c: from text, in a. NULL with e INVALID_ARGUMENT naming the member. */
Runtime__V1__PodSandboxConfig *pod_config_json(const void *text, size_t len, struct arena *a,
					       struct err *e);

#endif
