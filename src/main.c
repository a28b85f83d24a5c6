/* stave: Docker Compose projects on Linux with one program. The command line is cli/; two more
 * roles of the same program look after a project's containers (engine/client.h). */
#include "api/metrics.h"
#include "api/server.h"
#include "base/fs.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "engine/client.h"

/* `stave keeper PROJECT` and `stave supervisor PROJECT`: started by stave itself, with STAVE_ROOT
 * and STAVE_RUN set. */
static const struct {
	const char *name;
	int (*run)(const struct engine_paths *paths, const char *project, char **argv);
} roles[] = {
	{ "keeper", keeper_main },
	{ "supervisor", supervisor_main },
};

static const struct cli_api api = {
	.metrics_text = metrics_text,
	.metrics_serve = metrics_serve,
};

int main(int argc, char **argv)
{
	proc_title_init(argc, argv);
	for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(roles); i++) {
		struct engine_paths paths = { .root = getenv("STAVE_ROOT"),
					      .run = getenv("STAVE_RUN") };
		if (strcmp(argv[1], roles[i].name) == 0 && paths.root && paths.run)
			return roles[i].run(&paths, argv[2], argv);
	}
	return cli_main(argc, argv, &api);
}
