/* inspect: all that is known of containers (of any project) and images, as `docker inspect` says
 * it. */
#include "cli/cli.h"
#include "cli/listing.h"

#include "engine/inspect.h"

#include <stdio.h>

struct inspect_args {
	const char *format, *type;
	bool size;
};

#define O(field) offsetof(struct inspect_args, field)
static const struct option inspect_options[] = {
	{ 'f', "format", OPTION_TEXT, O(format), "FORMAT", NULL,
	  "json (one object a line) or a TEMPLATE ({{.State.Health.Status}})", 0 },
	{ 's', "size", OPTION_FLAG, O(size), NULL, NULL, "Accepted for compatibility",
	  OPTION_HIDDEN },
	{ 0, "type", OPTION_TEXT, O(type), "TYPE", NULL, "Only a container, or only an image", 0 },
	{ .name = NULL },
};

/* A template asks for members by name; there is no table. */
static const struct listing_column no_columns[] = { { NULL, NULL } };

static int add_container(struct cli *cli, const char *name, json_t *out, struct err *err)
{
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup(net_free_cleanup) struct net *net = NULL;
	cleanup_spec struct spec spec = { 0 };
	cleanup_err struct err none = ERR_INIT;
	int r = state_find(&cli->paths, NULL, name, &c, err);
	if (r < 0)
		return r;
	bool has_spec = state_spec_load(&cli->paths, c, &spec, &none) == 0;
	err_done(&none);
	(void)net_open(cli->paths.root, cli->paths.run, &net, &none);
	json_array_append_new(out, container_inspect(c, has_spec ? &spec : NULL, net));
	return 0;
}

static int add_image(struct cli *cli, const char *name, json_t *out, struct err *err)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_image struct image image = { 0 };
	int r = cli_image_store(cli, &store, err);
	if (r == 0)
		r = image_find(store, name, &image, err);
	if (r == 0)
		json_array_append_new(out, image_inspect(&image));
	return r;
}

/* A container of that name before an image. */
static int add_any(struct cli *cli, const char *name, const char *type, json_t *out,
		   struct err *err)
{
	cleanup_err struct err no_container = ERR_INIT, no_image = ERR_INIT;
	if (str_eq(type, "container"))
		return add_container(cli, name, out, err);
	if (str_eq(type, "image"))
		return add_image(cli, name, out, err);
	if (add_container(cli, name, out, &no_container) == 0)
		return 0;
	if (no_container.kind != ERR_NOT_FOUND && no_container.kind != ERR_INPUT)
		return err_new(err, no_container.kind, no_container.no, "%s", no_container.msg);
	if (add_image(cli, name, out, &no_image) == 0)
		return 0;
	if (no_image.kind != ERR_NOT_FOUND && no_image.kind != ERR_INPUT)
		return err_new(err, no_image.kind, no_image.no, "%s", no_image.msg);
	return err_not_found(err, "no such container or image: %s", name);
}

/* What was found is shown, even where another name is unknown. */
static int inspect_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct inspect_args *o = options;
	cleanup_json json_t *out = json_array();
	int r = 0;
	if (o->type && !str_eq(o->type, "container") && !str_eq(o->type, "image"))
		return err_usage(err,
				 "invalid value '%s' for '--type': expected container or image",
				 o->type);
	for (size_t i = 0; r == 0 && i < args->n; i++)
		r = add_any(cli, args->v[i], o->type, out, err);
	if (o->format) {
		cleanup_err struct err template = ERR_INIT;
		struct listing listing = { .columns = no_columns, .rows = out };
		if (listing_print(&listing, o->format, &template) < 0 && r == 0)
			return err_new(err, template.kind, template.no, "%s", template.msg);
		return r;
	}
	cleanup_free char *text = json_dumps(out, JSON_INDENT(4));
	printf("%s\n", text);
	return r;
}

const struct cmd cmd_inspect = {
	.name = "inspect",
	.summary = "Show all that is known of containers and images",
	.args = "NAME|ID...",
	.details = "Containers of every project are found by their name, id or a part of the id "
		   "that is unique; images by\ntheir name or id. The members are Docker's.",
	.options = inspect_options,
	.options_size = sizeof(struct inspect_args),
	.min_args = 1,
	.max_args = ARGS_ANY,
	.run = inspect_run,
};
