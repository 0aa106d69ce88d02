/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.Health. Hosts ask every few seconds and kill the sandbox that does not answer: nothing here
 * depends on any state. */
#include "service/kata/kata.h"

void kata_health_check(struct call *c)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	call_reply(c, &reply.base);
}

void kata_health_version(struct call *c)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

	reply.grpc_version = (char *)KATA_API_VERSION;
	reply.agent_version = (char *)kata_of(c)->sandbox->opts.version;
	call_reply(c, &reply.base);
}
