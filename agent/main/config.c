/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table and its readers. A row says how an option is named on the kernel command line
 * and in a config file, what values it takes, and where in struct config it goes; the readers only
 * find rows and hand values to their type's parser.
 *
 * Options of parts that this agent does not have (confidential guests, …) are known by name only:
 * hosts pass them to every agent, and a warning for each would hide the ones that matter.
 */
#include "main/config.h"

#include <fcntl.h>

#include "base/defs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"

enum option_type { FLAG, BOOL, NUMBER, LEVEL, TEXT, WORD_ALL };

struct option {
	const char *kernel; /* name on the kernel command line */
	const char *file;   /* name in a config file; NULL: only on the command line */
	const char *env;
	enum option_type type;
	size_t at, size; /* the member of struct config */
	const char *preset;
	uint64_t min, max; /* NUMBER */
	const char *help;
};

#define AT(m) offsetof(struct config, m), sizeof(((struct config *)0)->m)

static const struct option options[] = {
	{ "agent.log", "log_level", "KATA_AGENT_LOG_LEVEL", LEVEL, AT(log_level), "info", 0, 0,
	  "how much is logged: critical, error, warn, info, debug, trace" },
	{ "agent.server_addr", "server_addr", "KATA_AGENT_SERVER_ADDR", TEXT, AT(server_addr),
	  "vsock://-1:1024", 0, 0, "where the services listen: vsock://CID:PORT or unix://PATH" },
	{ "agent.config_file", NULL, NULL, TEXT, AT(config_file), "", 0, 0,
	  "a file that takes the place of the rest of the command line" },
	{ "agent.hotplug_timeout", "hotplug_timeout", NULL, NUMBER, AT(hotplug_timeout_s), "3", 1,
	  3600, "seconds to wait for a device that the host plugs" },
	{ "agent.log_vport", "log_vport", NULL, NUMBER, AT(log_vport), "0", 0, UINT32_MAX,
	  "vsock port that serves the log as JSON lines; 0: console only" },
	{ "agent.debug_console", "debug_console", NULL, FLAG, AT(debug_console), "false", 0, 0,
	  "offer a shell for debugging" },
	{ "agent.debug_console_vport", "debug_console_vport", NULL, NUMBER, AT(debug_console_vport),
	  "0", 0, UINT32_MAX, "vsock port of the debug shell; 0: the console" },
	{ "agent.passfd_listener_port", "passfd_listener_port", NULL, NUMBER,
	  AT(passfd_listener_port), "0", 0, UINT32_MAX,
	  "vsock port for streams that bypass the read and write calls; 0: none" },
	{ "agent.container_pipe_size", "container_pipe_size", NULL, NUMBER, AT(container_pipe_size),
	  "0", 0, 1u << 30, "bytes of a container's output pipes; 0: the kernel's default" },
	{ "systemd.unified_cgroup_hierarchy", "unified_cgroup_hierarchy", NULL, BOOL,
	  AT(unified_cgroup), "true", 0, 0, "false: cgroup v1 instead of v2" },
	{ "cgroup_no_v1", NULL, NULL, WORD_ALL, AT(cgroup_no_v1), "false", 0, 0,
	  "\"all\": cgroup v2, whatever the option above says" },
	{ "agent.devmode", "dev_mode", NULL, FLAG, AT(dev_mode), "false", 0, 0,
	  "accepted, without effect" },
	{ "agent.trace", "tracing", "KATA_AGENT_TRACING", FLAG, AT(tracing), "false", 0, 0,
	  "accepted, without effect" },
	{ "agent.cdi_timeout", "cdi_timeout", NULL, NUMBER, AT(cdi_timeout_s), "100", 1, 3600,
	  "seconds to wait for the files of a container's CDI devices" },
	{ "agent.visible_cdi_devices", "visible_cdi_devices", NULL, BOOL, AT(visible_cdi_devices),
	  "false", 0, 0, "the variable VISIBLE_CDI_DEVICES names CDI devices too" },
	{ "agent.mem_agent_enable", "mem_agent_enable", NULL, BOOL,
	  AT(mem_agent.enabled), "false", 0, 0,
	  "give memory back that nobody has used for long" },
	{ "agent.mem_agent_memcg_disable", "mem_agent_memcg_disable", NULL, BOOL,
	  AT(mem_agent.memcg.disabled), "false", 0, 0,
	  "do not reclaim the memory of containers" },
	{ "agent.mem_agent_memcg_swap", "mem_agent_memcg_swap", NULL, BOOL,
	  AT(mem_agent.memcg.swap), "false", 0, 0,
	  "reclaim anonymous memory too" },
	{ "agent.mem_agent_memcg_swappiness_max", "mem_agent_memcg_swappiness_max", NULL, NUMBER,
	  AT(mem_agent.memcg.swappiness_max), "50", 0, 200,
	  "how readily, compared to files" },
	{ "agent.mem_agent_memcg_period_secs", "mem_agent_memcg_period_secs", NULL, NUMBER,
	  AT(mem_agent.memcg.period_secs), "600", 1, UINT32_MAX,
	  "seconds between two looks at the containers" },
	{ "agent.mem_agent_memcg_period_psi_percent_limit", "mem_agent_memcg_period_psi_percent_limit", NULL, NUMBER,
	  AT(mem_agent.memcg.period_psi), "1", 0, 100,
	  "pressure above which a look is skipped" },
	{ "agent.mem_agent_memcg_eviction_psi_percent_limit", "mem_agent_memcg_eviction_psi_percent_limit", NULL, NUMBER,
	  AT(mem_agent.memcg.eviction_psi), "1", 0, 100,
	  "pressure in a container above which it is left alone" },
	{ "agent.mem_agent_memcg_eviction_run_aging_count_min", "mem_agent_memcg_eviction_run_aging_count_min", NULL, NUMBER,
	  AT(mem_agent.memcg.aging_min), "3", 0, UINT64_MAX,
	  "looks before anything of a container is reclaimed" },
	{ "agent.mem_agent_compact_disable", "mem_agent_compact_disable", NULL, BOOL,
	  AT(mem_agent.compact.disabled), "false", 0, 0,
	  "do not compact memory" },
	{ "agent.mem_agent_compact_period_secs", "mem_agent_compact_period_secs", NULL, NUMBER,
	  AT(mem_agent.compact.period_secs), "600", 1, UINT32_MAX,
	  "seconds between two looks at the free memory" },
	{ "agent.mem_agent_compact_period_psi_percent_limit", "mem_agent_compact_period_psi_percent_limit", NULL, NUMBER,
	  AT(mem_agent.compact.period_psi), "1", 0, 100,
	  "pressure above which a look is skipped" },
	{ "agent.mem_agent_compact_psi_percent_limit", "mem_agent_compact_psi_percent_limit", NULL, NUMBER,
	  AT(mem_agent.compact.compact_psi), "5", 0, 100,
	  "pressure above which a compaction is stopped" },
	{ "agent.mem_agent_compact_sec_max", "mem_agent_compact_sec_max", NULL, NUMBER,
	  AT(mem_agent.compact.sec_max), "300", 0, UINT32_MAX,
	  "seconds that a compaction may take" },
	{ "agent.mem_agent_compact_order", "mem_agent_compact_order", NULL, NUMBER,
	  AT(mem_agent.compact.order), "9", 0, 31,
	  "log2 of the pages of a block worth making" },
	{ "agent.mem_agent_compact_threshold", "mem_agent_compact_threshold", NULL, NUMBER,
	  AT(mem_agent.compact.threshold), "1024", 0, INT64_MAX,
	  "pages in smaller blocks, more than after the last compaction" },
	{ "agent.mem_agent_compact_force_times", "mem_agent_compact_force_times", NULL, NUMBER,
	  AT(mem_agent.compact.force_times), "9223372036854775807", 0, UINT64_MAX,
	  "looks without a compaction until there is one" },
};

/* Known to hosts, without effect here; a name that ends in '_' is a prefix. */
static const char *const ignored[] = {
	"agent.cdh_api_timeout",
	"agent.image_pull_timeout",
	"agent.launch_process_timeout",
	"agent.https_proxy",
	"agent.no_proxy",
	"agent.guest_components_rest_api",
	"agent.guest_components_procs",
	"agent.secure_storage_integrity",
	"agent.image_registry_auth",
	"agent.enable_signature_verification",
	"agent.image_policy_file",
	"agent.secure_image_storage_integrity",
	"agent.policy_file",
};

_Static_assert(COUNT_OF(options) <= COUNT_OF(((struct config *)0)->source), "one source per row");

static int set_level(const struct option *o, void *at, const char *value, struct err *e)
{
	if (log_level_parse(value, at) < 0)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "%s: wants critical, error, warn, info, debug or trace", o->kernel);
	return 0;
}

static int set_number(const struct option *o, void *at, const char *value, struct err *e)
{
	uint64_t n;

	if (num_u64(value, o->max, &n) < 0 || n < o->min)
		return err_set(e, RC_INVALID_ARGUMENT, "%s: wants a number from %llu to %llu",
			       o->kernel, (unsigned long long)o->min, (unsigned long long)o->max);
	*(uint64_t *)at = n;
	return 0;
}

static int set_text(const struct option *o, void *at, const char *value, struct err *e)
{
	size_t n = strlen(value);

	if (n >= o->size)
		return err_set(e, RC_INVALID_ARGUMENT, "%s: longer than %zu characters", o->kernel,
			       o->size - 1);
	if (!n && *o->preset)
		return err_set(e, RC_INVALID_ARGUMENT, "%s: empty", o->kernel);
	memcpy(at, value, n + 1);
	return 0;
}

static int set_bool(const struct option *o, void *at, const char *value, struct err *e)
{
	if (num_bool(value, at) < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "%s: wants true or false", o->kernel);
	return 0;
}

static int set_value(const struct option *o, struct config *c, const char *value, struct err *e)
{
	void *at = (char *)c + o->at;

	if (!value && o->type != FLAG)
		return err_set(e, RC_INVALID_ARGUMENT, "%s: wants a value", o->kernel);
	switch (o->type) {
	case FLAG:
		return set_bool(o, at, value ? value : "true", e);
	case BOOL:
		return set_bool(o, at, value, e);
	case NUMBER:
		return set_number(o, at, value, e);
	case LEVEL:
		return set_level(o, at, value, e);
	case TEXT:
		return set_text(o, at, value, e);
	case WORD_ALL:
		*(bool *)at = str_eq(value, "all");
		return 0;
		break;
	}
	return 0;
}

static const struct option *find_option(const char *key)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (str_eq(key, options[i].kernel) ||
		    (options[i].file && str_eq(key, options[i].file)))
			return &options[i];
	return NULL;
}

static bool is_ignored(const char *key)
{
	for (size_t i = 0; i < COUNT_OF(ignored); i++) {
		const char *name = ignored[i];
		const char *bare = strchr(name, '.') + 1;
		size_t n = strlen(name);
		bool prefix = name[n - 1] == '_';

		if (prefix ? str_starts(key, name) || str_starts(key, bare)
			   : str_eq(key, name) || str_eq(key, bare))
			return true;
	}
	return false;
}

int config_set(struct config *c, const char *key, const char *value, enum config_source from,
	       struct err *e)
{
	const struct option *o = find_option(key);

	if (!o && is_ignored(key))
		return 0;
	if (!o)
		return err_set(e, RC_NOT_FOUND, "%s: no such option", key);
	if (set_value(o, c, value, e) < 0)
		return -1;
	c->source[o - options] = from;
	return 0;
}

void config_defaults(struct config *c)
{
	*c = (struct config){ 0 };
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		struct err e = { 0 };

		if (set_value(&options[i], c, options[i].preset, &e) < 0)
			abort(); /* a preset that its own row refuses; tests read each */
	}
}

/* Sets and warns; what was wrong keeps its value. */
static void take(struct config *c, const char *key, const char *value, enum config_source from,
		 config_warn_fn warn)
{
	struct err e = { 0 };

	if (config_set(c, key, value, from, &e) < 0)
		warn(e.msg);
}

/* --- kernel command line ------------------------------------------------------------- */

#define CMDLINE_MAX 8192

static bool is_kernel_name(const char *word)
{
	const struct option *o = find_option(word);

	return o && str_eq(word, o->kernel);
}

/* The next word of *at into out, quotes taken off. False at the end. */
static bool next_word(const char **at, char *out, size_t cap)
{
	const char *p = *at;
	size_t n = 0;
	bool quoted = false;

	while (*p == ' ' || *p == '\t' || *p == '\n')
		p++;
	if (!*p)
		return false;
	for (; *p && (quoted || (*p != ' ' && *p != '\t' && *p != '\n')); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (n + 1 < cap)
			out[n++] = *p;
	}
	out[n] = '\0';
	*at = p;
	return true;
}

void config_read_cmdline(struct config *c, const char *cmdline, config_warn_fn warn)
{
	char word[CMDLINE_MAX];
	const char *at = cmdline;

	while (next_word(&at, word, sizeof(word))) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		if (!str_starts(word, "agent.") && !is_kernel_name(word))
			continue; /* the kernel's or somebody else's */
		take(c, word, value, CONFIG_CMDLINE, warn);
		if (str_eq(word, "agent.config_file") && *c->config_file) {
			struct err e = { 0 };

			if (config_read_file(c, c->config_file, warn, &e) < 0)
				warn(e.msg);
			else
				return;
		}
	}
}

/* --- config file ----------------------------------------------------------------------- */

#define FILE_MAX 65536

static char *trim(char *s)
{
	char *end;

	while (*s == ' ' || *s == '\t')
		s++;
	for (end = s + strlen(s); end > s && strchr(" \t\r", end[-1]); end--)
		;
	*end = '\0';
	return s;
}

/* Cuts a comment that starts outside of quotes. */
static void cut_comment(char *s)
{
	for (char quote = 0; *s; s++) {
		if (quote ? *s == quote : *s == '"' || *s == '\'')
			quote = quote ? 0 : *s;
		else if (!quote && *s == '#')
			*s = '\0';
		if (!*s)
			return;
	}
}

/* `"text"`, `'text'`, `{ secs = 3, nanos = 0 }`, or a bare word; NULL: malformed. */
static char *file_value(char *v)
{
	size_t n = strlen(v);
	char *secs, *end;

	if (n >= 2 && (*v == '"' || *v == '\'')) {
		if (v[n - 1] != *v)
			return NULL;
		v[n - 1] = '\0';
		return v + 1;
	}
	if (*v != '{')
		return n ? v : NULL;
	secs = strstr(v, "secs");
	if (!secs || !(secs = strchr(secs, '=')))
		return NULL;
	secs = trim(secs + 1);
	end = secs + strspn(secs, "0123456789");
	if (end == secs)
		return NULL;
	*end = '\0';
	return secs;
}

/* One line of the file; table is the name of the [table] that it stands in. */
static void file_line(struct config *c, char *line, char table[64], config_warn_fn warn)
{
	char *eq, *key, *value;
	size_t n;

	cut_comment(line);
	line = trim(line);
	n = strlen(line);
	if (!n)
		return;
	if (*line == '[' && line[n - 1] == ']' && n - 2 < 64) {
		memcpy(table, line + 1, n - 2);
		table[n - 2] = '\0';
		return;
	}
	eq = strchr(line, '=');
	if (!eq) {
		warn("config file: a line without '='");
		return;
	}
	*eq = '\0';
	key = trim(line);
	value = file_value(trim(eq + 1));
	if (!value) {
		warn("config file: a value that is not text, number, bool or { secs = N }");
		return;
	}
	if (*table && str_eq(key, "secs"))
		key = table; /* [hotplug_timeout] secs = 3 */
	else if (*table)
		return; /* nanos, and tables that are nobody's */
	take(c, key, value, CONFIG_FILE, warn);
}

int config_read_file(struct config *c, const char *path, config_warn_fn warn, struct err *e)
{
	AUTO_FREE char *text = mem_new(FILE_MAX, 1);
	char table[64] = "", *line, *rest;
	char keep[sizeof(c->config_file)];
	ssize_t n;

	if (!text)
		return err_sys(e, ENOMEM, "read %s", path);
	n = io_read_file(AT_FDCWD, path, text, FILE_MAX);
	if (n < 0)
		return err_sys(e, (int)-n, "read %s", path);
	memcpy(keep, c->config_file, sizeof(keep));
	config_defaults(c);
	memcpy(c->config_file, keep, sizeof(keep));
	for (line = text; line; line = rest) {
		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		file_line(c, line, table, warn);
	}
	return 0;
}

/* --- environment, help, dump ------------------------------------------------------------ */

void config_read_env(struct config *c, config_warn_fn warn)
{
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		const char *value = options[i].env ? getenv(options[i].env) : NULL;

		if (value && *value)
			take(c, options[i].kernel, value, CONFIG_ENV, warn);
	}
}

void config_print_help(FILE *out)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		fprintf(out, "  %-34s %s%s%s%s\n", options[i].kernel, options[i].help,
			*options[i].preset ? " [" : "", options[i].preset,
			*options[i].preset ? "]" : "");
}

static void dump_value(const struct option *o, const struct config *c, FILE *out)
{
	const void *at = (const char *)c + o->at;

	switch (o->type) {
	case FLAG:
	case BOOL:
	case WORD_ALL:
		fputs(*(const bool *)at ? "true" : "false", out);
		break;
	case NUMBER:
		fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
		break;
	case LEVEL:
		fprintf(out, "\"%s\"", log_level_name(*(const enum log_level *)at));
		break;
	case TEXT:
		fprintf(out, "\"%s\"", (const char *)at);
		break;
		break;
	}
}

void config_dump(const struct config *c, FILE *out)
{
	static const char *const from[] = {
		[CONFIG_DEFAULT] = "default",
		[CONFIG_FILE] = "config file",
		[CONFIG_CMDLINE] = "kernel command line",
		[CONFIG_ENV] = "environment",
		[CONFIG_ARGV] = "command line",
	};

	for (size_t i = 0; i < COUNT_OF(options); i++) {
		fprintf(out, "%s = ", options[i].file ? options[i].file : options[i].kernel);
		dump_value(&options[i], c, out);
		fprintf(out, "\t# %s\n", from[c->source[i]]);
	}
}
