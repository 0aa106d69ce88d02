/* SPDX-License-Identifier: Apache-2.0 */
#include "motectl/signals.h"

#include "event/child.h"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };

static struct signals *the_signals;

static void on_signal(int signo)
{
	struct signals *s = the_signals;

	if (s->forward) {
		s->forward(signo);
		return;
	}
	if (signo == SIGWINCH)
		return;
	s->cancel = true;
	s->signo = signo;
	if (s->vm)
		vm_kill(s->vm);
}

int signals_start(struct signals *s, struct loop *l)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < COUNT_OF(caught); i++)
		sigaddset(&set, caught[i]);
	the_signals = s;
	reaper_block_signals(&set);
	return reaper_start(l, &set, on_signal);
}

void signals_stop(void)
{
	reaper_stop();
}
