/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOTE_DEPS_FTS_H
#define MOTE_DEPS_FTS_H

/*
 * The part of BSD's fts(3) that libcgroup uses, for a C library that has none. Seen only while libcgroup is built.
 *
 * Differences from the original, none of which libcgroup notices in a cgroup file system: the walk is always physical
 * (symbolic links are reported, never followed), without stat (a file that is no directory is FTS_NSOK), without
 * chdir, in the directory's own order, and of one starting path.
 */

#define FTS_LOGICAL 0x02
#define FTS_NOCHDIR 0x04
#define FTS_NOSTAT 0x08
#define FTS_PHYSICAL 0x10

/* fts_info */
enum {
	FTS_D = 1,   /* a directory, before what is in it */
	FTS_DC,      /* never reported */
	FTS_DEFAULT, /* never reported */
	FTS_DNR,     /* a directory that could not be read; fts_errno says why */
	FTS_DP,      /* a directory, after what is in it */
	FTS_ERR,     /* never reported */
	FTS_F,       /* never reported */
	FTS_NS,      /* never reported */
	FTS_NSOK     /* anything but a directory */
};

typedef struct ftsent {
	struct ftsent *fts_parent; /* never NULL in what fts_read() returns */
	char *fts_path;            /* from the starting path on */
	char *fts_name;            /* last component, a part of fts_path */
	int fts_info;
	int fts_errno;
	int fts_level; /* 0: the starting path */
	void *fts_dir; /* DIR of an open directory, else NULL */
} FTSENT;

typedef struct fts {
	FTSENT *fts_cur; /* what fts_read() returned last */
	char *fts_path;  /* its path; valid while fts_cur is */
} FTS;

/* Opens a walk of paths[0]; paths[1] must be NULL, compar must be NULL. NULL with errno on failure. */
FTS *fts_open(char *const *paths, int options, int (*compar)(const FTSENT **, const FTSENT **));

/* The next entry, owned by the walk and valid until the next call; NULL with errno 0 at the end, with another on failure. */
FTSENT *fts_read(FTS *fts);

/* Ends a walk at any point and frees all of it. Returns 0. */
int fts_close(FTS *fts);

#endif
