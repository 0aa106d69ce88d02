/* SPDX-License-Identifier: Apache-2.0 */
/* google.protobuf.Any and google.protobuf.Timestamp. Pure. */
#ifndef MOTE_SERVICE_CONTAINERD_ANY_H
#define MOTE_SERVICE_CONTAINERD_ANY_H

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "ttrpc/pb.h"

/* Is it of the type `name`? What stands before the last "/" of its address does not count:
 * containerd itself leaves it out. NULL is of no type. */
bool any_is(const Google__Protobuf__Any *any, const char *name);


/* What is in it. NULL with e INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
ProtobufCMessage *any_open(const Google__Protobuf__Any *any, const ProtobufCMessageDescriptor *type,
			   struct arena *a, struct err *e);

/* msg packed, in the arena, by the type `name`, which is borrowed. -1 with e. */
int any_make(Google__Protobuf__Any *out, const char *name, const ProtobufCMessage *msg,
	     struct arena *a, struct err *e);

/* Milliseconds since 1970. */
void stamp_set(Google__Protobuf__Timestamp *out, uint64_t ms);

/* Now, of the same clock. */
uint64_t stamp_now(void);

#endif
