/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of a command that owns a VM. Before there is something to forward to, the first one asks
 * to end; what waits sees `cancel`, and the VM is killed so that calls in flight end too. One such
 * command per process.
 */
#ifndef MOTECTL_SIGNALS_H
#define MOTECTL_SIGNALS_H

#include "event/loop.h"
#include "vm/vm.h"

struct signals {
	bool cancel;		/* asked to end */
	int signo;		/* by this signal */
	struct vm *vm;		/* set by the command once there is one */
	void (*forward)(int signo); /* set while signals are for someone else; gets SIGWINCH too */
};

/* Blocks SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH and has the loop deliver
 * them. 0 or -errno. Starts the reaper. */
int signals_start(struct signals *s, struct loop *l);
void signals_stop(void);

#endif
