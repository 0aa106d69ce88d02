/* SPDX-License-Identifier: Apache-2.0 */
/* A PodSandboxConfig in JSON, as some hosts write it: members that are not known are ignored, those that
 * are have their type. */
#include "base/json.h"
#include "service/containerd/pod_config.h"

#define DOC_BYTES(len) MIN(65536 + (size_t)(len) * 10, (size_t)4 << 20)

static char *copy(struct arena *a, yyjson_val *v, const char *what, struct err *e)
{
	char *text = yyjson_is_str(v) ? arena_strdup(a, yyjson_get_str(v)) : NULL;

	if (!yyjson_is_str(v))
		err_set(e, RC_INVALID_ARGUMENT, "%s: a string is wanted", what);
	else if (!text)
		err_sys(e, ENOMEM, "%s", what);
	return text;
}

static bool is_said(yyjson_val *v)
{
	return v && !yyjson_is_null(v);
}

static int strings(struct arena *a, yyjson_val *in, const char *what, char ***out, size_t *n,
		   struct err *e)
{
	yyjson_val *entry;
	size_t i, max;

	if (!is_said(in))
		return 0;
	if (!yyjson_is_arr(in))
		return err_set(e, RC_INVALID_ARGUMENT, "%s: a list is wanted", what);
	*out = ARENA_ARRAY(a, char *, yyjson_arr_size(in));
	if (!*out)
		return err_sys(e, ENOMEM, "%s", what);
	yyjson_arr_foreach(in, i, max, entry) {
		(*out)[i] = copy(a, entry, what, e);
		if (!(*out)[i])
			return -1;
		*n = i + 1;
	}
	return 0;
}

static int dns(struct arena *a, yyjson_val *in, Runtime__V1__PodSandboxConfig *out, struct err *e)
{
	Runtime__V1__DNSConfig *d = ARENA_NEW(a, Runtime__V1__DNSConfig);

	if (!is_said(in))
		return 0;
	if (!d)
		return err_sys(e, ENOMEM, "dns_config");
	runtime__v1__dnsconfig__init(d);
	out->dns_config = d;
	if (strings(a, yyjson_obj_get(in, "servers"), "dns_config.servers", &d->servers,
		    &d->n_servers, e) < 0 ||
	    strings(a, yyjson_obj_get(in, "searches"), "dns_config.searches", &d->searches,
		    &d->n_searches, e) < 0)
		return -1;
	return strings(a, yyjson_obj_get(in, "options"), "dns_config.options", &d->options,
		       &d->n_options, e);
}

static int sysctls(struct arena *a, yyjson_val *in, Runtime__V1__LinuxPodSandboxConfig *out,
		   struct err *e)
{
	size_t n = yyjson_obj_size(in), i, max;
	Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry *v =
		ARENA_ARRAY(a, Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry, n);
	yyjson_val *key, *value;

	out->sysctls = ARENA_ARRAY(a, Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry *, n);
	if (!v || !out->sysctls)
		return err_sys(e, ENOMEM, "linux.sysctls");
	yyjson_obj_foreach(in, i, max, key, value) {
		runtime__v1__linux_pod_sandbox_config__sysctls_entry__init(&v[i]);
		v[i].key = copy(a, key, "linux.sysctls", e);
		v[i].value = copy(a, value, "linux.sysctls", e);
		if (!v[i].key || !v[i].value)
			return -1;
		out->sysctls[out->n_sysctls++] = &v[i];
	}
	return 0;
}

static int read_members(struct arena *a, yyjson_val *in, Runtime__V1__PodSandboxConfig *out,
			struct err *e)
{
	yyjson_val *hostname = yyjson_obj_get(in, "hostname");
	yyjson_val *wanted = yyjson_obj_get(yyjson_obj_get(in, "linux"), "sysctls");

	if (!yyjson_is_obj(in))
		return err_set(e, RC_INVALID_ARGUMENT, "PodSandboxConfig: an object is wanted");
	if (is_said(hostname) && !(out->hostname = copy(a, hostname, "hostname", e)))
		return -1;
	if (dns(a, yyjson_obj_get(in, "dns_config"), out, e) < 0)
		return -1;
	if (!is_said(wanted))
		return 0;
	out->linux = ARENA_NEW(a, Runtime__V1__LinuxPodSandboxConfig);
	if (!out->linux)
		return err_sys(e, ENOMEM, "linux");
	runtime__v1__linux_pod_sandbox_config__init(out->linux);
	return sysctls(a, wanted, out->linux, e);
}

Runtime__V1__PodSandboxConfig *pod_config_json(const void *text, size_t len, struct arena *a,
					       struct err *e)
{
	Runtime__V1__PodSandboxConfig *out = ARENA_NEW(a, Runtime__V1__PodSandboxConfig);
	struct arena scratch;
	yyjson_doc *doc;

	if (!out) {
		err_sys(e, ENOMEM, "PodSandboxConfig");
		return NULL;
	}
	runtime__v1__pod_sandbox_config__init(out);
	arena_init(&scratch, DOC_BYTES(len));
	doc = json_read(&scratch, text, len, e);
	if (doc)
		read_members(a, yyjson_doc_get_root(doc), out, e);
	arena_fini(&scratch);
	return err_is_set(e) ? NULL : out;
}
