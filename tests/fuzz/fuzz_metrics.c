/* SPDX-License-Identifier: Apache-2.0 */
/* Any text in the place of a kernel's file: what comes out is always whole and in the format. The first
 * byte chooses the family. */
#include "prometheus.h"
#include "sandbox/metrics_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct metrics_family families[] = {
	{ "a", "A.", "gauge", "", METRICS_FIELDS, METRICS_PLAIN, 3, "cur max", NULL, NULL },
	{ "a", "A.", "gauge", "", METRICS_FIELDS, METRICS_PAGES, 0, "", NULL, NULL },
	{ "a", "A.", "gauge", "", METRICS_FIELDS, METRICS_SECONDS, 1, "utime stime", NULL, NULL },
	{ "a", "A.", "gauge", "", METRICS_KEYS, METRICS_PLAIN, 0, "a vmrss vmswap", NULL, NULL },
	{ "a", "A.", "gauge", "", METRICS_ALL_KEYS, METRICS_PLAIN, 0, "", NULL, NULL },
	{ "a", "A.", "gauge", "", METRICS_ALL_SNAKES, METRICS_BYTES, 0, "", NULL, NULL },
	{ "a", "A.", "gauge", "", METRICS_ROWS, METRICS_MS, 0, "user nice", "cpu", "cpu" },
	{ "a", "A.", "gauge", "", METRICS_ROWS, METRICS_PLAIN, 2, "reads writes", "disk", NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t seen[2 * METRICS_SERIES_MAX];
	static char out[8192];
	struct metrics_text t = { .seen = seen };
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	str_init(&t.out, out, 64 + (data[0] >> 3) * 256u);
	metrics_text_add_file(&t, &families[data[0] % COUNT_OF(families)], text);
	if (!str_ok(&t.out) || strlen(out) != t.out.len || prometheus_problem(out))
		abort();
	if (t.n_series)
		memset(seen, 0, sizeof(seen));
	free(text);
	return 0;
}
