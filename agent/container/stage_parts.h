/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the stage; for stage*.c only. All run in the child and may wait; -1 with e. */
#ifndef MOTE_CONTAINER_STAGE_PARTS_H
#define MOTE_CONTAINER_STAGE_PARTS_H

#include "container/stage.h"

/* stage_root.c: the file tree of a first process. prepare puts it together and gives a
 * descriptor of it; between the two the hooks run that want to see both roots. A terminal becomes
 * the container's own (stage_tty.c): *master is then to be handed over, -1 else. join: in a mount
 * namespace that exists, the root is a directory of it. */
int stage_root_prepare(const struct stage *st, int stdio[3], int *master, struct err *e);
int stage_root_switch(const struct stage *st, int rootfd, struct err *e);
int stage_root_join(const struct stage *st, struct err *e);

/* stage_tty.c. own: a terminal of the devpts that is on /dev/pts below rootfd takes stdio's place;
 * its master, or -1: none can be had there. find: tty by its name, own or the guest's, as a source of
 * a bind. use_console: stdio's terminal again, opened at target. */
int stage_tty_own(int rootfd, int stdio[3]);
int stage_tty_find(int rootfd, int tty, bool own, struct err *e);
int stage_tty_use_console(const char *target, int rootfd, int stdio[3], struct err *e);

/* stage_seccomp.c: the socket that gets a filter's listener is connected from the guest (-1: no
 * rule notifies), and the process's number is looked up in the guest's /proc, before the root is
 * switched. load: the filter, and the listener is handed over. */
struct stage_listener {
	int sockfd;
	pid_t pid;
};
int stage_listener_connect(const struct stage *st, struct stage_listener *l, struct err *e);
int stage_listener_pid(struct stage_listener *l, struct err *e);
int stage_seccomp_load(const struct stage *st, struct stage_listener *l, struct err *e);

/* stage_user.c: limits, ids, then what rights are left. Between the two argv[0] is looked up. */
int stage_user_limits(const struct stage *st, struct err *e);
int stage_user_ids(const struct stage *st, struct err *e);
int stage_user_rights(const struct stage *st, struct stage_listener *l, struct err *e);

/* stage_label.c: descriptors of the guest's /proc, -1 where no label is wanted. */
struct stage_labels {
	int selinux, apparmor;
};
int stage_labels_open(const struct stage *st, struct stage_labels *l, struct err *e);
int stage_labels_set(const struct stage *st, struct stage_labels *l, struct err *e);

/* stage_sched.c: processors before and after the process is in its cgroup; a time namespace with
 * offsets for the children of the caller; all else, with the rights of root. */
int stage_cpus_outside(const struct stage *st, struct err *e);
int stage_cpus_inside(const struct stage *st, struct err *e);
bool stage_shifts_time(const struct stage *st);
int stage_time_unshare(const struct stage *st, struct err *e);
int stage_sched_apply(const struct stage *st, struct err *e);

/* stage_exec.c: working directory, environment, command. home: of a user, in the text of a passwd
 * file, which is cut in place; "/" when it names none. self: the agent's own program, which is never
 * the command (CVE-2019-5736: a container that runs it can look for a way to write to it). */
const char *stage_exec_home(char *passwd, uint32_t uid);
struct stage_self {
	dev_t dev;
	ino_t ino;
};
int stage_exec_chdir(const struct spec_process *p, struct err *e);
char **stage_exec_env(const struct spec_process *p, struct err *e);
int stage_exec_find(const char *name, char *const *env, const struct stage_self *self, char *path,
		    size_t cap, struct err *e);

#endif
