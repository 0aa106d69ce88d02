/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOTE_TESTS_FAULT_ALLOC_H
#define MOTE_TESTS_FAULT_ALLOC_H

/* The system call that stands for an allocation: (bytes wanted, bytes in use before). No kernel has
 * it: ENOSYS without a supervisor, and the allocation goes on; ENOMEM: it fails. */
#define FAULT_ALLOC 1000

#endif
