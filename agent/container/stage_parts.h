/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the stage; for stage*.c only. All run in the child and may wait; -1 with e. */
#ifndef MOTE_CONTAINER_STAGE_PARTS_H
#define MOTE_CONTAINER_STAGE_PARTS_H

#include "container/stage.h"

/* stage_root.c: the file tree of a first process. prepare puts it together and gives a
 * descriptor of it; between the two the hooks run that want to see both roots. */
int stage_root_prepare(const struct stage *st, struct err *e);
int stage_root_switch(const struct stage *st, int rootfd, struct err *e);
int stage_root_sysctls(const struct spec *s, struct err *e);

/* stage_user.c: limits, ids, then what rights are left. Between the two argv[0] is looked up. */
int stage_user_limits(const struct spec_process *p, struct err *e);
int stage_user_ids(const struct stage *st, struct err *e);
int stage_user_rights(const struct stage *st, struct err *e);

/* stage_exec.c: working directory, environment, command. */
int stage_exec_chdir(const struct spec_process *p, struct err *e);
char **stage_exec_env(const struct spec_process *p, struct err *e);
int stage_exec_find(const char *name, char *const *env, char *path, size_t cap, struct err *e);

#endif
