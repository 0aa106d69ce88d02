/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON <-> protobuf through protobuf-c's message descriptors, for any message type (proto3's JSON
 * mapping): field names as in the schema or lowerCamel when read, as in the schema when written;
 * bytes as base64; enums by name (a number is read too); 64-bit integers as strings (numbers are
 * read too); maps as objects; null is "absent"; two members of one oneof are an error. The
 * well-known types have no special form: google.protobuf.Any and its kin are plain messages. All
 * memory is the arena's. Nothing here waits.
 */
#ifndef MOTE_LIB_PBJSON_H
#define MOTE_LIB_PBJSON_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/mem.h"

#define PBJSON_DEPTH	64	/* messages in messages, at most */
#define PBJSON_NAME	128	/* a JSON name, terminated; longer: the schema's name only */

enum pbjson_flags {
	PBJSON_DEFAULTS = 0x1,	/* write fields that hold their default too */
	PBJSON_COMPACT = 0x2,	/* one line */
};

/* The message that the text describes. NULL with e: INVALID_ARGUMENT "OCI: Process: Args[2]: a
 * string is wanted, not a number", or RESOURCE_EXHAUSTED. */
ProtobufCMessage *pbjson_read(struct arena *a, const ProtobufCMessageDescriptor *type,
			      const char *text, size_t len, struct err *e);

/* Terminated JSON text; *len without the terminator. Text fields that are not UTF-8 get U+FFFD
 * where they are not. NULL with e. */
char *pbjson_write(struct arena *a, const ProtobufCMessage *msg, unsigned int flags, size_t *len,
		   struct err *e);

/* Is this repeated field of `type` a map of the schema? */
bool pbjson_is_map(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f);

/* "container_id" -> "containerId". */
void pbjson_name(const char *field, char out[PBJSON_NAME]);

/* Bytes of one value of the field's type in a message's memory. */
size_t pbjson_value_size(ProtobufCType type);

#endif
