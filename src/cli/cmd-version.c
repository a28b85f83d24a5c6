/* version: what this program is. */
#include "cli/cli.h"

#include <stdio.h>

/* The Docker Compose whose files, flags and output ours are held against. */
#define COMPOSE_VERSION "2.40.3"

struct version_options {
	const char *format;
	bool brief;
};

static const struct option version_options[] = {
	{ 'f', "format", OPTION_TEXT, offsetof(struct version_options, format), "FORMAT", NULL,
	  "pretty or json", 0 },
	{ 0, "short", OPTION_FLAG, offsetof(struct version_options, brief), NULL, NULL,
	  "Only the number", 0 },
	{ .name = NULL },
};

static int version_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct version_options *o = options;
	/* Scripts that call us docker-compose ask which Compose they may write for. */
	bool stands_in = str_eq(cli->program, "docker-compose");
	const char *version = stands_in ? COMPOSE_VERSION : STAVE_VERSION;
	(void)args;
	if (o->format && strcmp(o->format, "json") != 0 && strcmp(o->format, "pretty") != 0)
		return err_usage(err, "invalid value '%s' for '--format': expected pretty or json",
				 o->format);
	if (o->brief)
		printf("%s\n", version);
	else if (str_eq(o->format, "json"))
		printf("{\"version\":\"%s\"}\n", version);
	else if (stands_in)
		printf("Docker Compose version v%s (stave %s)\n", version, STAVE_VERSION);
	else
		printf("stave version %s\n", STAVE_VERSION);
	return 0;
}

const struct cmd cmd_version = {
	.name = "version",
	.summary = "Show the version of stave",
	.options = version_options,
	.options_size = sizeof(struct version_options),
	.run = version_run,
};
