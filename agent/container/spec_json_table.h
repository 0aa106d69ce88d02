/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON by tables: an object is a struct, a member is a row with its name, its reader and
 * where the value goes. For spec_json*.c only. One error sticks, and it begins with the place:
 * "linux.seccomp.syscalls[2].args[0].op: missing".
 */
#ifndef MOTE_CONTAINER_SPEC_JSON_TABLE_H
#define MOTE_CONTAINER_SPEC_JSON_TABLE_H

#include "base/json.h"
#include "container/spec.h"
#include "container/spec_words.h"

/* One reading. Objects and texts come from the arena. */
struct spec_json {
	struct arena *a;
	struct err *e;
};

/* Where a value is. */
struct spec_json_at {
	const struct spec_json_at *up;	/* NULL: at the top */
	const char *name;		/* NULL: the entry `index` of a list */
	size_t index;
};

struct spec_json_member;

/* obj: the struct whose member is read. v is not null. */
typedef void (*spec_json_fn)(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
			     const struct spec_json_member *m, void *obj);

struct spec_json_member {
	const char *name;
	spec_json_fn read;
	size_t offset;		/* of the value in the struct */
	/* the offset of a list's count (size_t), or of a struct's `set` (bool); 0: there is none */
	size_t extra;
	const struct spec_json_object *object;	/* of an object, or of a list's entries */
	const struct spec_word *words;		/* of a choice */
	bool required;
};

/* A member; more fields may follow by name. */
#define ROW(name_, read_, offset_, ...) \
	{ .name = name_, .read = read_, .offset = offset_, ##__VA_ARGS__ }

struct spec_json_object {
	size_t size;			/* of the struct */
	void (*preset)(void *obj);	/* what is meant when nothing is said; NULL: zeros */
	struct spec_json_member members[];	/* 64 at most; the last one has no name */
};

/* Sets the error; -1. */
int spec_json_bad(struct spec_json *j, const struct spec_json_at *at, const char *fmt, ...)
	PRINTF(3, 4);

/* n zeroed structs; NULL when n is 0 or the arena is exhausted (then e is set). */
void *spec_json_alloc(struct spec_json *j, size_t n, size_t size);

/* Reads v, which must be an object, into obj, which is zeroed. */
void spec_json_object(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
		      const struct spec_json_object *o, void *obj);

/* A copy of a string; NULL with the error set. */
const char *spec_json_copy(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v);

/* 0..max; false with the error set. */
bool spec_json_number(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
		      uint64_t max, uint64_t *out);

/* The readers of members. text: "" is NULL; word: "" stays. strings: struct spec_strings, or, with
 * `extra`, char ** and its count. bits: an array of words into an uint32_t. */
#define SPEC_JSON_READER(name)                                                             \
	void name(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,       \
		  const struct spec_json_member *m, void *obj)
SPEC_JSON_READER(spec_json_text);
SPEC_JSON_READER(spec_json_word);
SPEC_JSON_READER(spec_json_bool);
SPEC_JSON_READER(spec_json_u16);
SPEC_JSON_READER(spec_json_u32);
SPEC_JSON_READER(spec_json_u64);
SPEC_JSON_READER(spec_json_i32);
SPEC_JSON_READER(spec_json_i64);
SPEC_JSON_READER(spec_json_some_i64);	/* struct spec_i64 */
SPEC_JSON_READER(spec_json_some_u64);	/* struct spec_u64 */
SPEC_JSON_READER(spec_json_some_u32);	/* a pointer to one */
SPEC_JSON_READER(spec_json_choice);
SPEC_JSON_READER(spec_json_bits);
SPEC_JSON_READER(spec_json_strings);
SPEC_JSON_READER(spec_json_pairs);	/* struct spec_pairs: an object of strings */
SPEC_JSON_READER(spec_json_struct);	/* in place */
SPEC_JSON_READER(spec_json_inline);	/* its members are members of the outer struct */
SPEC_JSON_READER(spec_json_pointer);	/* to a new struct */
SPEC_JSON_READER(spec_json_list);	/* a pointer to new structs, and their count */

/* spec_json_linux.c */
extern const struct spec_json_object spec_json_linux, spec_json_id_map;


#endif
