/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules: the program for version 2 is run by an interpreter of the few instructions it uses,
 * the lists for version 1 by a model of that kernel's check, and both must agree with the rules'
 * plain meaning for every device and access of a small world.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/bpf.h>

#include "base/str.h"
#include "container/resources.h"
#include "container/spec_json_resources.h"
#include "kernel/cgroup_devices.h"

#define R   CGROUP_DEV_READ
#define W   CGROUP_DEV_WRITE
#define M   CGROUP_DEV_MKNOD
#define RWM CGROUP_DEV_ALL

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

struct ask {
	char type;
	unsigned int major, minor, access;
};

/* --- the interpreter --- */

static uint32_t kernel_access(unsigned int access)
{
	return (access & R ? BPF_DEVCG_ACC_READ : 0) | (access & W ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & M ? BPF_DEVCG_ACC_MKNOD : 0);
}

static bool jumps(uint8_t op, uint64_t left, uint64_t right)
{
	switch (op) {
	case BPF_JA:
		return true;
	case BPF_JNE:
		return left != right;
	case BPF_JSET:
		return left & right;
	default:
		fail_msg("a jump %#x that the interpreter does not know", op);
		return false;
	}
}

static void alu(uint64_t *dst, uint8_t op, uint64_t value)
{
	switch (op) {
	case BPF_MOV:
		*dst = value;
		break;
	case BPF_AND:
		*dst &= value;
		break;
	case BPF_RSH:
		*dst >>= value;
		break;
	default:
		fail_msg("an operation %#x that the interpreter does not know", op);
	}
}

/* Registers that were not written must not be read: the kernel refuses such a program. */
static uint64_t run(const struct cgroup_bpf_insn *p, size_t n, const struct ask *a)
{
	const struct bpf_cgroup_dev_ctx ctx = {
		.access_type = kernel_access(a->access) << 16 |
			       (a->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		.major = a->major,
		.minor = a->minor,
	};
	uint64_t reg[11] = { 0 };
	unsigned int written = 1u << 1;

	for (size_t at = 0; at < n; at++) {
		unsigned int dst = p[at].regs & 15, src = p[at].regs >> 4;
		uint64_t value = p[at].code & BPF_X ? reg[src] : (uint64_t)(int64_t)p[at].imm;
		uint32_t word;

		switch (BPF_CLASS(p[at].code)) {
		case BPF_LDX:
			assert_int_equal(p[at].code, BPF_LDX | BPF_MEM | BPF_W);
			assert_int_equal(src, 1);
			assert_true(p[at].off >= 0 && (size_t)p[at].off + 4 <= sizeof(ctx));
			memcpy(&word, (const char *)&ctx + p[at].off, sizeof(word));
			reg[dst] = word;
			written |= 1u << dst;
			break;
		case BPF_ALU64:
			if (BPF_OP(p[at].code) != BPF_MOV)
				assert_true(written >> dst & 1);
			alu(&reg[dst], BPF_OP(p[at].code), value);
			written |= 1u << dst;
			break;
		case BPF_JMP:
			if (BPF_OP(p[at].code) == BPF_EXIT) {
				assert_true(written & 1);
				return reg[0];
			}
			assert_true(BPF_OP(p[at].code) == BPF_JA || written >> dst & 1);
			assert_true(p[at].off > 0); /* forward: it ends */
			if (jumps(BPF_OP(p[at].code), reg[dst], value))
				at += (size_t)p[at].off;
			break;
		default:
			fail_msg("an instruction that the interpreter does not know");
		}
	}
	fail_msg("the program runs beyond its end");
	return 0;
}

/* The verifier refuses instructions that nothing leads to. */
static void expect_reachable(const struct cgroup_bpf_insn *p, size_t n)
{
	bool *seen = calloc(n + 1, 1);

	seen[0] = true;
	for (size_t i = 0; i < n; i++) {
		bool jump = BPF_CLASS(p[i].code) == BPF_JMP;
		uint8_t op = BPF_OP(p[i].code);

		assert_true(seen[i]);
		if (jump && op == BPF_EXIT)
			continue;
		if (jump) {
			assert_true(i + 1 + (size_t)p[i].off < n);
			seen[i + 1 + (size_t)p[i].off] = true;
		}
		if (!jump || op != BPF_JA)
			seen[i + 1] = true;
	}
	free(seen);
}

/* --- the two other judges --- */

static bool matches(const struct cgroup_device_rule *r, const struct ask *a)
{
	return (r->type == 'a' || r->type == a->type) && (r->major < 0 || r->major == a->major) &&
	       (r->minor < 0 || r->minor == a->minor);
}

/* Bit by bit the last rule that speaks of it. */
static bool by_rules(const struct cgroup_device_rule *rules, size_t n, const struct ask *a)
{
	for (unsigned int bit = 1; bit <= M; bit <<= 1) {
		bool allowed = false;

		for (size_t i = 0; i < n; i++)
			if (matches(&rules[i], a) && rules[i].access & bit)
				allowed = rules[i].allow;
		if (a->access & bit && !allowed)
			return false;
	}
	return true;
}

/* As the kernel of version 1 judges: an exception must hold all that is asked to allow it, and any
 * of it to deny it. */
static bool by_lists(const struct cgroup_device_lists *l, const struct ask *a)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!matches(&l->v[i], a))
			continue;
		if (l->allow && l->v[i].access & a->access)
			return false;
		if (!l->allow && !(a->access & ~l->v[i].access))
			return true;
	}
	return l->allow;
}

static void expect_same(const struct cgroup_device_rule *rules, size_t n, bool lists_too)
{
	static const unsigned int numbers[] = { 0, 1, 3, 5, 7, 136, 259, 4095 };
	struct cgroup_device_lists lists = { 0 };
	struct err e = { 0 };
	size_t n_insns;
	struct cgroup_bpf_insn *p = cgroup_device_program(rules, n, &arena, &n_insns);

	assert_non_null(p);
	expect_reachable(p, n_insns);
	if (lists_too && cgroup_device_lists(rules, n, &arena, &lists, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < 2 * COUNT_OF(numbers) * COUNT_OF(numbers) * 7; i++) {
		struct ask a = {
			.type = i % 2 ? 'c' : 'b',
			.access = (unsigned int)(i / 2 % 7 + 1),
			.major = numbers[i / 14 % COUNT_OF(numbers)],
			.minor = numbers[i / 14 / COUNT_OF(numbers)],
		};
		bool want = by_rules(rules, n, &a);

		if (run(p, n_insns, &a) != want || (lists_too && by_lists(&lists, &a) != want))
			fail_msg("%c %u:%u access %u: not %d", a.type, a.major, a.minor, a.access,
				 want);
	}
}

/* --- tests --- */

#define RULES(...)        ((const struct cgroup_device_rule[]){ __VA_ARGS__ })
#define COUNT(...)        (sizeof(RULES(__VA_ARGS__)) / sizeof(struct cgroup_device_rule))
#define SAME(...)         expect_same(RULES(__VA_ARGS__), COUNT(__VA_ARGS__), true)
#define SAME_PROGRAM(...) expect_same(RULES(__VA_ARGS__), COUNT(__VA_ARGS__), false)

static void test_rules(void **state)
{
	(void)state;
	expect_same(NULL, 0, true);
	SAME({ false, 'a', -1, -1, RWM });
	SAME({ true, 'a', -1, -1, RWM });
	SAME({ true, 'c', 1, 3, RWM });
	SAME({ true, 'c', 1, 3, R }, { true, 'c', 1, 5, W }, { true, 'b', 1, 3, M });
	SAME({ true, 'c', 1, 3, R }, { true, 'c', 1, 3, W }); /* both together allow rw */
	SAME({ true, 'c', 136, -1, RWM }, { true, 'b', -1, 7, RWM }, { true, 'c', -1, -1, M });
	SAME({ false, 'a', -1, -1, RWM }, { true, 'c', 5, -1, R | W });
	SAME({ true, 'c', 5, 0, RWM }, { false, 'a', -1, -1, RWM }, { true, 'c', 5, 1, RWM });
	SAME({ true, 'a', -1, -1, RWM }, { false, 'c', 1, 3, W });
	SAME({ true, 'a', -1, -1, RWM }, { false, 'b', -1, -1, RWM }, { false, 'c', 1, 3, W | M });
	SAME({ true, 'a', -1, -1, RWM }, { false, 'c', 1, 3, W }, { true, 'c', 1, 3, W });
	SAME({ true, 'c', 1, 3, RWM }, { false, 'c', 1, 3, W });
	SAME({ true, 'c', 1, 3, RWM }, { false, 'c', 1, 3, RWM }, { true, 'c', 1, 5, R });
	SAME({ true, 'c', 4095, 4095, RWM });
	/* what version 1 cannot say */
	SAME_PROGRAM({ true, 'c', 1, -1, RWM }, { false, 'c', 1, 3, W });
	SAME_PROGRAM({ true, 'c', -1, -1, RWM }, { false, 'c', 1, -1, R }, { true, 'c', 1, 3, R });
	SAME_PROGRAM({ true, 'a', -1, -1, RWM }, { false, 'b', 259, -1, RWM },
		     { true, 'b', 259, 7, R });
}

static void test_defaults(void **state)
{
	size_t n;
	const struct cgroup_device_rule *rules = cgroup_device_defaults(&n);

	(void)state;
	expect_same(rules, n, false);
	for (size_t i = 0; i < n; i++)
		assert_null(cgroup_device_rule_error(&rules[i]));
	assert_true(by_rules(rules, n, &(struct ask){ 'c', 1, 3, R | W }));
	assert_true(by_rules(rules, n, &(struct ask){ 'c', 136, 9, R | W }));
	assert_true(by_rules(rules, n, &(struct ask){ 'b', 8, 0, M }));
	assert_false(by_rules(rules, n, &(struct ask){ 'b', 8, 0, R }));
	assert_false(by_rules(rules, n, &(struct ask){ 'c', 1, 1, R })); /* mem */
}

/* Rules at random, the same every time. */
static void test_many(void **state)
{
	static const int64_t numbers[] = { -1, 0, 1, 3, 5, 136, 259 };
	uint32_t seed = 1;

	(void)state;
	for (size_t round = 0; round < 200; round++) {
		struct cgroup_device_rule rules[12];
		size_t n = round % 12 + 1;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			rules[i] = (struct cgroup_device_rule){
				.allow = seed >> 8 & 1,
				.type = "bcccba"[(seed >> 10) % 6],
				.major = numbers[(seed >> 14) % COUNT_OF(numbers)],
				.minor = numbers[(seed >> 18) % COUNT_OF(numbers)],
				.access = (seed >> 24) % 7 + 1,
			};
			if (rules[i].type == 'a')
				rules[i] = (struct cgroup_device_rule){ rules[i].allow, 'a', -1, -1,
									RWM };
		}
		expect_same(rules, n, false);
		arena_fini(&arena);
	}
}

static void test_lists(void **state)
{
	static const struct cgroup_device_rule partly[] = {
		{ true, 'c', 1, -1, RWM },
		{ false, 'c', 1, 3, W },
	};
	static const struct cgroup_device_rule wider[] = {
		{ true, 'c', 1, 3, R },
		{ true, 'c', 1, 3, W },
		{ false, 'c', -1, -1, R },
	};
	struct cgroup_device_lists l;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cgroup_device_lists(partly, 2, &arena, &l, &e), -1);
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	assert_non_null(strstr(e.msg, "devices[1]"));
	assert_int_equal(cgroup_device_lists(wider, 2, &arena, &l, &e), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.v[0].access, R | W);
	err_clear(&e);
	assert_int_equal(cgroup_device_lists(wider, 3, &arena, &l, &e), -1);
	assert_non_null(strstr(e.msg, "devices[2]"));
}

static const struct {
	const char *json, *error; /* of the one rule; NULL: it is fine */
	struct cgroup_device_rule want;
} readings[] = {
	{ "{\"allow\":false,\"access\":\"rwm\"}", NULL, { false, 'a', -1, -1, RWM } },
	{ "{\"allow\":false}", NULL, { false, 'a', -1, -1, RWM } },
	{ "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rm\"}",
	  NULL,
	  { true, 'c', 1, 3, R | M } },
	{ "{\"allow\":true,\"type\":\"c\",\"major\":5,\"minor\":0,\"access\":\"w\"}",
	  NULL,
	  { true, 'c', 5, 0, W } },
	{ "{\"allow\":true,\"type\":\"b\",\"major\":-1,\"access\":\"r\"}",
	  NULL,
	  { true, 'b', -1, -1, R } },
	{ "{\"allow\":true,\"type\":\"a\",\"major\":1,\"access\":\"rwm\"}", "type a", { 0 } },
	{ "{\"allow\":true,\"access\":\"rw\"}", "type a", { 0 } },
	{ "{\"allow\":true,\"type\":\"c\",\"major\":1}", "access", { 0 } },
	{ "{\"allow\":true,\"type\":\"c\",\"access\":\"rx\"}", "access", { 0 } },
	{ "{\"allow\":true,\"type\":\"u\",\"access\":\"r\"}", "type", { 0 } },
	{ "{\"allow\":true,\"type\":\"cc\",\"access\":\"r\"}", "type", { 0 } },
	{ "{\"allow\":1}", "allow", { 0 } },
	{ "{\"allow\":true,\"type\":\"c\",\"major\":-2,\"access\":\"r\"}", "number", { 0 } },
	{ "{\"allow\":true,\"type\":\"c\",\"minor\":4294967296,\"access\":\"r\"}",
	  "number",
	  { 0 } },
};

static void test_readings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(readings); i++) {
		struct err e = { 0 };
		char *text = arena_printf(&arena, "{\"devices\":[%s]}", readings[i].json);
		yyjson_doc *doc = json_read(&arena, text, strlen(text), &e);
		const struct spec_resources *res =
			spec_json_resources(&arena, yyjson_doc_get_root(doc), &e);

		if (readings[i].error) {
			assert_null(res);
			assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
			if (!strstr(e.msg, readings[i].error))
				fail_msg("%s: %s", text, e.msg);
			continue;
		}
		if (!res)
			fail_msg("%s: %s", text, e.msg);
		assert_int_equal(res->n_devices, 1);
		assert_memory_equal(&res->devices[0], &readings[i].want,
				    offsetof(struct cgroup_device_rule, type));
		assert_int_equal(res->devices[0].type, readings[i].want.type);
		assert_int_equal(res->devices[0].major, readings[i].want.major);
		assert_int_equal(res->devices[0].minor, readings[i].want.minor);
		assert_int_equal(res->devices[0].access, readings[i].want.access);
	}
}

/* Nodes of the spec may be used unless a rule says more; the defaults whatever a rule says. */
static void test_of_a_container(void **state)
{
	struct spec_device nodes[] = {
		{ .path = "/dev/sda", .type = S_IFBLK, .major = 8, .minor = 0 },
		{ .path = "/dev/fifo", .type = S_IFIFO },
		{ .path = "/dev/fuse", .type = S_IFCHR, .major = 10, .minor = 229 },
	};
	struct cgroup_device_rule rules[] = {
		{ false, 'a', -1, -1, RWM },
		{ true, 'b', 8, 0, R },
	};
	struct spec spec = { .linux = { .devices = nodes, .n_devices = COUNT_OF(nodes) } };
	struct spec_resources res = { .devices = rules, .n_devices = COUNT_OF(rules) };
	struct cgroup_device_rule *all;
	size_t n;

	(void)state;
	all = resources_device_rules(&spec, NULL, &arena, &n);
	assert_true(by_rules(all, n, &(struct ask){ 'b', 8, 0, RWM }));
	assert_true(by_rules(all, n, &(struct ask){ 'c', 10, 229, R | W }));
	assert_false(by_rules(all, n, &(struct ask){ 'b', 8, 16, R }));
	assert_false(by_rules(all, n, &(struct ask){ 'c', 0, 0, R }));
	all = resources_device_rules(&spec, &res, &arena, &n);
	assert_true(by_rules(all, n, &(struct ask){ 'b', 8, 0, R }));
	assert_false(by_rules(all, n, &(struct ask){ 'b', 8, 0, W }));
	assert_false(by_rules(all, n, &(struct ask){ 'c', 10, 229, R }));
	assert_true(by_rules(all, n, &(struct ask){ 'c', 1, 3, R | W }));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rules), TEST(test_defaults), TEST(test_many),
		TEST(test_lists), TEST(test_readings), TEST(test_of_a_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
