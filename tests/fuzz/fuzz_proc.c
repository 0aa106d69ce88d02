/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of kernel text. The first byte chooses one. */
#include "kernel/mountinfo.h"
#include "kernel/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cmdline(char *text, size_t len)
{
	char *cursor = text, *key, *value;

	while (proc_cmdline_next(&cursor, &key, &value)) {
		if (cursor > text + len || key < text || key > cursor)
			abort();
		if (value && (value < key || value + strlen(value) > text + len))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_status status;
	struct mountinfo m;
	uint64_t ticks;
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 4) {
	case 0:
		cmdline(text, strlen(text));
		break;
	case 1:
		if (mountinfo_parse(text, &m) == 0 &&
		    (!m.target || !m.fstype || !m.source || !m.super))
			abort();
		break;
	case 2:
		(void)proc_status_parse(text, &status);
		break;
	default:
		(void)proc_start_time_parse(text, &ticks);
		break;
	}
	free(text);
	return 0;
}
