/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd relies on, and which case of tests/lib/cases_task*.c shows it: the table of
 * docs/containerd-guest.md is made from these rows. */
#ifndef MOTE_TESTS_CONFORMANCE_TASK_H
#define MOTE_TESTS_CONFORMANCE_TASK_H

#include "lib/cases.h"

/* Prints the table. -1, with what is wrong on stderr, when a row names a case that is not in the tables. */
int conformance_task_print(const struct CMUnitTest *const *tables);

#endif
