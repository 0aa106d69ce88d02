/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the OCI description to a loaded filter: the words are looked up in tables, libseccomp does
 * the rest. As in other runtimes a rule whose action is the default's is left out (the library
 * refuses it), and so are system calls that this version of the library has never heard of; all
 * argument conditions of a rule must hold, but when two of them are on one argument (the library
 * refuses that) each condition makes a rule of its own: either holds.
 */
#include "kernel/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include "base/str.h"

#define FIELD		"linux.seccomp."
#define ARGS_MAX	6
#define ERRNO_MAX	4095u	/* what the kernel returns at most (MAX_ERRNO) */
#define TRACE_MAX	0xffffu

/* Known to the spec, not to the library that this was built with. */
#define NOT_IN_LIBRARY	UINT32_MAX
#ifndef SCMP_ARCH_LOONGARCH64
#define SCMP_ARCH_LOONGARCH64	NOT_IN_LIBRARY
#endif
#ifndef SCMP_ARCH_M68K
#define SCMP_ARCH_M68K		NOT_IN_LIBRARY
#endif
#ifndef SCMP_ARCH_SH
#define SCMP_ARCH_SH		NOT_IN_LIBRARY
#define SCMP_ARCH_SHEB		NOT_IN_LIBRARY
#endif
/* SCMP_FLTATR_CTL_WAITKILL, an enumerator of version 2.6. */
#define ATTR_WAITKILL	10

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
	{ "SCMP_ARCH_LOONGARCH64", SCMP_ARCH_LOONGARCH64 },
	{ "SCMP_ARCH_M68K", SCMP_ARCH_M68K },
	{ "SCMP_ARCH_SH", SCMP_ARCH_SH },
	{ "SCMP_ARCH_SHEB", SCMP_ARCH_SHEB },
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
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", ATTR_WAITKILL },
};

/* The most that errnoRet may be; 0: the action takes none. */
static const struct action {
	struct word word;
	unsigned int number_max;
} actions[] = {
	{ { "SCMP_ACT_KILL", SCMP_ACT_KILL }, 0 },
	{ { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD }, 0 },
	{ { "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS }, 0 },
	{ { "SCMP_ACT_TRAP", SCMP_ACT_TRAP }, 0 },
	{ { "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) }, ERRNO_MAX },
	{ { "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) }, TRACE_MAX },
	{ { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW }, 0 },
	{ { "SCMP_ACT_LOG", SCMP_ACT_LOG }, 0 },
	{ { "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY }, 0 },
};

static const struct word *find(const struct word *table, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (str_eq(table[i].name, name))
			return &table[i];
	return NULL;
}

#define FIND(table, name)	find(table, COUNT_OF(table), name)

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; name && i < COUNT_OF(actions); i++)
		if (str_eq(actions[i].word.name, name))
			return &actions[i];
	return NULL;
}

static bool is_notify(const char *action)
{
	return action && str_eq(action, "SCMP_ACT_NOTIFY");
}

bool seccomp_notifies(const struct seccomp_spec *s)
{
	for (size_t i = 0; i < s->n_rules; i++)
		if (is_notify(s->rules[i].action))
			return true;
	return false;
}

/* --- the check ---------------------------------------------------------------------------- */

/* Where a word stands, for the error's text. */
struct place {
	char text[64];
};

static struct place PRINTF(1, 2) place(const char *fmt, ...)
{
	struct place p;
	struct str s = STR_OVER(p.text);
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	return p;
}

static int bad(struct err *e, struct place at, const char *why)
{
	return err_set(e, RC_INVALID_ARGUMENT, FIELD "%s: %s", at.text, why);
}

static int unknown(struct err *e, struct place at, const char *word)
{
	if (str_empty(word))
		return bad(e, at, "missing");
	return err_set(e, RC_INVALID_ARGUMENT, FIELD "%s: unknown \"%.40s\"", at.text, word);
}

static int check_number(const char *action, const unsigned int *number, struct place at,
			struct err *e)
{
	unsigned int most = find_action(action)->number_max;

	if (!most)
		return err_set(e, RC_INVALID_ARGUMENT, FIELD "%s: %s takes none", at.text, action);
	if (*number <= most)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, FIELD "%s: %u is more than %u", at.text, *number,
		       most);
}

static int check_arg(const struct seccomp_arg *arg, size_t rule, size_t i, struct err *e)
{
	if (arg->index >= ARGS_MAX)
		return bad(e, place("syscalls[%zu].args[%zu].index", rule, i), "not 0 to 5");
	if (!FIND(operators, arg->op))
		return unknown(e, place("syscalls[%zu].args[%zu].op", rule, i), arg->op);
	return 0;
}

/* A listener is sent while the filter holds already. */
static int check_notify(const struct seccomp_spec *s, size_t i, struct err *e)
{
	const struct seccomp_rule *rule = &s->rules[i];

	if (!is_notify(rule->action))
		return 0;
	if (str_empty(s->listener_path))
		return bad(e, place("listenerPath"), "missing, and SCMP_ACT_NOTIFY needs it");
	for (size_t k = 0; k < rule->n_names; k++)
		if (str_eq(rule->names[k], "sendmsg"))
			return bad(e, place("syscalls[%zu].action", i),
				   "SCMP_ACT_NOTIFY is not possible for sendmsg");
	return 0;
}

static int check_rule(const struct seccomp_spec *s, size_t i, struct err *e)
{
	const struct seccomp_rule *rule = &s->rules[i];

	if (!rule->n_names)
		return bad(e, place("syscalls[%zu].names", i), "empty");
	if (!find_action(rule->action))
		return unknown(e, place("syscalls[%zu].action", i), rule->action);
	if (rule->errno_ret &&
	    check_number(rule->action, rule->errno_ret, place("syscalls[%zu].errnoRet", i), e) < 0)
		return -1;
	if (rule->n_args > ARGS_MAX)
		return bad(e, place("syscalls[%zu].args", i), "more than six");
	for (size_t k = 0; k < rule->n_args; k++)
		if (check_arg(&rule->args[k], i, k, e) < 0)
			return -1;
	return check_notify(s, i, e);
}

static int check_words(char *const *words, size_t n, const struct word *table, size_t n_table,
		       const char *field, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (!find(table, n_table, words[i]))
			return unknown(e, place("%s[%zu]", field, i), words[i]);
	return 0;
}

int seccomp_check(const struct seccomp_spec *s, struct err *e)
{
	if (!find_action(s->default_action))
		return unknown(e, place("defaultAction"), s->default_action);
	if (is_notify(s->default_action))
		return bad(e, place("defaultAction"), "SCMP_ACT_NOTIFY cannot be the default");
	if (s->default_errno &&
	    check_number(s->default_action, s->default_errno, place("defaultErrnoRet"), e) < 0)
		return -1;
	if (check_words(s->arches, s->n_arches, arches, COUNT_OF(arches), "architectures", e) < 0 ||
	    check_words(s->flags, s->n_flags, flags, COUNT_OF(flags), "flags", e) < 0)
		return -1;
	if (!str_empty(s->listener_path) && s->listener_path[0] != '/')
		return bad(e, place("listenerPath"), "not an absolute path");
	if (!str_empty(s->listener_metadata) && str_empty(s->listener_path))
		return bad(e, place("listenerMetadata"), "without a listenerPath");
	for (size_t i = 0; i < s->n_rules; i++)
		if (check_rule(s, i, e) < 0)
			return -1;
	return 0;
}

/* --- compiling: everything is checked ------------------------------------------------------- */

static uint32_t action_value(const char *name, const unsigned int *number)
{
	const struct action *a = find_action(name);

	return a->number_max ? a->word.value | (number ? *number : EPERM) : a->word.value;
}

static int add_arches(scmp_filter_ctx ctx, const struct seccomp_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_arches; i++) {
		const struct word *w = FIND(arches, s->arches[i]);
		int r;

		if (w->value == NOT_IN_LIBRARY)
			return err_set(e, RC_UNIMPLEMENTED,
				       FIELD "architectures[%zu]: no %s in this libseccomp", i,
				       w->name);
		r = seccomp_arch_add(ctx, w->value);
		/* one whose programs cannot run here: of other endianness, or not built in (tools/deps.d) */
		if (r == -EDOM || r == -EINVAL)
			continue;
		if (r < 0 && r != -EEXIST)
			return err_sys(e, -r, FIELD "architectures[%zu] (%s)", i, w->name);
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

		/* how a notification is waited for: the kernel refuses it where there are none */
		if (w->value == ATTR_WAITKILL && !seccomp_notifies(s))
			continue;
		r = seccomp_attr_set(ctx, (enum scmp_filter_attr)w->value, 1);
		if (r == -EEXIST || r == -EINVAL || r == -EOPNOTSUPP)
			return err_set(e, RC_UNIMPLEMENTED,
				       FIELD "flags[%zu]: %s: not in this kernel or libseccomp", i,
				       w->name);
		if (r < 0)
			return err_sys(e, -r, FIELD "flags[%zu] (%s)", i, w->name);
	}
	return 0;
}

static bool one_argument_twice(const struct seccomp_rule *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		if (seen & 1u << rule->args[i].index)
			return true;
		seen |= 1u << rule->args[i].index;
	}
	return false;
}

/* One rule with all conditions, or one for each condition. */
static int add_name(scmp_filter_ctx ctx, uint32_t action, const struct seccomp_rule *rule, int nr)
{
	struct scmp_arg_cmp args[ARGS_MAX];
	unsigned int n = (unsigned int)rule->n_args;
	int r = 0;

	for (size_t i = 0; i < rule->n_args; i++)
		args[i] = (struct scmp_arg_cmp){
			.arg = rule->args[i].index,
			.op = (enum scmp_compare)FIND(operators, rule->args[i].op)->value,
			.datum_a = rule->args[i].value,
			.datum_b = rule->args[i].value_two,
		};
	if (!one_argument_twice(rule))
		return seccomp_rule_add_array(ctx, action, nr, n, args);
	for (unsigned int i = 0; i < n && r >= 0; i++)
		r = seccomp_rule_add_array(ctx, action, nr, 1, &args[i]);
	return r;
}

static int add_rule(scmp_filter_ctx ctx, const struct seccomp_spec *s, size_t i, struct err *e)
{
	const struct seccomp_rule *rule = &s->rules[i];
	uint32_t action = action_value(rule->action, rule->errno_ret);

	if (action == action_value(s->default_action, s->default_errno))
		return 0;
	for (size_t k = 0; k < rule->n_names; k++) {
		int nr = seccomp_syscall_resolve_name(rule->names[k]);
		int r;

		if (nr == __NR_SCMP_ERROR)
			continue;
		r = add_name(ctx, action, rule, nr);
		if (r < 0)
			return err_sys(e, -r, FIELD "syscalls[%zu] (%.40s)", i, rule->names[k]);
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

#ifdef MOTE_TEST
bool seccomp_test_no_load;
#define NO_LOAD	seccomp_test_no_load
#else
#define NO_LOAD	false
#endif

int seccomp_filter_load(const struct seccomp_spec *s, int *listener, struct err *e)
{
	__attribute__((cleanup(release))) scmp_filter_ctx ctx = NULL;
	int r;

	*listener = -1;
	if (seccomp_check(s, e) < 0)
		return -1;
	ctx = seccomp_init(action_value(s->default_action, s->default_errno));
	if (!ctx)
		return err_set(e, RC_INTERNAL, "seccomp: no filter can be made");
	if (add_arches(ctx, s, e) < 0 || set_flags(ctx, s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n_rules; i++)
		if (add_rule(ctx, s, i, e) < 0)
			return -1;
	if (NO_LOAD)
		return 0;
	errno = 0;
	r = seccomp_load(ctx);
	if (r < 0)
		return err_sys(e, -r, "seccomp: load the filter");
	/* libseccomp (2.5, 2.6): when the memory for one call's part of the program cannot be had, the
	 * parts of all that are left are missing, and it says that all is well */
	if (errno == ENOMEM)
		return err_sys(e, ENOMEM, "seccomp: the filter is not whole");
	if (!seccomp_notifies(s))
		return 0;
	*listener = seccomp_notify_fd(ctx);
	return *listener < 0 ? err_sys(e, -*listener, "seccomp: the listener") : 0;
}
