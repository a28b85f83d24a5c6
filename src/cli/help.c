/* --help and "did you mean", from the tables. */
#include "cli/cli.h"

#include <stdio.h>

static void print_options(const struct option *table)
{
	size_t width = 0;
	for (const struct option *o = table; o && o->name; o++) {
		size_t len = strlen(o->name) + (o->arg ? strlen(o->arg) + 1 : 0);
		if (!(o->flags & OPTION_HIDDEN) && len > width)
			width = len;
	}
	for (const struct option *o = table; o && o->name; o++) {
		if (o->flags & OPTION_HIDDEN)
			continue;
		cleanup_free char *name =
			xasprintf("%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		if (o->letter)
			printf("  -%c, ", o->letter);
		else
			printf("      ");
		printf("--%-*s   %s", (int)width, name, o->help);
		if (o->fallback && *o->fallback && strcmp(o->fallback, "false") != 0)
			printf(" (default %s)", o->fallback);
		putchar('\n');
	}
}

void help_cmd(const struct cmd *cmd)
{
	const struct option *options = cmd_work(cmd)->options;
	bool has_options = options && options->name;
	printf("Usage:  stave %s%s%s%s\n\n%s\n", cmd->name, has_options ? " [OPTIONS]" : "",
	       cmd->args ? " " : "", cmd->args ? cmd->args : "", cmd->summary);
	if (cmd->details)
		printf("\n%s\n", cmd->details);
	if (has_options) {
		printf("\nOptions:\n");
		print_options(options);
	}
	printf("\nAnd, as everywhere: --dry-run, --help.\n");
}

/* What the verbs of a group are about. */
static const struct {
	const char *name, *summary;
} groups[] = {
	{ "container", "List containers of all projects, and act on them by their names" },
	{ "image", "Load, list, inspect, save and remove images" },
	{ "network", "Create, list and remove networks" },
	{ "system", "Show what takes up the disk, and free it" },
	{ "volume", "Create, list, remove, back up and restore volumes" },
};

static const char *group_summary(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (strlen(groups[i].name) == len && str_starts(name, groups[i].name))
			return groups[i].summary;
	return "";
}

const char *help_group_summary(const char *group)
{
	return group_summary(group, strlen(group));
}

static bool in_group(const struct cmd *c, const char *group, size_t len)
{
	return strncmp(c->name, group, len) == 0 && c->name[len] == ' ';
}

/* The verbs of a group, or (NULL) those of none with a row for each group. */
static void print_cmds(const char *group)
{
	const char *last = "";
	size_t last_len = 0;
	for (const struct cmd *const *c = cmds; *c; c++) {
		const char *space = strchr((*c)->name, ' ');
		size_t len = space ? (size_t)(space - (*c)->name) : 0;
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		if (group && in_group(*c, group, strlen(group)))
			printf("  %-12s %s\n", space + 1, (*c)->summary);
		if (!group && !space)
			printf("  %-12s %s\n", (*c)->name, (*c)->summary);
		if (!group && space && !(len == last_len && in_group(*c, last, len))) {
			printf("  %-12.*s %s\n", (int)len, (*c)->name,
			       group_summary((*c)->name, len));
			last = (*c)->name;
			last_len = len;
		}
	}
}

void help_group(const char *group)
{
	printf("Usage:  stave %s COMMAND\n\nCommands:\n", group);
	print_cmds(group);
	printf("\n`stave %s COMMAND --help` tells more about one.\n", group);
}

void help_all(void)
{
	printf("Usage:  stave [OPTIONS] COMMAND\n\n"
	       "Runs Docker Compose projects: no daemon, no shims, one program.\n\nOptions:\n");
	print_options(global_options);
	printf("\nCommands:\n");
	print_cmds(NULL);
	printf("\n`stave COMMAND --help` tells more about one.\n");
}

const struct cmd *cmd_find(const struct strv *args, size_t first, size_t *ret_used)
{
	if (first >= args->n)
		return NULL;
	cleanup_free char *two =
		first + 1 < args->n ? xasprintf("%s %s", args->v[first], args->v[first + 1]) : NULL;
	for (const struct cmd *const *c = cmds; *c; c++) {
		if (two && strcmp((*c)->name, two) == 0) {
			*ret_used = 2;
			return *c;
		}
	}
	for (const struct cmd *const *c = cmds; *c; c++) {
		if (strcmp((*c)->name, args->v[first]) == 0) {
			*ret_used = 1;
			return *c;
		}
	}
	return NULL;
}

const char *cmd_nearest(const char *name)
{
	const char *best = NULL;
	size_t best_distance = strlen(name) / 3 + 1;
	for (const struct cmd *const *c = cmds; *c; c++) {
		size_t d = str_distance(name, (*c)->name, best_distance);
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		if (d < best_distance || (d == best_distance && !best)) {
			best = (*c)->name;
			best_distance = d;
		}
	}
	return best;
}
