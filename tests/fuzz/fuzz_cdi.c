/* SPDX-License-Identifier: Apache-2.0 */
/* CDI files of any content, and lists of names (the first line): an error, or a spec that has whatever
 * the files said of the devices that were named. */
#include "base/str.h"
#include "container/cdi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct spec *s, const struct cdi_file *f)
{
	size_t hooks = s->hooks.prestart.n + s->hooks.create_runtime.n +
		       s->hooks.create_container.n + s->hooks.start_container.n +
		       s->hooks.poststart.n + s->hooks.poststop.n;

	for (size_t i = 0; i < s->process->env.n; i++)
		if (!s->process->env.v[i] || s->process->env.v[s->process->env.n])
			abort();
	for (size_t i = 0; i < s->linux.n_devices; i++)
		if (!s->linux.devices[i].type || *s->linux.devices[i].path != '/')
			abort();
	if (s->n_mounts < f->edits.n_mounts || hooks < f->edits.n_hooks)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec_strings names = { 0 };
	struct cdi_file f;
	struct err e = { 0 };
	struct arena a;
	struct spec *s;
	char *text, *list;

	arena_init(&a, 4 << 20);
	text = arena_strndup(&a, (const char *)data, size);
	list = text ? strsep(&text, "\n") : NULL;
	s = spec_new(&a);
	s->process = ARENA_NEW(&a, struct spec_process);
	if (list && text && cdi_names(list, ',', &a, &names, &e) == 0 &&
	    cdi_read(&a, text, strlen(text), &f, &e) == 0 && cdi_resolve(&f, 1, &names, &e) == 0 &&
	    cdi_inject(s, &f, 1, &names, &a, &e) == 0)
		check(s, &f);
	else if (list && text && !err_is_set(&e))
		abort();
	arena_fini(&a);
	return 0;
}
