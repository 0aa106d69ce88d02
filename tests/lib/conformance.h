/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MUSTs of the OCI runtime spec (1.2, its Linux part) as rows: what is asked, a container that
 * shows it, and what must be seen. A row is run by itself in a VM, on each cgroup version, and is a
 * line of docs/conformance.md, which is made from these tables.
 */
#ifndef MOTE_TESTS_CONFORMANCE_H
#define MOTE_TESTS_CONFORMANCE_H

#include "lib/cases.h"

enum { ON_V1 = 0x1, ON_V2 = 0x2 };

struct must {
	const char *section;	/* "config.md: Mounts" */
	const char *must;	/* what is asked, in few words of our own */

	/* A container of `what`, its args replaced by sh -c SCRIPT where there is one. Its output is
	 * exactly `output` (NULL: whatever) and its exit status `status`. */
	struct rig_container what;
	const char *script, *output;
	int status;

	/* Or it must be refused at creation: with this text in the error. */
	const char *refused;

	/* Or more than a row can say. */
	void (*show)(struct rig *r);

	/* Or it is shown elsewhere, or does not apply: where, or why. */
	const char *elsewhere;

	/* It is not so yet: what is instead. The row is not run. */
	const char *open;

	unsigned int only;	/* ON_…; 0: on both */
};

/* Each ends with a row without a section. */
extern const struct must conformance_runtime[], conformance_config[], conformance_mounts[],
	conformance_linux[], conformance_limits[];

/* For `show`: a container that runs SCRIPT and is removed; its output is in r->reply. */
int conformance_shell(struct rig *r, const struct rig_container *what, const char *script);

/* All rows on both versions, or --table. The exit status for main. */
int conformance_main(int argc, char **argv);

/* busybox of the root file system as the guest sees it, for hooks: a container must have been
 * created before. "/run/…/bin/busybox" */
#define GUEST_BUSYBOX "/run/kata-containers/sandbox/storage/rootfs/bin/busybox"

#endif
