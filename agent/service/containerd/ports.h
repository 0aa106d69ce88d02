/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mote.v1.Ports: connections of the host to what listens on the guest's own localhost, 127.0.0.1 or
 * else ::1, as a program in the pod reaches it: the agent is in the network namespace of the pods'
 * containers. A call is one connection and goes with it; at most PORTS_MAX at once.
 */
#ifndef MOTE_SERVICE_CONTAINERD_PORTS_H
#define MOTE_SERVICE_CONTAINERD_PORTS_H

#include "ttrpc/call.h"

#define PORTS_MAX	64
#define PORTS_DIAL_MS 10000 /* for both addresses */

void ports_connect(struct call *c);

#endif
