/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers for real, without the agent around them: a loop, the reaper of a subreaper, a private
 * mount namespace, and a root file system of the distribution's static busybox. After each test
 * nothing may be left: descriptors, children, mounts, groups, arena bytes.
 */
#ifndef MOTE_TESTS_CONTAINER_FIXTURE_H
#define MOTE_TESTS_CONTAINER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "container/container.h"

extern struct loop *loop;
extern struct container_host host;
extern char scratch[64], rootfs[96];

/* What a callback of the code under test told. */
struct told {
	bool yes;
	struct err e;
};
void told_fn(void *owner, const struct err *e);

void assert_contains(const char *text, const char *part);

/* Turns the loop until *flag; fails the test after 20 s. */
void turn_until(const bool *flag);
void turn_for(int ms);

/* The cgroup of a container of this program: another program that runs these tests at the same time
 * shall not kill or freeze it. In a static buffer. */
const char *group_of(const char *id);

/* A container whose spec runs `argv` (NULL-terminated) as root with every capability, own
 * namespaces, /proc and /dev. */
struct container *container_with(const char *id, const char *const *argv);
#define CONTAINER(id, ...) container_with(id, (const char *const[]){ __VA_ARGS__, NULL })
#define SHELL(id, script)  CONTAINER(id, "/bin/sh", "-c", script)

struct spec_process *process_spec(struct arena *a, const char *const *argv);
struct spec_strings strings(struct arena *a, const char *const *v);

/* Create and start, which must succeed. */
void create(struct container *c);
void start(struct container *c);

/* Create that must fail; the error. c is freed. */
struct err create_fails(struct container *c);

/* Removes and frees. */
void drop(struct container *c);

/* An exec that must succeed, or its error. NULL then. */
struct process *exec_with(struct container *c, const char *id, const char *const *argv,
			  struct err *e);
#define EXEC(c, id, e, ...) exec_with(c, id, (const char *const[]){ __VA_ARGS__, NULL }, e)

/* The exit status. */
int wait_exit(struct process *p);

/* Everything a stream gives until its end, in a static buffer. */
const char *read_all(struct process *p, enum streams_kind kind);

/* create, start, read stdout, wait for status, remove: the output. */
const char *output_of(struct container *c, int status);

/* Run the next group with this version of cgroups (0: without). false: this machine has not got
 * it. */
bool fixture_cgroups(int version);

/* cmocka's group and test functions. */
int fixture_group_setup(void **state);
int fixture_group_teardown(void **state);
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Runs the tests again in a process to which all calls for paths and mounts are denied that came with
 * Linux 5.2 and later. Without cgroups. 0: they passed. */
int fixture_on_old_kernel(const struct CMUnitTest *tests, size_t n, int (*group_setup)(void **));

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

#endif
