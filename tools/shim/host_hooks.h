/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of a spec that are programs of the host: prestart and createRuntime before the guest makes the
 * container, poststart and poststop. They run in the host's own mount namespace; the process that
 * they are told is the machine's, which is in the container's network namespace: so a client that
 * makes the network in a hook finds it (nerdctl, Docker). createContainer hooks would be the host's
 * programs in the guest's namespaces and are not run; startContainer ones are the guest's.
 *
 * Poststop hooks are owed from the moment that the others were asked for. A file of the bundle says
 * so, and whoever removes it runs them: the server, or `delete` after a server that was killed.
 */
#ifndef MOTE_SHIM_HOST_HOOKS_H
#define MOTE_SHIM_HOST_HOOKS_H

#include "shim/bundle.h"

struct shim;

/* Runs those of BUNDLE/config.json; mask: those that there are (bundle.hooks), others cost nothing. -1
 * with e when one that must succeed fails (runtime-spec 1.2, Lifecycle: not poststart, poststop).
 * In work only. */
int host_hooks_run(struct shim *s, enum bundle_hooks which, unsigned int mask, const char *id,
		   const char *bundle, struct err *e);

/* The poststop ones, unless somebody has. Waits as long as they do. For `delete` alone. */
void host_hooks_settle(const char *id, const char *bundle);

#endif
