/* Removing what nobody needs, over all projects of this root. */
#ifndef STAVE_CLI_PRUNE_H
#define STAVE_CLI_PRUNE_H

#include "cli/prune-filter.h"

struct prune {
	bool containers;		   /* stopped ones, and projects that have no other */
	bool volumes;			   /* anonymous ones that no container uses */
	bool named_volumes;		   /* with volumes: those with a name, too */
	const struct strv *volume_filters; /* NULL: none (cli/volume-view.h); borrowed */
	bool images;			   /* without a name */
	bool all_images;		   /* also those with a name that no container uses */
	bool build;			   /* the build cache: what no image stands on */
	bool all_build;			   /* all of it */
	uint64_t keep_bytes;		   /* of the build cache stay: what was used last */
	const struct prune_filter *filter; /* NULL: none; borrowed */
	bool dry_run;			   /* only says what would go */
};
/* Prints what goes, and how much that frees. */
int prune_run(struct cli *cli, const struct prune *what, struct err *err);
/* Keeps the build cache below its limit, after a build. */
int prune_build_cache(struct cli *cli, struct image_store *store, struct err *err);

#endif
