/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and writing share: names, maps, sizes. */
#include "lib/pbjson.h"

#include <ctype.h>

void pbjson_name(const char *field, char out[PBJSON_NAME])
{
	size_t n = 0;
	bool upper = false;

	for (; *field && n < PBJSON_NAME - 1; field++) {
		if (*field == '_') {
			upper = true;
			continue;
		}
		out[n++] = (char)(upper ? toupper((unsigned char)*field) : *field);
		upper = false;
	}
	out[*field ? 0 : n] = 0;
}

/* protoc makes of `map<K, V> some_name` a nested message SomeNameEntry { K key = 1; V value = 2; }
 * that is repeated. protobuf-c's descriptors do not carry the mark, so the name and the shape tell.
 */
bool pbjson_is_map(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *entry = f->descriptor;
	size_t outer = strlen(type->name);
	char want[PBJSON_NAME];
	const char *name;

	if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	if (strncmp(entry->name, type->name, outer) != 0 || entry->name[outer] != '.')
		return false;
	pbjson_name(f->name, want);
	want[0] = (char)toupper((unsigned char)want[0]);
	name = entry->name + outer + 1;
	if (!str_starts(name, want) || !str_eq(name + strlen(want), "Entry"))
		return false;
	return entry->n_fields == 2 && str_eq(entry->fields[0].name, "key") &&
	       entry->fields[0].id == 1 && str_eq(entry->fields[1].name, "value") &&
	       entry->fields[1].id == 2;
}

size_t pbjson_value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}
