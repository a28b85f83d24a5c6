/* volumes: the project's volumes. */
#include "cli/cli.h"
#include "cli/volume-view.h"

struct volumes_args {
	bool quiet, size;
	const char *format;
};

static const struct option volumes_options[] = {
	{ 0, "format", OPTION_TEXT, offsetof(struct volumes_args, format), "FORMAT", "table",
	  "table, json, 'table TEMPLATE' or TEMPLATE", 0 },
	{ 'q', "quiet", OPTION_FLAG, offsetof(struct volumes_args, quiet), NULL, NULL,
	  "Only display volume names", 0 },
	{ 's', "size", OPTION_FLAG, offsetof(struct volumes_args, size), NULL, NULL,
	  "Also the space and the inodes they take up", 0 },
	{ .name = NULL },
};

/* With services named: only what their containers mount. */
static bool mounted(const struct containers *found, const char *volume)
{
	vec_each(c, &found->items)
		vec_each(v, &(*c)->volumes)
			if (str_eq(v->name, volume))
				return true;
	return false;
}

static int gather(struct cli *cli, const struct strv *services, bool size, json_t *rows,
		  struct err *err)
{
	cleanup_containers struct containers found = { 0 };
	cleanup_strv struct strv names = { 0 };
	int r = cli_containers(cli, services, &found, err);
	if (r == 0)
		r = volume_list(cli->paths.root, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_volume struct volume v = { 0 };
		cleanup_err struct err gone = ERR_INIT;
		/* One that is removed meanwhile is not there. */
		if (volume_load(cli->paths.root, names.v[i], &v, &gone) < 0)
			continue;
		if (v.anonymous) /* the containers' own */
			continue;
		bool ours = str_eq(v.project, cli->project_name);
		if (!(services->n ? mounted(&found, v.name) : ours || mounted(&found, v.name)))
			continue;
		json_t *row = volume_row(&v, size, err);
		if (!row)
			return -err->no;
		json_array_append_new(rows, row);
	}
	return r;
}

static int volumes_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct volumes_args *o = options;
	cleanup_json json_t *rows = json_array();
	int r = gather(cli, args, o->size, rows, err);
	return r < 0 ? r : volume_rows_print(rows, o->quiet, o->size, o->format, err);
}

const struct cmd cmd_volumes = {
	.name = "volumes",
	.summary = "List volumes",
	.args = "[SERVICE...]",
	.options = volumes_options,
	.options_size = sizeof(struct volumes_args),
	.max_args = ARGS_ANY,
	.flags = CMD_NAME,
	.run = volumes_run,
};
