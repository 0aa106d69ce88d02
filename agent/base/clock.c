/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

static uint64_t fake_ms = CLOCK_NEVER;

uint64_t clock_us(void)
{
	struct timespec ts;

	if (fake_ms != CLOCK_NEVER)
		return fake_ms * 1000;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

uint64_t clock_after(uint64_t ms)
{
	uint64_t at;

	if (__builtin_add_overflow(clock_ms(), ms, &at))
		return CLOCK_NEVER;
	return at;
}

void clock_fake(uint64_t ms)
{
	fake_ms = ms;
}

static char *put_digits(char *p, unsigned int value, unsigned int digits)
{
	for (unsigned int i = digits; i > 0; i--) {
		p[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	return p + digits;
}

/*
 * gmtime_r would do, but glibc's reads the zone file and takes a lock; this one may
 * run in a signal handler. Days are counted from 0000-03-01, so that a leap day is the
 * last day of its year: 400 years have 146097 days, five months from March have 153.
 */
const char *clock_rfc3339_of(const struct timespec *ts, char buf[32])
{
	const int64_t last = 253402300799;	/* 9999-12-31T23:59:59Z: the year has four digits */
	uint64_t sec = (uint64_t)MIN(MAX((int64_t)ts->tv_sec, (int64_t)0), last);
	uint32_t days = (uint32_t)(sec / 86400) + 719468;
	uint32_t of_day = (uint32_t)(sec % 86400);
	uint32_t era = days / 146097;
	uint32_t doe = days % 146097;
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint32_t m = (5 * doy + 2) / 153;	/* 0: March */
	uint32_t day = doy - (153 * m + 2) / 5 + 1;
	uint32_t month = m < 10 ? m + 3 : m - 9;
	uint32_t year = era * 400 + yoe + (month <= 2);
	char *p = buf;

	p = put_digits(p, year, 4);
	*p++ = '-';
	p = put_digits(p, month, 2);
	*p++ = '-';
	p = put_digits(p, day, 2);
	*p++ = 'T';
	p = put_digits(p, of_day / 3600, 2);
	*p++ = ':';
	p = put_digits(p, of_day / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, of_day % 60, 2);
	*p++ = '.';
	p = put_digits(p, (unsigned int)ts->tv_nsec, 9);
	*p++ = 'Z';
	*p = '\0';
	return buf;
}

const char *clock_rfc3339(char buf[32])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return clock_rfc3339_of(&ts, buf);
}
