/* Removing what nobody needs, over all projects of this root. */
#ifndef STAVE_CLI_PRUNE_H
#define STAVE_CLI_PRUNE_H

#include "cli/cli.h"

struct prune {
	bool containers;		   /* stopped ones, and projects that have no other */
	bool volumes;			   /* anonymous ones that no container uses */
	bool named_volumes;		   /* with volumes: those with a name, too */
	const struct strv *volume_filters; /* NULL: none (cli/volume-view.h); borrowed */
	bool images;			   /* without a name */
	bool all_images;		   /* also those with a name that no container uses */
	bool build;			   /* the build cache */
	bool dry_run;			   /* only says what would go */
};
/* Prints what goes, and how much that frees. */
int prune_run(struct cli *cli, const struct prune *what, struct err *err);

#endif
