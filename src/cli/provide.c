/* Images for what is about to run. */
#include "cli/provide.h"

int provide_images(struct cli *cli, const struct strv *services, bool no_deps,
		   const struct provide *options, struct err *err)
{
	(void)cli;
	(void)services;
	(void)no_deps;
	if (options->build)
		return err_unsupported(err, "--build: building images is not supported yet");
	return 0; /* a missing image is named by the plan */
}
