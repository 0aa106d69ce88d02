/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's random generator. */
#ifndef MOTE_KERNEL_RANDOM_H
#define MOTE_KERNEL_RANDOM_H

#include "base/defs.h"

/* Mixes data in with credit of 8 bits a byte (RNDADDENTROPY) and reseeds at once
 * (RNDRESEEDCRNG). n: 1..65536. 0 or -errno. */
int random_reseed(const void *data, size_t n);

/* Fills buf without waiting; -EAGAIN while the generator is not ready. */
int random_bytes(void *buf, size_t n);

#endif
