/* SPDX-License-Identifier: Apache-2.0 */
/* The lexical part of paths: two texts, split at the first newline. */
#include "base/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* No empty or "." component, ".." only in front of a relative path, no slash at the end. */
static void check_clean(const char *p)
{
	bool named = *p == '/';

	if (str_eq(p, "/") || str_eq(p, "."))
		return;
	p += *p == '/';
	for (;;) {
		size_t n = strcspn(p, "/");
		bool up = n == 2 && !memcmp(p, "..", 2);

		must(n > 0 && !(n == 1 && *p == '.'));
		must(!(up && named));
		named = named || !up;
		p += n;
		if (!*p)
			return;
		p++;
	}
}

static void check(struct arena *a, const char *left, const char *right)
{
	const char *clean = path_clean(a, left), *other = path_clean(a, right);
	const char *joined = path_join(a, left, right);
	const char *below;

	must(clean && other && joined);
	check_clean(clean);
	must(str_eq(path_clean(a, clean), clean));
	must((*left == '/') == (*clean == '/'));
	must(strlen(clean) <= MAX(strlen(left), (size_t)1));
	must(path_is_below(clean, clean));
	must(path_is_plain(clean) == (*left == '/'));
	if (path_is_below(clean, other) && path_is_below(other, clean))
		must(str_eq(clean, other));
	must(strlen(joined) <= strlen(left) + strlen(right) + 1);

	/* Whatever is joined to a root and is plain stays below it after cleaning. */
	if (path_is_plain(joined) && path_is_plain(left)) {
		below = path_clean(a, joined);
		must(below && path_is_below(below, clean));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	char *left, *right;

	arena_init(&a, SIZE_MAX);
	left = arena_strndup(&a, (const char *)data, size);
	right = left ? strchr(left, '\n') : NULL;
	if (right)
		*right++ = '\0';
	if (left)
		check(&a, left, right ? right : "");
	arena_fini(&a);
	return 0;
}
