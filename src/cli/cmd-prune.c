/* image prune, system prune: what nobody needs goes. */
#include "cli/prune.h"

#include <stdio.h>

struct prune_args {
	bool all, dry_run, force, volumes;
};
#define O(field) offsetof(struct prune_args, field)

static int image_prune_run(struct cli *cli, void *options, const struct strv *args, struct err *err)
{
	const struct prune_args *o = options;
	struct prune what = { .images = true,
			      .all_images = o->all,
			      .dry_run = o->dry_run || cli->global.dry_run };
	(void)args;
	return prune_run(cli, &what, err);
}

static const struct option image_prune_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL,
	  "Remove all images that no container uses, not only those without a name", 0 },
	{ 0, "dry-run", OPTION_FLAG, O(dry_run), NULL, NULL, "Only say what would be removed", 0 },
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

/* --- system prune --- */

static bool confirmed(const struct prune *what)
{
	char answer[16];
	fprintf(stderr,
		"This will remove:\n  - all stopped containers, and the networks of projects "
		"that have no other\n");
	if (what->volumes)
		fprintf(stderr, "  - all anonymous volumes that no container uses\n");
	fprintf(stderr, "  - all images without %s\n  - the build cache\n\nAre you sure? [yN] ",
		what->all_images ? "a container" : "a name");
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int system_prune_run(struct cli *cli, void *options, const struct strv *args,
			    struct err *err)
{
	const struct prune_args *o = options;
	struct prune what = { .containers = true,
			      .volumes = o->volumes,
			      .images = true,
			      .build = true,
			      .all_images = o->all,
			      .dry_run = o->dry_run || cli->global.dry_run };
	(void)args;
	if (!o->force && !what.dry_run && !confirmed(&what))
		return 0;
	return prune_run(cli, &what, err);
}

static const struct option system_prune_options[] = {
	{ 'a', "all", OPTION_FLAG, O(all), NULL, NULL,
	  "Remove all images that no container uses, not only those without a name", 0 },
	{ 0, "dry-run", OPTION_FLAG, O(dry_run), NULL, NULL, "Only say what would be removed", 0 },
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
