/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount options. One table holds every word that is not the filesystem's own: the flags of mount(2)
 * and their negatives, propagation, the recursive attributes of mount_setattr(2), the OCI runtime's
 * extras, and the words that mount(8) keeps for itself. Of words that exclude each other the last
 * one wins. What the table does not know goes to the filesystem.
 */
#include "kernel/mount_options.h"

#include <sys/mount.h>

#include "kernel/sys.h"

#define DATA_MAX	4095	/* mount(2) takes one page with its terminator */

#define ATIMES		(MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW	256
#endif

enum kind { SET, CLEAR, PROPAGATION, REC_SET, REC_CLEAR, EXTRA, NOTHING, REFUSED };

struct row {
	const char *name;
	enum kind kind;
	uint64_t bits;
};

static const struct row table[] = {
	{ "defaults", NOTHING, 0 },
	{ "async", CLEAR, MS_SYNCHRONOUS },
	{ "sync", SET, MS_SYNCHRONOUS },
	{ "atime", CLEAR, MS_NOATIME },
	{ "noatime", SET, MS_NOATIME },
	{ "bind", SET, MS_BIND },
	{ "rbind", SET, MS_BIND | MS_REC },
	{ "dev", CLEAR, MS_NODEV },
	{ "nodev", SET, MS_NODEV },
	{ "diratime", CLEAR, MS_NODIRATIME },
	{ "nodiratime", SET, MS_NODIRATIME },
	{ "dirsync", SET, MS_DIRSYNC },
	{ "exec", CLEAR, MS_NOEXEC },
	{ "noexec", SET, MS_NOEXEC },
	{ "iversion", SET, MS_I_VERSION },
	{ "noiversion", CLEAR, MS_I_VERSION },
	{ "lazytime", SET, MS_LAZYTIME },
	{ "nolazytime", CLEAR, MS_LAZYTIME },
	{ "mand", SET, MS_MANDLOCK },
	{ "nomand", CLEAR, MS_MANDLOCK },
	{ "relatime", SET, MS_RELATIME },
	{ "norelatime", CLEAR, MS_RELATIME },
	{ "strictatime", SET, MS_STRICTATIME },
	{ "nostrictatime", CLEAR, MS_STRICTATIME },
	{ "remount", SET, MS_REMOUNT },
	{ "ro", SET, MS_RDONLY },
	{ "rw", CLEAR, MS_RDONLY },
	{ "silent", SET, MS_SILENT },
	{ "loud", CLEAR, MS_SILENT },
	{ "suid", CLEAR, MS_NOSUID },
	{ "nosuid", SET, MS_NOSUID },
	{ "symfollow", CLEAR, MS_NOSYMFOLLOW },
	{ "nosymfollow", SET, MS_NOSYMFOLLOW },

	{ "private", PROPAGATION, MS_PRIVATE },
	{ "rprivate", PROPAGATION, MS_PRIVATE | MS_REC },
	{ "shared", PROPAGATION, MS_SHARED },
	{ "rshared", PROPAGATION, MS_SHARED | MS_REC },
	{ "slave", PROPAGATION, MS_SLAVE },
	{ "rslave", PROPAGATION, MS_SLAVE | MS_REC },
	{ "unbindable", PROPAGATION, MS_UNBINDABLE },
	{ "runbindable", PROPAGATION, MS_UNBINDABLE | MS_REC },

	{ "rro", REC_SET, MOUNT_ATTR_RDONLY },
	{ "rrw", REC_CLEAR, MOUNT_ATTR_RDONLY },
	{ "rnosuid", REC_SET, MOUNT_ATTR_NOSUID },
	{ "rsuid", REC_CLEAR, MOUNT_ATTR_NOSUID },
	{ "rnodev", REC_SET, MOUNT_ATTR_NODEV },
	{ "rdev", REC_CLEAR, MOUNT_ATTR_NODEV },
	{ "rnoexec", REC_SET, MOUNT_ATTR_NOEXEC },
	{ "rexec", REC_CLEAR, MOUNT_ATTR_NOEXEC },
	{ "rnodiratime", REC_SET, MOUNT_ATTR_NODIRATIME },
	{ "rdiratime", REC_CLEAR, MOUNT_ATTR_NODIRATIME },
	{ "rnosymfollow", REC_SET, MOUNT_ATTR_NOSYMFOLLOW },
	{ "rsymfollow", REC_CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	/* The access time is one field with three values, relatime being 0: leaving one of them
	 * means relatime. */
	{ "rnoatime", REC_SET, MOUNT_ATTR_NOATIME },
	{ "rrelatime", REC_CLEAR, MOUNT_ATTR__ATIME },
	{ "ratime", REC_CLEAR, MOUNT_ATTR__ATIME },
	{ "rnorelatime", REC_CLEAR, MOUNT_ATTR__ATIME },
	{ "rstrictatime", REC_SET, MOUNT_ATTR_STRICTATIME },
	{ "rnostrictatime", REC_CLEAR, MOUNT_ATTR__ATIME },

	{ "tmpcopyup", EXTRA, MOUNT_TMPCOPYUP },
	{ "idmap", EXTRA, MOUNT_IDMAP },
	{ "ridmap", EXTRA, MOUNT_RIDMAP },

	{ "auto", NOTHING, 0 },
	{ "noauto", NOTHING, 0 },
	{ "nofail", NOTHING, 0 },
	{ "_netdev", NOTHING, 0 },
	{ "user", NOTHING, 0 },
	{ "nouser", NOTHING, 0 },
	{ "users", NOTHING, 0 },
	{ "nousers", NOTHING, 0 },
	{ "owner", NOTHING, 0 },
	{ "noowner", NOTHING, 0 },
	{ "group", NOTHING, 0 },
	{ "nogroup", NOTHING, 0 },
	{ "loop", REFUSED, 0 },
};

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (str_eq(table[i].name, name))
			return &table[i];
	return NULL;
}

/* The last word wins; mount_setattr wants the whole access time field cleared before it is set. */
static void rec_change(struct mount_options *o, uint64_t set, uint64_t clear)
{
	if (set & MOUNT_ATTR__ATIME)
		clear |= MOUNT_ATTR__ATIME;
	o->rec_set = (o->rec_set & ~clear) | set;
	o->rec_clear = (o->rec_clear & ~(set & ~(uint64_t)MOUNT_ATTR__ATIME)) | clear;
}

static void apply(struct mount_options *o, const struct row *r)
{
	switch (r->kind) {
	case SET:
		if (r->bits & ATIMES)	/* one field: the last word wins */
			o->ms_set &= ~(unsigned long)ATIMES;
		o->ms_set |= r->bits;
		o->ms_clear &= ~r->bits;
		break;
	case CLEAR:
		o->ms_set &= ~r->bits;
		o->ms_clear |= r->bits;
		break;
	case PROPAGATION:
		o->propagation = r->bits;
		break;
	case REC_SET:
		rec_change(o, r->bits, 0);
		break;
	case REC_CLEAR:
		rec_change(o, 0, r->bits);
		break;
	case EXTRA:
		o->extra |= r->bits;
		break;
	case NOTHING:
	case REFUSED:
		break;
	}
}

/* Words that only mount(8) and its callers read. */
static bool is_comment(const char *opt)
{
	return str_starts(opt, "x-") || str_starts(opt, "X-") || str_starts(opt, "comment=");
}

int mount_options_parse(char *const *opts, size_t n, struct arena *a, struct mount_options *out,
			struct err *e)
{
	char data[DATA_MAX + 1];
	struct str s = STR_OVER(data);

	memset(out, 0, sizeof(*out));
	str_reset(&s);
	for (size_t i = 0; i < n; i++) {
		const char *opt = opts[i];
		const struct row *r;

		if (str_empty(opt) || is_comment(opt))
			continue;
		r = find(opt);
		if ((r && r->kind == REFUSED) || str_starts(opt, "loop="))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "mount option 'loop' is not supported");
		if (r) {
			apply(out, r);
			continue;
		}
		if (s.len)
			str_add_char(&s, ',');
		str_add(&s, opt);
		if (!str_ok(&s))
			return err_set(
				e, RC_INVALID_ARGUMENT,
				"mount option '%.40s' makes the options longer than %d bytes", opt,
				DATA_MAX);
	}
	if (!s.len)
		return 0;
	out->data = arena_strdup(a, data);
	if (!out->data)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "mount options: out of memory");
	return 0;
}

void mount_options_print(struct str *s, unsigned long flags, unsigned long clear,
			 unsigned long propagation, uint64_t rec_set, uint64_t rec_clear)
{
	size_t from = s->len;

	rec_clear &= ~rec_set;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		const struct row *r = &table[i];
		bool hit = false;

		if (r->kind == SET)
			hit = r->bits & MS_BIND ? (flags & (MS_BIND | MS_REC)) == r->bits :
						  flags & r->bits;
		else if (r->kind == CLEAR)
			hit = clear & r->bits;
		else if (r->kind == PROPAGATION)
			hit = propagation == r->bits;
		else if (r->kind == REC_SET)
			hit = rec_set & r->bits;
		else if (r->kind == REC_CLEAR)
			hit = (rec_clear & r->bits) == r->bits;
		if (!hit)
			continue;
		if (r->kind == REC_CLEAR)
			rec_clear &= ~r->bits;	/* of words with one meaning the first is printed */
		if (s->len > from)
			str_add_char(s, ',');
		str_add(s, r->name);
	}
}
