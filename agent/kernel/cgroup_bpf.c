/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 2's control of devices: a BPF program that the kernel runs at every open and mknod. It
 * keeps the bits that are asked and not decided yet, and walks the rules from the last to the
 * first: a rule that denies one of them ends in no, one that allows takes its bits off, and when
 * none is left the answer is yes. So each bit is decided by the last rule that says something of
 * it.
 */
#include <linux/bpf.h>

#include "kernel/cgroup_devices.h"
#include "kernel/sys.h"

_Static_assert(sizeof(struct cgroup_bpf_insn) == sizeof(struct bpf_insn), "as the kernel has it");

enum { R_ANSWER, R_CTX, R_ASKED, R_TYPE, R_MAJOR, R_MINOR };

#define RULE_INSNS  8 /* at most */
#define OTHER_INSNS 8
#define PROGRAMS    16 /* of one group that are looked at */

struct program {
	struct cgroup_bpf_insn *v;
	size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
		 int32_t imm)
{
	p->v[p->n++] = (struct cgroup_bpf_insn){ code, (uint8_t)(dst | src << 4), off, imm };
}

static void emit_load(struct program *p, uint8_t dst, size_t at)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, R_CTX, (int16_t)at, 0);
}

/* op with a constant; jumps are over `off` instructions. */
static void emit_alu(struct program *p, uint8_t op, uint8_t dst, int32_t imm)
{
	emit(p, BPF_ALU64 | BPF_K | op, dst, 0, 0, imm);
}

static void emit_jump(struct program *p, uint8_t op, uint8_t dst, int32_t imm, int16_t off)
{
	emit(p, BPF_JMP | BPF_K | op, dst, 0, off, imm);
}

static void emit_answer(struct program *p, int32_t answer)
{
	emit_alu(p, BPF_MOV, R_ANSWER, answer);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int32_t kernel_access(unsigned int access)
{
	return (access & CGROUP_DEV_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & CGROUP_DEV_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & CGROUP_DEV_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* Where the rule ends: its jumps past it are set when that is known. */
static void land(struct program *p, size_t from)
{
	for (size_t i = from; i < p->n; i++)
		if (p->v[i].code == (BPF_JMP | BPF_K | BPF_JNE) && !p->v[i].off)
			p->v[i].off = (int16_t)(p->n - i - 1);
}

static void emit_rule(struct program *p, const struct cgroup_device_rule *r)
{
	int32_t access = kernel_access(r->access);
	size_t from = p->n;

	if (r->type != 'a')
		emit_jump(p, BPF_JNE, R_TYPE,
			  r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0);
	if (r->major >= 0)
		emit_jump(p, BPF_JNE, R_MAJOR, (int32_t)r->major, 0);
	if (r->minor >= 0)
		emit_jump(p, BPF_JNE, R_MINOR, (int32_t)r->minor, 0);
	if (r->allow) {
		emit_alu(p, BPF_AND, R_ASKED, kernel_access(CGROUP_DEV_ALL) & ~access);
		emit_jump(p, BPF_JNE, R_ASKED, 0, 0);
		emit_answer(p, 1);
	} else {
		emit_jump(p, BPF_JSET, R_ASKED, access, 1);
		emit(p, BPF_JMP | BPF_JA, 0, 0, 2, 0);
		emit_answer(p, 0);
	}
	land(p, from);
}

/* Rules before one for everything never count; code that is never reached is refused. */
struct cgroup_bpf_insn *cgroup_device_program(const struct cgroup_device_rule *rules, size_t n,
					      struct arena *a, size_t *n_out)
{
	struct program p = { 0 };
	bool rest = false;

	p.v = n < SIZE_MAX / RULE_INSNS / 2
		      ? ARENA_ARRAY(a, struct cgroup_bpf_insn, n * RULE_INSNS + OTHER_INSNS)
		      : NULL;
	if (!p.v)
		return NULL;
	emit_load(&p, R_ASKED, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(&p, BPF_ALU64 | BPF_X | BPF_MOV, R_TYPE, R_ASKED, 0, 0);
	emit_alu(&p, BPF_AND, R_TYPE, 0xffff);
	emit_alu(&p, BPF_RSH, R_ASKED, 16);
	emit_load(&p, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(&p, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	while (n--) {
		if (rules[n].type == 'a') {
			rest = rules[n].allow;
			break;
		}
		emit_rule(&p, &rules[n]);
	}
	emit_answer(&p, rest);
	*n_out = p.n;
	return p.v;
}

/* --- the kernel's side --- */

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return sys_result(syscall(SYS_bpf, cmd, attr, sizeof(*attr)));
}

static int load(const struct cgroup_bpf_insn *insns, size_t n)
{
	union bpf_attr attr = { 0 };

	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.expected_attach_type = BPF_CGROUP_DEVICE;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uintptr_t) "Apache-2.0";
	memcpy(attr.prog_name, "mote_devices", sizeof("mote_devices"));
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* Programs of the group itself: how many, and the first PROGRAMS ids. */
static int query(int cgroup_fd, uint32_t ids[PROGRAMS])
{
	union bpf_attr attr = { 0 };
	int r;

	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS;
	r = sys_bpf(BPF_PROG_QUERY, &attr);
	return r < 0 ? r : (int)MIN(attr.query.prog_cnt, (uint32_t)PROGRAMS);
}

static int fd_of_id(uint32_t id)
{
	union bpf_attr attr = { 0 };

	attr.prog_id = id;
	return sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static int attach(int cgroup_fd, int prog_fd, int old_fd)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (old_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old_fd;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

static int detach(int cgroup_fd, int prog_fd)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return sys_bpf(BPF_PROG_DETACH, &attr);
}

/* All programs of a group must say yes: with the new one in the place of the first, the others go.
 * A kernel before 5.6 cannot replace: the new one is added, then all that were there go. */
int cgroup_device_program_set(int cgroup_fd, const struct cgroup_bpf_insn *insns, size_t n)
{
	AUTO_FD prog = load(insns, n);
	uint32_t ids[PROGRAMS];
	bool replaced = false;
	int count, r = 0;

	if (prog < 0)
		return prog;
	count = query(cgroup_fd, ids);
	if (count < 0)
		return count;
	if (count > 0) {
		AUTO_FD old = fd_of_id(ids[0]);

		replaced = old >= 0 && attach(cgroup_fd, prog, old) == 0;
	}
	if (!replaced)
		r = attach(cgroup_fd, prog, -1);
	for (int i = replaced; r == 0 && i < count; i++) {
		AUTO_FD old = fd_of_id(ids[i]);

		r = old < 0 ? old : detach(cgroup_fd, old);
	}
	return r;
}
