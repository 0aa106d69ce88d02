/* SPDX-License-Identifier: Apache-2.0 */
/* A directory as a read-only image, by the tools of the distribution. */
#ifndef MOTECTL_PACK_H
#define MOTECTL_PACK_H

#include "base/err.h"
#include "event/loop.h"

/* Writes the image of directory `dir` to the file `image`: erofs, or squashfs where there is no
 * mkfs.erofs. *fstype tells which. Files belong to root when we are not root, who alone can hand
 * them out as they are. -1 with e. Turns the loop. */
int pack_directory(struct loop *l, const char *dir, const char *image, const bool *cancel,
		   const char **fstype, struct err *e);

#endif
