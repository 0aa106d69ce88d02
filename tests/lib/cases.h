/* SPDX-License-Identifier: Apache-2.0 */
/* Cases that hold for every agent, whatever it runs in. A program (tests/ns, tests/vm) starts a rig
 * and runs the tables. */
#ifndef MOTE_TESTS_CASES_H
#define MOTE_TESTS_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/rig.h"

/* The rig of this program, for the cases. */
extern struct rig *cases_rig;

/* Ends of the tables are rows without a name. */
extern const struct CMUnitTest cases_life[], cases_streams[], cases_errors[], cases_hostile[],
	cases_process[], cases_many[], cases_guest[], cases_bounds[], cases_spelling[], cases_races[],
	cases_host[], cases_stall[], cases_limits[], cases_greedy[], cases_network[], cases_nic[],
	cases_files[], cases_machine[], cases_inside_v1[], cases_inside_v2[],
	cases_disk[], cases_bus[], cases_peer[], cases_pod[], cases_metrics[], cases_cdi[], cases_watch[], cases_layers[],
	cases_cgroup[],
	cases_freezer[], cases_hotplug[], cases_plug[], cases_task[], cases_task_io[], cases_task_pod[],
	cases_task_events[], cases_task_limits[], cases_task_races[], cases_ports[];

/* Gives the rig what cases_disk wants, and cases_nic: what is plugged into its root port is there. */
void disks_of(struct rig *r);
#define DISKS_PORT_PATH "05/00"

/* The same for cases_bus. */
void buses_of(struct rig *r);

/* Gives the rig what cases_hotplug and cases_plug want: room for more of everything. */
void hotplug_of(struct rig *r);

/* What cases_layers wants. */
void layers_of(struct rig *r);

/* For rigs of the tables cases_inside_*: rig.programs. */
extern const char *const cases_inside_programs[];

/* Starts a rig, runs the tables one after another, stops it. The exit status for main. */
int cases_main(enum rig_kind kind, const char *name, const struct CMUnitTest *const *tables,
	       struct rig *r);

/* Until the guest's shell says so (rig_guest), however fast it can be asked. */
void assert_comes_true(struct rig *r, const char *script);

/* CreateContainer within `ms` ends as one for which there was not time enough, in the middle of what `part` tells. A
 * machine that is too busy to get there by then is given twice as much, and so on. id NULL: any. */
void assert_create_is_late(struct rig *r, const char *id, const struct rig_container *what, uint64_t ms, const char *part);

/* Fails the test unless the last call gave this code and its text holds `part`. */
#define assert_rc(r, rc_, expect, part)                                                         \
	do {                                                                                    \
		int got_ = (rc_);                                                               \
		if (got_ != (expect) || !strstr((r)->err.msg, part))                            \
			fail_msg("%s \"%s\", not %s \"…%s…\"", err_rc_name(got_), (r)->err.msg, \
				 err_rc_name(expect), part);                                    \
	} while (0)

#define assert_done(r, rc_)                                                  \
	do {                                                                 \
		int got_ = (rc_);                                            \
		if (got_)                                                    \
			fail_msg("%s: %s", err_rc_name(got_), (r)->err.msg); \
	} while (0)

#define assert_console(r, part)                                              \
	do {                                                                 \
		if (!rig_await_console(r, part))                             \
			fail_msg("no \"%s\" on the console: %s", part,       \
				 vm_console((r)->vm));                       \
	} while (0)

#define assert_output(r, part)                                          \
	do {                                                            \
		if (!strstr((r)->reply, part))                          \
			fail_msg("no \"%s\" in: %s", part, (r)->reply); \
	} while (0)

#endif
