#include "cli/apply.h"

#include "base/parse.h"
#include "cli/interrupt.h"
#include "cli/planview.h"
#include "cli/progress.h"

/* Whether the Compose files as they are now count. What only starts and stops existing containers
 * goes by the project as it was last applied, whatever was edited since. */
static const bool by_files[GOAL_MAX_] = {
	[GOAL_UP] = true,    [GOAL_CREATE] = true,   [GOAL_START] = false,
	[GOAL_STOP] = false, [GOAL_RESTART] = false, [GOAL_DOWN] = true,
	[GOAL_RM] = false,   [GOAL_SCALE] = true,    [GOAL_RUN] = true,
};

int apply_goal(struct cli *cli, const struct goal *goal, struct err *err)
{
	cleanup(client_free_cleanup) struct client *client = NULL;
	cleanup_fd int interrupt_fd = FD_NONE;
	if (cli->global.dry_run)
		return planview_dry_run(cli, goal, err);
	int r = cli_need_root(err);
	if (r == 0)
		r = interrupt_open(&interrupt_fd, err);
	if (r == 0)
		r = client_open(&cli->paths, cli->project_name, CLIENT_SPAWN, interrupt_fd, &client,
				err);
	if (r < 0)
		return r;
	struct goal chosen = *goal; /* borrows */
	if (cli->by_container) {
		chosen.containers = cli->chosen;
		chosen.no_deps = true;
		goal = &chosen;
	}
	struct progress *progress = progress_new(cli, 0);
	if (goal->kind == GOAL_RESTART)
		progress_restarts(progress);
	r = client_apply(client, by_files[goal->kind] ? cli->project : NULL, goal, interrupt_fd,
			 progress_event, progress, err);
	progress_done(progress);
	return r;
}

int apply_client(struct cli *cli, struct client **ret, struct err *err)
{
	cleanup_err struct err none = ERR_INIT;
	int r = cli_need_root(err);
	if (r < 0)
		return r;
	r = client_open(&cli->paths, cli->project_name, 0, FD_NONE, ret, &none);
	if (r == 0 || none.kind == ERR_NOT_FOUND)
		return 0;
	return err_move(err, &none);
}

int apply_scale(const struct strv *words, const char *option, struct goal *goal, struct err *err)
{
	enum { REPLICAS_MAX = 10000 }; /* more than addresses, ports or memory would last for */
	for (size_t i = 0; i < words->n; i++) {
		const char *text = words->v[i], *equals = strchr(text, '=');
		int64_t n;
		if (!equals || equals == text || parse_i64(equals + 1, 0, REPLICAS_MAX, &n) < 0)
			return err_usage(err, "invalid value '%s'%s%s%s: expected SERVICE=N", text,
					 option ? " for '" : "", option ? option : "",
					 option ? "'" : "");
		struct goal_scale *scale = vec_add(&goal->scale);
		scale->service = xstrndup(text, (size_t)(equals - text));
		scale->replicas = (uint32_t)n;
	}
	return 0;
}
