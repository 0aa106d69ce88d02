/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the OCI description to a loaded filter: the words are looked up in tables, libseccomp does
 * the rest. As in other runtimes a rule whose action is the default's is left out (the library
 * refuses it), and so are system calls that this version of the library has never heard of; all
 * argument conditions of a rule must hold.
 */
#include "kernel/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include "base/str.h"

#define ARGS_MAX	6

struct word {
	const char *name;
	uint32_t value;
};

static const struct word arches[] = {
	{ "SCMP_ARCH_NATIVE", SCMP_ARCH_NATIVE },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
	{ "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
};

static const struct word operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE }, { "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct word flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SCMP_FLTATR_CTL_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SCMP_FLTATR_CTL_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SCMP_FLTATR_CTL_SSB },
};

static const struct word plain_actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
};

static const struct word *find(const struct word *table, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (str_eq(table[i].name, name))
			return &table[i];
	return NULL;
}

#define FIND(table, name)	find(table, COUNT_OF(table), name)

static int unknown(struct err *e, const char *what, const char *name)
{
	return err_set(e, RC_INVALID_ARGUMENT, "seccomp: unknown %s '%.40s'", what,
		       name ? name : "");
}

static int find_action(const char *name, const unsigned int *number, uint32_t *out, struct err *e)
{
	const struct word *w = FIND(plain_actions, name);
	unsigned int n = number ? *number : EPERM;

	if (w)
		*out = w->value;
	else if (name && str_eq(name, "SCMP_ACT_ERRNO"))
		*out = SCMP_ACT_ERRNO(n & 0xffff);
	else if (name && str_eq(name, "SCMP_ACT_TRACE"))
		*out = SCMP_ACT_TRACE(n & 0xffff);
	else if (name && str_eq(name, "SCMP_ACT_NOTIFY"))
		return err_set(e, RC_UNIMPLEMENTED, "seccomp: SCMP_ACT_NOTIFY is not supported");
	else
		return unknown(e, "action", name);
	return 0;
}

static int add_arches(scmp_filter_ctx ctx, const struct seccomp_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_arches; i++) {
		const struct word *w = FIND(arches, s->arches[i]);
		int r;

		if (!w)
			return unknown(e, "architecture", s->arches[i]);
		r = seccomp_arch_add(ctx, w->value);
		if (r < 0 && r != -EEXIST)
			return err_sys(e, -r, "seccomp: architecture %s", w->name);
	}
	return 0;
}

static int set_flags(scmp_filter_ctx ctx, const struct seccomp_spec *s, struct err *e)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);

	if (r < 0)
		return err_sys(e, -r, "seccomp: leave no_new_privs alone");
	for (size_t i = 0; i < s->n_flags; i++) {
		const struct word *w = FIND(flags, s->flags[i]);

		if (!w)
			return unknown(e, "flag", s->flags[i]);
		r = seccomp_attr_set(ctx, (enum scmp_filter_attr)w->value, 1);
		if (r < 0)
			return err_sys(e, -r, "seccomp: flag %s", w->name);
	}
	return 0;
}

static int make_args(const struct seccomp_rule *rule, struct scmp_arg_cmp out[ARGS_MAX],
		     struct err *e)
{
	if (rule->n_args > ARGS_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "seccomp: more than %d conditions in a rule",
			       ARGS_MAX);
	for (size_t i = 0; i < rule->n_args; i++) {
		const struct seccomp_arg *arg = &rule->args[i];
		const struct word *w = FIND(operators, arg->op);

		if (!w)
			return unknown(e, "operator", arg->op);
		if (arg->index >= ARGS_MAX)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "seccomp: argument %u of a system call", arg->index);
		out[i] = (struct scmp_arg_cmp){
			.arg = arg->index,
			.op = (enum scmp_compare)w->value,
			.datum_a = arg->value,
			.datum_b = arg->value_two,
		};
	}
	return 0;
}

static bool asks_twice(const struct scmp_arg_cmp *args, size_t n)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < n; i++) {
		if (seen >> args[i].arg & 1)
			return true;
		seen |= 1u << args[i].arg;
	}
	return false;
}

/* A rule of libseccomp asks one thing of an argument. Several in one OCI rule are alternatives, all
 * of its conditions then: that is what runtimes have always made of them. */
static int add_call(scmp_filter_ctx ctx, uint32_t action, int nr, const struct scmp_arg_cmp *args,
		    size_t n)
{
	int r = 0;

	if (!asks_twice(args, n))
		return seccomp_rule_add_array(ctx, action, nr, (unsigned int)n, args);
	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add_array(ctx, action, nr, 1, &args[i]);
	return r;
}

static int add_rule(scmp_filter_ctx ctx, const struct seccomp_rule *rule, uint32_t standard,
		    struct err *e)
{
	struct scmp_arg_cmp args[ARGS_MAX];
	uint32_t action;

	if (find_action(rule->action, rule->errno_ret, &action, e) < 0 ||
	    make_args(rule, args, e) < 0)
		return -1;
	if (rule->n_names == 0)
		return err_set(e, RC_INVALID_ARGUMENT, "seccomp: a rule without system calls");
	if (action == standard)
		return 0;
	for (size_t i = 0; i < rule->n_names; i++) {
		int nr = seccomp_syscall_resolve_name(rule->names[i]);
		int r;

		if (nr == __NR_SCMP_ERROR)
			continue;
		r = add_call(ctx, action, nr, args, rule->n_args);
		if (r < 0)
			return err_sys(e, -r, "seccomp: rule for %.40s", rule->names[i]);
	}
	return 0;
}

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

bool seccomp_filter_supported(void)
{
	/* EFAULT: there is a filter mode, and the program is at NULL. EINVAL: there is none. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) < 0 && errno == EFAULT;
}

int seccomp_filter_load(const struct seccomp_spec *s, struct err *e)
{
	__attribute__((cleanup(release))) scmp_filter_ctx ctx = NULL;
	uint32_t standard;
	int r;

	if (find_action(s->default_action, s->default_errno, &standard, e) < 0)
		return -1;
	ctx = seccomp_init(standard);
	if (!ctx)
		return err_set(e, RC_INTERNAL, "seccomp: no filter can be made");
	if (add_arches(ctx, s, e) < 0 || set_flags(ctx, s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n_rules; i++)
		if (add_rule(ctx, &s->rules[i], standard, e) < 0)
			return -1;
	r = seccomp_load(ctx);
	return r < 0 ? err_sys(e, -r, "seccomp: load the filter") : 0;
}
