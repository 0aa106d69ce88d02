/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"
#include "vm/vm_arch.h"

#define BOOT_MAX	8192
#define MEGABYTE	(1u << 20)
#define EXTRA_MAX	64

const char *vm_image_value(const char *boot, const char *key, size_t *n)
{
	size_t len = strlen(key);

	for (const char *line = boot; line && *line;) {
		const char *end = strchrnul(line, '\n');

		if (!strncmp(line, key, len) && str_starts(line + len, ": ")) {
			*n = (size_t)(end - line) - len - 2;
			return line + len + 2;
		}
		line = *end ? end + 1 : end;
	}
	return NULL;
}

static int no_memory(struct err *e)
{
	return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
}

/* A word for QEMU; a comma of the file's name is doubled, as QEMU reads it. */
static const char *escaped(struct arena *a, const char *file)
{
	char *out = arena_alloc(a, 2 * strlen(file) + 1), *to = out;

	for (; out && *file; file++) {
		if (*file == ',')
			*to++ = ',';
		*to++ = *file;
	}
	if (out)
		*to = '\0';
	return out;
}

/* A read-only module of persistent memory; the machine gets a place for it. */
static int add_nvdimm(struct arena *a, const char *file, struct vm_opts *o, struct err *e)
{
	const char **extra = ARENA_ARRAY(a, const char *, EXTRA_MAX + 1), *name = escaped(a, file);
	unsigned long long room;
	struct stat st;
	size_t n = 0;

	if (stat(file, &st) < 0)
		return err_sys(e, errno, "image %s", file);
	room = (o->memory_mb ? o->memory_mb : VM_MEMORY_MB) + (unsigned long long)st.st_size / MEGABYTE +
	       1024;
	if (!extra || !name)
		return no_memory(e);
	extra[n++] = "-machine";
	extra[n++] = "nvdimm=on";
	extra[n++] = "-m";
	extra[n++] = arena_printf(a, "slots=2,maxmem=%lluM", room);
	extra[n++] = "-object";
	extra[n++] = arena_printf(a, "memory-backend-file,id=image,share=on,readonly=on,mem-path=%s,size=%llu",
				  name, (unsigned long long)st.st_size);
	extra[n++] = "-device";
	extra[n++] = "nvdimm,memdev=image,id=nvdimm0,unarmed=on";
	if (!extra[3] || !extra[5])
		return no_memory(e);
	for (size_t i = 0; o->extra && o->extra[i]; i++) {
		if (n == EXTRA_MAX)
			return err_set(e, RC_INVALID_ARGUMENT, "more than %d words for QEMU",
				       EXTRA_MAX);
		extra[n++] = o->extra[i];
	}
	o->extra = extra;
	return 0;
}

static int add_disk(struct arena *a, const char *file, struct vm_opts *o, struct err *e)
{
	struct vm_drive *drives = ARENA_ARRAY(a, struct vm_drive, o->n_drives + 1);

	if (!drives)
		return no_memory(e);
	drives[0] = (struct vm_drive){ .file = file, .flags = VM_DRIVE_READONLY };
	for (size_t i = 0; i < o->n_drives; i++)
		drives[i + 1] = o->drives[i];
	o->drives = drives;
	o->n_drives++;
	return 1;
}

/* Splits "FILE,HOW": the last comma counts only before a word that is known. */
static int split(struct arena *a, const char *text, const char **file, const char **how, struct err *e)
{
	static const char *const ways[] = { "virtio-blk", "nvdimm" };
	const char *comma = strrchr(text, ',');

	*how = NULL;
	*file = text;
	for (size_t i = 0; comma && i < COUNT_OF(ways); i++) {
		if (!str_eq(comma + 1, ways[i]))
			continue;
		*how = ways[i];
		*file = arena_strndup(a, text, (size_t)(comma - text));
	}
	return *file ? 0 : no_memory(e);
}

/* Files of an older builder do not tell it. */
static int read_arch(struct arena *a, const char *file, const char *boot, struct vm_opts *o, struct err *e)
{
	const char *text, *name;
	size_t n;

	text = vm_image_value(boot, "architecture", &n);
	if (!text)
		return 0;
	name = arena_strndup(a, text, n);
	if (!name)
		return no_memory(e);
	o->arch = vm_arch_find(name);
	return o->arch ? 0 : err_set(e, RC_INVALID_ARGUMENT, "image %s is for the architecture '%.40s', of which "
				     "no machine is known", file, name);
}

int vm_image_add(struct arena *a, const char *text, struct vm_opts *o, struct err *e)
{
	const char *file, *how, *path, *words, *initrd;
	char *boot;
	size_t n;

	if (split(a, text, &file, &how, e) < 0)
		return -1;
	path = arena_printf(a, "%s.boot", file);
	if (!path)
		return no_memory(e);
	if (access(file, R_OK) < 0)
		return err_sys(e, errno, "image %s", file);
	if (io_read_file_arena(AT_FDCWD, path, a, BOOT_MAX, &boot) < 0)
		return err_set(e, RC_NOT_FOUND, "image %s: there is no %s, by which the image builder tells "
			       "how it boots; give --drive and --append for an image of another's",
			       file, path);
	if (read_arch(a, file, boot, o, e) < 0)
		return -1;
	initrd = vm_image_value(boot, "initrd", &n);
	if (how && !initrd && str_eq(how, "nvdimm") && o->arch && !o->arch->acpi)
		return err_set(e, RC_INVALID_ARGUMENT, "image %s: nvdimm needs ACPI, which the machine that is "
			       "started for %s has not", file, o->arch->name);
	words = initrd && !how ? initrd : vm_image_value(boot, how ? how : "virtio-blk", &n);
	if (!words)
		return err_set(e, RC_INVALID_ARGUMENT, "image %s is not made for %s%s", file,
			       how ? how : "virtio-blk", initrd ? ": it is an initrd" : ": LAYOUT=kata is");
	o->cmdline = arena_printf(a, "%.*s%s%s", (int)n, words, str_empty(o->cmdline) ? "" : " ",
				  o->cmdline ? o->cmdline : "");
	if (!o->cmdline)
		return no_memory(e);
	o->initrd = initrd ? file : "";
	if (initrd)
		return 0;
	return how && str_eq(how, "nvdimm") ? add_nvdimm(a, file, o, e) : add_disk(a, file, o, e);
}
