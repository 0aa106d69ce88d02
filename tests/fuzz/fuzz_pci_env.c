/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFIO options and environments of any content. Lines: those that are options make the map, the others
 * are the environment. Names stay, entries that are no PCIDEVICE_ stay, what is no list of known
 * addresses stays, and a rewritten list has as many addresses as before, each of them the guest's.
 */
#include "base/str.h"
#include "container/pci_env.h"
#include "device/vfio.h"

#define N 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_option(const char *line, struct pci_map *m, struct arena *a, bool *is)
{
	struct vfio_option o;
	struct err e = { 0 };
	struct device_need need;
	char again[BDF_TEXT];
	bdf_t b;
	int r = vfio_option_parse(line, &o, &e);

	if ((r < 0) != err_is_set(&e))
		abort();
	*is = r >= 0;
	if (r < 0)
		return;
	if (!bdf_parse(bdf_print(o.host, again), &b) || b != o.host)
		abort();
	device_need_set(&need, DEVICE_PCI, o.guest, &e);
	err_clear(&e);
	if (m->n < N)
		pci_map_add(m, o.host, o.host + 1, a, &e);
}

static bool is_guests(const struct pci_map *m, bdf_t b)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].guest == b)
			return true;
	return false;
}

static void check_list(const char *before, const char *after, const struct pci_map *m)
{
	for (;;) {
		bdf_t a, b;
		size_t n = bdf_parse(before, &b), k = bdf_parse(after, &a);

		if (!n || !k || !is_guests(m, a))
			abort();
		before += n;
		after += k;
		if (*before != *after)
			abort();
		if (!*before++)
			return;
		after++;
	}
}

static void check(const char *before, const char *after, const struct pci_map *m)
{
	size_t n = strcspn(before, "=");
	bool info = n >= 5 && strncmp(before + n - 5, "_INFO", 5) == 0;

	if (str_eq(before, after))
		return;
	if (!str_starts(before, "PCIDEVICE_") || strncmp(before, after, n + 1) != 0)
		abort();
	if (!info)
		check_list(before + n + 1, after + n + 1, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct pci_map m = { 0 };
	char *v[N + 1] = { NULL }, *old[N + 1] = { NULL }, *text, *line;
	struct spec_strings env = { v, 0 };
	struct err e = { 0 };

	arena_init(&a, 1 << 20);
	text = arena_strndup(&a, (const char *)data, size);
	while (text && (line = strsep(&text, "\n"))) {
		bool is;

		take_option(line, &m, &a, &is);
		if (!is && env.n < N)
			old[env.n] = v[env.n] = line, env.n++;
	}
	if (pci_env_rewrite(&env, &m, &a, &e) == 0)
		for (size_t i = 0; i < env.n; i++)
			check(old[i], v[i], &m);
	else if (!err_is_set(&e))
		abort();
	arena_fini(&a);
	return 0;
}
