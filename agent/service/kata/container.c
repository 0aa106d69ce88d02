/* SPDX-License-Identifier: Apache-2.0 */
/* CreateContainer, StartContainer, RemoveContainer. */
#include "base/clock.h"
#include "service/convert.h"
#include "service/kata/kata.h"

static int fill_container(const Grpc__CreateContainerRequest *req, struct call *c,
			  struct sandbox_container *what, struct err *e)
{
	if (convert_spec(req->oci, &what->container->arena, what->container->spec, e) < 0)
		return -1;
	what->devices = convert_devices(req->devices, req->n_devices, &what->container->arena, e);
	what->n_devices = req->n_devices;
	if (!what->devices)
		return -1;
	what->storages = convert_storages(req->storages, req->n_storages, &c->arena, e);
	what->n_storages = req->n_storages;
	what->share_pid = req->sandbox_pidns;
	if (!what->storages || !req->n_shared_mounts)
		return what->storages ? 0 : -1;
	/* kept: they are looked at when the container is made, and its host may have its answer */
	what->shared_mounts = convert_shared_mounts(req->shared_mounts, req->n_shared_mounts,
						    &what->container->kept, e);
	what->n_shared_mounts = req->n_shared_mounts;
	return what->shared_mounts ? 0 : -1;
}

static void create(struct call *c, int fds[3])
{
	const Grpc__CreateContainerRequest *req = (const void *)c->req;
	struct sandbox *s = kata_of(c)->sandbox;
	struct sandbox_container what = { 0 };
	struct err e = { 0 };

	what.container = sandbox_container_new(s, req->container_id, &e);
	if (!what.container) {
		call_fail(c, &e);
		return;
	}
	if (fill_container(req, c, &what, &e) < 0 || process_pass(what.container->init, fds, &e) < 0) {
		sandbox_container_drop(s, what.container);
		call_fail(c, &e);
		return;
	}
	sandbox_container_create(s, &what, verb_deadline(c), verb_answer, c);
}

void kata_create_container(struct call *c)
{
	const Grpc__CreateContainerRequest *req = (const void *)c->req;
	const uint32_t ports[] = { req->stdin_port, req->stdout_port, req->stderr_port };

	kata_take_streams(c, ports, create);
}

void kata_start_container(struct call *c)
{
	const Grpc__StartContainerRequest *req = (const void *)c->req;
	struct container *found = kata_container(c, req->container_id);

	if (found)
		container_start(found, verb_deadline(c), verb_answer, c);
}

void kata_remove_container(struct call *c)
{
	const Grpc__RemoveContainerRequest *req = (const void *)c->req;
	uint64_t deadline = verb_deadline(c);
	struct container *found = kata_container(c, req->container_id);

	if (!found)
		return;
	if (req->timeout)
		deadline = MIN(deadline, clock_after(req->timeout * UINT64_C(1000)));
	sandbox_container_remove(kata_of(c)->sandbox, found, deadline, verb_answer, c);
}
