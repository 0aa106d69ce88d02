/* SPDX-License-Identifier: Apache-2.0 */
/* depmod's lists: what is found lies inside the text, and is that module's file. */
#include "kernel/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "dummy", "snd_hda-intel", "a", "" };
	const char *name;
	char *text, *path, *needs;

	if (size < 1)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	name = names[data[0] % COUNT_OF(names)];
	(void)module_is_listed(text, name);
	if (module_find(text, name, &path, &needs)) {
		if (path < text || needs <= path || needs + strlen(needs) >= text + size)
			abort();
		if (!module_is_file_of(path, strlen(path), name))
			abort();
	}
	free(text);
	return 0;
}
