/* SPDX-License-Identifier: Apache-2.0 */
/* Options, one a line. */
#include "kernel/mount_options.h"

#define OPTS_MAX	256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char words[1024];
	struct str s = STR_OVER(words);
	char *opts[OPTS_MAX], *text;
	struct mount_options o;
	struct err e = { 0 };
	struct arena a;
	size_t n = 0;

	arena_init(&a, 1 << 20);
	text = arena_strndup(&a, (const char *)data, size);
	if (!text)
		return 0;
	for (char *at = text; at && n < OPTS_MAX; n++) {
		opts[n] = at;
		at = strchr(at, '\n');
		if (at)
			*at++ = '\0';
	}
	if (mount_options_parse(opts, n, &a, &o, &e) == 0) {
		if ((o.ms_set & o.ms_clear) || (o.data && (strlen(o.data) > 4095 || !*o.data)))
			abort();
		str_reset(&s);
		mount_options_print(&s, o.ms_set, o.ms_clear, o.propagation, o.rec_set, o.rec_clear);
		if (!str_ok(&s))
			abort();
	} else if (e.rc != RC_INVALID_ARGUMENT) {
		abort();
	}
	arena_fini(&a);
	return 0;
}
