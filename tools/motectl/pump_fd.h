/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to a descriptor that others share, without waiting and without changing it for them. */
#ifndef MOTECTL_PUMP_FD_H
#define MOTECTL_PUMP_FD_H

#include "base/defs.h"

/* A descriptor of our own for what fd is: where it can be opened anew (pipes, terminals) it does
 * not wait and *write_max is SIZE_MAX; else it is a copy, and one write of *write_max bytes
 * (PIPE_BUF) does not wait once poll says that it is writable. -1 when even a copy cannot be had.
 */
int pump_fd_open(int fd, size_t *write_max);

#endif
