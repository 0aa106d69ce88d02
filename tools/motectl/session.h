/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a Kata host around one container's life, one after the other; its streams are
 * pump.h's. All turn the loop. */
#ifndef MOTECTL_SESSION_H
#define MOTECTL_SESSION_H

#include "lib/spec.h"
#include "ttrpc/client.h"

/* A new container id: 16 hexadecimal digits. */
int session_new_id(char id[20], struct err *e);

/* CreateSandbox, CreateContainer. -1 with e: "CreateContainer: NOT_FOUND: …". */
int session_create(struct client *c, const struct spec_opts *spec, struct err *e);

/* StartContainer. */
int session_start(struct client *c, const char *id, struct err *e);

/* RemoveContainer. */
int session_remove(struct client *c, const char *id, struct err *e);

#endif
