/* Verbs on containers by their own names, of whatever project they are: `container stop lms-api`,
 * as `docker stop lms-api`. They are the verbs on services, with a choice of containers in their
 * place. */
#include "cli/cli.h"

#include <stdio.h>

struct target {
	char *project;
	char id[SPEC_ID_LEN + 1];
	const char *name; /* as given */
};
struct targets {
	VEC(struct target) list;
	struct strv projects; /* of them, each once */
};

static void targets_done(struct targets *t)
{
	vec_each(target, &t->list)
		free(target->project);
	vec_done(&t->list);
	strv_done(&t->projects);
}

static int add_target(struct cli *cli, const char *name, const char *shown, struct targets *ret,
		      struct err *err)
{
	cleanup(container_free_cleanup) struct container *c = NULL;
	int r = state_find(&cli->paths, NULL, name, &c, err);
	if (r < 0)
		return r;
	struct target *t = vec_add(&ret->list);
	t->project = xstrdup(c->project);
	t->name = shown;
	memcpy(t->id, c->id, sizeof(t->id));
	if (!strv_has(&ret->projects, c->project))
		strv_add(&ret->projects, c->project);
	return 0;
}

/* "name:path" of `cp`, whichever of the two has it. */
static int add_copied(struct cli *cli, const struct strv *args, struct targets *ret,
		      struct err *err)
{
	for (size_t i = 0; i < args->n; i++) {
		const char *colon = strchr(args->v[i], ':'), *slash = strchr(args->v[i], '/');
		if (!colon || colon == args->v[i] || (slash && slash < colon))
			continue;
		cleanup_free char *name = xstrndup(args->v[i], (size_t)(colon - args->v[i]));
		return add_target(cli, name, args->v[i], ret, err);
	}
	return 0; /* the verb says what is wrong */
}

/* The choice among a project's containers; project NULL: all of it. */
static void choose(struct cli *cli, const struct targets *t, const char *project)
{
	strv_done(&cli->chosen);
	free(cli->project_name);
	cli->project_name = project ? xstrdup(project) : NULL;
	vec_each(target, &t->list)
		if (!project || str_eq(target->project, project))
			strv_add(&cli->chosen, target->id);
}

/* Docker's CLI names on stdout what it has done something to, and shows no progress. */
static int run_in_each(struct cli *cli, const struct cmd *cmd, void *options,
		       const struct targets *t, struct err *err)
{
	const struct cmd *verb = cmd_work(cmd);
	const struct strv none = { 0 };
	int r = 0;
	cli->global.progress = cli->global.progress ? cli->global.progress : "quiet";
	for (size_t i = 0; i < t->projects.n && r == 0; i++) {
		choose(cli, t, t->projects.v[i]);
		r = verb->run(cli, options, &none, err);
	}
	vec_each(target, &t->list)
		if (r == 0 && !cli->global.dry_run && !(cmd->flags & CMD_NO_NAMES))
			puts(target->name);
	return r;
}

int cli_run_on_containers(struct cli *cli, const struct cmd *cmd, void *options,
			  const struct strv *args, struct err *err)
{
	const struct cmd *verb = cmd_work(cmd);
	cleanup(targets_done) struct targets t = { 0 };
	cleanup_err struct err unknown = ERR_INIT;
	const struct strv none = { 0 };
	bool with_args = (cmd->flags & (CMD_ONE_CONTAINER | CMD_COPIED)) != 0;
	size_t names = cmd->flags & CMD_ONE_CONTAINER ? 1 : args->n;
	int r = 0;
	cli->by_container = true;
	if (cmd->flags & CMD_COPIED)
		r = add_copied(cli, args, &t, err);
	for (size_t i = 0; r == 0 && !(cmd->flags & CMD_COPIED) && i < names; i++) {
		cleanup_err struct err one = ERR_INIT;
		if (add_target(cli, args->v[i], args->v[i], &t, &one) == 0)
			continue;
		if (!(cmd->flags & CMD_EACH_PROJECT))
			return err_move(err, &one);
		if (unknown.kind != ERR_NONE)
			cli_print_err(cli, &unknown);
		err_done(&unknown);
		(void)err_move(&unknown, &one);
	}
	if (r == 0 && (cmd->flags & CMD_EACH_PROJECT)) {
		r = run_in_each(cli, cmd, options, &t, err);
	} else if (r == 0) {
		choose(cli, &t, NULL);
		if (t.projects.n)
			cli->project_name = xstrdup(t.projects.v[0]);
		r = verb->run(cli, options, with_args ? args : &none, err);
	}
	return r == 0 && unknown.kind != ERR_NONE ? err_move(err, &unknown) : r;
}

int cli_chosen_containers(struct cli *cli, bool all_projects, struct containers *ret,
			  struct err *err)
{
	cleanup_strv struct strv projects = { 0 };
	int r = 0;
	if (all_projects)
		r = state_projects(&cli->paths, &projects, err);
	else
		strv_add(&projects, cli->project_name);
	for (size_t i = 0; r == 0 && i < projects.n; i++) {
		cleanup_containers struct containers found = { 0 };
		r = state_containers(&cli->paths, projects.v[i], &found, err);
		vec_each(c, &found.items)
			if (!cli->chosen.n || strv_has(&cli->chosen, (*c)->id))
				vec_push(&ret->items, ptr_take(*c));
	}
	return r;
}
