#include "cli/hold.h"

void hold_done(struct hold *hold)
{
	vec_each(held, &hold->projects) {
		/* When this fails, they go on as the connection ends. */
		cleanup_err struct err ignored = ERR_INIT;

		(void)client_pause(held->client, &held->ids, false, &ignored);
		client_free(held->client);
		strv_done(&held->ids);
	}
	vec_done(&hold->projects);
	strv_done(&hold->names);
}

static bool concerns(const struct volume_user *u, const struct strv *volumes)
{
	return !u->read_only && strv_has(volumes, u->volume);
}

static int hold_project(struct cli *cli, const char *project, const struct strv *ids,
			struct hold *hold, struct err *err)
{
	struct client *client = NULL;
	int r = client_open(&cli->paths, project, CLIENT_SPAWN, FD_NONE, &client, err);

	if (r < 0)
		return err_wrap(err, "pause the containers of '%s'", project);
	vec_push(&hold->projects, (struct held){ .client = client });
	strv_copy(&hold->projects.v[hold->projects.n - 1].ids, ids);
	r = client_hold(client, ids, err);
	return r < 0 ? err_wrap(err, "pause the containers of '%s'", project) : 0;
}

int hold_volumes(struct cli *cli, const struct strv *volumes, struct hold *ret, struct err *err)
{
	cleanup_volume_use struct volume_use use = { 0 };
	cleanup_strv struct strv projects = { 0 };
	int r = volume_use_load(cli, &use, err);

	vec_each(u, &use.items)
		if (concerns(u, volumes) && u->state == CONTAINER_RUNNING &&
		    !strv_has(&projects, u->project))
			strv_add(&projects, u->project);
	for (size_t i = 0; r == 0 && i < projects.n; i++) {
		cleanup_strv struct strv ids = { 0 };

		vec_each(u, &use.items) {
			if (!concerns(u, volumes) || u->state != CONTAINER_RUNNING ||
			    !str_eq(u->project, projects.v[i]) || strv_has(&ids, u->id))
				continue;
			strv_add(&ids, u->id);
			strv_add(&ret->names, u->name);
		}
		r = hold_project(cli, projects.v[i], &ids, ret, err);
	}
	ret->since = now_wall();
	return r;
}

int hold_check(struct cli *cli, const struct strv *volumes, const struct hold *hold,
	       struct err *err)
{
	cleanup_volume_use struct volume_use use = { 0 };
	int r = volume_use_load(cli, &use, err);

	if (r < 0)
		return r;
	vec_each(u, &use.items) {
		bool runs = container_is_up(u->state) && u->state != CONTAINER_PAUSED;

		if (concerns(u, volumes) &&
		    (runs || u->started > hold->since || u->finished > hold->since))
			return err_conflict(err,
					    "container '%s' ran while volume '%s' was copied, so "
					    "the copy may be of no one moment: try again",
					    u->name, u->volume);
	}
	return 0;
}
