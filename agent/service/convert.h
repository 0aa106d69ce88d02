/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From Kata's messages to the neutral model and back, and the only place that knows both. What a message
 * says of a container is copied into the arena given: nothing points into the call. An unknown word or a number
 * out of range is INVALID_ARGUMENT naming the field. Pure.
 */
#ifndef MOTE_SERVICE_CONVERT_H
#define MOTE_SERVICE_CONVERT_H

#include "agent.pb-c.h"
#include "container/spec.h"
#include "container/stats.h"
#include "network/network.h"
#include "sandbox/sandbox.h"
#include "storage/storage.h"

/* Fills an empty spec (spec_new) from the message. */
int convert_spec(const Grpc__Spec *in, struct arena *a, struct spec *out, struct err *e);

/* NULL in gives an error: a process is required. */
struct spec_process *convert_process(const Grpc__Process *in, struct arena *a, struct err *e);

struct spec_resources *convert_resources(const Grpc__LinuxResources *in, struct arena *a,
					 struct err *e);

/* Fills out, which points into `in` and the arena. */
int convert_stats(const struct container_stats *in, struct arena *a,
		  Grpc__StatsContainerResponse *out, struct err *e);

/* n requests; NULL with e. n 0 gives a valid pointer. */
struct storage_req *convert_storages(Grpc__Storage *const *in, size_t n, struct arena *a,
				     struct err *e);

/* The same for a container's devices. */
struct sandbox_device *convert_devices(Grpc__Device *const *in, size_t n, struct arena *a,
				       struct err *e);

/* The same for shared mounts. */
struct sandbox_shared_mount *convert_shared_mounts(Grpc__SharedMount *const *in, size_t n,
						   struct arena *a, struct err *e);

/* Requests of the network, which point into the message. NULL, or -1, with e. */
int convert_interface(const Types__Interface *in, struct arena *a, struct net_interface *out,
		      struct err *e);
struct net_route *convert_routes(const Grpc__Routes *in, struct arena *a, struct err *e);
struct net_neighbour *convert_neighbours(const Grpc__ARPNeighbors *in, struct arena *a,
					 struct err *e);

/* What network_list() tells, in messages of the arena. */
int convert_interface_list(const struct net_record *r, size_t n, struct arena *a,
			   Grpc__Interfaces *out, struct err *e);
int convert_route_list(const struct net_record *r, size_t n, struct arena *a, Grpc__Routes *out,
		       struct err *e);

#endif
