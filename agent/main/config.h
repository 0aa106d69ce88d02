/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: one table of options drives the kernel command line, the config file, the
 * environment, the command line of an ordinary process, --help, --dump-config and the man page.
 * Names and meanings are Kata's where Kata has them. An unknown agent.* key and a bad value warn
 * and keep the default: a PID 1 does not die of a typo.
 */
#ifndef MOTE_MAIN_CONFIG_H
#define MOTE_MAIN_CONFIG_H

#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "sandbox/mem_agent.h"

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_CMDLINE, CONFIG_ENV, CONFIG_ARGV };

struct config {
	enum log_level log_level;
	bool debug_console;
	bool dev_mode;
	bool tracing;
	bool unified_cgroup; /* false: cgroup v1 */
	bool cgroup_no_v1;   /* the kernel was told to keep v1 away: v2 whatever unified_cgroup says
			      */
	char server_addr[128];
	char config_file[256];
	uint64_t hotplug_timeout_s, cdi_timeout_s;
	bool visible_cdi_devices;
	uint64_t debug_console_vport, log_vport, passfd_listener_port; /* 0: none */
	uint64_t container_pipe_size; /* bytes; 0: the kernel's default */
	struct mem_agent_config mem_agent;
	uint64_t source[64];          /* enum config_source of each row, for --dump-config */
};

/* Warnings of the readers go here (a log line, or stderr before the log exists). */
typedef void (*config_warn_fn)(const char *text);

void config_defaults(struct config *c);

/* A kernel command line: words split at white space, double quotes kept together (kernel doc
 * admin-guide/kernel-parameters). Words that are nobody's are ignored unless they start with
 * "agent.". agent.config_file= ends the reading: the file is the whole configuration from there on.
 */
void config_read_cmdline(struct config *c, const char *cmdline, config_warn_fn warn);

/* A file in the part of TOML that Kata's config files use: key = value, [table] for durations,
 * comments. -1 with e when it cannot be read at all. */
int config_read_file(struct config *c, const char *path, config_warn_fn warn, struct err *e);

/* KATA_AGENT_SERVER_ADDR, KATA_AGENT_LOG_LEVEL, KATA_AGENT_TRACING. */
void config_read_env(struct config *c, config_warn_fn warn);

/* One option by its kernel name ("agent.log") or bare name ("log_level"). INVALID_ARGUMENT naming
 * key and what it wants, NOT_FOUND for an unknown key. value NULL: a bare flag. */
int config_set(struct config *c, const char *key, const char *value, enum config_source from,
	       struct err *e);

/* The table for --help, and the values with their sources for --dump-config. */
void config_print_help(FILE *out);
void config_dump(const struct config *c, FILE *out);

#endif
