/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a cpio archive ("newc") from a manifest: the first file system a guest boots from.
 *
 * No root is needed, since device nodes and owners are written down and never made; and the same inputs give the same
 * bits, since nothing of a file but its contents is read: mode and owner come from the manifest, the time is
 * SOURCE_DATE_EPOCH or zero, inode numbers count from 1 in the manifest's order.
 *
 * A file with further names (`link`) carries its contents at its last name, as the format wants it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FIELDS 8
#define MAX_VARS 16

struct entry {
	const char *path;   /* without the leading slash */
	const char *source; /* file: where its contents are, or NULL; symlink: its target */
	uint32_t mode, uid, gid, major, minor;
	size_t ino;
	size_t head; /* index of the first entry of this inode: its own, or for a link the file's */
	size_t links, data; /* the head's only: how many names, and which entry carries the contents */
};

struct manifest {
	const char *name;
	unsigned int line;
	struct entry *entries;
	size_t count, room, inodes;
	size_t *slots; /* paths' hash table: index of the entry + 1, or 0; a power of two of them */
	size_t slots_count;
	char **texts; /* every expanded field, freed at the end */
	size_t texts_count, texts_room;
	struct {
		const char *name, *value;
		size_t name_len;
	} vars[MAX_VARS];
	size_t vars_count;
};

struct output {
	FILE *file;
	const char *name;
	uint64_t size;
	uint32_t mtime;
};

static const char usage[] =
	"usage: mkinitrd [-D NAME=VALUE]... MANIFEST OUT\n"
	"\n"
	"Writes the cpio archive OUT (newc, not compressed) from MANIFEST, one entry a line:\n"
	"\n"
	"  dir   PATH MODE UID GID\n"
	"  file  PATH SOURCE MODE UID GID       SOURCE: a file, or - for no contents\n"
	"  link  PATH FILE                      another name of a file above\n"
	"  slink PATH TARGET\n"
	"  nod   PATH MODE UID GID c|b MAJ MIN\n"
	"\n"
	"Paths are absolute, and their directories stand above them. $NAME and ${NAME} stand for what -D gives,\n"
	"\\OOO (three octal digits) for one byte: \\040 is a blank, \\134 the backslash, \\044 the dollar.\n"
	"A line that begins with # is a comment. Times are SOURCE_DATE_EPOCH, else 0.\n";

static void __attribute__((format(printf, 2, 3), noreturn)) die(const struct manifest *m,
								 const char *format, ...)
{
	va_list ap;

	fputs("mkinitrd: ", stderr);
	if (m)
		fprintf(stderr, "%s:%u: ", m->name, m->line);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void *checked(void *p)
{
	if (!p)
		die(NULL, "out of memory");
	return p;
}

/* A whole number of the given base up to max; anything else in the text fails. */
static uint32_t number(const struct manifest *m, const char *what, const char *text, int base,
		       uint32_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, base);
	if (errno || *end || !isdigit((unsigned char)text[0]) || v > max)
		die(m, base == 8 ? "%s '%s' is not an octal number up to %o"
				  : "%s '%s' is not a number up to %u",
		     what, text, max);
	return (uint32_t)v;
}

static const char *variable(const struct manifest *m, const char *name, size_t len)
{
	for (size_t i = 0; i < m->vars_count; i++)
		if (m->vars[i].name_len == len && !memcmp(m->vars[i].name, name, len))
			return m->vars[i].value;
	die(m, "$%.*s is not defined: give -D %.*s=VALUE", (int)len, name, (int)len, name);
}

static size_t name_length(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

static char octal(const struct manifest *m, const char *digits)
{
	unsigned int v = 0;

	for (int i = 0; i < 3; i++) {
		if (digits[i] < '0' || digits[i] > '7')
			die(m, "a \\ without three octal digits behind it");
		v = v * 8 + (unsigned int)(digits[i] - '0');
	}
	if (!v || v > 0xff)
		die(m, "\\%.3s is no byte of a name", digits);
	return (char)v;
}

/* The field with its variables and escapes replaced; the manifest owns it. */
static char *expand(struct manifest *m, const char *field)
{
	char *text = NULL;
	size_t size, len;
	FILE *out = checked(open_memstream(&text, &size));

	while (*field) {
		if (*field == '\\') {
			fputc(octal(m, field + 1), out);
			field += 4;
			continue;
		}
		if (*field != '$') {
			fputc(*field++, out);
			continue;
		}
		field++;
		len = name_length(field + (*field == '{'));
		if (!len || (*field == '{' && field[1 + len] != '}'))
			die(m, "a $ without a name behind it");
		fputs(variable(m, field + (*field == '{'), len), out);
		field += len + (*field == '{' ? 2 : 0);
	}
	if (fclose(out))
		die(NULL, "out of memory");
	if (m->texts_count == m->texts_room) {
		m->texts_room = m->texts_room ? 2 * m->texts_room : 64;
		m->texts = checked(realloc(m->texts, m->texts_room * sizeof(*m->texts)));
	}
	m->texts[m->texts_count++] = checked(text);
	return text;
}

static void manifest_free(struct manifest *m)
{
	for (size_t i = 0; i < m->texts_count; i++)
		free(m->texts[i]);
	free(m->texts);
	free(m->slots);
	free(m->entries);
}

/* FNV-1a: manifests of whole distributions have tens of thousands of paths. */
static size_t hash(const char *path, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)path[i]) * 0x100000001b3;
	return (size_t)(h ^ (h >> 32));
}

/* Where the path stands in the table, or the free slot where it would. There is always a free one. */
static size_t *slot(const struct manifest *m, const char *path, size_t len)
{
	size_t at = hash(path, len) & (m->slots_count - 1);

	for (; m->slots[at]; at = (at + 1) & (m->slots_count - 1)) {
		const char *have = m->entries[m->slots[at] - 1].path;

		if (strlen(have) == len && !memcmp(have, path, len))
			break;
	}
	return &m->slots[at];
}

static struct entry *find(const struct manifest *m, const char *path, size_t len)
{
	size_t index = m->slots ? *slot(m, path, len) : 0;

	return index ? &m->entries[index - 1] : NULL;
}

/* Room for one more entry; the table stays at most half full. */
static void grow(struct manifest *m)
{
	if (m->count < m->room)
		return;
	m->room = m->room ? 2 * m->room : 32;
	m->entries = checked(realloc(m->entries, m->room * sizeof(*m->entries)));
	free(m->slots);
	m->slots_count = 2 * m->room;
	m->slots = checked(calloc(m->slots_count, sizeof(*m->slots)));
	for (size_t i = 0; i < m->count; i++)
		*slot(m, m->entries[i].path, strlen(m->entries[i].path)) = i + 1;
}

/* Refuses every spelling of a path but the plain absolute one. */
static void check_path(const struct manifest *m, const char *path)
{
	const char *p = path, *end;

	if (*p != '/' || !p[1])
		die(m, "path '%s' is not absolute, or is the root itself", path);
	for (; *p; p = end) {
		p++;
		end = p + strcspn(p, "/");
		if (end == p || (end - p == 1 && !memcmp(p, ".", 1)) ||
		    (end - p == 2 && !memcmp(p, "..", 2)))
			die(m, "path '%s' has an empty, '.' or '..' component", path);
	}
	if (strlen(path) >= PATH_MAX)
		die(m, "path of %zu bytes is too long", strlen(path));
}

/* A new entry for the path, whose directory must stand above it. */
static struct entry *add(struct manifest *m, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct entry *e, *dir;

	check_path(m, path);
	if (find(m, path + 1, strlen(path + 1)))
		die(m, "%s stands twice", path);
	if (slash != path) {
		dir = find(m, path + 1, (size_t)(slash - path - 1));
		if (!dir || !S_ISDIR(dir->mode))
			die(m, "no 'dir %.*s' above %s", (int)(slash - path), path, path);
	}
	grow(m);
	e = &m->entries[m->count];
	memset(e, 0, sizeof(*e));
	e->path = path + 1;
	e->head = m->count++;
	e->links = 1;
	*slot(m, e->path, strlen(e->path)) = m->count;
	return e;
}

static void set_owner(struct manifest *m, struct entry *e, uint32_t type, char **field)
{
	e->mode = type | number(m, "mode", field[0], 8, 07777);
	e->uid = number(m, "uid", field[1], 10, UINT32_MAX);
	e->gid = number(m, "gid", field[2], 10, UINT32_MAX);
	e->ino = ++m->inodes;
}

static void add_dir(struct manifest *m, char **field)
{
	struct entry *e = add(m, field[0]);

	set_owner(m, e, S_IFDIR, field + 1);
	e->links = 2;
}

static void add_file(struct manifest *m, char **field)
{
	struct entry *e = add(m, field[0]);

	set_owner(m, e, S_IFREG, field + 2);
	e->source = strcmp(field[1], "-") ? field[1] : NULL;
	e->data = m->count - 1;
}

static void add_link(struct manifest *m, char **field)
{
	struct entry *e = add(m, field[0]), *file;
	const char *path = e->path;

	check_path(m, field[1]);
	file = find(m, field[1] + 1, strlen(field[1] + 1));
	if (!file || !S_ISREG(file->mode))
		die(m, "no 'file %s' above this link", field[1]);
	*e = *file;
	e->path = path;
	m->entries[e->head].links++;
	m->entries[e->head].data = m->count - 1;
}

static void add_slink(struct manifest *m, char **field)
{
	struct entry *e = add(m, field[0]);

	e->mode = S_IFLNK | 0777;
	e->ino = ++m->inodes;
	e->source = field[1];
	if (strlen(e->source) >= PATH_MAX)
		die(m, "target of %zu bytes is too long", strlen(e->source));
}

static void add_nod(struct manifest *m, char **field)
{
	struct entry *e = add(m, field[0]);
	int is_char = !strcmp(field[4], "c");

	if (!is_char && strcmp(field[4], "b"))
		die(m, "device type '%s' is neither c nor b", field[4]);
	set_owner(m, e, is_char ? S_IFCHR : S_IFBLK, field + 1);
	e->major = number(m, "major number", field[5], 10, 0xfff);
	e->minor = number(m, "minor number", field[6], 10, 0xfffff);
}

static const struct {
	const char *name;
	size_t fields;
	void (*add)(struct manifest *m, char **field);
	const char *form;
} kinds[] = {
	{ "dir", 4, add_dir, "dir PATH MODE UID GID" },
	{ "file", 5, add_file, "file PATH SOURCE MODE UID GID" },
	{ "link", 2, add_link, "link PATH FILE" },
	{ "slink", 2, add_slink, "slink PATH TARGET" },
	{ "nod", 7, add_nod, "nod PATH MODE UID GID c|b MAJ MIN" },
};

static void parse_line(struct manifest *m, char *line)
{
	char *field[MAX_FIELDS], *word, *rest = line;
	size_t n = 0;

	while ((word = strsep(&rest, " \t\n"))) {
		if (!*word)
			continue;
		if (!n && *word == '#')
			break;
		if (n == MAX_FIELDS)
			die(m, "more than %d words", MAX_FIELDS);
		field[n++] = word;
	}
	if (!n)
		return;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		if (strcmp(field[0], kinds[k].name))
			continue;
		if (n - 1 != kinds[k].fields)
			die(m, "%zu words after '%s', want: %s", n - 1, field[0], kinds[k].form);
		for (size_t i = 1; i < n; i++)
			field[i] = expand(m, field[i]);
		kinds[k].add(m, field + 1);
		return;
	}
	die(m, "unknown entry '%s': dir, file, link, slink or nod", field[0]);
}

static void parse(struct manifest *m)
{
	FILE *f = fopen(m->name, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	if (!f)
		die(NULL, "%s: %s", m->name, strerror(errno));
	while ((len = getline(&line, &room, f)) >= 0) {
		m->line++;
		if (memchr(line, 0, (size_t)len))
			die(m, "a zero byte");
		parse_line(m, line);
	}
	if (ferror(f))
		die(NULL, "%s: %s", m->name, strerror(errno));
	free(line);
	fclose(f);
}

static void put(struct output *o, const void *data, size_t len)
{
	if (len && fwrite(data, 1, len, o->file) != len)
		die(NULL, "%s: %s", o->name, strerror(errno));
	o->size += len;
}

static void pad(struct output *o, unsigned int to)
{
	static const char zeros[512];

	put(o, zeros, (to - o->size % to) % to);
}

static void put_header(struct output *o, const struct entry *e, size_t links, const char *name,
		       uint32_t size)
{
	char header[6 + 13 * 8 + 1];

	snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 (uint32_t)e->ino, e->mode, e->uid, e->gid, (uint32_t)links, e->ino ? o->mtime : 0,
		 size, 0, 0, e->major, e->minor, (uint32_t)strlen(name) + 1, 0);
	put(o, header, sizeof(header) - 1);
	put(o, name, strlen(name) + 1);
	pad(o, 4);
}

static void put_file(struct output *o, const struct entry *e, size_t links)
{
	int fd = open(e->source, O_RDONLY | O_CLOEXEC);
	char buf[65536];
	uint64_t left;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(NULL, "%s (for /%s): %s", e->source, e->path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > UINT32_MAX)
		die(NULL, "%s (for /%s): no regular file below 4 GiB", e->source, e->path);
	left = (uint64_t)st.st_size;
	put_header(o, e, links, e->path, (uint32_t)left);
	while (left) {
		n = read(fd, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf));
		if (n <= 0)
			die(NULL, "%s (for /%s): %s", e->source, e->path,
			     n ? strerror(errno) : "became shorter while it was read");
		put(o, buf, (size_t)n);
		left -= (uint64_t)n;
	}
	close(fd);
	pad(o, 4);
}

static void put_archive(struct output *o, const struct manifest *m)
{
	static const struct entry trailer = { .ino = 0 };

	for (size_t i = 0; i < m->count; i++) {
		const struct entry *e = &m->entries[i], *head = &m->entries[e->head];

		if (S_ISLNK(e->mode)) {
			put_header(o, e, 1, e->path, (uint32_t)strlen(e->source));
			put(o, e->source, strlen(e->source));
			pad(o, 4);
		} else if (S_ISREG(e->mode) && e->source && head->data == i) {
			put_file(o, e, head->links);
		} else {
			put_header(o, e, head->links, e->path, 0);
		}
	}
	put_header(o, &trailer, 1, "TRAILER!!!", 0);
	pad(o, 512);
}

static void define(struct manifest *m, const char *text)
{
	size_t len = name_length(text);

	if (!len || text[len] != '=')
		die(NULL, "-D '%s' is not NAME=VALUE", text);
	if (m->vars_count == MAX_VARS)
		die(NULL, "more than %d -D", MAX_VARS);
	m->vars[m->vars_count].name = text;
	m->vars[m->vars_count].name_len = len;
	m->vars[m->vars_count++].value = text + len + 1;
}

/* Written beside its place and renamed: a failed run leaves the last good archive. */
static void write_archive(const struct manifest *m, const char *name)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	struct output o = { .name = name };
	char *part;

	if (epoch)
		o.mtime = number(NULL, "SOURCE_DATE_EPOCH", epoch, 10, UINT32_MAX);
	if (asprintf(&part, "%s.part", name) < 0)
		die(NULL, "out of memory");
	o.file = fopen(part, "we");
	if (!o.file)
		die(NULL, "%s: %s", part, strerror(errno));
	put_archive(&o, m);
	if (fclose(o.file) || rename(part, name) < 0)
		die(NULL, "%s: %s", name, strerror(errno));
	free(part);
}

int main(int argc, char **argv)
{
	struct manifest m = { 0 };
	int opt;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	while ((opt = getopt(argc, argv, "D:")) != -1) {
		if (opt != 'D') {
			fputs(usage, stderr);
			return 2;
		}
		define(&m, optarg);
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		return 2;
	}
	m.name = argv[optind];
	parse(&m);
	write_archive(&m, argv[optind + 1]);
	manifest_free(&m);
	return 0;
}
