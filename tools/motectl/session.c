/* SPDX-License-Identifier: Apache-2.0 */
#include "motectl/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#define SERVICE		"grpc.AgentService"
#define MEMORY_MAX	(1u << 20)
#define CREATE_MS	60000	/* what hosts allow */
#define REMOVE_SECONDS	10

/* All calls here answer with google.protobuf.Empty. */
static int call(struct client *c, struct arena *a, const char *method, const ProtobufCMessage *req,
		struct err *e)
{
	if (client_call_wait(c, SERVICE, method, req, &google__protobuf__empty__descriptor,
			     CREATE_MS, a, e))
		return 0;
	return err_ctx(e, "%s: %s", method, err_rc_name(e->rc));
}

int session_new_id(char id[20], struct err *e)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_sys(e, errno, "getrandom");
	snprintf(id, 20, "%016" PRIx64, random);
	return 0;
}

int session_create(struct client *c, const struct spec_opts *spec, struct err *e)
{
	Grpc__CreateSandboxRequest sandbox = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__CreateContainerRequest *container;
	struct arena a;
	int rc = -1;

	arena_init(&a, MEMORY_MAX);
	sandbox.hostname = (char *)spec->hostname;
	sandbox.sandbox_id = (char *)spec->id;
	container = spec_build(&a, spec, e);
	if (container && call(c, &a, "CreateSandbox", &sandbox.base, e) == 0)
		rc = call(c, &a, "CreateContainer", &container->base, e);
	arena_fini(&a);
	return rc;
}

int session_start(struct client *c, const char *id, struct err *e)
{
	Grpc__StartContainerRequest req = GRPC__START_CONTAINER_REQUEST__INIT;
	struct arena a;
	int rc;

	arena_init(&a, MEMORY_MAX);
	req.container_id = (char *)id;
	rc = call(c, &a, "StartContainer", &req.base, e);
	arena_fini(&a);
	return rc;
}

int session_remove(struct client *c, const char *id, struct err *e)
{
	Grpc__RemoveContainerRequest req = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct arena a;
	int rc;

	arena_init(&a, MEMORY_MAX);
	req.container_id = (char *)id;
	req.timeout = REMOVE_SECONDS;
	rc = call(c, &a, "RemoveContainer", &req.base, e);
	arena_fini(&a);
	return rc;
}
