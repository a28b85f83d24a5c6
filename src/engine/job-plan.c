/* What a job begins with: the project, what is observed, the plan made of both. */
#include "compose/compose.h"
#include "engine/executor.h"
#include "engine/service-spec.h"
#include "volume/volume.h"

void job__index(struct job *job)
{
	struct plan *plan = &job->plan;
	size_t edges = 0;
	job->steps = xcalloc(plan->steps.n, sizeof(*job->steps));
	vec_each(step, &plan->steps) {
		edges += step->deps.n;
		vec_each(d, &step->deps)
			job->steps[d->step].count++;
	}
	size_t at = 0;
	for (size_t i = 0; i < plan->steps.n; i++) {
		job->steps[i].first = at;
		at += job->steps[i].count;
		job->steps[i].count = 0;
	}
	job->dependents = xcalloc(edges, sizeof(*job->dependents));
	for (uint32_t i = 0; i < plan->steps.n; i++) {
		vec_each(d, &plan->steps.v[i].deps) {
			struct step_run *on = &job->steps[d->step];
			job->dependents[on->first + on->count++] =
				(struct dependent){ .step = i, .when = d->when };
			job->steps[i].waits_for++;
		}
	}
	job->left = plan->steps.n;
	for (uint32_t i = 0; i < plan->steps.n; i++) {
		job->creates_left += plan->steps.v[i].kind == STEP_CREATE;
		if (job->steps[i].waits_for == 0)
			vec_push(&job->ready, i);
	}
}

static bool applies_project(enum goal_kind kind)
{
	return kind == GOAL_UP || kind == GOAL_CREATE || kind == GOAL_SCALE || kind == GOAL_RUN;
}

/* The project that came along, or the one last applied. */
static int take_project(struct job *job, struct err *err)
{
	struct supervisor *s = job->s;
	json_t *given = json_object_get(job->body, "project");
	if (!json_is_object(given)) {
		cleanup_err struct err none = ERR_INIT;
		job->project = supervisor_project(s, &none); /* a goal that needs one says so */
		return 0;
	}
	struct project *project = NULL;
	int r = project_from_json(given, &project, err);
	if (r < 0)
		return r;
	if (!str_eq(project->name, s->name)) {
		project_free(project);
		return err_input(err, "this is project '%s', not '%s'", s->name, project->name);
	}
	job->project = project;
	if (!applies_project(job->goal.kind)) {
		job->own_project = project;
		return 0;
	}
	supervisor_forget_project(s);
	s->project = project;
	return 0;
}

/* A record that cannot be read, of a container that we look after, is written anew, as we know it;
 * how it was made is not known to us, so that it is replaced when it is to be started. */
static int write_anew(struct supervisor *s, struct life *life, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	supervisor_spec(s, life->c, &spec);
	free(life->c->image_id);
	life->c->image_id = NULL;
	return state_container_save(&s->paths, life->c, &spec, err);
}

/* The wish for a volume says what its record said; of an anonymous one all there is to say is whose
 * it is. One that nobody wishes for any more is left as it is. */
static void mend_volumes(struct job *job, const struct observed *o)
{
	for (size_t i = 0; i < o->damaged_volumes.n; i++) {
		char *name = o->damaged_volumes.v[i];
		cleanup_volume struct volume made = { 0 };
		cleanup_err struct err err = ERR_INIT;
		struct volume want = {
			.name = name,
			.project = (char *)job->s->name,
			.driver = (char *)"local",
			.anonymous = strv_has(&o->anonymous_volumes, name),
		};
		bool wished = want.anonymous;
		for (size_t k = 0; job->project && k < job->project->volumes.n && !wished; k++) {
			wished = str_eq(job->project->volumes.v[k].name, name);
			if (wished)
				want = service_volume(job->project, &job->project->volumes.v[k]);
		}
		if (wished && volume_create(job->s->paths.root, &want, &made, NULL, &err) < 0)
			job__warn(job, err.msg);
	}
}

/* True: there is more to observe now. */
static bool mend(struct job *job, const struct observed *o)
{
	const struct containers *found = &o->containers;
	bool written = false;
	for (size_t i = 0; i < o->damaged.n; i++)
		job__warn(job, o->damaged.v[i]);
	mend_volumes(job, o);
	for (size_t i = 0; i < found->broken.n; i++) {
		struct life *life = supervisor_life(job->s, found->broken_ids.v[i]);
		cleanup_err struct err err = ERR_INIT;
		bool anew = life && write_anew(job->s, life, &err) == 0;
		cleanup_free char *text =
			xasprintf("%s; %s", found->broken.v[i],
				  anew ? "written anew" : "left out, 'down' removes it");
		written |= anew;
		job__warn(job, text);
	}
	return written;
}

static int observe_all(struct job *job, struct observed *ret, struct err *err)
{
	struct supervisor *s = job->s;
	int r = observe(&s->paths, s->net, job->images, job->project, s->name, ret, err);
	if (r < 0 || !mend(job, ret))
		return r;
	observed_done(ret);
	*ret = (struct observed){ 0 };
	return observe(&s->paths, s->net, job->images, job->project, s->name, ret, err);
}

int job__plan(struct job *job, struct err *err)
{
	struct supervisor *s = job->s;
	struct observed observed = { 0 };
	int r = take_project(job, err);
	if (r == 0)
		r = image_store_open(s->paths.root, &job->images, err);
	if (r == 0)
		r = observe_all(job, &observed, err);
	if (r == 0)
		r = plan_make(job->project, &observed, &job->goal, &job->plan, err);
	/* Only what can be planned becomes "as last applied". */
	if (r == 0 && job->project && applies_project(job->goal.kind))
		r = state_project_save(&s->paths, job->project, err);
	observed_done(&observed);
	json_decref(job->body); /* with the project's JSON: not needed any more, and large */
	job->body = NULL;
	return r;
}

/* What was asked to be up and is, with nothing to be done about it. */
void job__tell_running(struct job *job)
{
	struct map touched = MAP_INIT;
	if (job->goal.kind != GOAL_UP || !job->conn)
		return;
	vec_each(step, &job->plan.steps) {
		if (step->slot)
			map_set(&touched, step->slot, step);
	}
	map_each(e, &job->s->lives) {
		const struct container *c = ((struct life *)e->value)->c;
		bool asked = job->goal.services.n == 0 || strv_has(&job->goal.services, c->service);
		const struct step step = { .kind = STEP_START,
					   .name = c->name,
					   .service = c->service,
					   .container = (char *)c->id };
		if (asked && !c->oneoff && c->state == CONTAINER_RUNNING &&
		    !map_has(&touched, c->slot) && project_service(job->project, c->service))
			job__event(job, &step, "done", "Running", NULL);
	}
	map_done(&touched);
}
