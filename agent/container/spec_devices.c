/* SPDX-License-Identifier: Apache-2.0 */
#include "container/spec_devices.h"

#include <sys/stat.h>

#include "base/str.h"

static struct spec_device *entry_of(const struct spec *s, const char *path)
{
	for (size_t i = 0; i < s->linux.n_devices; i++) {
		struct spec_device *d = &s->linux.devices[i];

		if (d->path && str_eq(d->path, path))
			return d;
	}
	return NULL;
}

static bool is_same(const struct spec_device *a, const struct spec_device *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool is_one_in_the_guest(const struct spec_device_change *a,
				const struct spec_device_change *b)
{
	return a->guest && b->guest && str_eq(a->guest, b->guest);
}

/* Of v[i] and those before it. */
static int check_one(const struct spec *s, const struct spec_device_change *v, size_t i,
		     struct err *e)
{
	const struct spec_device *d = entry_of(s, v[i].path);

	if (!d)
		return err_set(e, RC_INVALID_ARGUMENT, "container_path %.128s: not in linux.devices",
			       v[i].path);
	for (size_t k = 0; k < i; k++) {
		const struct spec_device *other = entry_of(s, v[k].path);

		if (other == d)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "container_path %.128s: also of another device", v[i].path);
		if (is_same(other, d) && !is_one_in_the_guest(&v[k], &v[i]))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "container_path %.96s: has the number (%lld:%lld) of %.96s",
				       v[i].path, (long long)d->major, (long long)d->minor,
				       v[k].path);
	}
	return 0;
}

int spec_devices_check(const struct spec *s, const struct spec_device_change *v, size_t n,
		       size_t *at, struct err *e)
{
	for (*at = 0; *at < n; ++*at)
		if (check_one(s, v, *at, e) < 0)
			return -1;
	return 0;
}

static char letter_of(mode_t type)
{
	return type == S_IFBLK ? 'b' : 'c';
}

/* A rule for every minor number, or of both types, means what it says: it names no device. */
static void change_rule(const struct spec *s, struct cgroup_device_rule *r,
			const struct spec_device_change *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct spec_device *d = entry_of(s, v[i].path);

		if (r->type != letter_of(d->type) || r->major != d->major || r->minor != d->minor)
			continue;
		r->type = letter_of(v[i].type);
		r->major = v[i].major;
		r->minor = v[i].minor;
		return;
	}
}

static int change_rules(struct spec *s, const struct spec_device_change *v, size_t n,
			struct arena *a, struct err *e)
{
	struct spec_resources *res = s->linux.resources;
	struct cgroup_device_rule *rules;

	if (!res || !res->n_devices)
		return 0;
	rules = ARENA_ARRAY(a, struct cgroup_device_rule, res->n_devices + n);
	if (!rules)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "devices: out of memory");
	for (size_t i = 0; i < res->n_devices; i++) {
		rules[i] = res->devices[i];
		change_rule(s, &rules[i], v, n);
	}
	for (size_t i = 0; i < n; i++)
		rules[res->n_devices + i] = (struct cgroup_device_rule){
			true, letter_of(v[i].type), v[i].major, v[i].minor, CGROUP_DEV_ALL,
		};
	res->devices = rules;
	res->n_devices += n;
	return 0;
}

/* The rules first: they are found by the numbers that the entries have. */
int spec_devices_change(struct spec *s, const struct spec_device_change *v, size_t n,
			struct arena *a, struct err *e)
{
	struct spec_device **entries = ARENA_ARRAY(a, struct spec_device *, n);
	size_t at;

	if (!entries)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "devices: out of memory");
	if (spec_devices_check(s, v, n, &at, e) < 0 || change_rules(s, v, n, a, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		entries[i] = entry_of(s, v[i].path);
	for (size_t i = 0; i < n; i++) {
		entries[i]->type = v[i].type;
		entries[i]->major = v[i].major;
		entries[i]->minor = v[i].minor;
		if (v[i].node)
			entries[i]->path = v[i].node;
	}
	return 0;
}

static int add_rule(struct spec *s, const struct spec_device *d, unsigned int access,
		    struct arena *a)
{
	struct spec_resources *res = s->linux.resources;
	struct cgroup_device_rule *rules;

	if (!res || !res->n_devices || d->type == S_IFIFO)
		return 0;
	rules = ARENA_ARRAY(a, struct cgroup_device_rule, res->n_devices + 1);
	if (!rules)
		return -1;
	for (size_t i = 0; i < res->n_devices; i++)
		rules[i] = res->devices[i];
	rules[res->n_devices++] = (struct cgroup_device_rule){ true, letter_of(d->type), d->major,
							       d->minor, access };
	res->devices = rules;
	return 0;
}

int spec_devices_add(struct spec *s, const struct spec_device *d, unsigned int access,
		     struct arena *a, struct err *e)
{
	struct spec_device *old = entry_of(s, d->path), *v;

	if (old) {
		*old = *d;
	} else {
		v = ARENA_ARRAY(a, struct spec_device, s->linux.n_devices + 1);
		if (!v)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "devices: out of memory");
		for (size_t i = 0; i < s->linux.n_devices; i++)
			v[i] = s->linux.devices[i];
		v[s->linux.n_devices++] = *d;
		s->linux.devices = v;
	}
	if (add_rule(s, d, access, a) == 0)
		return 0;
	return err_set(e, RC_RESOURCE_EXHAUSTED, "devices: out of memory");
}
