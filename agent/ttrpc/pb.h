/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c over arenas: a ProtobufCAllocator bound to an arena's budget, so that nothing has to
 * be freed and a frame of 4 MB of empty strings cannot take 176 MB.
 */
#ifndef MOTE_TTRPC_PB_H
#define MOTE_TTRPC_PB_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/mem.h"

/* The decoded message in a. NULL with e: INVALID_ARGUMENT "cannot decode TYPE" ("the
 * message" in the agent, whose types have no names) or
 * RESOURCE_EXHAUSTED (budget). */
ProtobufCMessage *pb_unpack(struct arena *a, const ProtobufCMessageDescriptor *type,
			    const uint8_t *data, size_t len, struct err *e);

/* Packed bytes in a; NULL with e. */
uint8_t *pb_pack(struct arena *a, const ProtobufCMessage *msg, size_t *len, struct err *e);

/* The budget of a call's arena for a frame: 64 KiB + 8 × frame, at most 12 MiB. */
size_t pb_budget(size_t frame_len);

#endif
