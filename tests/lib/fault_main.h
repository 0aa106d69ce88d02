/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main function of a program that walks the faults of its scenarios (fault_walk.h), and what scenarios are
 * made of. MOTE_FAULT=whole: each time that a call is made, and in each scenario, scenarios side by
 * side (MOTE_ONLY=plain: that one alone); otherwise each place in the code from where one is made, once.
 * MOTE_FAULT_SHOW=1 tells of each fault what became of it, MOTE_FAULT_SITE=capget walks those alone that
 * are made by way of such a function or call.
 */
#ifndef MOTE_TESTS_FAULT_MAIN_H
#define MOTE_TESTS_FAULT_MAIN_H

#include "lib/fault_walk.h"

#define FAULT_ID       "fault"
#define FAULT_OTHER_ID "fault-other"
#define FAULT_MAX      32 /* scenarios of a program */

/* For fault_scenario.ids. */
extern const char *const fault_one_id[], *const fault_two_ids[];

#define SH(script) "[\"sh\",\"-c\",\"" script "\"]"
#define TEXT(...)  #__VA_ARGS__

/* Reads both outputs of a process of FAULT_ID to their end, waits: 0, a code, FAULT_WRONG unless they are
 * these. */
int fault_end_of(struct rig *r, const char *exec_id, const char *output, int status);

/* FAULT_ID created, started, to its end, removed. */
int fault_life(struct rig *r, const struct rig_container *what, const char *output, int status);

/* Of what a sandbox is asked beside its containers; ends with one without a name, as every list does. */
extern const struct fault_scenario fault_sandbox[];

/* All scenarios of the lists, which end with NULL. The exit status. */
int fault_main(const char *program, const struct fault_scenario *const lists[]);

#endif
