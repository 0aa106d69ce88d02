/* SPDX-License-Identifier: Apache-2.0 */
/* The part of path.h that is about text alone. */
#include "base/path.h"

/* Drops the last component of out[0..len); the new length. */
static size_t drop_last(const char *out, size_t len)
{
	while (len > 0 && out[len - 1] != '/')
		len--;
	return len > 1 ? len - 1 : len;
}

/* Is the last component of out[0..len) ".."? */
static bool ends_in_dotdot(const char *out, size_t len)
{
	return len >= 2 && out[len - 1] == '.' && out[len - 2] == '.' &&
	       (len == 2 || out[len - 3] == '/');
}

char *path_clean(struct arena *a, const char *path)
{
	bool absolute = *path == '/';
	char *out = arena_alloc(a, strlen(path) + 2);
	size_t len = 0;

	if (!out)
		return NULL;
	if (absolute)
		out[len++] = '/';
	while (*(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");
		bool up = n == 2 && path[0] == '.' && path[1] == '.';
		bool empty = len == (absolute ? 1 : 0);

		if (up && (absolute || (!empty && !ends_in_dotdot(out, len)))) {
			len = drop_last(out, len);
		} else if (n != 1 || *path != '.') {
			if (!empty)
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n;
	}
	if (len == 0)
		out[len++] = '.';
	out[len] = '\0';
	return out;
}

char *path_join(struct arena *a, const char *left, const char *right)
{
	size_t len = strlen(left);

	while (len > 0 && left[len - 1] == '/')
		len--;
	right += strspn(right, "/");

	size_t right_len = strlen(right);
	char *out = arena_alloc(a, len + 1 + right_len + 1);

	if (!out)
		return NULL;
	memcpy(out, left, len);
	out[len] = '/';
	memcpy(out + len + 1, right, right_len);
	return out;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (str_eq(dir, "/"))
		return *path == '/';
	return len > 0 && str_starts(path, dir) && (path[len] == '\0' || path[len] == '/');
}

bool path_climbs(const char *path)
{
	while (*(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += n;
	}
	return false;
}

bool path_is_plain(const char *path)
{
	return *path == '/' && !path_climbs(path);
}
