/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod's containers share besides namespaces: files, and settings of the namespaces. Jobs only. */
#ifndef MOTE_SANDBOX_POD_FILES_H
#define MOTE_SANDBOX_POD_FILES_H

#include "sandbox/sandbox.h"

/* hosts, hostname and resolv.conf in SANDBOX_DIR, when the spec wants them. */
int pod_files_make(const struct sandbox_spec *spec, struct err *e);

/* The sysctls, in the namespaces behind nsfd, which the caller then is in. */
int pod_sysctls_set(const struct sandbox_spec *spec, const int nsfd[SANDBOX_NS_COUNT],
		    struct err *e);

#endif
