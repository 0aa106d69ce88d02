/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/mem.h"

#include <cmocka.h>

#include <sanitizer/asan_interface.h>

static int no_arena_is_left(void **state UNUSED)
{
	return arena_bytes_in_use() == 0 ? 0 : -1;
}

static void nothing_is_allocated_before_it_is_needed(void **state UNUSED)
{
	struct arena a;

	arena_init(&a, 4096);
	assert_null(a.head);
	assert_int_equal(a.total, 0);
	arena_fini(&a);
}

static void memory_is_zeroed_and_aligned(void **state UNUSED)
{
	static const unsigned char zeros[3000];
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t size = 0; size < sizeof(zeros); size = size * 2 + 1) {
		unsigned char *p = arena_alloc(&a, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		if (size) {
			assert_memory_equal(p, zeros, size);
			memset(p, 0xaa, size);
		}
	}
	arena_fini(&a);
}

static void allocations_do_not_overlap(void **state UNUSED)
{
	unsigned char *p[500];
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < COUNT_OF(p); i++) {
		p[i] = arena_alloc(&a, i + 1);
		assert_non_null(p[i]);
		memset(p[i], (int)(i & 0xff), i + 1);
	}
	for (size_t i = 0; i < COUNT_OF(p); i++) {
		assert_int_equal(p[i][0], i & 0xff);
		assert_int_equal(p[i][i], i & 0xff);
	}
	arena_fini(&a);
}

/* Fills ordinary blocks and notes how much each new one adds. */
static void blocks_double_up_to_64k(void **state UNUSED)
{
	static const size_t want[] = { 1024, 2048, 4096, 8192, 16384, 32768, 65536, 65536 };
	size_t seen = 0, before = 0;
	struct arena a;

	arena_init(&a, 1 << 20);
	while (seen < COUNT_OF(want)) {
		assert_non_null(arena_alloc(&a, 16));
		if (a.total == before)
			continue;
		assert_int_equal(a.total - before, want[seen]);
		before = a.total;
		seen++;
	}
	arena_fini(&a);
}

static void a_large_request_leaves_the_first_block_in_use(void **state UNUSED)
{
	struct arena a;
	char *small, *next;
	size_t total;

	arena_init(&a, 1 << 20);
	small = arena_alloc(&a, 16);
	assert_non_null(arena_alloc(&a, 200000));
	total = a.total;
	next = arena_alloc(&a, 16);
	assert_ptr_equal(next, small + 16);
	assert_int_equal(a.total, total);
	assert_in_range(total, 201024, 201024 + 64);
	arena_fini(&a);

	/* As the first request it does not make the next blocks large. */
	assert_non_null(arena_alloc(&a, 200000));
	total = a.total;
	assert_non_null(arena_alloc(&a, 16));
	assert_int_equal(a.total - total, 1024);
	arena_fini(&a);
}

static void the_budget_is_hard(void **state UNUSED)
{
	struct arena a;
	size_t got = 0;

	arena_init(&a, 5000);
	assert_null(arena_alloc(&a, 5000));
	assert_int_equal(a.total, 0);
	while (arena_alloc(&a, 16))
		got += 16;
	/* The last block shrinks to what is left. */
	assert_in_range(a.total, 5000 - 16 - 64, 5000);
	assert_in_range(got, 4700, 5000);
	assert_null(arena_alloc(&a, 1));
	arena_fini(&a);
	assert_non_null(arena_alloc(&a, 4000));
	arena_fini(&a);

	arena_init(&a, 0);
	assert_null(arena_alloc(&a, 0));
	arena_fini(&a);
}

static void sizes_do_not_overflow(void **state UNUSED)
{
	struct arena a;

	arena_init(&a, SIZE_MAX);
	assert_non_null(arena_alloc(&a, 1));
	for (size_t back = 0; back < 80; back++)
		assert_null(arena_alloc(&a, SIZE_MAX - back));
	assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
	assert_null(arena_calloc(&a, SIZE_MAX, SIZE_MAX));
	assert_null(ARENA_ARRAY(&a, uint64_t, SIZE_MAX / 8 + 2));
	assert_non_null(ARENA_ARRAY(&a, uint64_t, 10));
	assert_null(mem_new(SIZE_MAX / 2, 3));
	arena_fini(&a);
}

static void the_process_knows_its_bytes(void **state UNUSED)
{
	struct arena a, b;

	arena_init(&a, 1 << 20);
	arena_init(&b, 1 << 20);
	assert_non_null(arena_alloc(&a, 5000));
	assert_non_null(arena_alloc(&b, 1));
	assert_int_equal(arena_bytes_in_use(), a.total + b.total);
	arena_fini(&a);
	assert_int_equal(arena_bytes_in_use(), b.total);
	arena_fini(&a);
	arena_fini(&b);
	assert_int_equal(arena_bytes_in_use(), 0);
}

static void kept_blocks_come_back_zeroed(void **state UNUSED)
{
	static const char zeros[900];
	struct arena a;
	void *first, *second;

	arena_keep_blocks(1);
	arena_init(&a, 1 << 20);
	first = arena_alloc(&a, sizeof(zeros));
	memset(first, 'x', sizeof(zeros));
	arena_fini(&a);
	assert_int_equal(arena_bytes_in_use(), 0);
	second = arena_alloc(&a, sizeof(zeros));
	assert_ptr_equal(second, first);
	assert_memory_equal(second, zeros, sizeof(zeros));
	assert_non_null(arena_alloc(&a, 5000)); /* no block of the kept size */
	arena_fini(&a);

	/* A budget that makes another size finds nothing kept. */
	arena_init(&a, 600);
	assert_non_null(arena_alloc(&a, 16));
	assert_int_equal(a.total, 600);
	arena_fini(&a);
	arena_keep_blocks(0);
}

static void copies(void **state UNUSED)
{
	static const char bytes[] = { 'a', 0, 'b' };
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_memory_equal(arena_memdup(&a, bytes, 3), bytes, 3);
	assert_non_null(arena_memdup(&a, bytes, 0));
	assert_null(arena_memdup(&a, NULL, 3));
	assert_string_equal(arena_strdup(&a, "text"), "text");
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_strndup(&a, "text", 2), "te");
	assert_string_equal(arena_strndup(&a, "text", SIZE_MAX), "text");
	assert_string_equal(arena_strndup(&a, bytes, 3), "a");
	assert_null(arena_strndup(&a, NULL, 3));
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	assert_string_equal(arena_printf(&a, "%2000d", 1) + 1999, "1");
	arena_fini(&a);

	arena_init(&a, 100);
	assert_null(arena_printf(&a, "%2000d", 1));
	arena_fini(&a);
}

static void the_heap_gives_zeros(void **state UNUSED)
{
	static const char zeros[64];
	AUTO_FREE char *p = mem_new(8, 8);
	AUTO_FREE char *none = mem_new(0, 8);

	assert_memory_equal(p, zeros, 64);
	assert_non_null(none);
}

static void overruns_are_seen_by_the_sanitizer(void **state UNUSED)
{
	struct arena a;
	char *p;

	arena_init(&a, 4096);
	p = arena_alloc(&a, 13);
	assert_false(__asan_address_is_poisoned(p + 12));
	assert_true(__asan_address_is_poisoned(p + 13));
	assert_true(__asan_address_is_poisoned(p + 100));
	arena_fini(&a);
}

#define TEST(f)	cmocka_unit_test_teardown(f, no_arena_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_allocated_before_it_is_needed),
		TEST(memory_is_zeroed_and_aligned),
		TEST(allocations_do_not_overlap),
		TEST(blocks_double_up_to_64k),
		TEST(a_large_request_leaves_the_first_block_in_use),
		TEST(the_budget_is_hard),
		TEST(sizes_do_not_overflow),
		TEST(the_process_knows_its_bytes),
		TEST(kept_blocks_come_back_zeroed),
		TEST(copies),
		TEST(the_heap_gives_zeros),
		TEST(overruns_are_seen_by_the_sanitizer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
