/* SPDX-License-Identifier: Apache-2.0 */
/* Task.Create and Task.Exec: what has to be made on the host first. */
#ifndef MOTE_SHIM_TASK_WORK_H
#define MOTE_SHIM_TASK_WORK_H

#include "shim/shim.h"

void task_work_create(struct call *c);
void task_work_exec(struct call *c);

extern const struct rpc_service shim_task_v2, shim_task_v3, shim_sandbox, shim_streaming;

#endif
