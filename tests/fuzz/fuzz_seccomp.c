/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filter from arbitrary words and numbers: what the check lets pass is compiled (and not loaded),
 * which may fail but not crash, and never for an unknown word. One byte picks a word of a list or a
 * number.
 */
#include <stdlib.h>

#include "kernel/seccomp.h"

#define RULES_MAX	6
#define ARGS_MAX	7
/* The library (2.5, 2.6) does not come back from some pairs of rules with two conditions on one call: the
 * first {a3 < 0, a0 != 0}, the second {a3 != 0, a0 != 0}. In the agent that is a child's time until the
 * container's deadline; here only the first rule has more than one. */
#define WHOLE		1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Version 2.5 of the library loses some memory when it refuses a rule; a filter is compiled in a
 * process of its own. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libseccomp";
}

static const char *const actions[] = {
	"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO",
	"SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_", "",
};
static const char *const operators[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
	"SCMP_CMP_MASKED_EQ", "SCMP_CMP_",
};
static char arch_names[][24] = {
	"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64",
	"SCMP_ARCH_S390X", "SCMP_ARCH_",
};
static char call_names[][16] = {
	"read", "socket", "clone", "personality", "sendmsg", "socketcall", "no_such_call", "",
	"ipc", "mmap", "futex_time64",
};

struct input {
	const uint8_t *data;
	size_t left;
};

static uint8_t byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

static uint64_t number(struct input *in)
{
	uint64_t n = 0;

	for (int i = byte(in) % 9; i > 0; i--)
		n = n << 8 | byte(in);
	return n;
}

#define PICK(table, in)	((table)[byte(in) % COUNT_OF(table)])

struct filter {
	struct seccomp_spec spec;
	struct seccomp_rule rules[RULES_MAX];
	struct seccomp_arg args[RULES_MAX][ARGS_MAX];
	char *names[RULES_MAX][3], *arches[3];
	unsigned int numbers[RULES_MAX + 1];
};

static void read_rule(struct filter *f, size_t i, struct input *in)
{
	struct seccomp_rule *r = &f->rules[i];

	r->names = f->names[i];
	r->n_names = byte(in) % (COUNT_OF(f->names[i]) + 1);
	for (size_t k = 0; k < r->n_names; k++)
		f->names[i][k] = PICK(call_names, in);
	r->action = PICK(actions, in);
	f->numbers[i] = (unsigned int)number(in);
	r->errno_ret = byte(in) & 1 ? &f->numbers[i] : NULL;
	r->args = f->args[i];
	r->n_args = byte(in) % (i < WHOLE ? ARGS_MAX + 1 : 2);
	for (size_t k = 0; k < r->n_args; k++)
		f->args[i][k] = (struct seccomp_arg){ .index = byte(in) % 8,
						      .value = number(in),
						      .value_two = number(in),
						      .op = PICK(operators, in) };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct filter f = { .spec.rules = f.rules, .spec.arches = f.arches };
	struct err e = { 0 }, again = { 0 };
	int listener, checked, loaded;

	seccomp_test_no_load = true;
	f.spec.default_action = PICK(actions, &in);
	f.numbers[RULES_MAX] = (unsigned int)number(&in);
	f.spec.default_errno = byte(&in) & 1 ? &f.numbers[RULES_MAX] : NULL;
	f.spec.listener_path = byte(&in) & 1 ? "/l" : NULL;
	f.spec.n_arches = byte(&in) % (COUNT_OF(f.arches) + 1);
	for (size_t i = 0; i < f.spec.n_arches; i++)
		f.arches[i] = PICK(arch_names, &in);
	f.spec.n_rules = byte(&in) % (RULES_MAX + 1);
	for (size_t i = 0; i < f.spec.n_rules; i++)
		read_rule(&f, i, &in);

	checked = seccomp_check(&f.spec, &e);
	if (checked < 0 ? !err_is_set(&e) : err_is_set(&e))
		abort();
	loaded = seccomp_filter_load(&f.spec, &listener, &again);
	if (loaded < 0 ? !err_is_set(&again) : checked < 0)
		abort();
	if (checked < 0 && strcmp(e.msg, again.msg) != 0)
		abort();
	return 0;
}
