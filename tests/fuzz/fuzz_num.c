/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers against strtoull and strtoll, behind a check of the grammar by hand. The first byte chooses. */
#include "base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool all_of(const char *s, const char *digits)
{
	return *s && strspn(s, digits) == strlen(s);
}

static void check(int got, uint64_t value, bool grammar, bool overflow, uint64_t want, uint64_t max)
{
	int r = !grammar ? -EINVAL : overflow || want > max ? -ERANGE : 0;

	if (got != r || (r == 0 && value != want))
		abort();
}

static void unsigned_number(const char *s, int base, uint64_t max)
{
	static const char *const digits[] = {
		[8] = "01234567", [10] = "0123456789", [16] = "0123456789abcdefABCDEF",
	};
	uint64_t value = 0, want;
	int r;

	errno = 0;
	want = strtoull(s, NULL, base);
	bool overflow = errno == ERANGE;

	r = base == 10 ? num_u64(s, max, &value) :
	    base == 16 ? num_hex(s, max, &value) : num_oct(s, max, &value);
	check(r, value, all_of(s, digits[base]), overflow, want, max);
}

static void signed_number(const char *s, int64_t a, int64_t b)
{
	int64_t min = MIN(a, b), max = MAX(a, b), value = 0, want;
	bool grammar = all_of(*s == '-' ? s + 1 : s, "0123456789");
	int r;

	errno = 0;
	want = strtoll(s, NULL, 10);
	if (errno == ERANGE)
		r = -ERANGE;
	else
		r = want < min || want > max ? -ERANGE : 0;
	if (!grammar)
		r = -EINVAL;
	if (num_i64(s, min, max, &value) != r || (r == 0 && value != want))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t limits[2], bits[2];
	char *text;
	bool flag;

	if (size < 1 + sizeof(limits))
		return 0;
	memcpy(limits, data + 1, sizeof(limits));
	size -= 1 + sizeof(limits);
	text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data + 1 + sizeof(limits), size);
	text[size] = '\0';
	switch (data[0] % 6) {
	case 0:
		unsigned_number(text, 10, limits[0]);
		break;
	case 1:
		unsigned_number(text, 16, limits[0]);
		break;
	case 2:
		unsigned_number(text, 8, limits[0]);
		break;
	case 3:
		signed_number(text, (int64_t)limits[0], (int64_t)limits[1]);
		break;
	case 4:
		num_bool(text, &flag);
		break;
	case 5:
		num_list(text, bits, 64 * COUNT_OF(bits));
		break;
	}
	free(text);
	return 0;
}
