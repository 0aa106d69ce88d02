/* SPDX-License-Identifier: Apache-2.0 */
/* What a container leaves in its termination log. */
#ifndef MOTE_SANDBOX_LAST_WORD_H
#define MOTE_SANDBOX_LAST_WORD_H

#include "base/err.h"

#define LAST_WORD_BYTES 4096		      /* of the file, from its beginning */
#define LAST_WORD_MAX	(3 * LAST_WORD_BYTES) /* as text: a byte that is none becomes three */

/* Writes the file's beginning to out as UTF-8; one that is not there says nothing. path: in the guest,
 * of a mount's source. No link is followed, and only a regular file is read: it is the container's.
 * WAITS on its filesystem: jobs only. */
int last_word_read(const char *path, int out, struct err *e);

#endif
