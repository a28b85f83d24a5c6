/* config: what the Compose files mean, as one document or as listings. */
#include "base/fs.h"
#include "cli/cli.h"
#include "cli/image-digests.h"
#include "compose/config.h"
#include "compose/explain.h"

#include <fcntl.h>
#include <stdio.h>

struct config_args {
	const char *format, *hash, *output, *explain;
	bool environment, images, models, networks, profiles, services, variables, volumes;
	bool no_consistency, no_env_resolution, no_interpolate, no_normalize, no_path_resolution;
	bool quiet, lock_image_digests, resolve_image_digests;
};

#define O(field) offsetof(struct config_args, field)
#define FLAG(name, field, help)                                                                    \
	{                                                                                          \
		0, name, OPTION_FLAG, O(field), NULL, NULL, help, 0                                \
	}
static const struct option config_options[] = {
	FLAG("environment", environment, "Print environment used for interpolation"),
	{ 0, "explain", OPTION_TEXT, O(explain), "PATH", NULL,
	  "Show where a value comes from (services.web.environment.URL) and what it replaced", 0 },
	{ 0, "format", OPTION_TEXT, O(format), "FORMAT", NULL, "yaml or json", 0 },
	{ 0, "hash", OPTION_TEXT, O(hash), "SERVICES", NULL,
	  "Print the service config hash, one per line (\"*\": of all)", 0 },
	FLAG("images", images, "Print the image names, one per line"),
	FLAG("lock-image-digests", lock_image_digests,
	     "Produce an override file with image digests"),
	FLAG("models", models, "Print the model names, one per line"),
	FLAG("networks", networks, "Print the network names, one per line"),
	FLAG("no-consistency", no_consistency,
	     "Don't check model consistency - warning: may produce invalid Compose output"),
	FLAG("no-env-resolution", no_env_resolution, "Don't resolve service env files"),
	FLAG("no-interpolate", no_interpolate, "Don't interpolate environment variables"),
	FLAG("no-normalize", no_normalize, "Don't normalize compose model"),
	FLAG("no-path-resolution", no_path_resolution, "Don't resolve file paths"),
	{ 'o', "output", OPTION_TEXT, O(output), "FILE", NULL, "Save to file", 0 },
	FLAG("profiles", profiles, "Print the profile names, one per line"),
	{ 'q', "quiet", OPTION_FLAG, O(quiet), NULL, NULL,
	  "Only validate the configuration, don't print anything", 0 },
	FLAG("resolve-image-digests", resolve_image_digests, "Pin image tags to digests"),
	FLAG("services", services, "Print the service names, one per line"),
	FLAG("variables", variables, "Print model variables and default values"),
	FLAG("volumes", volumes, "Print the volume names, one per line"),
	{ .name = NULL },
};

static void print_lines(const struct strv *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		puts(lines->v[i]);
}

static void names_of(struct compose_result *r, const char *section)
{
	cleanup_strv struct strv out = { 0 };
	config_names(r, section, &out);
	print_lines(&out);
}

static int list_services(struct compose_result *r, const struct config_args *o, struct err *err)
{
	names_of(r, "services");
	return 0;
}

static int list_volumes(struct compose_result *r, const struct config_args *o, struct err *err)
{
	names_of(r, "volumes");
	return 0;
}

static int list_networks(struct compose_result *r, const struct config_args *o, struct err *err)
{
	names_of(r, "networks");
	return 0;
}

static int list_models(struct compose_result *r, const struct config_args *o, struct err *err)
{
	names_of(r, "models");
	return 0;
}

static int list_images(struct compose_result *r, const struct config_args *o, struct err *err)
{
	cleanup_strv struct strv out = { 0 };
	config_images(r, &out);
	print_lines(&out);
	return 0;
}

static int list_profiles(struct compose_result *r, const struct config_args *o, struct err *err)
{
	cleanup_strv struct strv out = { 0 };
	config_profiles(r, &out);
	print_lines(&out);
	return 0;
}

static int list_environment(struct compose_result *r, const struct config_args *o, struct err *err)
{
	cleanup_strv struct strv out = { 0 };
	config_environment(r, &out);
	print_lines(&out);
	return 0;
}

static int list_hashes(struct compose_result *r, const struct config_args *o, struct err *err)
{
	cleanup_strv struct strv out = { 0 }, names = { 0 };
	if (strcmp(o->hash, "*") != 0)
		names = strv_split(o->hash, ',');
	int n = config_hashes(r, &names, &out, err);
	if (n >= 0)
		print_lines(&out);
	return n;
}

static int list_variables(struct compose_result *r, const struct config_args *o, struct err *err)
{
	cleanup_json json_t *all = config_variables(r);
	const char *name;
	json_t *v;
	if (o->format) {
		cleanup_free char *text = config_text(all, str_eq(o->format, "yaml"), false);
		puts(text);
		return 0;
	}
	printf("%-30s %-10s %-20s %s\n", "NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE");
	json_object_foreach(all, name, v)
		printf("%-30s %-10s %-20s %s\n", name,
		       json_flag(v, "required", false) ? "true" : "false",
		       json_str(v, "default", ""), json_str(v, "alternate", ""));
	return 0;
}

static int print_explanation(struct compose_result *r, const struct config_args *o, struct err *err)
{
	cleanup_json json_t *steps = explain_path(r, o->explain, err);
	size_t i;
	json_t *step;
	if (!steps)
		return -err->no;
	if (str_eq(o->format, "json")) {
		cleanup_free char *text = config_text(steps, false, false);
		puts(text);
		return 0;
	}
	json_array_foreach(steps, i, step) {
		cleanup_free char *value =
			json_dumps(json_object_get(step, "value"), JSON_ENCODE_ANY | JSON_COMPACT);
		const char *place = json_str(step, "place", "");
		printf("%-12s %s%s%s%s\n", json_str(step, "how", ""), value, *place ? "  (" : "",
		       place, *place ? ")" : "");
	}
	return 0;
}

/* The document as it is printed in that format; NULL after an error. New reference. */
static json_t *shown_document(struct cli *cli, struct compose_result *r,
			      const struct config_args *o, bool yaml, struct err *err)
{
	cleanup_json json_t *full = compose_to_json(r);
	if ((o->resolve_image_digests || o->lock_image_digests) &&
	    image_digests_resolve(cli, full, err) < 0)
		return NULL;
	if (o->lock_image_digests)
		return image_digests_only(full);
	if (o->no_interpolate)
		return json_incref(full);
	if (yaml)
		return config_for_yaml(full);
	/* Docker Compose knows models in YAML only. */
	json_object_del(full, "models");
	return json_incref(full);
}

static int print_document(struct cli *cli, struct compose_result *r, const struct config_args *o,
			  struct err *err)
{
	bool yaml = !o->format || strcmp(o->format, "yaml") == 0;
	cleanup_json json_t *document = shown_document(cli, r, o, yaml, err);
	if (!document)
		return -err->no;
	if (o->quiet)
		return 0;
	if (o->output) {
		cleanup_free char *text = config_text(document, yaml, !o->no_interpolate);
		return fs_write_atomic(AT_FDCWD, o->output, text, strlen(text), 0644, 0, err);
	}
	config_print(document, yaml, !o->no_interpolate, stdout);
	if (!yaml)
		fputc('\n', stdout);
	return 0;
}

/* The first flag that is set decides what is printed. resolved: env_file is read, as for the whole
 * document. */
static const struct {
	size_t flag;
	int (*print)(struct compose_result *r, const struct config_args *o, struct err *err);
} listings[] = {
	{ O(services), list_services },	  { O(volumes), list_volumes },
	{ O(networks), list_networks },	  { O(models), list_models },
	{ O(profiles), list_profiles },	  { O(images), list_images },
	{ O(variables), list_variables }, { O(environment), list_environment },
};

static int config_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	struct config_args *o = options;
	int (*print)(struct compose_result *, const struct config_args *, struct err *) = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(listings) && !print; i++)
		if (*(bool *)((char *)o + listings[i].flag))
			print = listings[i].print;
	if (!print && o->hash)
		print = list_hashes;
	if (o->explain)
		print = print_explanation;
	if (o->format && strcmp(o->format, "yaml") != 0 && strcmp(o->format, "json") != 0)
		return err_usage(err, "invalid value '%s' for '--format': expected yaml or json",
				 o->format);
	struct compose_options load = {
		.check_variables = true,
		.files = cli->global.files,
		.env_files = cli->global.env_files,
		.profiles = cli->global.profiles,
		.project_name = cli->global.project_name,
		.project_directory = cli->global.project_directory,
		.document_only = true,
		.no_consistency = o->no_consistency,
		.no_env_resolution = o->no_env_resolution || print,
		.no_interpolate = o->no_interpolate || o->variables,
		.no_normalize = o->no_normalize || cli->global.compatibility,
		.no_path_resolution = o->no_path_resolution,
	};
	if (!o->services && !o->volumes && !o->hash)
		load.services = *args;
	/* Not freed: the process ends with it, and a large project takes a fifth of the time to
	 * give back piece by piece. */
	static struct compose_result result;
	int r = compose_load(&load, &result, err);
	cli_print_diagnostics(cli, &result.diagnostics);
	if (r < 0 && str_eq(o->format, "json")) {
		cleanup_json json_t *errors = config_diagnostics(&result.diagnostics);
		cleanup_free char *text = config_text(errors, false, false);
		puts(text);
	}
	if (r >= 0)
		r = print ? print(&result, o, err) : print_document(cli, &result, o, err);
	return r;
}

const struct cmd cmd_config = {
	.name = "config",
	.summary = "Parse, resolve and render compose file in canonical format",
	.args = "[SERVICE...]",
	.options = config_options,
	.options_size = sizeof(struct config_args),
	.max_args = ARGS_ANY,
	.run = config_run,
};
