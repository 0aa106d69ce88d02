/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device requests against a spec. First texts with a zero byte after each (type, id, vm_path): an
 * error, or a need whose id is of its kind's form. Then nodes, rules and changes, four bytes each: an
 * error and nothing changed, or every node has its new number, rules that named an old one have the
 * new one, and all others are as before.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/str.h"
#include "container/spec_devices.h"
#include "device/device.h"

#define N 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char texts[3][64];

static size_t read_texts(const uint8_t *data, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		size_t n = 0;

		while (at < size && data[at] && n < sizeof(texts[i]) - 1)
			texts[i][n++] = (char)data[at++];
		texts[i][n] = '\0';
		at += at < size && !data[at];
	}
	return at;
}

static void check_need(void)
{
	struct device_need need;
	struct err e = { 0 };

	if (device_need_of_type(&need, texts[0], texts[1], texts[2], &e) < 0) {
		if (!err_is_set(&e))
			abort();
	} else if (need.kind == DEVICE_NONE || strstr(need.id, "..")) {
		abort();
	}
}

static char paths[8][4], guests[N][24];
static struct spec_device nodes[N];
static struct cgroup_device_rule rules[N];
static struct spec_device_change changes[N];
static struct spec_resources resources;
static struct spec spec;
static size_t n_changes;

static void read_one(const uint8_t *b)
{
	struct spec_linux *l = &spec.linux;
	mode_t type = b[1] & 1 ? S_IFBLK : S_IFCHR;

	if (b[0] < 0x40 && l->n_devices < N)
		nodes[l->n_devices++] = (struct spec_device){
			.path = paths[b[0] & 7], .type = type, .major = b[2] & 3, .minor = b[3] & 3,
		};
	else if (b[0] < 0x80 && resources.n_devices < N)
		rules[resources.n_devices++] = (struct cgroup_device_rule){
			b[1] & 2, b[1] & 4 ? 'a' : b[1] & 1 ? 'b' : 'c', (b[2] & 7) - 1,
			(b[3] & 7) - 1, b[1] >> 3 & 7,
		};
	else if (n_changes < N) {
		/* one name is one device */
		snprintf(guests[n_changes], sizeof(guests[0]), "%u/%u/%u", type, b[2], b[3]);
		changes[n_changes] = (struct spec_device_change){
			paths[b[0] & 7], NULL, type, b[2], b[3],
			b[1] & 0x40 ? guests[n_changes] : NULL,
		};
		n_changes++;
	}
}

static const struct spec_device *node_at(const struct spec_device *v, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(v[i].path, path))
			return &v[i];
	return NULL;
}

static bool names(const struct cgroup_device_rule *r, const struct spec_device *d)
{
	return r->type == (d->type == S_IFBLK ? 'b' : 'c') && r->major == d->major &&
	       r->minor == d->minor;
}

static void check_changed(const struct spec_device *old_nodes, const struct cgroup_device_rule *old,
			  size_t n_old)
{
	for (size_t i = 0; i < n_changes; i++) {
		const struct spec_device *d = node_at(nodes, spec.linux.n_devices, changes[i].path);

		if (!d || d->type != changes[i].type || d->major != changes[i].major ||
		    d->minor != changes[i].minor)
			abort();
	}
	if (resources.n_devices != (n_old ? n_old + n_changes : 0))
		abort();
	for (size_t k = 0; k < n_old; k++) {
		const struct spec_device *want = NULL;

		for (size_t i = 0; i < n_changes; i++)
			if (names(&old[k], node_at(old_nodes, spec.linux.n_devices, changes[i].path)))
				want = node_at(nodes, spec.linux.n_devices, changes[i].path);
		if (want ? !names(&resources.devices[k], want) :
			   memcmp(&resources.devices[k], &old[k], sizeof(old[k])) != 0)
			abort();
		if (resources.devices[k].allow != old[k].allow ||
		    resources.devices[k].access != old[k].access)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = read_texts(data, size);
	struct spec_device old_nodes[N];
	struct cgroup_device_rule old[N];
	struct err e = { 0 };
	struct arena a;
	size_t n_old;

	check_need();
	memset(rules, 0, sizeof(rules));
	resources.n_devices = n_changes = spec.linux.n_devices = 0;
	resources.devices = rules;
	spec.linux.devices = nodes;
	spec.linux.resources = &resources;
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		snprintf(paths[i], sizeof(paths[i]), "/%zu", i);
	for (; at + 4 <= size; at += 4)
		read_one(data + at);
	memcpy(old_nodes, nodes, sizeof(nodes));
	memcpy(old, rules, sizeof(rules));
	n_old = resources.n_devices;
	arena_init(&a, 1 << 16);
	if (spec_devices_change(&spec, changes, n_changes, &a, &e) == 0)
		check_changed(old_nodes, old, n_old);
	else if (!err_is_set(&e) || memcmp(nodes, old_nodes, sizeof(nodes)) != 0 ||
		 memcmp(rules, old, sizeof(rules)) != 0 || resources.n_devices != n_old)
		abort();
	arena_fini(&a);
	return 0;
}
