/* SPDX-License-Identifier: Apache-2.0 */
/* A host's end of mote.v1.Ports. */
#ifndef MOTE_TESTS_RIG_PORT_H
#define MOTE_TESTS_RIG_PORT_H

#include "lib/rig.h"

struct rig_port {
	struct rig *rig;
	struct client_stream *stream;
	bool connected, ended, over; /* ended: by the server; over: the stream */
	struct err err;		     /* of the stream's end */
	char data[1 << 14];	     /* what came, terminated */
	size_t len;
};

/* On c, until it is connected or refused: the code, and r->err. Closed by the caller in any case. */
int rig_port_open(struct rig *r, struct client *c, struct rig_port *p, uint32_t port);

/* Says it and waits for `part` in all that has come, or for the end (NULL). The code: OK, or that of
 * the stream's end if it came before. */
int rig_port_ask(struct rig_port *p, const char *text, const char *part);

/* Our half ends; until the stream has. The code. */
int rig_port_end(struct rig_port *p);
void rig_port_close(struct rig_port *p);

#endif
