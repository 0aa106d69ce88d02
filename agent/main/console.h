/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The debug console (agent.debug_console): a shell of the guest's image with all that the agent may do,
 * for whoever debugs it. On a vsock port each connection of the host has a terminal and a session of its
 * own, several at once; when the connection ends every process of the session is killed, and when the
 * shell ends its last bytes are sent before the connection is closed. Without a port there is one shell on
 * /dev/console, and another when it has ended. Never waits.
 */
#ifndef MOTE_MAIN_CONSOLE_H
#define MOTE_MAIN_CONSOLE_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/address.h"

#define CONSOLES_MAX 16 /* connections at once; more are closed */

int console_listen(struct loop *l, const struct address *a, bool any_peer, struct err *e);

/* The shell on /dev/console: once the agent has set its own session up. */
void console_start_local(struct loop *l);

#endif
