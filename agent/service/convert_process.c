/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.Process: the part of a spec that an exec has too. */
#include "service/convert.h"
#include "service/reader.h"

static void read_user(struct reader *r, const Grpc__User *in, struct spec_user *out)
{
	if (!in)
		return;
	out->uid = in->uid;
	out->gid = in->gid;
	out->groups = READER_ARRAY(r, uint32_t, in->n_additionalgids);
	if (!out->groups)
		return;
	memcpy(out->groups, in->additionalgids, in->n_additionalgids * sizeof(uint32_t));
	out->n_groups = in->n_additionalgids;
}

/* Some hosts quote the names as in JSON: "\"CAP_KILL\"". */
static struct spec_strings read_cap_names(struct reader *r, char *const *names, size_t n)
{
	struct spec_strings out = reader_strings(r, names, n);

	for (size_t i = 0; i < out.n; i++) {
		char *name = out.v[i];
		size_t len = strlen(name);

		if (len < 2 || name[0] != '"' || name[len - 1] != '"')
			continue;
		name[len - 1] = '\0';
		out.v[i] = name + 1;
	}
	return out;
}

static void read_cap_set(struct reader *r, const char *field, char *const *names, size_t n,
			 uint64_t *mask)
{
	struct spec_strings list = read_cap_names(r, names, n);

	if (!err_is_set(r->e) && caps_parse(list.v, list.n, mask, r->e) < 0)
		err_ctx(r->e, "process.capabilities.%s", field);
}

static struct caps_sets *read_caps(struct reader *r, const Grpc__LinuxCapabilities *in)
{
	struct caps_sets *out = in ? READER_ARRAY(r, struct caps_sets, 1) : NULL;

	if (!out)
		return NULL;
	read_cap_set(r, "bounding", in->bounding, in->n_bounding, &out->bounding);
	read_cap_set(r, "effective", in->effective, in->n_effective, &out->effective);
	read_cap_set(r, "inheritable", in->inheritable, in->n_inheritable, &out->inheritable);
	read_cap_set(r, "permitted", in->permitted, in->n_permitted, &out->permitted);
	read_cap_set(r, "ambient", in->ambient, in->n_ambient, &out->ambient);
	return out;
}

static void read_rlimits(struct reader *r, const Grpc__Process *in, struct spec_process *out)
{
	out->rlimits = READER_ARRAY(r, struct spec_rlimit, in->n_rlimits);
	if (!out->rlimits)
		return;
	for (size_t i = 0; i < in->n_rlimits; i++) {
		const Grpc__POSIXRlimit *l = in->rlimits[i];

		out->rlimits[i] = (struct spec_rlimit){ reader_word(r, l->type), l->soft, l->hard };
	}
	out->n_rlimits = in->n_rlimits;
}

static void read_console(struct reader *r, const Grpc__Box *in, struct spec_process *out)
{
	if (!in)
		return;
	if (in->height > UINT16_MAX || in->width > UINT16_MAX)
		err_set(r->e, RC_INVALID_ARGUMENT, "process.consoleSize: %u x %u is more than %u",
			in->width, in->height, UINT16_MAX);
	out->console_rows = (uint16_t)in->height;
	out->console_columns = (uint16_t)in->width;
}

struct spec_process *convert_process(const Grpc__Process *in, struct arena *a, struct err *e)
{
	struct reader r = { a, e };
	struct spec_process *out;

	if (!in) {
		err_set(e, RC_INVALID_ARGUMENT, "process: missing");
		return NULL;
	}
	out = READER_ARRAY(&r, struct spec_process, 1);
	if (!out)
		return NULL;
	out->terminal = in->terminal;
	read_console(&r, in->consolesize, out);
	read_user(&r, in->user, &out->user);
	out->args = reader_strings(&r, in->args, in->n_args);
	out->env = reader_strings(&r, in->env, in->n_env);
	out->cwd = reader_text(&r, in->cwd);
	out->caps = read_caps(&r, in->capabilities);
	read_rlimits(&r, in, out);
	out->no_new_privs = in->nonewprivileges;
	out->apparmor_profile = reader_text(&r, in->apparmorprofile);
	out->apparmor_if_there = true;
	out->selinux_label = reader_text(&r, in->selinuxlabel);
	out->oom_score_adj = (struct spec_i64){ in->oomscoreadj, in->oomscoreadj != 0 };
	return err_is_set(e) ? NULL : out;
}
