/* What may come next on a command line that is being typed: one answer for all shells, whose
 * scripts (cmd-completion.c) only ask. The words and the answer are those of Docker's command line
 * (`__complete WORD... PARTIAL`; a candidate and its description a line, and a last line that says
 * what else the shell may offer), so that `docker compose` completes through a plugin, too. */
#include "cli/cli.h"

#include "base/fs.h"
#include "compose/config.h"
#include "volume/volume.h"

#include <fcntl.h>
#include <stdio.h>

/* The last line. */
enum offer { OFFER_FILES = 0, OFFER_NOTHING = 4, OFFER_DIRS = 16 };

struct completion {
	struct cli *cli;
	const struct strv *words;
	size_t first, last; /* of the words that are whole, and the partial one */
	const struct cmd *cmd;
	const char *group;	    /* "image", while its verb is missing */
	const struct option *value; /* the partial word is this option's value */
	const char *given;	    /* ... as far as it is typed */
	size_t args;		    /* the verb's arguments before the partial word */
	bool only_args;		    /* no options can follow */
	bool unknown;		    /* there is no such verb */
};

static const struct option *find(const struct option *table, const char *word)
{
	for (const struct option *o = table; o && o->name; o++) {
		if (str_starts(word, "--") && strcspn(word + 2, "=") == strlen(o->name) &&
		    str_starts(word + 2, o->name))
			return o;
		/* "-it" and "-ffile" are for the last letter that takes a value to know. */
		if (word[0] == '-' && word[1] != '-' && o->letter && word[1] == o->letter)
			return o;
	}
	return NULL;
}

static const struct option *find_option(const struct completion *c, const char *word)
{
	if (!c->cmd)
		return find(global_options, word);
	const struct option *o = find(cmd_work(c->cmd)->options, word);
	return o ? o : find(inherited_options, word);
}

static bool wants_value(const struct option *o, const char *word)
{
	bool inside = str_starts(word, "--") ? strchr(word, '=') != NULL : word[2] != '\0';
	return o && o->type != OPTION_FLAG && !(o->flags & OPTION_TEXT_OPT) && !inside;
}

static bool is_group(const char *name)
{
	size_t len = strlen(name);
	for (const struct cmd *const *c = cmds; *c; c++)
		if (str_starts((*c)->name, name) && (*c)->name[len] == ' ')
			return true;
	return false;
}

/* Which verb the whole words name, and where the partial one stands. */
static void look(struct completion *c)
{
	const struct strv *words = c->words;
	size_t verb_words = 0;
	for (size_t i = c->first; i < c->last; i++) {
		const char *word = words->v[i];
		if (!c->only_args && strcmp(word, "--") == 0) {
			c->only_args = true;
		} else if (!c->only_args && word[0] == '-' && word[1]) {
			const struct option *o = find_option(c, word);
			if (!wants_value(o, word))
				continue;
			i++;
			if (i == c->last)
				c->value = o;
		} else if (c->cmd) {
			c->args++;
			c->only_args |= (c->cmd->flags & CMD_STOP_AT_ARG) != 0;
		} else {
			c->cmd = cmd_find(words, i, &verb_words);
			c->group = !c->cmd && is_group(word) ? word : NULL;
			c->unknown = !c->cmd && !c->group;
			if (c->unknown)
				break;
			if (c->cmd && verb_words == 2 && i + 1 == c->last) {
				c->cmd = NULL; /* its second word is the partial one */
				c->group = word;
			} else if (c->cmd) {
				i += verb_words - 1;
			}
		}
	}
	c->given = words->v[c->last];
	/* --file=NA */
	const char *equals = strchr(c->given, '=');
	if (!c->value && !c->only_args && str_starts(c->given, "--") && equals)
		c->value = find_option(c, c->given);
}

/* --- candidates --- */

static void candidate(const struct completion *c, const char *word, const char *about)
{
	const char *equals = str_starts(c->given, "--") ? strchr(c->given, '=') : NULL;
	cleanup_free char *whole =
		equals ? xasprintf("%.*s%s", (int)(equals + 1 - c->given), c->given, word)
		       : xstrdup(word);
	if (str_starts(whole, c->given))
		printf(str_empty(about) ? "%s\n" : "%s\t%s\n", whole, about);
}

static void offer_options(const struct completion *c, const struct option *table)
{
	for (const struct option *o = table; o && o->name; o++) {
		cleanup_free char *name = xasprintf("--%s", o->name);
		if (!(o->flags & OPTION_HIDDEN))
			candidate(c, name, o->help);
	}
}

static void offer_verbs(const struct completion *c)
{
	const char *last = "";
	size_t len = c->group ? strlen(c->group) : 0;
	for (const struct cmd *const *v = cmds; *v; v++) {
		const char *name = (*v)->name, *space = strchr(name, ' ');
		if ((*v)->flags & CMD_HIDDEN)
			continue;
		if (c->group) {
			if (str_starts(name, c->group) && name[len] == ' ')
				candidate(c, name + len + 1, (*v)->summary);
		} else if (!space) {
			candidate(c, name, (*v)->summary);
		} else if (strncmp(name, last, (size_t)(space - name) + 1) != 0) {
			cleanup_free char *group = xstrndup(name, (size_t)(space - name));
			candidate(c, group, help_group_summary(group));
			last = name;
		}
	}
}

/* Nobody is there to read what is wrong with the files. */
static void offer_services(const struct completion *c, bool profiles)
{
	cleanup_err struct err err = ERR_INIT;
	(void)fflush(stderr);
	cleanup_fd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		(void)dup2(null, STDERR_FILENO);
	if (cli_load_project(c->cli, NULL, CMD_ALL_SERVICES, &err) < 0)
		return;
	const struct project *project = c->cli->project;
	if (!profiles)
		vec_each(s, &project->services)
			candidate(c, s->name, s->image);
	for (size_t i = 0; !profiles && i < project->disabled.n; i++)
		candidate(c, project->disabled.v[i].name, project->disabled.v[i].image);
	cleanup_strv struct strv names = { 0 };
	if (profiles)
		config_profiles(&c->cli->compose, &names);
	for (size_t i = 0; i < names.n; i++)
		candidate(c, names.v[i], NULL);
}

static void offer_images(const struct completion *c)
{
	cleanup_err struct err err = ERR_INIT;
	struct image_store *store = NULL;
	struct image_list list = { 0 };
	if (cli_image_store(c->cli, &store, &err) == 0 && image_list(store, &list, &err) == 0)
		vec_each(item, &list.items)
			if (item->name)
				candidate(c, item->name, NULL);
	image_list_done(&list);
	image_store_free(store);
}

static void offer_containers(const struct completion *c)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_containers struct containers all = { 0 };
	(void)cli_chosen_containers(c->cli, true, &all, &err);
	vec_each(container, &all.items)
		candidate(c, (*container)->name, (*container)->image);
}

static void offer_networks(const struct completion *c)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_strv struct strv names = { 0 };
	if (net_open(c->cli->paths.root, c->cli->paths.run, &net, &err) == 0)
		(void)net_network_list(net, &names, &err);
	for (size_t i = 0; i < names.n; i++)
		candidate(c, names.v[i], NULL);
}

static void offer_volumes(const struct completion *c)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_strv struct strv names = { 0 };
	(void)volume_list(c->cli->paths.root, &names, &err);
	for (size_t i = 0; i < names.n; i++)
		candidate(c, names.v[i], NULL);
}

/* Options whose values are a few words. */
static const struct {
	const char *name, *values;
} known[] = {
	{ "ansi", "never always auto" },
	{ "progress", "auto tty plain json quiet" },
	{ "pull", "always missing never build" },
	{ "rmi", "all local" },
};

static enum offer offer_values(const struct completion *c)
{
	const struct option *o = c->value;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].name, o->name) != 0)
			continue;
		cleanup_strv struct strv values = strv_split(known[i].values, ' ');
		for (size_t n = 0; n < values.n; n++)
			candidate(c, values.v[n], NULL);
		return OFFER_NOTHING;
	}
	const char *arg = o->arg ? o->arg : "";
	if (strcmp(o->name, "profile") == 0)
		offer_services(c, true);
	else if (strstr(arg, "SERVICE"))
		offer_services(c, false);
	else if (strstr(arg, "FILE") || strstr(arg, "PATH"))
		return OFFER_FILES;
	else if (strcmp(arg, "DIR") == 0)
		return OFFER_DIRS;
	return OFFER_NOTHING;
}

static enum offer offer_args(const struct completion *c)
{
	const char *args = c->cmd->args ? c->cmd->args : "";
	if (c->cmd->max_args != ARGS_ANY && c->args >= (size_t)c->cmd->max_args)
		return OFFER_NOTHING;
	if ((c->cmd->flags & CMD_STOP_AT_ARG) && c->args > 0)
		return OFFER_FILES; /* a command in the container: its words are not ours */
	if (strstr(args, "SERVICE"))
		offer_services(c, false);
	else if (strstr(args, "CONTAINER"))
		offer_containers(c);
	else if (strstr(args, "NETWORK") && !strstr(c->cmd->name, "create"))
		offer_networks(c);
	else if (strstr(args, "IMAGE"))
		offer_images(c);
	else if (strstr(args, "VOLUME"))
		offer_volumes(c);
	return strstr(args, "FILE") || strstr(args, "PATH") || strstr(args, "CONTEXT")
		       ? OFFER_FILES
		       : OFFER_NOTHING;
}

static enum offer complete(struct completion *c)
{
	if (c->unknown)
		return OFFER_NOTHING;
	if (c->value)
		return offer_values(c);
	if (!c->only_args && c->given[0] == '-') {
		offer_options(c, c->cmd ? cmd_work(c->cmd)->options : global_options);
		if (c->cmd)
			offer_options(c, inherited_options);
		return OFFER_NOTHING;
	}
	if (c->cmd)
		return offer_args(c);
	offer_verbs(c);
	return OFFER_NOTHING;
}

static int complete_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	(void)options;
	struct completion c = { .cli = cli, .words = args, .last = args->n - 1, .given = "" };
	struct option_scope global = { global_options, &cli->global, NULL };
	cleanup_strv struct strv none = { 0 };
	size_t next;
	if (c.last > 0 && strcmp(args->v[0], "compose") == 0)
		c.first = 1; /* as Docker's plugin */
	/* What is given so far says which project is meant; a mistake in it is not the time's. */
	cleanup_err struct err ignored = ERR_INIT;
	(void)options_parse(&global, args, c.first, true, &next, &none, "stave", &ignored);
	(void)err;
	look(&c);
	printf(":%d\n", complete(&c));
	return 0;
}

const struct cmd cmd___complete = {
	.name = "__complete",
	.summary = "What may come next on a command line",
	.args = "[WORD...] PARTIAL",
	.min_args = 1,
	.max_args = ARGS_ANY,
	.flags = CMD_HIDDEN | CMD_WORDS,
	.run = complete_run,
};
