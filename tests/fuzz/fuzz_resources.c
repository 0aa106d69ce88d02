/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources as JSON, through to the rows for either version, the device program and lists:
 * every row is one write of one plain file. The first byte says whether the rest is the text, or
 * a word of it each. */
#include <assert.h>

#include "container/spec_json_resources.h"
#include "container/resources.h"

static const char *const words[] = {
	"{",
	"}",
	"[",
	"]",
	":",
	",",
	"\"memory\":{",
	"\"limit\":",
	"\"swap\":",
	"\"reservation\":",
	"\"swappiness\":",
	"\"kernel\":",
	"\"useHierarchy\":",
	"\"cpu\":{",
	"\"shares\":",
	"\"quota\":",
	"\"period\":",
	"\"burst\":",
	"\"idle\":",
	"\"cpus\":",
	"\"realtimePeriod\":",
	"\"pids\":{",
	"\"blockIO\":{",
	"\"weight\":",
	"\"leafWeight\":",
	"\"weightDevice\":[{",
	"\"throttleReadBpsDevice\":[{",
	"\"major\":",
	"\"minor\":",
	"\"rate\":",
	"\"hugepageLimits\":[{",
	"\"pageSize\":",
	"\"2MB\"",
	"\"network\":{",
	"\"classID\":",
	"\"priorities\":[{",
	"\"name\":",
	"\"priority\":",
	"\"rdma\":{",
	"\"hcaHandles\":",
	"\"unified\":{",
	"\"memory.max\":",
	"\"cgroup.procs\":",
	"\"io.max\":",
	"\"devices\":[{",
	"\"allow\":",
	"\"type\":",
	"\"access\":",
	"\"a\"",
	"\"b\"",
	"\"c\"",
	"\"rwm\"",
	"\"r\"",
	"true",
	"false",
	"null",
	"0",
	"1",
	"-1",
	"3",
	"1024",
	"18446744073709551615",
	"1.5",
	"\"\"",
	"\"x\\ny\"",
	"\"../x\":",
	"}]",
	"},{",
	"}}",
	"]}",
};

/* The text, in the arena. */
static const char *text_of(struct arena *a, const uint8_t *data, size_t size, size_t *len)
{
	char *text = arena_alloc(a, size * 32 + 1);

	*len = 0;
	if (!text || !size)
		return "";
	for (size_t i = 1; i < size; i++) {
		const char *word = words[data[i] % COUNT_OF(words)];
		size_t n = data[0] & 1 ? 1 : strlen(word);

		memcpy(text + *len, data[0] & 1 ? (const char *)&data[i] : word, n);
		*len += n;
	}
	return text;
}

static void check_rows(const struct cgroup_values *values)
{
	for (size_t i = 0; i < values->n; i++) {
		const struct cgroup_value *v = &values->v[i];

		assert(!strchr(v->file, '/') && *v->file != '.' && *v->text);
		/* the next row is there where one may stand in */
		assert(!(v->flags & CGROUP_VALUE_OR_NEXT) || i + 1 < values->n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct spec spec = { 0 };
	struct spec_resources *res = NULL;
	struct cgroup_device_rule *rules;
	struct cgroup_device_lists lists;
	struct err e = { 0 };
	struct arena a;
	const char *text;
	yyjson_doc *doc;
	size_t n, n_insns;

	arena_init(&a, 4 << 20);
	text = text_of(&a, data, size, &n);
	doc = json_read(&a, text, n, &e);
	if (doc)
		res = spec_json_resources(&a, yyjson_doc_get_root(doc), &e);
	assert(!res == (e.rc != RC_OK));
	for (int v = CGROUP_VERSION_1; res && v <= CGROUP_VERSION_2; v++) {
		struct cgroup_values values;
		struct err failed = { 0 };

		if (cgroup_limits_values((enum cgroup_version)v, &res->limits, &a, &values,
					 &failed) == 0)
			check_rows(&values);
		else
			assert(err_is_set(&failed));
	}
	rules = res ? resources_device_rules(&spec, res, &a, &n) : NULL;
	if (rules && cgroup_device_program(rules, n, &a, &n_insns))
		assert(n_insns >= 2);
	if (rules)
		cgroup_device_lists(rules, n, &a, &lists, &e);
	arena_fini(&a);
	return 0;
}
