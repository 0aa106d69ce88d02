/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls behind fault.h. */
#ifndef MOTE_TESTS_FAULT_CALLS_H
#define MOTE_TESTS_FAULT_CALLS_H

#include "base/defs.h"

struct fault_call {
	int nr;
	int errnos[3];   /* what it is made to fail with, ended by 0 */
	const char *why; /* it is not; then it is not even looked at */
};

const struct fault_call *fault_call_find(int nr);
const struct fault_call *fault_call_row(size_t i); /* NULL behind the last one */
bool fault_call_may_fail(int nr, const uint64_t args[6]);
const char *fault_call_name(int nr);

#endif
