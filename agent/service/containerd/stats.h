/* SPDX-License-Identifier: Apache-2.0 */
/* What was used, in containerd's words: io.containerd.cgroups.v2.Metrics, for groups of both versions. */
#ifndef MOTE_SERVICE_CONTAINERD_STATS_H
#define MOTE_SERVICE_CONTAINERD_STATS_H

#include "container/stats.h"
#include "google/protobuf/any.pb-c.h"

/* Packed, in a. -1 with e. Pure. */
int stats_make(const struct container_stats *in, struct arena *a, Google__Protobuf__Any *out,
	       struct err *e);

#endif
