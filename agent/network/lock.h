/* SPDX-License-Identifier: Apache-2.0 */
/* Between the jobs: an interface's name is one card's now and another's then. */
#ifndef MOTE_NETWORK_LOCK_H
#define MOTE_NETWORK_LOCK_H

enum network_lock {
	NETWORK_NAMES_CHANGE, /* by who has the lock, and nobody else */
	NETWORK_NAMES_STAY,   /* while anybody has the lock */
};

/* A descriptor that has the lock as long as it is open, or -errno: then there is none, which only costs the
 * order. WAITS for the others: jobs only. */
int network_lock(enum network_lock how);

#endif
