/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that was waited for leaves its container's table, but not before its output was read: a
 * host that waits first and reads then must lose nothing. It goes when both outputs have been read
 * to their end, when nobody has read for LINGER_MS, or when its exec id is used again.
 */
#ifndef MOTE_SERVICE_KATA_LINGER_H
#define MOTE_SERVICE_KATA_LINGER_H

#include "service/kata/kata.h"

#define LINGER_MS 5000

/* The process's status has been told. */
void linger_add(struct kata *k, struct process *p);

/* An output of it has come to its end: forgets it if it lingers and nothing is left to read. */
void linger_check(struct kata *k, struct process *p);

/* Forgets it now, if it lingers. */
void linger_end(struct kata *k, struct process *p);

#endif
