/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spec from arbitrary words through the rules to the plan of its file tree. What the rules let
 * pass must give a plan whose targets are plain paths, or an error that says why not.
 *
 * The input is lines; the first letter says what the rest is.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/path.h"
#include "container/rootfs.h"

#define LIST_MAX	32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct arena *a, struct spec_strings *s, char *word)
{
	if (!s->v)
		s->v = ARENA_ARRAY(a, char *, LIST_MAX + 1);
	if (s->v && s->n < LIST_MAX)
		s->v[s->n++] = word;
}

/* The next part of a line up to '|'. */
static char *part(char **at)
{
	char *word = *at;
	char *end = strchr(word, '|');

	*at = end ? end + 1 : word + strlen(word);
	if (end)
		*end = 0;
	return word;
}

static void add_mount(struct arena *a, struct spec *s, char *text)
{
	struct spec_mount *m;

	if (s->n_mounts == LIST_MAX)
		return;
	m = &s->mounts[s->n_mounts++];
	m->destination = part(&text);
	m->source = part(&text);
	m->type = part(&text);
	while (*text)
		add(a, &m->options, part(&text));
}

static void add_device(struct spec *s, char *text)
{
	struct spec_device *d;

	if (s->linux.n_devices == LIST_MAX)
		return;
	d = &s->linux.devices[s->linux.n_devices++];
	d->path = part(&text);
	d->type = *text == 'b' ? S_IFBLK : *text == 'p' ? S_IFIFO : S_IFCHR;
	d->major = strlen(text);
}

static void take_line(struct arena *a, struct spec *s, struct spec_pair *sysctls, char *line)
{
	char *rest = line + 1;

	switch (line[0]) {
	case 'm':
		add_mount(a, s, rest);
		break;
	case 'd':
		add_device(s, rest);
		break;
	case 'x':
		add(a, &s->linux.masked_paths, rest);
		break;
	case 'o':
		add(a, &s->linux.readonly_paths, rest);
		break;
	case 'w':
		s->process->cwd = rest;
		break;
	case 'l':
		s->linux.mount_label = s->process->selinux_label = rest;
		break;
	case 'h':
		s->hostname = rest;
		break;
	case 'r':
		s->root.readonly = true;
		break;
	case 's':
		if (s->linux.sysctl.n < LIST_MAX)
			sysctls[s->linux.sysctl.n++] = (struct spec_pair){ rest, "1" };
		break;
	default:
		break;
	}
}

static struct spec *read_spec(struct arena *a, char *text)
{
	static char arg[] = "sh";
	static struct caps_sets caps;
	struct spec *s = spec_new(a);
	struct spec_pair *sysctls = ARENA_ARRAY(a, struct spec_pair, LIST_MAX);

	if (!s || !sysctls)
		abort();
	s->process = ARENA_NEW(a, struct spec_process);
	s->mounts = ARENA_ARRAY(a, struct spec_mount, LIST_MAX);
	s->linux.devices = ARENA_ARRAY(a, struct spec_device, LIST_MAX);
	if (!s->process || !s->mounts || !s->linux.devices)
		abort();
	s->linux.sysctl.v = sysctls;
	s->root.path = "/rootfs";
	s->process->caps = &caps;
	add(a, &s->process->args, arg);
	s->linux.ns[NS_MNT].want = s->linux.ns[NS_UTS].want = true;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (*line)
			take_line(a, s, sysctls, line);
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rootfs_facts facts = { .cgroup2 = size & 1, .user_ns = size & 2,
				      .controllers = CGROUP_MEMORY | CGROUP_IO, .cgroup_path = "/c" };
	struct err e = { 0 };
	struct arena a;
	struct plan p;
	char *text;

	arena_init(&a, 8 << 20);
	text = arena_strndup(&a, (const char *)data, size);
	if (text) {
		const struct spec *s = read_spec(&a, text);

		plan_init(&p, &a);
		if (spec_validate(s, &e) == 0 && rootfs_plan(s, &facts, &p, &e) == 0) {
			for (size_t i = 0; i < p.n; i++)
				if (!path_is_plain(p.ops[i].target))
					abort();
			if (!plan_print(&p, &a) && a.total < a.budget / 2)
				abort();
		} else if (!err_is_set(&e)) {
			abort();
		}
	}
	arena_fini(&a);
	return 0;
}
