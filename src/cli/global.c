/* The options that stand before the verb. */
#include "cli/cli.h"

#define GLOBAL(field) offsetof(struct global, field)
const struct option global_options[] = {
	{ 0, "all-resources", OPTION_FLAG, GLOBAL(all_resources), NULL, NULL,
	  "Include all resources, even those not used by services", 0 },
	{ 0, "ansi", OPTION_TEXT, GLOBAL(ansi), "WHEN", NULL,
	  "Control characters: never, always, auto (default auto)", 0 },
	{ 0, "compatibility", OPTION_FLAG, GLOBAL(compatibility), NULL, NULL,
	  "Accepted for compatibility", 0 },
	{ 0, "debug", OPTION_FLAG, GLOBAL(debug), NULL, NULL, "Trace what is done, on stderr", 0 },
	{ 0, "dry-run", OPTION_FLAG, GLOBAL(dry_run), NULL, NULL,
	  "Show what would be done, and why, and do nothing", 0 },
	{ 0, "env-file", OPTION_LIST, GLOBAL(env_files), "FILE", NULL,
	  "An alternate environment file", 0 },
	{ 'f', "file", OPTION_LIST, GLOBAL(files), "FILE", NULL, "Compose configuration files", 0 },
	{ 'h', "help", OPTION_FLAG, GLOBAL(help), NULL, NULL, "Show this help", 0 },
	{ 0, "parallel", OPTION_INT, GLOBAL(parallel), "N", NULL,
	  "Most image operations at once (-1: no limit)", 0 },
	{ 0, "profile", OPTION_LIST, GLOBAL(profiles), "NAME", NULL, "A profile to enable", 0 },
	{ 0, "progress", OPTION_TEXT, GLOBAL(progress), "TYPE", NULL,
	  "Progress output: auto, tty, plain, json, quiet", 0 },
	{ 0, "project-directory", OPTION_TEXT, GLOBAL(project_directory), "DIR", NULL,
	  "An alternate working directory (default: that of the first Compose file)", 0 },
	{ 'p', "project-name", OPTION_TEXT, GLOBAL(project_name), "NAME", NULL, "Project name", 0 },
	{ 0, "root", OPTION_TEXT, GLOBAL(root), "DIR", NULL,
	  "Where all state is kept (default $STAVE_ROOT or /var/lib/stave)", 0 },
	{ 0, "verbose", OPTION_FLAG, GLOBAL(debug), NULL, NULL, "The same as --debug",
	  OPTION_HIDDEN },
	{ 'v', "version", OPTION_FLAG, GLOBAL(version), NULL, NULL, "Show the version", 0 },
	{ .name = NULL },
};

const struct option inherited_options[] = {
	{ 0, "dry-run", OPTION_FLAG, GLOBAL(dry_run), NULL, NULL,
	  "Show what would be done, and why, and do nothing", 0 },
	{ 'h', "help", OPTION_FLAG, GLOBAL(help), NULL, NULL, "Show this help", 0 },
	{ .name = NULL },
};
