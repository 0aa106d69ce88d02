/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a ttrpc peer is: vsock://CID:PORT (CID -1: any, for listening), hvsock://PATH:PORT (the
 * hybrid vsock of Firecracker and Cloud Hypervisor: connect to the unix socket, write "CONNECT
 * PORT\n", read "OK …\n"; clients only), unix://PATH (unix://@NAME abstract).
 */
#ifndef MOTE_TTRPC_ADDRESS_H
#define MOTE_TTRPC_ADDRESS_H

#include <sys/un.h>

#include "base/err.h"

enum address_kind { ADDRESS_VSOCK, ADDRESS_HVSOCK, ADDRESS_UNIX };

struct address {
	enum address_kind kind;
	uint32_t cid;	/* VMADDR_CID_ANY for -1 */
	uint32_t port;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

int address_parse(const char *text, struct address *out, struct err *e);

/* A non-blocking CLOEXEC listening socket; an existing unix socket file is replaced (only if it is
 * a socket). -1 with e. */
int address_listen(const struct address *a, int backlog, struct err *e);

/* A connected non-blocking CLOEXEC socket. WAITS for the connection, timeout_ms at most: for
 * clients only, never for PID 1. */
int address_connect(const struct address *a, uint64_t timeout_ms, struct err *e);

#endif
