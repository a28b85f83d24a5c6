/* What a verb starts with, and how it talks to people. Product to stdout, chatter to stderr. */
#ifndef STAVE_CLI_CLI_H
#define STAVE_CLI_CLI_H

#include "cli/cmd.h"
#include "compose/compose.h"
#include "engine/client.h"
#include "engine/state.h"
#include "image/image.h"

struct global {
	struct strv files, profiles, env_files;
	const char *project_name, *project_directory, *root, *progress, *ansi;
	struct option_int parallel;
	bool all_resources, compatibility, dry_run, debug, help, version;
};

/* What verbs ask of api/, which is on the same floor: the program hands it over. */
struct cli_api {
	/* `project` NULL: all. Appends the text. */
	int (*metrics_text)(const struct engine_paths *paths, const char *project, struct str *out,
			    struct err *err);
	/* Serves it at `where` until a signal ends it; `ready` is told the URL. */
	int (*metrics_serve)(const struct engine_paths *paths, const char *project,
			     const char *where, void (*ready)(const char *url), struct err *err);
};

struct cli {
	struct global global;
	const struct cli_api *api;
	struct engine_paths paths;
	const char *program; /* how we were called: "stave", "docker-compose", "docker compose" */
	const char *verb;    /* at work: "logs" */
	bool stdout_tty, stderr_tty, colour;
	bool told;	 /* diagnostics have said what is wrong */
	bool ansi_never; /* --ansi never: no control characters at all */

	/* with CMD_CONTAINERS */
	bool by_container;
	struct strv chosen; /* ids; none: all */

	/* with CMD_PROJECT, and with CMD_NAME when there are files */
	struct compose_result compose;
	struct project *project; /* == compose.project, or NULL */
	char *project_name;	 /* owned; always there with CMD_PROJECT and CMD_NAME */
};

/* The whole program: parses, dispatches, prints the error; the exit status. */
int cli_main(int argc, char **argv, const struct cli_api *api);

/* Loads the Compose files as the global options say, printing diagnostics. `services`: those named
 * on the command line (enables their profiles). Called by the prologue of CMD_PROJECT verbs with
 * none. */
int cli_load_project(struct cli *cli, const struct strv *services, unsigned cmd_flags,
		     struct err *err);
/* The same for a project whose name is known: without files, or when they are another project's or
 * broken, there is only the name. */
void cli_try_project(struct cli *cli, const char *name, const struct strv *services,
		     unsigned cmd_flags);
/* cli->project_name, and the project when there are files: the prologue of CMD_NAME verbs. */
int cli_find_project(struct cli *cli, unsigned cmd_flags, const struct strv *args, struct err *err);
int cli_image_store(struct cli *cli, struct image_store **ret, struct err *err);
/* The containers of the project: all, or those of the named services (an unknown name is an error:
 * "no such service: x"). */
int cli_containers(struct cli *cli, const struct strv *services, struct containers *ret,
		   struct err *err);
/* Runs a verb with CMD_CONTAINERS. */
int cli_run_on_containers(struct cli *cli, const struct cmd *cmd, void *options,
			  const struct strv *args, struct err *err);
/* The chosen ones, of cli->project_name or of all projects. */
int cli_chosen_containers(struct cli *cli, bool all_projects, struct containers *ret,
			  struct err *err);
/* `docker VERB ...` becomes what stave calls it: args[1..] is rewritten. An error for what stave
 * does not have. */
int cli_docker_words(struct strv *args, struct err *err);
/* One container of a service: number `index` (0: the first that runs). ERR_NOT_FOUND: "service
 * \"x\" is not running". */
int cli_container(struct cli *cli, const char *service, int index, struct container **ret,
		  struct err *err);

/* The same of containers that run or not. */
int cli_any_container(struct cli *cli, const char *service, int index, struct container **ret,
		      struct err *err);

/* A point in time (wall) from --since or --until: a time, or an age. NULL leaves *ret as it is. */
int cli_when(const char *text, const char *option, nsec_t *ret, struct err *err);

/* The words of -e onto env: KEY=VALUE, or KEY, whose value is that of our own environment; left out
 * when it is not there. */
int cli_environment(const struct strv *words, struct strv *env, struct err *err);

/* Diagnostics as `file:line:column: error: message`, the line, a caret, the hint. */
void cli_print_diagnostics(struct cli *cli, const struct diagnostics *diagnostics);
void cli_print_err(struct cli *cli, const struct err *err);
/* One of several failed, r so far: the first error stays in err, those after it are printed. The
 * new r. */
int cli_also_failed(struct cli *cli, int r, struct err *one, struct err *err);
void cli_warn(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One warning for each key of the project that is accepted but not acted on. */
void cli_warn_inert(struct cli *cli);

/* Root rights and kernel: what verbs that run containers need. */
int cli_need_root(struct err *err);

/* The services of the project that are named, with their dependencies when asked; all for none
 * named. Borrowed from the project, in its order; NULL-terminated; free() the array. */
const struct service **cli_services(const struct project *project, const struct strv *named,
				    bool deps);

#endif
