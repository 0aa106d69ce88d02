/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs where another init runs the machine: mounts, network, console and power are its own, and
 * what it starts tells it when it serves (sd_notify's protocol, one datagram to any init that sets
 * NOTIFY_SOCKET). Nothing here waits.
 */
#ifndef MOTE_MAIN_SERVICE_H
#define MOTE_MAIN_SERVICE_H

#include "base/err.h"

struct cgroup_root;

/* Before the first child: becomes a subreaper, and takes what the environment says out of it, since
 * children must not speak for us: NOTIFY_SOCKET, and whether stderr is the journal (JOURNAL_STREAM). */
int service_begin(struct err *e);

/* The group that was delegated to us, when one was; else the root, as before. Logs which. */
void service_cgroups(struct cgroup_root *root);

/* "READY=1" with a line of status. Nothing where nobody asked; a failure is logged, since systemd would
 * wait in vain. There is no "STOPPING=1": it would make systemd leave out the unit's ExecStop. */
void service_ready(const char *status);

#endif
