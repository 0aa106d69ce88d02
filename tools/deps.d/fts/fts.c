/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk keeps one entry per level of the current path, linked through fts_parent up to a nameless root above the
 * starting path. A directory is returned twice: FTS_D when it is met, FTS_DP when its stream is used up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fts.h"

static FTSENT *entry_new(FTSENT *parent, const char *dir, const char *name, int info)
{
	size_t dir_len = dir ? strlen(dir) : 0, name_len = strlen(name);
	size_t slash = dir_len && dir[dir_len - 1] != '/';
	FTSENT *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->fts_path = malloc(dir_len + slash + name_len + 1);
	if (!e->fts_path) {
		free(e);
		return NULL;
	}
	if (dir_len)
		memcpy(e->fts_path, dir, dir_len);
	if (slash)
		e->fts_path[dir_len] = '/';
	e->fts_name = e->fts_path + dir_len + slash;
	memcpy(e->fts_name, name, name_len + 1);
	e->fts_parent = parent;
	e->fts_level = parent ? parent->fts_level + 1 : -1;
	e->fts_info = info;
	return e;
}

/* Frees an entry and gives back its parent. */
static FTSENT *entry_free(FTSENT *e)
{
	FTSENT *parent = e->fts_parent;

	if (e->fts_dir)
		closedir(e->fts_dir);
	free(e->fts_path);
	free(e);
	return parent;
}

static int is_directory(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

static FTSENT *show(FTS *fts, FTSENT *e)
{
	fts->fts_cur = e;
	fts->fts_path = e->fts_path;
	return e;
}

FTS *fts_open(char *const *paths, int options, int (*compar)(const FTSENT **, const FTSENT **))
{
	FTSENT *root;
	FTS *fts;

	(void)options;
	if (!paths[0] || paths[1] || compar) {
		errno = EINVAL;
		return NULL;
	}
	if (faccessat(AT_FDCWD, paths[0], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	fts = calloc(1, sizeof(*fts));
	root = fts ? entry_new(NULL, NULL, "", FTS_NSOK) : NULL;
	if (root)
		fts->fts_cur = entry_new(root, NULL, paths[0],
					 is_directory(paths[0]) ? FTS_D : FTS_NSOK);
	if (!root || !fts->fts_cur) {
		if (root)
			entry_free(root);
		free(fts);
		return NULL;
	}
	/* no fts_path yet: the first fts_read() returns the starting path itself */
	return fts;
}

FTSENT *fts_read(FTS *fts)
{
	FTSENT *dir = fts->fts_cur, *e;
	struct dirent *d;

	if (!fts->fts_path)
		return show(fts, dir);

	if (dir->fts_level < 0) {
		errno = 0; /* asked again after the end */
		return NULL;
	}
	if (dir->fts_info == FTS_D && !dir->fts_dir) {
		dir->fts_dir = opendir(dir->fts_path);
		if (!dir->fts_dir) {
			dir->fts_errno = errno;
			dir->fts_info = FTS_DNR;
			return show(fts, dir);
		}
	} else {
		dir = entry_free(dir);
	}
	if (dir->fts_level < 0) {
		show(fts, dir);
		errno = 0;
		return NULL;
	}

	for (;;) {
		errno = 0;
		d = readdir(dir->fts_dir);
		if (!d) {
			int failed = errno;

			closedir(dir->fts_dir);
			dir->fts_dir = NULL;
			dir->fts_info = failed ? FTS_DNR : FTS_DP;
			dir->fts_errno = failed;
			return show(fts, dir);
		}
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			break;
	}
	e = entry_new(dir, dir->fts_path, d->d_name, FTS_NSOK);
	if (!e) {
		show(fts, dir);
		return NULL;
	}
	if (d->d_type == DT_DIR || (d->d_type == DT_UNKNOWN && is_directory(e->fts_path)))
		e->fts_info = FTS_D;
	return show(fts, e);
}

int fts_close(FTS *fts)
{
	FTSENT *e = fts->fts_cur;

	while (e)
		e = entry_free(e);
	free(fts);
	return 0;
}
