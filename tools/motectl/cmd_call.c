/* SPDX-License-Identifier: Apache-2.0 */
/* call, list, describe: any ttrpc server that serves the schemas we know, mote or not. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/io.h"
#include "lib/parse.h"
#include "lib/pbjson.h"
#include "lib/schema.h"
#include "motectl/motectl.h"
#include "ttrpc/address.h"
#include "ttrpc/client.h"

#define JSON_MAX	(16u << 20)	/* base64 of a whole frame fits */
#define MEMORY_MAX	(512u << 20)
#define CONNECT_MS	30000	/* vhost-device-vsock is of no use after one that is given up (vm_talk.c): a guest that stands still is waited for */

static const char call_usage[] = "motectl call [OPTION...] ADDRESS SERVICE/METHOD [JSON | -]";
static const char list_usage[] = "motectl list";
static const char describe_usage[] = "motectl describe NAME";

struct call_opts {
	bool help, defaults, compact;
	uint64_t timeout_ms;
};

static int parse_timeout(const char *text, void *member, struct err *e)
{
	return parse_seconds(text, member, e);
}

static const struct opt call_table[] = {
	{ "defaults", 'd', NULL, "print fields that hold their default value too", OPT_FLAG,
	  offsetof(struct call_opts, defaults), NULL },
	{ "compact", 'c', NULL, "print one line", OPT_FLAG, offsetof(struct call_opts, compact),
	  NULL },
	{ "timeout", 't', "SECONDS", "give up after so long; 0 (the default): never", OPT_PARSE,
	  offsetof(struct call_opts, timeout_ms), parse_timeout },
	{ "help", 'h', NULL,
	  "this text\n"
	  "ADDRESS is vsock://CID:PORT, hvsock://PATH:PORT or unix://PATH; the request is {}\n"
	  "when it is "
	  "left out, and comes from the standard input when it is '-'",
	  OPT_FLAG, offsetof(struct call_opts, help), NULL },
	{ .name = NULL },
};

static const struct opt help_table[] = {
	{ "help", 'h', NULL, "this text", OPT_FLAG, 0, NULL },
	{ .name = NULL },
};

/* The request's JSON: from the command line, or all of stdin. */
static const char *request_text(struct arena *a, const char *given, size_t *len, struct err *e)
{
	char *text;
	ssize_t n;

	if (!given)
		given = "{}";
	if (!str_eq(given, "-")) {
		*len = strlen(given);
		return given;
	}
	text = arena_alloc(a, JSON_MAX);
	n = text ? io_read_full(STDIN_FILENO, text, JSON_MAX) : -ENOMEM;
	if (n < 0 || n == JSON_MAX) {
		err_sys(e, n < 0 ? (int)-n : EFBIG, "read the request");
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

static ProtobufCMessage *exchange(const char *where, const char *service,
				  const ProtobufCMethodDescriptor *m, const ProtobufCMessage *req,
				  uint64_t timeout_ms, struct arena *a, struct err *e)
{
	struct loop *loop = loop_new();
	ProtobufCMessage *reply = NULL;
	struct client *c = NULL;
	struct address address;
	int fd;

	if (!loop) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for an event loop");
		return NULL;
	}
	fd = address_parse(where, &address, e) < 0
		     ? -1
		     : address_connect(&address, timeout_ms ? timeout_ms : CONNECT_MS, e);
	if (fd >= 0)
		c = client_new(loop, fd, e);
	if (!c) {
		err_ctx(e, "%s", where);
	} else {
		reply = client_call_wait(c, service, m->name, req, m->output, timeout_ms, a, e);
		if (!reply)
			err_ctx(e, "%s/%s: %s", service, m->name, err_rc_name(e->rc));
		client_free(c);
	}
	loop_free(loop);
	return reply;
}

static int call(struct arena *a, const struct call_opts *o, const char *const *args, struct err *e)
{
	const ProtobufCServiceDescriptor *service;
	const ProtobufCMethodDescriptor *method;
	unsigned int flags =
		(o->defaults ? PBJSON_DEFAULTS : 0) | (o->compact ? PBJSON_COMPACT : 0);
	ProtobufCMessage *req, *reply;
	const char *text;
	size_t len;

	if (schema_find_method(args[1], &service, &method, e) < 0)
		return STATUS_USAGE;
	text = request_text(a, args[2], &len, e);
	if (!text)
		return STATUS_FAILED;
	req = pbjson_read(a, method->input, text, len, e);
	if (!req)
		return STATUS_USAGE;
	reply = exchange(args[0], service->name, method, req, o->timeout_ms, a, e);
	text = reply ? pbjson_write(a, reply, flags, &len, e) : NULL;
	if (!text)
		return STATUS_FAILED;
	puts(text);
	if (fflush(stdout) != 0)
		return err_sys(e, errno, "write the reply"), STATUS_FAILED;
	return 0;
}

int cmd_call(char **argv)
{
	struct call_opts o = { 0 };
	struct opt_rest rest;
	struct err e = { 0 };
	struct arena a;
	int status;

	signal(SIGPIPE, SIG_IGN);
	arena_init(&a, MEMORY_MAX);
	if (read_options(&a, call_table, &o, &o.help, call_usage, argv, &rest, &status) == 0) {
		if (check_arguments(&rest, 2, 3, call_usage) < 0)
			status = STATUS_USAGE;
		else
			status = call(&a, &o, rest.args.items, &e);
		if (err_is_set(&e))
			complain(status, &e);
	}
	arena_fini(&a);
	return status;
}

int cmd_list(char **argv)
{
	struct opt_rest rest;
	struct arena a;
	bool help = false;
	int status = 0;

	arena_init(&a, 65536);
	if (read_options(&a, help_table, &help, &help, list_usage, argv, &rest, &status) == 0) {
		if (check_arguments(&rest, 0, 0, list_usage) < 0)
			status = STATUS_USAGE;
		else
			schema_print_list(stdout);
	}
	arena_fini(&a);
	return status;
}

int cmd_describe(char **argv)
{
	struct opt_rest rest;
	struct err e = { 0 };
	struct arena a;
	bool help = false;
	int status = 0;

	arena_init(&a, 65536);
	if (read_options(&a, help_table, &help, &help, describe_usage, argv, &rest, &status) == 0) {
		if (check_arguments(&rest, 1, 1, describe_usage) < 0)
			status = STATUS_USAGE;
		else if (schema_describe(stdout, rest.args.items[0], &e) < 0)
			status = complain(STATUS_FAILED, &e);
	}
	arena_fini(&a);
	return status;
}
