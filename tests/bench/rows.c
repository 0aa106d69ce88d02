/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/rows.h"

#include <math.h>

#include "base/str.h"

enum unit { BYTES, MICROSECONDS, MEGABYTES_PER_SECOND };
enum sense { NO_BUDGET, AT_MOST, RATIO_AT_MOST, RATIO_AT_LEAST };

static const struct {
	const char *name, *text, *floor;
	enum unit unit;
	enum sense sense;
	double budget;
} kinds[ROWS] = {
	[ROW_AGENT_SIZE] = { "agent_size", "agent, stripped", NULL, BYTES, AT_MOST, 1048576 },
	[ROW_INITRD_SIZE] = { "initrd_size", "initrd, compressed", NULL, BYTES, AT_MOST, 1048576 },
	[ROW_KERNEL_SIZE] = { "kernel_size", "kernel", NULL, BYTES, NO_BUDGET, 0 },
	[ROW_MEMORY_IDLE] = { "memory_idle", "agent resident, idle", NULL, BYTES, AT_MOST,
			      1048576 },
	[ROW_MEMORY_CONTAINER] = { "memory_container", "kept per running container", NULL, BYTES,
				   AT_MOST, 8192 },
	[ROW_MEMORY_EXEC] = { "memory_exec", "kept per running exec", NULL, BYTES, AT_MOST, 2048 },
	[ROW_BOOT] = { "boot", "/init to accepting", "bare init", MICROSECONDS, RATIO_AT_MOST,
		       1.5 },
	[ROW_HEALTH] = { "health", "Health.Check, median", "vsock echo", MICROSECONDS,
			 RATIO_AT_MOST, 1.15 },
	[ROW_HEALTH_P99] = { "health_p99", "Health.Check, p99", "vsock echo", MICROSECONDS,
			     NO_BUDGET, 0 },
	[ROW_LIFE] = { "life", "create, start, wait, remove", "crun run", MICROSECONDS,
		       RATIO_AT_MOST, 1.2 },
	[ROW_EXEC] = { "exec", "exec, wait", "crun exec", MICROSECONDS, RATIO_AT_MOST, 1.1 },
	[ROW_BULK] = { "bulk", "stdout, 32 KiB a read", "vsock sender", MEGABYTES_PER_SECOND,
		       RATIO_AT_LEAST, 0.9 },
	[ROW_BULK_LARGE] = { "bulk_large", "stdout, 64 KiB a read", "vsock sender",
			     MEGABYTES_PER_SECOND, NO_BUDGET, 0 },
	[ROW_STORAGES] = { "storages", "64 storages in one request", "64 mounts", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_COPY] = { "copy", "CopyFile of 4 KiB", "vsock echo", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_ROUTES] = { "routes", "1,000 routes in one request", "by netlink", MICROSECONDS, NO_BUDGET,
			 0 },
	[ROW_CARDS] = { "cards", "32 interfaces set", "by netlink", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_PLUG] = { "plug", "disk plugged to mounted", "kernel's event", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_MANY] = { "many", "create, the last of many", "the first", MICROSECONDS, RATIO_AT_MOST,
		       1.2 },
	[ROW_POD_START] = { "pod_start", "pod with a container by CRI", "runc", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_SANDBOX] = { "pod_sandbox", "  RunPodSandbox", "runc, pause", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_TAPS] = { "pod_taps", "    its taps", NULL, MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_MACHINE] = { "pod_machine", "    its machine", "bare boot", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_GUEST] = { "pod_guest", "    the guest's sandbox", NULL, MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_INTERFACES] = { "pod_interfaces", "    its interfaces", NULL, MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_CREATE] = { "pod_create", "  CreateContainer", "runc", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_BEGIN] = { "pod_begin", "  StartContainer", "runc", MICROSECONDS, NO_BUDGET, 0 },
	[ROW_POD_STDOUT] = { "pod_stdout", "stdout by the shim's FIFO", "FIFO alone",
			     MEGABYTES_PER_SECOND, NO_BUDGET, 0 },
	[ROW_SHIM_MEMORY] = { "shim_memory", "shim resident, at most", NULL, BYTES, AT_MOST, 2097152 },
};

enum row_id rows_find(const char *name)
{
	size_t i = 0;

	while (i < ROWS && !str_eq(kinds[i].name, name))
		i++;
	return (enum row_id)i;
}

void rows_tell_why(struct rows *r, enum row_id id, const char *why)
{
	snprintf(r->row[id].why, sizeof(r->row[id].why), "%s", why);
}

void rows_set(struct rows *r, enum row_id id, double value)
{
	r->row[id].measured = true;
	r->row[id].value = value;
	r->row[id].floor = NAN;
}

void rows_set_samples(struct rows *r, enum row_id id, double part, struct samples *values,
		      struct samples *floors)
{
	struct row *row = &r->row[id];

	row->measured = true;
	row->value = samples_at(values, part);
	row->floor = samples_at(floors, part);
	row->values = values;
	row->floors = floors;
}

static double ratio(const struct row *r)
{
	return r->value / r->floor;
}

static bool within(enum row_id id, const struct row *r)
{
	switch (kinds[id].sense) {
	case NO_BUDGET:
		break;
	case AT_MOST:
		return r->value <= kinds[id].budget;
	case RATIO_AT_MOST:
		return ratio(r) <= kinds[id].budget;
	case RATIO_AT_LEAST:
		return ratio(r) >= kinds[id].budget;
	}
	return true;
}

size_t rows_missing(const struct rows *r)
{
	size_t n = 0;

	for (size_t i = 0; i < ROW_POD_START; i++)
		n += !r->row[i].measured;
	return n;
}

size_t rows_over(const struct rows *r)
{
	size_t n = 0;

	for (size_t i = 0; i < ROWS; i++)
		n += r->row[i].measured && !within((enum row_id)i, &r->row[i]);
	return n;
}

/* --- text --- */

static const char *amount(double value, enum unit unit, char buf[32])
{
	if (isnan(value))
		snprintf(buf, 32, "-");
	else if (unit == MEGABYTES_PER_SECOND)
		snprintf(buf, 32, "%.1f MB/s", value);
	else if (unit == MICROSECONDS)
		snprintf(buf, 32, "%.3f ms", value / 1000);
	else if (value >= 10 * 1048576)
		snprintf(buf, 32, "%.1f MiB", value / 1048576);
	else if (value >= 10 * 1024)
		snprintf(buf, 32, "%.1f KiB", value / 1024);
	else
		snprintf(buf, 32, "%.0f bytes", value);
	return buf;
}

static const char *budget(enum row_id id, char buf[32])
{
	char text[32];

	if (kinds[id].sense == NO_BUDGET)
		snprintf(buf, 32, "-");
	else if (kinds[id].sense == AT_MOST)
		snprintf(buf, 32, "<= %.20s", amount(kinds[id].budget, kinds[id].unit, text));
	else
		snprintf(buf, 32, "%s %.2f x",
			 kinds[id].sense == RATIO_AT_MOST ? "<=" : ">=", kinds[id].budget);
	return buf;
}

static void print_spread(FILE *out, const char *what, struct samples *s, enum unit unit)
{
	char least[32], median[32], p90[32];

	if (!s || s->n == 0)
		return;
	fprintf(out, "    %-28s %zu samples: min %s, median %s, p90 %s\n", what, s->n,
		amount(samples_at(s, 0), unit, least), amount(samples_median(s), unit, median),
		amount(samples_at(s, 0.9), unit, p90));
}

void rows_print(const struct rows *r, FILE *out, bool spread)
{
	fprintf(out, "%-28s %12s %12s %-13s %7s  %-13s %s\n", "measure", "value", "floor", "",
		"ratio", "budget", "within");
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &r->row[i];
		enum row_id id = (enum row_id)i;
		char value[32], floor[32], limit[32], times[32] = "-";

		if (!row->measured) {
			fprintf(out, "%-28s %12s%s%s\n", kinds[i].text, "not measured",
				*row->why ? ": " : "", row->why);
			continue;
		}
		if (!isnan(row->floor))
			snprintf(times, sizeof(times), "%.2f", ratio(row));
		fprintf(out, "%-28s %12s %12s %-13s %7s  %-13s %s\n", kinds[i].text,
			amount(row->value, kinds[i].unit, value),
			amount(row->floor, kinds[i].unit, floor),
			kinds[i].floor ? kinds[i].floor : "", times, budget(id, limit),
			kinds[i].sense == NO_BUDGET ? "-"
			: within(id, row)           ? "yes"
						    : "NO");
		if (*row->why)
			fprintf(out, "    no floor: %s\n", row->why);
		if (spread) {
			print_spread(out, "it", row->values, kinds[i].unit);
			print_spread(out, "the floor", row->floors, kinds[i].unit);
		}
	}
}

/* --- JSON --- */

static void json_number(FILE *out, const char *name, double value)
{
	if (isnan(value))
		fprintf(out, ",\"%s\":null", name);
	else
		fprintf(out, ",\"%s\":%.9g", name, value);
}

static void json_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, ",\"%s\":\"", name);
	for (; *text; text++)
		fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	fputc('"', out);
}

static void json_spread(FILE *out, const char *name, struct samples *s)
{
	if (s && s->n)
		fprintf(out,
			",\"%s\":{\"samples\":%zu,\"min\":%.9g,\"median\":%.9g,\"p90\":%.9g,\"p99\":%.9g}",
			name, s->n, samples_at(s, 0), samples_median(s), samples_at(s, 0.9),
			samples_at(s, 0.99));
}

void rows_print_json(const struct rows *r, FILE *out, const char *about)
{
	static const char *const units[] = { "bytes", "microseconds", "MB/s" };
	static const char *const senses[] = { "none", "at most", "ratio at most",
					      "ratio at least" };

	fprintf(out, "{%s\"rows\":[\n", about);
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &r->row[i];

		fprintf(out, " {\"name\":\"%s\",\"unit\":\"%s\",\"measured\":%s", kinds[i].name,
			units[kinds[i].unit], row->measured ? "true" : "false");
		if (row->measured) {
			json_number(out, "value", row->value);
			json_number(out, "floor", row->floor);
			json_number(out, "ratio", ratio(row));
			json_spread(out, "values", row->values);
			json_spread(out, "floors", row->floors);
			fprintf(out, ",\"within\":%s",
				within((enum row_id)i, row) ? "true" : "false");
		}
		if (*row->why)
			json_text(out, "why", row->why);
		fprintf(out, ",\"sense\":\"%s\"", senses[kinds[i].sense]);
		json_number(out, "budget", kinds[i].sense == NO_BUDGET ? NAN : kinds[i].budget);
		fprintf(out, "}%s\n", i + 1 < ROWS ? "," : "");
	}
	fprintf(out, "]}\n");
}
