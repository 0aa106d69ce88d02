/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of /proc. The parsers are pure. Tier 0. Never waits. */
#ifndef MOTE_KERNEL_PROC_H
#define MOTE_KERNEL_PROC_H

#include "base/defs.h"

/* Bit (signo - 1) of a mask stands for a signal. */
struct proc_status {
	char state;			/* 'R', 'S', 'D', 'Z', … */
	pid_t tgid, ppid;
	pid_t ns_pid;			/* in its innermost pid namespace; tgid if unknown */
	uid_t uid;			/* effective */
	gid_t gid;
	unsigned int threads;
	uint64_t sig_pending;		/* of the thread and of the process */
	uint64_t sig_blocked, sig_ignored, sig_caught;
	uint64_t rss_kb;
};

/* text: the whole of /proc/PID/status. -EINVAL when a line that must be there is not. */
int proc_status_parse(const char *text, struct proc_status *out);
int proc_status(pid_t pid, struct proc_status *out);

/* Does the process ignore, block or catch signo, or has it the default? From the masks above. */
static inline bool proc_sig_in(uint64_t mask, int signo)
{
	return signo >= 1 && signo <= 64 && (mask >> (signo - 1) & 1);
}

/* Start time in clock ticks since boot (field 22 of /proc/PID/stat): with the pid an identity. 0
 * or -errno. */
int proc_start_time(pid_t pid, uint64_t *ticks);
int proc_start_time_parse(const char *stat, uint64_t *ticks);

/*
 * The next parameter of a kernel command line, as the kernel splits it: by white space, double
 * quotes protect space and are dropped around the value (or the whole parameter). Works in place;
 * *cursor starts at the text. *value is NULL without '='. false: no more.
 */
bool proc_cmdline_next(char **cursor, char **key, char **value);

#endif
