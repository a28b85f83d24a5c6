/* image prune, volume prune, system prune: what nobody needs goes. */
#include "cli/prune.h"
#include "cli/volume-view.h"

#include "base/parse.h"

#include <stdio.h>

struct prune_args {
	bool all, dry_run, force, volumes;
	struct strv filters;
	const char *keep, *max_used, *reserved;
};
#define O(field) offsetof(struct prune_args, field)

/* "dangling=false" is Docker's other way to say --all. */
static int read_filters(const struct prune_args *o, struct prune *what, struct prune_filter *filter,
			struct err *err)
{
	int r = prune_filter_read(&o->filters, filter, err);

	if (filter->has_dangling)
		what->all_images = !filter->dangling;
	what->filter = filter;
	return r;
}

static int image_prune_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct prune_args *o = options;
	cleanup(prune_filter_done) struct prune_filter filter = { 0 };
	struct prune what = { .images = true,
			      .all_images = o->all,
			      .dry_run = o->dry_run || cli->global.dry_run };
	int r = read_filters(o, &what, &filter, err);

	(void)args;
	return r < 0 ? r : prune_run(cli, &what, err);
}

static const struct option image_prune_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL,
	  "Remove all images that no container uses, not only those without a name", 0 },
	{ 0, "dry-run", OPTION_FLAG, O(dry_run), NULL, NULL, "Only say what would be removed", 0 },
	{ 0, "filter", OPTION_LIST, O(filters), "FILTER", NULL,
	  "until=TIME or AGE, label=KEY[=VALUE], label!=KEY[=VALUE], dangling=true|false", 0 },
	{ 'f', "force", OPTION_FLAG, O(force), NULL, NULL,
	  "Accepted for compatibility: stave asks nothing", OPTION_HIDDEN },
	{ .name = NULL },
};

const struct cmd cmd_image_prune = {
	.name = "image prune",
	.summary = "Remove images that are not used",
	.options = image_prune_options,
	.options_size = sizeof(struct prune_args),
	.run = image_prune_run,
};

/* --- builder prune --- */

static int builder_prune_run(struct cli *cli, void *options, const struct strv *args,
			     struct err *err)
{
	const struct prune_args *o = options;
	cleanup(prune_filter_done) struct prune_filter filter = { 0 };
	struct prune what = { .build = true,
			      .all_build = o->all,
			      .filter = &filter,
			      .dry_run = o->dry_run || cli->global.dry_run };
	const char *keep = o->keep ? o->keep : o->max_used ? o->max_used : o->reserved;
	int r = prune_filter_read(&o->filters, &filter, err);

	(void)args;
	if (r == 0 && keep && parse_size(keep, &what.keep_bytes) < 0)
		r = err_usage(err, "'%s' is not a size", keep);
	return r < 0 ? r : prune_run(cli, &what, err);
}

static const struct option builder_prune_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL,
	  "Also steps that images stand on, and cache mounts", 0 },
	{ 0, "dry-run", OPTION_FLAG, O(dry_run), NULL, NULL, "Only say what would be removed", 0 },
	{ 0, "filter", OPTION_LIST, O(filters), "FILTER", NULL,
	  "until=TIME or AGE: what was used since stays", 0 },
	{ 'f', "force", OPTION_FLAG, O(force), NULL, NULL,
	  "Accepted for compatibility: stave asks nothing", OPTION_HIDDEN },
	{ 0, "keep-storage", OPTION_TEXT, O(keep), "BYTES", NULL,
	  "Keep this much, what was used last", 0 },
	{ 0, "max-used-space", OPTION_TEXT, O(max_used), "BYTES", NULL, "The same", 0 },
	{ 0, "reserved-space", OPTION_TEXT, O(reserved), "BYTES", NULL, "The same", 0 },
	{ .name = NULL },
};

const struct cmd cmd_builder_prune = {
	.name = "builder prune",
	.summary = "Remove the build cache",
	.details = "Without -a: the steps that no image stands on.",
	.options = builder_prune_options,
	.options_size = sizeof(struct prune_args),
	.run = builder_prune_run,
};

/* --- volume prune --- */

static bool said_yes(const char *question)
{
	char answer[16];
	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Docker's other way to say --all is the filter all=true; the rest chooses. */
static void take_all_filter(struct prune_args *o)
{
	for (size_t i = o->filters.n; i-- > 0;) {
		const char *value = str_after(o->filters.v[i], "all=");
		bool all = false;
		if (!value || parse_bool(value, &all) < 0)
			continue;
		o->all = o->all || all;
		strv_remove(&o->filters, i);
	}
}

static int volume_prune_run(struct cli *cli, void *options, const struct strv *args,
			    struct err *err)
{
	struct prune_args *o = options;
	take_all_filter(o);
	struct prune what = { .volumes = true,
			      .named_volumes = o->all,
			      .volume_filters = &o->filters,
			      .dry_run = o->dry_run || cli->global.dry_run };
	(void)args;
	int r = volume_filter_check(&o->filters, err);
	if (r < 0)
		return r;
	if (!o->force && !what.dry_run &&
	    !said_yes(o->all ? "WARNING! This will remove all local volumes not used by at least "
			       "one container.\nAre you sure you want to continue?"
			     : "WARNING! This will remove anonymous local volumes not used by at "
			       "least one container.\nAre you sure you want to continue?"))
		return 0;
	return prune_run(cli, &what, err);
}

static const struct option volume_prune_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL,
	  "Remove all volumes that no container uses, not only anonymous ones", 0 },
	{ 0, "dry-run", OPTION_FLAG, O(dry_run), NULL, NULL, "Only say what would be removed", 0 },
	{ 0, "filter", OPTION_LIST, O(filters), "FILTER", NULL,
	  "label=KEY[=VALUE], label!=KEY[=VALUE], name=PART, project=NAME", 0 },
	{ 'f', "force", OPTION_FLAG, O(force), NULL, NULL, "Do not ask to confirm", 0 },
	{ .name = NULL },
};

const struct cmd cmd_volume_prune = {
	.name = "volume prune",
	.summary = "Remove volumes that no container uses",
	.options = volume_prune_options,
	.options_size = sizeof(struct prune_args),
	.run = volume_prune_run,
};

/* --- system prune --- */

static bool confirmed(const struct prune *what)
{
	char answer[16];
	fprintf(stderr,
		"This will remove:\n  - all stopped containers, and the networks of projects "
		"that have no other\n");
	if (what->volumes)
		fprintf(stderr, "  - all anonymous volumes that no container uses\n");
	fprintf(stderr,
		"  - all images without %s\n  - the build cache that no image stands on\n\nAre you "
		"sure? [yN] ",
		what->all_images ? "a container" : "a name");
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int system_prune_run(struct cli *cli, void *options, const struct strv *args,
			    struct err *err)
{
	const struct prune_args *o = options;
	cleanup(prune_filter_done) struct prune_filter filter = { 0 };
	cleanup_strv struct strv labels = { 0 };
	struct prune what = { .containers = true,
			      .volumes = o->volumes,
			      .volume_filters = &labels,
			      .images = true,
			      .build = true,
			      .all_images = o->all,
			      .all_build = o->all,
			      .dry_run = o->dry_run || cli->global.dry_run };
	int r = read_filters(o, &what, &filter, err);

	(void)args;
	if (r < 0)
		return r;
	for (size_t i = 0; i < o->filters.n; i++)
		if (str_starts(o->filters.v[i], "label"))
			strv_add(&labels, o->filters.v[i]);
	if (!o->force && !what.dry_run && !confirmed(&what))
		return 0;
	return prune_run(cli, &what, err);
}

static const struct option system_prune_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL,
	  "Remove all images that no container uses, not only those without a name", 0 },
	{ 0, "dry-run", OPTION_FLAG, O(dry_run), NULL, NULL, "Only say what would be removed", 0 },
	{ 0, "filter", OPTION_LIST, O(filters), "FILTER", NULL,
	  "until=TIME or AGE, label=KEY[=VALUE], label!=KEY[=VALUE]", 0 },
	{ 'f', "force", OPTION_FLAG, O(force), NULL, NULL, "Do not ask to confirm", 0 },
	{ 0, "volumes", OPTION_FLAG, O(volumes), NULL, NULL,
	  "Remove anonymous volumes that no container uses, too", 0 },
	{ .name = NULL },
};

const struct cmd cmd_system_prune = {
	.name = "system prune",
	.summary = "Remove stopped containers, unused images, networks and cache",
	.details = "What runs, and what it stands on, stays. Named volumes always stay.",
	.options = system_prune_options,
	.options_size = sizeof(struct prune_args),
	.run = system_prune_run,
};
