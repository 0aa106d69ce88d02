/* SPDX-License-Identifier: Apache-2.0 */
/* motectl: the host's command line. A table of commands; each reads its own options. */
#include "motectl/motectl.h"

#include <stdio.h>

struct command {
	const char *name;
	int (*fn)(char **argv);
	const char *help;
};

static const struct command commands[] = {
	{ "run", cmd_run, "boot a VM and run one container of a directory in it" },
	{ "vm", cmd_vm, "boot a VM, print its address and keep it until Ctrl-C" },
	{ "image", cmd_image, "tell of an image of a rootfs, or check it" },
	{ "call", cmd_call, "make one call to an agent, JSON in and out" },
	{ "list", cmd_list, "list the methods that can be called" },
	{ "describe", cmd_describe, "show a service, method, message or enum" },
};

int complain(int status, const struct err *e)
{
	fprintf(stderr, "motectl: %s\n", e->msg);
	return status;
}

static void print_usage(FILE *out)
{
	fputs("usage: motectl COMMAND [OPTION...] [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\n'motectl COMMAND --help' tells more; 'motectl --version' tells the version.\n",
	      out);
}

int read_options(struct arena *a, const struct opt *table, void *into, const bool *help,
		 const char *usage, char **argv, struct opt_rest *rest, int *status)
{
	struct err e = { 0 };

	if (opt_read(a, table, into, argv, rest, &e) < 0) {
		complain(STATUS_USAGE, &e);
		fprintf(stderr, "usage: %s\n", usage);
		*status = STATUS_USAGE;
		return -1;
	}
	if (!*help)
		return 0;
	printf("usage: %s\n\n", usage);
	opt_print_help(stdout, table);
	*status = 0;
	return -1;
}

int check_arguments(const struct opt_rest *rest, size_t min, size_t max, const char *usage)
{
	if (rest->args.n >= min && rest->args.n <= max)
		return 0;
	if (rest->args.n > max)
		fprintf(stderr, "motectl: unexpected argument '%s'\n", rest->args.items[max]);
	else
		fputs("motectl: an argument is missing\n", stderr);
	fprintf(stderr, "usage: %s\n", usage);
	return -1;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	if (str_eq(name, "--help") || str_eq(name, "-h") || str_eq(name, "help")) {
		print_usage(stdout);
		return 0;
	}
	if (str_eq(name, "--version")) {
		puts("motectl " MOTE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (str_eq(commands[i].name, name))
			return commands[i].fn(argv + 1);
	}
	fprintf(stderr, "motectl: unknown %s '%s'\n", *name == '-' ? "option" : "command", name);
	print_usage(stderr);
	return STATUS_USAGE;
}
