/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fault_stack.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/mem.h"

#define STACK_BYTES (192 * 1024)
#define STACK_FIRST (24 * 1024)

static int by_address(const void *a, const void *b)
{
	const struct fault_symbol *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static const struct fault_symbol *find_symbol(const struct fault_image *im, const char *name)
{
	for (size_t i = 0; i < im->n_symbols; i++)
		if (str_eq(im->symbols[i].name, name))
			return &im->symbols[i];
	return NULL;
}

static int read_symbols(struct fault_image *im, const Elf64_Shdr *table, const Elf64_Shdr *names)
{
	const Elf64_Sym *s = (const void *)(im->file + table->sh_offset);
	size_t n = table->sh_size / sizeof(*s);

	im->symbols = mem_new(n, sizeof(*im->symbols));
	if (!im->symbols)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (ELF64_ST_TYPE(s[i].st_info) == STT_FUNC && s[i].st_size)
			im->symbols[im->n_symbols++] = (struct fault_symbol){
				.at = s[i].st_value,
				.size = s[i].st_size,
				.name = (const char *)im->file + names->sh_offset + s[i].st_name,
			};
	qsort(im->symbols, im->n_symbols, sizeof(*im->symbols), by_address);
	im->roots[FAULT_ROOT_LOOP] = find_symbol(im, "loop_run");
	im->roots[FAULT_ROOT_FORK] = find_symbol(im, "job_fork");
	im->roots[FAULT_ROOT_JOB] = find_symbol(im, "run_in_child");
	im->roots[FAULT_ROOT_STAGE] = find_symbol(im, "stage_main");
	return 0;
}

static int read_headers(struct fault_image *im)
{
	const Elf64_Ehdr *h = (const void *)im->file;
	const Elf64_Phdr *p = (const void *)(im->file + h->e_phoff);
	const Elf64_Shdr *s = (const void *)(im->file + h->e_shoff);

	for (size_t i = 0; i < h->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && (p[i].p_flags & PF_X)) {
			im->text_at = p[i].p_vaddr;
			im->text_bytes = p[i].p_filesz;
			im->text_offset = p[i].p_offset;
		}
	for (size_t i = 0; i < h->e_shnum; i++)
		if (s[i].sh_type == SHT_SYMTAB)
			return read_symbols(im, &s[i], &s[s[i].sh_link]);
	return -1;
}

int fault_image_open(struct fault_image *im, const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	*im = (struct fault_image){ 0 };
	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		return -1;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		perror(path);
		return -1;
	}
	im->file = p;
	im->bytes = (size_t)st.st_size;
	im->dev = st.st_dev;
	im->ino = st.st_ino;
	if (memcmp(p, ELFMAG, SELFMAG) == 0 && read_headers(im) == 0)
		return 0;
	fprintf(stderr, "%s: no program with symbols\n", path);
	fault_image_close(im);
	return -1;
}

void fault_image_close(struct fault_image *im)
{
	if (im->file)
		munmap((void *)(uintptr_t)im->file, im->bytes);
	free(im->symbols);
	*im = (struct fault_image){ 0 };
}

bool fault_image_is_of(const struct fault_image *im, pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return stat(path, &st) == 0 && st.st_dev == im->dev && st.st_ino == im->ino;
}

/* The one that begins at or before it and does not end before it. */
static const struct fault_symbol *symbol_at(const struct fault_image *im, uint64_t at)
{
	size_t low = 0, high = im->n_symbols;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (im->symbols[mid].at <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low && at < im->symbols[low - 1].at + im->symbols[low - 1].size
		       ? &im->symbols[low - 1]
		       : NULL;
}

const char *fault_image_name(const struct fault_image *im, uint64_t at)
{
	const struct fault_symbol *f = symbol_at(im, at - 1);

	return f ? f->name : "?";
}

/* The first mapping of the file is that of its beginning. All processes of the agent are forks of
 * one: the place is the same in each. */
static int find_load(struct fault_image *im, pid_t pid)
{
	char path[64];
	unsigned long long start, offset, ino;
	char line[512];
	FILE *f;

	if (im->load)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && !im->load && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx-%*x %*s %llx %*x:%*x %llu", &start, &offset, &ino) == 3 &&
		    ino == im->ino && offset == 0)
			im->load = start;
	if (f)
		fclose(f);
	return im->load ? 0 : -1;
}

/* Relative to the file, or 0: in the text, and right behind a call. */
static uint64_t return_address(const struct fault_image *im, uint64_t word)
{
	uint64_t at = word - im->load;
	const unsigned char *p;

	if (at < im->text_at + 8 || at >= im->text_at + im->text_bytes)
		return 0;
	p = im->file + im->text_offset + (at - im->text_at);
	if (p[-5] == 0xe8 || (p[-6] == 0xff && (p[-5] == 0x15 || (p[-5] & 0xf8) == 0x90)))
		return at;
	if ((p[-2] == 0xff && (p[-1] & 0xf8) == 0xd0) || (p[-3] == 0xff && (p[-2] & 0xf8) == 0x50))
		return at;
	return 0;
}

struct stack {
	const uint64_t *words;
	size_t n;
	uint64_t at; /* address of words[0] */
};

/* Is there a frame record (the caller's record, a return address) at words[i]? The index of the
 * caller's, or 0. */
static size_t frame_at(const struct fault_image *im, const struct stack *s, size_t i, uint64_t *ret)
{
	uint64_t next = s->words[i];

	if (i + 1 >= s->n || next <= s->at + 8 * i || next >= s->at + 8 * s->n || next % 8)
		return 0;
	*ret = return_address(im, s->words[i + 1]);
	return *ret ? (size_t)((next - s->at) / 8) : 0;
}

/* From a frame record on: the records lead on, but where a library without them stands between.
 * What lies below such a library is real when it called back, which only an allocation does; else
 * it is left from calls before: then *first becomes the library's caller. */
static size_t follow(const struct fault_image *im, const struct stack *s, size_t *first,
		     bool calls_back, uint64_t *frames, size_t max)
{
	uint64_t ret;
	size_t n = 0, i = *first;
	bool gap = false;

	while (i < s->n && n < max) {
		size_t next = frame_at(im, s, i, &ret);

		if (next && gap && !calls_back) {
			n = 0;
			*first = i;
		}
		if (next)
			frames[n++] = ret;
		gap = !next;
		i = next ? next : i + 1;
	}
	return n;
}

bool fault_image_passes(const struct fault_image *im, enum fault_root root, const uint64_t *frames,
			size_t n)
{
	const struct fault_symbol *f = im->roots[root];

	for (size_t i = 0; f && i < n; i++)
		if (frames[i] > f->at && frames[i] <= f->at + f->size)
			return true;
	return false;
}

static bool is_rooted(const struct fault_image *im, bool child, const uint64_t *frames, size_t n)
{
	if (!child)
		return fault_image_passes(im, FAULT_ROOT_LOOP, frames, n);
	return fault_image_passes(im, FAULT_ROOT_FORK, frames, n) ||
	       fault_image_passes(im, FAULT_ROOT_JOB, frames, n) ||
	       fault_image_passes(im, FAULT_ROOT_STAGE, frames, n);
}

/* Does the call in front of a return address say what it calls? The bytes of one through a pointer
 * may look so: but they do not end like a distance within the program. */
static bool is_direct(const unsigned char *p)
{
	return p[-5] == 0xe8 && (p[-1] == 0x00 || p[-1] == 0xff);
}

/* The function that is called there; NULL: not said. */
static const struct fault_symbol *callee(const struct fault_image *im, uint64_t ret)
{
	const unsigned char *p = im->file + im->text_offset + (ret - im->text_at);
	int32_t by;

	if (!is_direct(p))
		return NULL;
	memcpy(&by, p - 4, sizeof(by));
	return symbol_at(im, ret + (uint64_t)(int64_t)by);
}

static bool is_library_call(const struct fault_image *im, uint64_t ret)
{
	return is_direct(im->file + im->text_offset + (ret - im->text_at)) && !callee(im, ret);
}

/* Where the innermost function calls the library: below its frame record (at words[i], with its own
 * return address). */
static uint64_t innermost(const struct fault_image *im, const struct stack *s, size_t i, uint64_t ret)
{
	const struct fault_symbol *f = callee(im, ret);

	for (size_t k = 0; k < i; k++) {
		uint64_t at = return_address(im, s->words[k]);

		if (at && (!f || (at > f->at && at <= f->at + f->size)))
			return at;
	}
	return 0;
}

/* Below a call into a library only the library's frames are real. */
static size_t without_stale(const struct fault_image *im, uint64_t *frames, size_t n)
{
	for (size_t i = n; i-- > 1;)
		if (is_library_call(im, frames[i])) {
			memmove(frames, frames + i, (n - i) * sizeof(*frames));
			return n - i;
		}
	return n;
}

/*
 * A library's large buffers hold what the stack was used for before, whole chains of records
 * among it: chains that do not lead to where such a process begins are passed over.
 */
static size_t walk(const struct fault_image *im, const struct stack *s,
		   const struct fault_place *at, uint64_t *frames, size_t max)
{
	uint64_t ret;

	for (size_t i = 0; i < s->n; i++) {
		size_t n, first = i;

		if (!frame_at(im, s, i, &ret))
			continue;
		n = follow(im, s, &first, at->alloc, frames + 1, max - 1);
		if (!n)
			continue;
		frames[0] = innermost(im, s, first, frames[1]);
		if (is_rooted(im, at->child, frames, n + 1))
			return without_stale(im, frames, n + 1);
	}
	return 0;
}

static int stack_pointer(pid_t pid, uint64_t *sp)
{
	char path[64], text[256];
	unsigned long long at;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	/* "running" for the moment before it waits */
	for (int i = 0; i < 1000; i++) {
		if (io_read_file(AT_FDCWD, path, text, sizeof(text)) < 0)
			return -1;
		if (sscanf(text, "%*d %*x %*x %*x %*x %*x %*x %llx", &at) == 1) {
			*sp = at;
			return 0;
		}
	}
	return -1;
}

/* Up to the loop: the chain of a child too, since it is a copy of PID 1's. */
static size_t up_to_loop(const struct fault_image *im, const uint64_t *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fault_image_passes(im, FAULT_ROOT_LOOP, &frames[i], 1))
			return i + 1;
	return 0;
}

static size_t read_some(const struct fault_image *im, const struct fault_place *at, uint64_t sp,
			size_t bytes, uint64_t *frames, size_t max)
{
	static uint64_t words[STACK_BYTES / 8];
	struct iovec to = { words, sizeof(words) }, from[STACK_BYTES / 4096];
	uint64_t page = 4096 - sp % 4096;
	size_t n = 0;
	ssize_t got;

	/* in pages: it stops at the stack's end */
	from[n++] = (struct iovec){ (void *)(uintptr_t)sp, page };
	for (uint64_t next = sp + page; n < bytes / 4096; next += 4096)
		from[n++] = (struct iovec){ (void *)(uintptr_t)next, 4096 };
	got = process_vm_readv(at->pid, &to, 1, from, n, 0);
	if (got <= 0)
		return 0;
	return walk(im, &(struct stack){ words, (size_t)got / 8, sp }, at, frames, max);
}

size_t fault_stack_read(struct fault_image *im, const struct fault_place *at, uint64_t *frames,
			size_t max)
{
	uint64_t sp;
	size_t n;

	if (find_load(im, at->pid) < 0 || stack_pointer(at->pid, &sp) < 0)
		return 0;
	n = up_to_loop(im, frames, read_some(im, at, sp, STACK_FIRST, frames, max));
	if (!n)
		n = up_to_loop(im, frames, read_some(im, at, sp, STACK_BYTES, frames, max));
	return n;
}
