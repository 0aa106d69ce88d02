/* SPDX-License-Identifier: Apache-2.0 */
/* Which block devices of the host a config.json gives to a container, and where the host has them. */
#include <setjmp.h>
#include <stdarg.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/path.h"
#include "shim/bundle.h"
#include "shim/shim.h"

#include <cmocka.h>

#define NONE "{\"allow\":false,\"access\":\"rwm\"}"
#define ALL  "{\"allow\":true,\"access\":\"rwm\"}"

static struct arena a;
static struct err e;
static struct bundle b;

static int setup(void **state UNUSED)
{
	arena_init(&a, 8u << 20);
	err_clear(&e);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&a);
	return 0;
}

static const char *node(const char *path, const char *type, int major, int minor)
{
	return arena_printf(&a, "{\"path\":\"%s\",\"type\":\"%s\",\"major\":%d,\"minor\":%d}", path,
			    type, major, minor);
}

static const char *rule(bool yes, const char *type, int major, int minor, const char *access)
{
	return arena_printf(
		&a, "{\"allow\":%s,\"type\":\"%s\",\"major\":%d,\"minor\":%d,\"access\":\"%s\"}",
		yes ? "true" : "false", type, major, minor, access);
}

static const char *spec(const char *nodes, const char *rules)
{
	return arena_printf(&a, "{\"linux\":{\"devices\":[%s],\"resources\":{\"devices\":[%s]}}}",
			    nodes, rules);
}

/* "PATH MAJOR:MINOR rw|ro", one a line. */
static const char *found(const char *text)
{
	char *out = ARENA_ARRAY(&a, char, 4096);
	struct str s;

	str_init(&s, out, 4096);
	if (bundle_parse(&a, text, strlen(text), &b, &e) < 0 || bundle_find_devices(&a, &b, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < b.n_devices; i++)
		str_addf(&s, "%s %u:%u %s\n", b.devices[i].path, b.devices[i].major,
			 b.devices[i].minor, b.devices[i].readonly ? "ro" : "rw");
	assert_true(str_ok(&s));
	return out;
}

static const char *carry(void *arg UNUSED, size_t n UNUSED, const char *source, struct err *x UNUSED)
{
	return source;
}

/* The nodes that the guest gets. */
static const char *left(void)
{
	size_t len;
	char *text = bundle_for_guest(&a, &b, "", carry, NULL, &len, &e), *end;

	if (!text)
		fail_msg("%s", e.msg);
	text = strstr(text, "\"devices\":");
	assert_non_null(text);
	end = strstr(text, ",\"resources\"");
	assert_non_null(end);
	*end = '\0';
	return text + strlen("\"devices\":");
}

/* As containerd writes them for `ctr run --device` and for CRI's ContainerConfig.devices. */
static void those_with_a_rule(void **state UNUSED)
{
	const char *nodes = arena_printf(&a, "%s,%s,%s", node("/dev/xvda", "b", 7, 0),
					 node("/dev/tun", "c", 10, 200), node("/dev/b", "b", 8, 1));

	assert_string_equal(
		found(spec(nodes, arena_printf(&a, "%s,%s,%s,%s", NONE, rule(1, "b", 7, 0, "rwm"),
					       rule(1, "c", 10, 200, "rwm"),
					       rule(1, "b", 8, 1, "mr")))),
		"/dev/xvda 7:0 rw\n/dev/b 8:1 ro\n");
	assert_string_equal(left(), arena_printf(&a, "[%s]", nodes));
}

/* A privileged container: nodes of all that the host has, and one rule. */
static void not_all_that_the_host_has(void **state UNUSED)
{
	const char *chars = node("/dev/fuse", "c", 10, 229), *mine = node("/dev/loop0", "b", 7, 0),
		   *nodes = arena_printf(&a, "%s,%s,%s,%s", mine, node("/dev/sda", "b", 8, 0), chars,
					 node("/dev/sdb", "b", 8, 16));

	assert_string_equal(found(spec(nodes, ALL)), "");
	assert_string_equal(left(), arena_printf(&a, "[%s]", chars));
	/* with --device beside: the same node again, and its own rule */
	assert_string_equal(found(spec(arena_printf(&a, "%s,%s", nodes, mine),
				       arena_printf(&a, "%s,%s", ALL, rule(1, "b", 7, 0, "rwm")))),
			    "/dev/loop0 7:0 rw\n");
	assert_string_equal(left(), arena_printf(&a, "[%s,%s]", mine, chars));
}

static void one_by_two_paths(void **state UNUSED)
{
	const char *nodes = arena_printf(&a, "%s,%s,%s", node("/dev/a", "b", 7, 0),
					 node("/dev/b", "b", 7, 0), node("/dev/a", "b", 7, 0));

	/* CRI writes a rule for each */
	assert_string_equal(found(spec(nodes, arena_printf(&a, "%s,%s", rule(1, "b", 7, 0, "r"),
							   rule(1, "b", 7, 0, "mrw")))),
			    "/dev/a 7:0 rw\n/dev/b 7:0 rw\n");
	assert_string_equal(left(), arena_printf(&a, "[%s,%s]", node("/dev/a", "b", 7, 0),
						 node("/dev/b", "b", 7, 0)));
}

/* In their order, and only by the number itself. */
static void rules(void **state UNUSED)
{
	static const struct {
		const char *rules, *want;
	} rows[] = {
		{ "", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0}", "rw" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0,\"access\":\"\"}", "rw" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0,\"access\":\"w\"}", "rw" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0,\"access\":\"m\"}", "ro" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0,\"access\":\"x\"}", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7}", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":-1}", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"minor\":0}", "" },
		{ "{\"allow\":true,\"type\":\"a\",\"major\":7,\"minor\":0}", "" },
		{ "{\"allow\":true,\"major\":7,\"minor\":0}", "" },
		{ "{\"allow\":true,\"type\":\"c\",\"major\":7,\"minor\":0}", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":1}", "" },
		{ "{\"allow\":\"yes\",\"type\":\"b\",\"major\":7,\"minor\":0}", "" },
		{ "{\"type\":\"b\",\"major\":7,\"minor\":0}", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7.0,\"minor\":0}", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":4294967303,\"minor\":0}", "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0}," NONE, "" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0},{\"type\":\"b\",\"major\":7,\"access\":\"w\"}",
		  "ro" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0},{\"type\":\"b\",\"major\":8,\"access\":\"w\"}",
		  "rw" },
		{ "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0},{\"type\":\"c\",\"access\":\"rwm\"}",
		  "rw" },
		/* what allows all says nothing of this one */
		{ ALL ",{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0,\"access\":\"r\"}",
		  "ro" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *got = found(spec(node("/dev/x", "b", 7, 0), rows[i].rules)),
			   *want = *rows[i].want ? arena_printf(&a, "/dev/x 7:0 %s\n", rows[i].want)
						 : "";

		if (!str_eq(got, want))
			fail_msg("%s: %s", rows[i].rules, got);
	}
}

/* What is no device stays where it is: the guest's agent tells what is wrong with it. */
static void odd_ones(void **state UNUSED)
{
	static const char *const texts[] = {
		"[]", "3", "{}", "{\"linux\":[]}", "{\"linux\":{\"devices\":{},\"resources\":[]}}",
		"{\"linux\":{\"devices\":[1,null,[],{}],\"resources\":{\"devices\":[1,null,[],{}]}}}",
		"{\"linux\":{\"resources\":{\"devices\":{\"allow\":true}}}}",
	};
	static const char *const nodes[] = {
		"{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":-7,\"minor\":0}",
		"{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":7}",
		"{\"path\":\"\",\"type\":\"b\",\"major\":7,\"minor\":0}",
		"{\"path\":\"/d\\u0000\",\"type\":\"b\",\"major\":7,\"minor\":0}",
		"{\"type\":\"b\",\"major\":7,\"minor\":0}",
		"{\"path\":\"/dev/x\",\"type\":3,\"major\":7,\"minor\":0}",
	};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_string_equal(found(texts[i]), "");
	for (size_t i = 0; i < COUNT_OF(nodes); i++) {
		assert_string_equal(found(spec(nodes[i], rule(1, "b", 7, 0, "rwm"))), "");
		assert_string_equal(left(), arena_printf(&a, "[%s]", nodes[i]));
	}
}

/* A list of n, of a node and a rule each. */
static int parse_many(int n)
{
	struct str nodes, list;
	char *buf = ARENA_ARRAY(&a, char, 2 << 17);
	const char *text;

	str_init(&nodes, buf, 1 << 17);
	str_init(&list, buf + (1 << 17), 1 << 17);
	for (int i = 0; i < n; i++) {
		str_addf(&nodes, "%s%s", i ? "," : "", node("/dev/x", "b", 7, i));
		str_addf(&list, "%s%s", i ? "," : "", rule(1, "b", 7, i, "rw"));
	}
	assert_true(str_ok(&nodes) && str_ok(&list));
	text = spec(nodes.buf, list.buf);
	assert_int_equal(bundle_parse(&a, text, strlen(text), &b, &e), 0);
	return bundle_find_devices(&a, &b, &e);
}

static void too_many(void **state UNUSED)
{
	assert_int_equal(parse_many(BUNDLE_DEVICES_MAX), 0);
	assert_int_equal(b.n_devices, BUNDLE_DEVICES_MAX);
	assert_int_equal(parse_many(BUNDLE_DEVICES_MAX + 1), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_non_null(strstr(e.msg, "256"));
}

/* --- the host's nodes --- */

static void put(const char *root, const char *dir, const char *name, const char *text)
{
	const char *path = arena_printf(&a, "%s/%s", dir, name);
	AUTO_FD rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD dirfd = path_mkdirs_in(rootfd, dir, 0755);

	assert_true(rootfd >= 0 && dirfd >= 0);
	assert_int_equal(io_create_file(rootfd, path, text, strlen(text), 0644), 0);
}

static void nodes_of_the_host(void **state UNUSED)
{
	char root[] = "/tmp/mote-blocks-XXXXXX", path[PATH_MAX], want[PATH_MAX];
	bool root_user = geteuid() == 0;
	int rc;

	assert_non_null(mkdtemp(root));
	assert_int_equal(block_find(root, 7, 0, path), -ENOENT);
	put(root, "sys/dev/block/7:0", "uevent", "MAJOR=7\nMINOR=0\nDEVNAME=deep/loop0\n");
	assert_int_equal(block_find(root, 7, 0, path), -ENOENT);
	put(root, "dev/deep", "loop0", "a file");
	assert_int_equal(block_find(root, 7, 0, path), -ENOENT);
	snprintf(want, sizeof(want), "%s/dev/deep/loop0", root);
	unlink(want);
	if (root_user && mknod(want, S_IFBLK | 0600, makedev(7, 0)) == 0) {
		assert_int_equal(block_find(root, 7, 0, path), 0);
		assert_string_equal(path, want);
		/* another's name */
		put(root, "sys/dev/block/7:1", "uevent", "DEVNAME=deep/loop0\n");
		assert_int_equal(block_find(root, 7, 1, path), -ENOENT);
		/* udev's link goes before */
		put(root, "dev/block", "7:0", "");
		snprintf(want, sizeof(want), "%s/dev/block/7:0", root);
		unlink(want);
		assert_int_equal(symlink("../deep/loop0", want), 0);
		assert_int_equal(block_find(root, 7, 0, path), 0);
		assert_string_equal(path, want);
	}
	put(root, "sys/dev/block/7:2", "uevent", "DEVNAME=../../x\n");
	assert_int_equal(block_find(root, 7, 2, path), -EINVAL);
	put(root, "sys/dev/block/7:3", "uevent", "MAJOR=7\n");
	assert_int_equal(block_find(root, 7, 3, path), -ENOENT);
	rc = path_remove_tree(AT_FDCWD, root);
	assert_int_equal(rc, 0);
}

/* --- who has which --- */

static void slots_are_counted(void **state UNUSED)
{
	struct task one = { .blocks = 1u << 3 | 1u << 27 }, two = { .blocks = 1u << 3 };
	static struct shim s;

	list_init(&s.work);
	list_init(&s.tasks);
	list_append(&s.tasks, &one.node);
	list_append(&s.tasks, &two.node);
	s.machine = MACHINE_UP;
	s.blocks[3].taken = s.blocks[27].taken = true;
	block_remove(&s, &one);
	assert_true(s.blocks[3].taken);
	assert_false(s.blocks[27].taken);
	list_remove(&one.node);
	block_remove(&s, &two);
	assert_false(s.blocks[3].taken);
	list_remove(&two.node);
	for (struct work *w; (w = LIST_FIRST(&s.work, struct work, node));) {
		list_remove(&w->node);
		w->fn(w); /* there is no machine: frees itself */
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(those_with_a_rule), TEST(not_all_that_the_host_has), TEST(one_by_two_paths),
		TEST(rules),		 TEST(odd_ones),		  TEST(too_many),
		TEST(nodes_of_the_host), TEST(slots_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
