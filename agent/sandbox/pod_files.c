/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/pod_files.h"

#include <fcntl.h>

#include "base/io.h"
#include "container/stage.h"

#define TEXT_MAX 8192

static const char hosts[] =
	"# made for this pod\n"
	"127.0.0.1\tlocalhost\n"
	"::1\tlocalhost ip6-localhost ip6-loopback\n"
	"fe00::0\tip6-localnet\n"
	"fe00::0\tip6-mcastprefix\n"
	"fe00::1\tip6-allnodes\n"
	"fe00::2\tip6-allrouters\n";

static int make_file(const char *path, const struct str *text, struct err *e)
{
	int r = str_ok(text) ? io_create_file(AT_FDCWD, path, text->buf, text->len, 0644) : -EFBIG;

	return r < 0 ? err_sys(e, -r, "write %s", path) : 0;
}

int pod_files_make(const struct sandbox_spec *spec, struct err *e)
{
	char text[TEXT_MAX];
	struct str s = STR_OVER(text);

	if (!spec->pod_files)
		return 0;
	str_addf(&s, "%s\n", spec->hostname);
	if (make_file(SANDBOX_DIR "/hostname", &s, e) < 0)
		return -1;
	str_reset(&s);
	str_add(&s, hosts);
	if (*spec->hostname)
		str_addf(&s, "127.0.1.1\t%s\n", spec->hostname);
	if (make_file(SANDBOX_DIR "/hosts", &s, e) < 0)
		return -1;
	str_reset(&s);
	for (size_t i = 0; i < spec->n_dns; i++)
		str_addf(&s, "%s\n", spec->dns[i]);
	return make_file(SANDBOX_DIR "/resolv.conf", &s, e);
}

int pod_sysctls_set(const struct sandbox_spec *spec, const int nsfd[SANDBOX_NS_COUNT],
		    struct err *e)
{
	int r;

	if (!spec->sysctls.n)
		return 0;
	r = ns_join(nsfd[SANDBOX_NS_IPC], NS_IPC);
	if (r == 0)
		r = ns_join(nsfd[SANDBOX_NS_UTS], NS_UTS);
	if (r < 0)
		return err_sys(e, -r, "join the pod's namespaces");
	return stage_sysctls(&spec->sysctls, e);
}
