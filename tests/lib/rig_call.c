/* SPDX-License-Identifier: Apache-2.0 */
/* Calls in JSON, and the usual sequences of a container's life. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/pbjson.h"
#include "lib/rig.h"
#include "lib/schema.h"
#include "ttrpc/pb.h"

#include "agent.pb-c.h"

#define JSON_MAX 65536

static void must(int r, const struct err *e, const char *what)
{
	if (r < 0)
		fail_msg("%s: %s", what, e->msg);
}

struct method {
	const ProtobufCServiceDescriptor *service;
	const ProtobufCMethodDescriptor *method;
};

static struct method find_method(const char *name)
{
	char full[128];
	struct method m;
	struct err e = { 0 };

	snprintf(full, sizeof(full), "%s%s", strchr(name, '/') ? "" : "grpc.AgentService/", name);
	must(schema_find_method(full, &m.service, &m.method, &e), &e, name);
	return m;
}

static ProtobufCMessage *request(struct arena *a, const struct method *m, const char *json,
				 va_list ap)
{
	char *text = arena_vprintf(a, json, ap);
	struct err e = { 0 };
	ProtobufCMessage *msg;

	assert_non_null(text);
	msg = pbjson_read(a, m->method->input, text, strlen(text), &e);
	if (!msg)
		fail_msg("%s: %s\n%s", m->method->name, e.msg, text);
	return msg;
}

static int call(struct rig *r, struct client *c, uint64_t timeout_ms, const char *name,
		const char *json, va_list ap)
{
	struct method m = find_method(name);
	struct arena a;
	ProtobufCMessage *reply;
	size_t len = 0;
	char *text;

	arena_init(&a, 32 << 20);
	err_clear(&r->err);
	*r->reply = '\0';
	reply = client_call_wait(c, m.service->name, m.method->name, request(&a, &m, json, ap),
				 m.method->output, timeout_ms, &a, &r->err);
	if (reply) {
		text = pbjson_write(&a, reply, PBJSON_COMPACT | PBJSON_DEFAULTS, &len, &r->err);
		if (text && len < sizeof(r->reply))
			memcpy(r->reply, text, len + 1);
		r->reply_len = len;
	}
	arena_fini(&a);
	return r->err.rc;
}

int rig_call(struct rig *r, const char *method, const char *json, ...)
{
	va_list ap;
	int rc;

	va_start(ap, json);
	rc = call(r, r->client, r->call_ms ? r->call_ms : RIG_CALL_MS, method, json, ap);
	va_end(ap);
	return rc;
}

int rig_call_on(struct rig *r, struct client *c, uint64_t timeout_ms, const char *method,
		const char *json, ...)
{
	va_list ap;
	int rc;

	va_start(ap, json);
	rc = call(r, c, timeout_ms, method, json, ap);
	va_end(ap);
	return rc;
}

static void pending_done(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct rig_pending *p = arg;

	p->err = *e;
	p->len = MIN(len, sizeof(p->payload));
	if (p->len)
		memcpy(p->payload, payload, p->len);
	p->done = true;
}

void rig_send(struct rig *r, struct client *c, uint64_t timeout_ms, struct rig_pending *p,
	      const char *method, const char *json, ...)
{
	struct method m = find_method(method);
	struct err e = { 0 };
	struct arena a;
	va_list ap;

	(void)r;
	arena_init(&a, 32 << 20);
	p->done = false;
	va_start(ap, json);
	if (client_call_msg(c, m.service->name, m.method->name, request(&a, &m, json, ap),
			    timeout_ms, pending_done, p, &e) < 0)
		fail_msg("%s: %s", method, e.msg);
	va_end(ap);
	arena_fini(&a);
}

int rig_await(struct rig *r, struct rig_pending *p)
{
	while (!p->done)
		loop_once(r->loop, -1);
	return p->err.rc;
}

/* --- a container's life ----------------------------------------------------------------------- */

/* What the specs of all tests share: a runtime's default, shortened. The capabilities are those of
 * containerd's default. */
#define CAPS                                                                                                                             \
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_RAW\",\"CAP_SETGID\",\"CAP_SETUID\"," \
	"\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]"

static const char default_caps[] =
	",\"Capabilities\":{\"Bounding\":" CAPS ",\"Effective\":" CAPS ",\"Permitted\":" CAPS "}";

static const char default_namespaces[] =
	",\"Namespaces\":[{\"Type\":\"ipc\"},{\"Type\":\"uts\"},{\"Type\":\"mount\"},{\"Type\":\"pid\"},{\"Type\":\"cgroup\"}]";

static const char default_mounts[] =
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\",\"noexec\",\"newinstance\","
	"\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}";

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* The usual member, unless the test brings its own of that name. */
static const char *unless(const char *own, const char *name, const char *usual)
{
	return own && strstr(own, name) ? "" : usual;
}

/* The lower layer: the machine's own directory, or the VM's disk. */
void rig_root_storages(const struct rig *r, const char *at, char *out, size_t cap)
{
	static const char overlay[] =
		"{\"driver\":\"overlayfs\",\"source\":\"overlay\",\"fstype\":\"overlay\",\"mount_point\":"
		"\"%s\",\"options\":[\"lowerdir=%s\",\"io.katacontainers.fs-opt.overlay-rw\"]}";
	static const char disk[] =
		"{\"driver\":\"blk\",\"source\":\"%s\",\"fstype\":\"erofs\",\"mount_point\":"
		"\"/run/kata-containers/sandbox/storage/rootfs\",\"options\":[\"ro\"]},";
	char pci[VM_PCI_PATH];
	int n = 0;

	if (r->kind == RIG_VM)
		n = snprintf(out, cap, disk, vm_drive_pci_path(&r->vm_opts, 0, pci));
	snprintf(out + n, cap - (size_t)n, overlay, at,
		 r->kind == RIG_VM ? "/run/kata-containers/sandbox/storage/rootfs" : r->rootfs);
}

char *rig_create_text(const struct rig *r, struct arena *a, const char *id,
		      const struct rig_container *what)
{
	const char *more = or_empty(what->storages);
	char storages[1024] = "", at[256];

	snprintf(at, sizeof(at), "/run/kata-containers/%s/rootfs", id);
	if (!what->root)
		rig_root_storages(r, at, storages, sizeof(storages));
	else
		more += *more == ',';
	return arena_printf(
		a,
		"{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"storages\":[%s%s],\"OCI\":{\"Version\":\"1.1.0\","
		"\"Hostname\":\"%s\",\"Mounts\":[%s%s],\"Root\":{\"Path\":\"%s\"%s},"
		"\"Process\":{\"Args\":%s%s%s%s%s%s},"
		"\"Linux\":{\"MaskedPaths\":[\"/proc/kcore\",\"/proc/keys\",\"/proc/scsi\",\"/sys/firmware\"],"
		"\"ReadonlyPaths\":[\"/proc/sys\",\"/proc/sysrq-trigger\"]%s%s%s%s%s}%s}%s}",
		id, id, storages, more, id, default_mounts,
		or_empty(what->mounts), what->root ? what->root : "/run/kata-containers/none",
		what->readonly ? ",\"Readonly\":true" : "",
		what->args ? what->args : "[\"/bin/sh\"]", or_empty(what->process),
		unless(what->process, "\"Cwd\"", ",\"Cwd\":\"/\""),
		unless(what->process, "\"User\"", ",\"User\":{}"),
		unless(what->process, "\"Env\"", ",\"Env\":[\"PATH=/bin\"]"),
		unless(what->process, "\"Capabilities\"", default_caps), or_empty(what->linux),
		unless(what->linux, "\"CgroupsPath\"", ",\"CgroupsPath\":\"/mote-test/"),
		unless(what->linux, "\"CgroupsPath\"", id),
		unless(what->linux, "\"CgroupsPath\"", "\""),
		unless(what->linux, "\"Namespaces\"", default_namespaces), or_empty(what->spec),
		or_empty(what->request));
}

void rig_send_create(struct rig *r, struct client *c, uint64_t timeout_ms, struct rig_pending *p,
		     const char *id, const struct rig_container *what)
{
	struct arena a;
	char *text;

	arena_init(&a, 32 << 20);
	text = rig_create_text(r, &a, id, what);
	assert_non_null(text);
	rig_send(r, c, timeout_ms, p, "CreateContainer", "%s", text);
	arena_fini(&a);
}

int rig_create(struct rig *r, const char *id, const struct rig_container *what)
{
	static struct rig_pending p;

	rig_send_create(r, r->client, RIG_CALL_MS, &p, id, what);
	rig_await(r, &p);
	r->err = p.err;
	return r->err.rc;
}

int rig_run(struct rig *r, const char *id, const struct rig_container *what)
{
	int rc = rig_create(r, id, what);

	return rc ? rc : rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id);
}

int rig_exec(struct rig *r, const char *id, const char *exec_id, const char *script)
{
	return rig_call(
		r, "ExecProcess",
		"{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"process\":{\"Args\":[\"/bin/sh\",\"-c\",\"%s\"],\"Cwd\":\"/\","
		"\"Env\":[\"PATH=/bin\"],\"User\":{}}}",
		id, exec_id, script);
}

int rig_wait(struct rig *r, const char *id, const char *exec_id)
{
	int rc = rig_call(r, "WaitProcess", "{\"container_id\":\"%s\",\"exec_id\":\"%s\"}", id,
			  exec_id),
	    status = -1;

	if (rc)
		return -rc;
	if (sscanf(r->reply, "{\"status\":%d}", &status) != 1)
		fail_msg("WaitProcess: %s", r->reply);
	return status;
}

ssize_t rig_read_until(struct rig *r, const char *method, const char *id, const char *exec_id,
		       const char *part)
{
	static char all[sizeof(r->reply)];
	static struct rig_pending p;
	size_t n = 0;

	for (;;) {
		struct err e = { 0 };
		struct arena a;
		Grpc__ReadStreamResponse *reply;
		bool end;
		size_t len;

		rig_send(r, r->client, r->call_ms, &p, method,
			 "{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"len\":32768}", id, exec_id);
		if (rig_await(r, &p)) {
			r->err = p.err;
			return -p.err.rc;
		}
		arena_init(&a, 1 << 20);
		reply = (Grpc__ReadStreamResponse *)pb_unpack(
			&a, &grpc__read_stream_response__descriptor, p.payload, p.len, &e);
		assert_non_null(reply);
		len = MIN(reply->data.len, sizeof(all) - 1 - n);
		if (len)
			memcpy(all + n, reply->data.data, len);
		n += len;
		all[n] = '\0';
		end = !reply->data.len || (part && strstr(all, part));
		arena_fini(&a);
		if (end || n == sizeof(all) - 1)
			break;
	}
	memcpy(r->reply, all, n + 1);
	r->reply_len = n;
	return (ssize_t)n;
}

ssize_t rig_read(struct rig *r, const char *method, const char *id, const char *exec_id)
{
	return rig_read_until(r, method, id, exec_id, NULL);
}

int rig_remove(struct rig *r, const char *id)
{
	return rig_call(r, "RemoveContainer", "{\"container_id\":\"%s\"}", id);
}

const char *rig_id(struct rig *r)
{
	static char ids[4][32];
	char *id = ids[r->serial % 4];

	snprintf(id, sizeof(ids[0]), "c%u-%d", r->serial++, (int)getpid());
	return id;
}

/* What `what` says, but the args. */
static int shell(struct rig *r, struct rig_container *what, const char *script)
{
	static char output[sizeof(r->reply)];
	const char *id = rig_id(r);
	char args[4096];
	int status;

	snprintf(args, sizeof(args), "[\"/bin/sh\",\"-c\",\"%s\"]", script);
	what->args = args;
	if (rig_run(r, id, what))
		fail_msg("run: %s", r->err.msg);
	if (rig_read(r, "ReadStdout", id, id) < 0)
		fail_msg("ReadStdout: %s", r->err.msg);
	memcpy(output, r->reply, r->reply_len + 1);
	status = rig_wait(r, id, id);
	if (status < 0)
		fail_msg("WaitProcess: %s", r->err.msg);
	if (rig_remove(r, id))
		fail_msg("RemoveContainer: %s", r->err.msg);
	memcpy(r->reply, output, sizeof(output));
	return status;
}

int rig_shell(struct rig *r, const char *script)
{
	struct rig_container what = { 0 };

	return shell(r, &what, script);
}

#define ALL "[\"CAP_NET_RAW\",\"CAP_NET_ADMIN\",\"CAP_SYS_ADMIN\",\"CAP_SYS_PTRACE\",\"CAP_DAC_OVERRIDE\",\"CAP_KILL\",\"CAP_MKNOD\"]"

int rig_guest(struct rig *r, const char *script)
{
	struct rig_container what = {
		.process = ",\"Capabilities\":{\"Bounding\":" ALL ",\"Effective\":" ALL
			   ",\"Permitted\":" ALL "}",
		.mounts = ",{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\"]}"
			  ",{\"destination\":\"/groups\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\",\"options\":[\"rbind\"]}",
	};

	return shell(r, &what, script);
}
