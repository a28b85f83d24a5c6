/* One goal at work: made, told about, freed. */
#include "engine/executor.h"

#include "engine/conn.h"

void job__fail(struct job *job, struct err *err)
{
	if (job->err.no == 0)
		(void)err_move(&job->err, err);
	else
		err_done(err);
}

void job__event(struct job *job, const struct step *step, const char *action, const char *text,
		const char *reason)
{
	static const char *const nouns[STEP_MAX_] = {
		[STEP_NETWORK_CREATE] = "Network", [STEP_NETWORK_REMOVE] = "Network",
		[STEP_VOLUME_CREATE] = "Volume",   [STEP_VOLUME_REMOVE] = "Volume",
		[STEP_CREATE] = "Container",	   [STEP_START] = "Container",
		[STEP_STOP] = "Container",	   [STEP_REMOVE] = "Container",
		[STEP_UPDATE] = "Container",	   [STEP_PROJECT_REMOVE] = "Project",
	};
	if (!job->conn || str_empty(text))
		return;
	cleanup_free char *subject =
		xasprintf("%s %s", nouns[step->kind], step->name ? step->name : "");
	const struct event event = {
		.kind = "step",
		.action = action,
		.subject = subject,
		.text = text,
		.reason = reason,
		.service = step->service,
		.container = step->container,
	};
	cleanup_json json_t *j = event_json(&event);
	conn_event(job->conn, j);
}

void job__warn(struct job *job, const char *text)
{
	const struct event event = { .kind = "warning", .text = text };
	cleanup_json json_t *j = event_json(&event);
	if (job->conn)
		conn_event(job->conn, j);
}

void job__advance_later(struct job *job)
{
	loop_defer(job->s->loop, job->advance, job->s);
}

static void image_free(void *value)
{
	image_done(value);
	free(value);
}

void job__free(struct job *job)
{
	json_decref(job->body);
	goal_done(&job->goal);
	for (int i = 0; i < 3; i++)
		fd_close(job->stdio[i]);
	project_free(job->own_project);
	map_done(&job->found);
	image_store_free(job->images);
	plan_done(&job->plan);
	free(job->steps);
	free(job->dependents);
	vec_done(&job->ready);
	timer_close(job->timeout);
	timer_close(job->settle);
	err_done(&job->err);
	free(job);
}

struct job *job__make(struct supervisor *s, struct job_request *request, struct err *err)
{
	struct job *job = new0(struct job);
	job->s = s;
	job->conn = request->conn;
	job->body = request->body;
	job->run = request->run;
	job->found = MAP_INIT_FREE(image_free);
	for (int i = 0; i < 3; i++)
		job->stdio[i] = request->stdio[i];
	json_t *goal = json_object_get(job->body, "goal");
	int r = json_is_object(goal) ? goal_from_json(goal, &job->goal, err)
				     : err_input(err, "a request without a goal");
	if (r == 0)
		return job;
	job__free(job);
	return NULL;
}
