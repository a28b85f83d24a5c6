/* What each kind of step does. Those of networks, volumes and records are done when the function
 * returns; a container's start and end take their time and are polled when its state has changed.
 */
#include "base/fs.h"
#include "base/log.h"
#include "engine/executor.h"
#include "engine/log.h"
#include "engine/oom.h"
#include "engine/service-name.h"
#include "engine/service-spec.h"
#include "runtime/runtime.h"
#include "volume/volume.h"

#include <fcntl.h>

static struct life *step_life(struct job *job, const struct step *step)
{
	struct supervisor *s = job->s;
	return step->container ? supervisor_life(s, step->container)
			       : supervisor_life_by_slot(s, step->slot);
}

/* --- networks and volumes --- */

static int network_create(struct job *job, uint32_t index, struct err *err)
{
	const struct step *step = &job->plan.steps.v[index];
	struct project_network *network =
		step->key ? project_network(job->project, step->key) : NULL;
	struct net_config config;
	cleanup_network struct net_network made = { 0 };
	service_network_config(job->project, network, &config);
	int r = net_network_create(job->s->net, &config, &made, &job->steps[index].made, err);
	net_config_done(&config);
	return r;
}

static int network_remove(struct job *job, uint32_t index, struct err *err)
{
	const struct step *step = &job->plan.steps.v[index];
	job->s->sweep_due = true; /* leases of containers that went without their slot, too */
	int r = supervisor_sweep(job->s, step->name, err);
	if (r == 0)
		r = net_network_remove(job->s->net, step->name, err);
	cleanup_err struct err flush = ERR_INIT;
	if (r < 0 && net_flush(job->s->net, &flush) < 0)
		event_warning(job->s, "%s", flush.msg);
	/* Another project is on it: it stays for that one, and goes with its `down`. */
	if (r == -EBUSY && err->kind == ERR_CONFLICT) {
		event_warning(job->s, "%s", err->msg);
		job->steps[index].stays = true;
		err_done(err);
		return 0;
	}
	return r;
}

static int volume_step_create(struct job *job, uint32_t index, struct err *err)
{
	const struct step *step = &job->plan.steps.v[index];
	const struct project_volume *v = project_volume(job->project, step->key);
	if (!v)
		return err_not_found(err, "no volume '%s' in the project", step->key);
	const struct volume want = service_volume(job->project, v);
	cleanup_volume struct volume made = { 0 };
	int r = volume_create(job->s->paths.root, &want, &made, &job->steps[index].made, err);
	return r < 0 && v->place.file ? err_wrap(err, "%s:%d", v->place.file, v->place.line) : r;
}

static int remove_volume(struct supervisor *s, const char *name, struct removal_span *span,
			 struct err *err)
{
	cleanup_free char *path = NULL;
	int r = volume_bury(s->paths.root, name, &path, err);
	return r < 0 || !path ? r : removal_begin(s, path, span, err);
}

/* The end of every step that removes: its files may still be going. */
static int poll_removal(struct job *job, uint32_t index, struct err *err)
{
	return removal_poll(job->s, &job->steps[index].removals, err);
}

static int volume_step_remove(struct job *job, uint32_t index, struct err *err)
{
	int r = remove_volume(job->s, job->plan.steps.v[index].name, &job->steps[index].removals,
			      err);
	return r < 0 ? r : poll_removal(job, index, err);
}

/* --- create --- */

static const struct service *find_service(const struct project *project, const char *name)
{
	const struct service *service = project_service(project, name);
	if (service)
		return service;
	vec_each(d, &project->disabled) { /* `run` of a service that no active profile has */
		if (str_eq(d->name, name))
			return d;
	}
	return NULL;
}

static int find_image(struct job *job, const char *name, const struct image **ret, struct err *err)
{
	struct image *image = map_get(&job->found, name);
	if (!image) {
		image = new0(struct image);
		int r = image_find(job->images, name, image, err);
		if (r < 0) {
			free(image);
			return r;
		}
		map_set(&job->found, name, image);
	}
	*ret = image;
	return 0;
}

static int find_mounted(void *data, const char *source, const struct image **ret, struct err *err)
{
	struct job *job = data;
	cleanup_free char *named = service_mounted_image_name(job->project, source);
	int r = find_image(job, source, ret, err);
	if (r < 0 && err->kind == ERR_NOT_FOUND && named) {
		err_done(err);
		r = find_image(job, named, ret, err);
	}
	return r;
}

/* Asked once per process: it costs a mount. */
static bool can_idmap(struct supervisor *s)
{
	static int known = -1;
	if (known < 0) {
		known = runtime_can_idmap(s->paths.root);
		if (!known)
			event_warning(s,
				      "the file system of '%s' cannot be id-mapped: containers run "
				      "without "
				      "a user namespace",
				      s->paths.root);
	}
	return known;
}

static int service_of_step(struct job *job, const struct step *step, struct service_context *ret,
			   struct err *err)
{
	ret->paths = &job->s->paths;
	ret->project = job->project;
	ret->service = find_service(job->project, step->service);
	ret->can_idmap = can_idmap(job->s);
	if (!ret->service)
		return err_not_found(err, "no such service: '%s'", step->service);
	const struct oneoff *oneoff = job->goal.kind == GOAL_RUN ? job->goal.oneoff : NULL;
	if (oneoff && str_eq(oneoff->slot, step->slot))
		ret->oneoff = oneoff;
	ret->find_image = find_mounted;
	ret->find_data = job;
	cleanup_free char *name = service_image_name(job->project, ret->service);
	return find_image(job, name, &ret->image, err);
}

static void tell_warnings(struct supervisor *s, const struct strv *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		event_warning(s, "%s", warnings->v[i]);
}

/* A slot that a container did not come to be in. */
static void leave_unused_slot(struct supervisor *s, struct slot *slot)
{
	cleanup_err struct err ignored = ERR_INIT; /* the first failure is the one to report */
	struct life *life = supervisor_life_by_slot(s, slot->name);
	anonymous_give_back(s, slot, life ? life->c : NULL);
	if (life)
		return;
	(void)slot_remove(&s->paths, s->name, slot->name, &ignored);
	s->sweep_due = true;
}

/* What the container in it says of a slot whose record cannot be read. */
static void mend_slot(struct supervisor *s, struct slot *slot, struct strv *warnings)
{
	struct life *life = supervisor_life_by_slot(s, slot->name);
	if (!slot->damaged)
		return;
	strv_addf(warnings, "%s; written anew", slot->damaged);
	if (life)
		anonymous_of(life->c, slot);
}

static int create(struct job *job, uint32_t index, struct err *err)
{
	struct supervisor *s = job->s;
	const struct step *step = &job->plan.steps.v[index];
	struct service_context context = { 0 };
	struct slot slot = { 0 };
	struct container *c = NULL;
	cleanup_strv struct strv warnings = { 0 };
	cleanup_spec struct spec spec = { 0 };

	cleanup_free char *mountpoints = state_mountpoints_dir(&s->paths);
	int r = service_of_step(job, step, &context, err);
	if (r == 0)
		r = runtime_mountpoints_make(mountpoints, err);
	if (r == 0)
		r = slot_open(&s->paths, s->name, step->slot, step->service, step->number, &slot,
			      err);
	if (r < 0)
		return r;
	mend_slot(s, &slot, &warnings);
	context.slot = &slot;
	context.renew_volumes = step->renew_volumes;
	context.warnings = &warnings;
	r = service_container(&context, &c, &spec, err);
	if (r == 0) {
		tell_warnings(s, &warnings);
		if (!slot.stored)
			r = slot_save(&s->paths, s->name, &slot, err);
	}
	if (r == 0)
		r = state_container_create(&s->paths, c, &spec, err);
	if (r < 0)
		leave_unused_slot(s, &slot);
	slot_done(&slot);
	if (r < 0) {
		container_free(c);
		return r;
	}
	struct life *life = life_new(s, c);
	life->spec = new0(struct spec);
	*life->spec = spec;
	spec_init(&spec);
	supervisor_add(s, life);
	job->steps[index].life = life;
	prepare_expect(life);
	event_container(life, "create");
	if (context.oneoff) {
		job->oneoff = life;
		for (int i = 0; i < 3; i++)
			life->given_stdio[i] = fd_take(job->stdio[i]);
		life->interactive = c->tty && !context.oneoff->detach;
	}
	return 0;
}

/* --- start and stop --- */

/* 1: post_start hooks of this start run (still); else what came of them. */
static int poll_hooks(struct life *life, struct err *err)
{
	if (!life->hooks && life->hook_error.no == 0 && life->c->hooks_due &&
	    life->c->state == CONTAINER_RUNNING)
		(void)hooks_begin(life, HOOK_POST_START);
	if (life->hooks)
		return 1;
	return life->hook_error.no ? err_move(err, &life->hook_error) : 0;
}

static int poll_start(struct job *job, uint32_t index, struct err *err)
{
	struct step_run *run = &job->steps[index];
	struct life *life = run->life;
	if (!life)
		return err_new(err, ERR_CONTAINER, ESRCH, "it was removed meanwhile");
	struct container *c = life->c;
	int hooks = run->begun ? poll_hooks(life, err) : 0;
	if (hooks != 0)
		return hooks;
	switch (c->state) {
	case CONTAINER_STARTING: return 1;
	case CONTAINER_STOPPING: return run->begun && job->cancelled ? 0 : 1;
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
	case CONTAINER_BACKOFF: return 0;
	default: break;
	}
	if (!run->begun) {
		run->begun = true;
		c->hooks_due = hooks_has(c, HOOK_POST_START);
		int r = life_event(life, LIFE_START, err);
		return r < 0 ? err_wrap(err, "cannot start container '%s'", c->name)
			     : poll_start(job, index, err);
	}
	if (c->error)
		return err_new(err, ERR_CONTAINER, c->exit_code == 127 ? ENOENT : EIO,
			       "cannot start container '%s': %s", c->name, c->error);
	return 0; /* it ran, and has ended already */
}

static int start(struct job *job, uint32_t index, struct err *err)
{
	const struct step *step = &job->plan.steps.v[index];
	struct step_run *run = &job->steps[index];
	run->life = step_life(job, step);
	if (!run->life)
		return err_not_found(err, "no such container: '%s'", step->name);
	/* One that is being stopped is started when it has ended; one in backoff, now. */
	enum container_state state = run->life->c->state;
	run->begun = state == CONTAINER_RUNNING || state == CONTAINER_STARTING;
	if (state == CONTAINER_BACKOFF || state == CONTAINER_PAUSED) {
		run->begun = true;
		run->life->c->hooks_due =
			state == CONTAINER_BACKOFF && hooks_has(run->life->c, HOOK_POST_START);
		int r = life_event(run->life, LIFE_START, err);
		if (r < 0)
			return err_wrap(err, "cannot start container '%s'", run->life->c->name);
	}
	int r = poll_start(job, index, err);
	if (r > 0)
		run->begun = run->life->c->state != CONTAINER_STOPPING;
	return r;
}

/* After its pre_stop hooks, whatever came of them: one that fails must not make a container that
 * cannot be stopped. */
static int stop_now(struct job *job, uint32_t index, struct err *err)
{
	struct life *life = job->steps[index].life;
	job->steps[index].begun = true;
	if (life->hook_error.no)
		event_warning(job->s, "%s; container '%s' is stopped all the same",
			      life->hook_error.msg, life->c->name);
	err_done(&life->hook_error);
	life->stop_timeout = job->plan.steps.v[index].timeout;
	int r = life_event(life, LIFE_STOP, err);
	return r < 0 ? r : container_is_up(life->c->state);
}

static int poll_stop(struct job *job, uint32_t index, struct err *err)
{
	struct life *life = job->steps[index].life;
	if (!life)
		return 0;
	if (life->hooks)
		return 1;
	if (!job->steps[index].begun)
		return stop_now(job, index, err);
	return container_is_up(life->c->state) ? 1 : 0;
}

static int stop(struct job *job, uint32_t index, struct err *err)
{
	const struct step *step = &job->plan.steps.v[index];
	struct step_run *run = &job->steps[index];
	run->life = step_life(job, step);
	if (!run->life)
		return 0;
	hooks_end(run->life); /* those of a start that was given up */
	if (run->life->c->state == CONTAINER_RUNNING)
		(void)hooks_begin(run->life, HOOK_PRE_STOP);
	return poll_stop(job, index, err);
}

void steps__cancel(struct job *job, uint32_t index)
{
	struct life *life = job->steps[index].life;
	if (life && life->hooks)
		hooks_abort(life);
}

/* --- update and remove --- */

static int update(struct job *job, uint32_t index, struct err *err)
{
	struct supervisor *s = job->s;
	const struct step *step = &job->plan.steps.v[index];
	struct life *life = step_life(job, step);
	struct service_context context = { 0 };
	struct slot slot = { 0 };
	cleanup_spec struct spec spec = { 0 };
	cleanup_strv struct strv warnings = { 0 };
	if (!life)
		return err_not_found(err, "no such container: '%s'", step->name);
	int r = service_of_step(job, step, &context, err);
	if (r == 0)
		r = slot_open(&s->paths, s->name, life->c->slot, step->service, step->number, &slot,
			      err);
	if (r < 0)
		return r;
	context.slot = &slot;
	context.warnings = &warnings;
	r = state_spec_load(&s->paths, life->c, &spec, err);
	if (r == 0)
		r = service_update(&context, life->c, &spec, err);
	if (r == 0)
		r = state_container_save(&s->paths, life->c, &spec, err);
	life_forget_spec(life);
	slot_done(&slot);
	if (r < 0)
		return r;
	tell_warnings(s, &warnings);
	if (life_runs(life)) {
		r = runtime_update(&spec, err);
		health_start(life);
		oom_begin(life);
		stdio_relimit(life);
	}
	publish_later(s);
	event_container(life, "update");
	return r;
}

static int remove_anonymous(struct life *life, struct removal_span *span, struct err *err)
{
	int r = 0;
	vec_each(v, &life->c->volumes) {
		if (v->anonymous && v->name && r == 0)
			r = remove_volume(life->s, v->name, span, err);
	}
	return r;
}

static int leave_slot(struct life *life, struct err *err)
{
	struct supervisor *s = life->s;
	berth_close(life->berth);
	s->sweep_due = true;
	return slot_remove(&s->paths, s->name, life->c->slot, err);
}

static void free_life(void *data)
{
	life_free(data);
}

/* Forgets a removed container: freed at the end of the round. */
static void forget(struct supervisor *s, struct life *life)
{
	life->gone = true;
	(void)map_take(&s->lives, life->c->id);
	if (!supervisor_life_by_slot(s, life->c->slot)) {
		struct berth *berth = map_take(&s->berths, life->c->slot);
		if (berth)
			berth_free(berth);
	}
	s->tell->removed(life);
	loop_defer(s->loop, free_life, life);
	publish_later(s);
	supervisor_idle_check(s);
}

int steps__destroy(struct life *life, bool keep_slot, bool volumes, struct removal_span *span,
		   struct err *err)
{
	struct supervisor *s = life->s;
	int r = life_event(life, LIFE_REMOVE, err);
	if (r == 0 && !keep_slot)
		r = leave_slot(life, err);
	if (r == 0 && volumes)
		r = remove_anonymous(life, span, err);
	if (r == 0)
		r = state_container_forget(&s->paths, life->c, err);
	if (r < 0)
		return err_wrap(err, "remove container '%s'", life->c->name);
	cleanup_free char *dir = state_container_dir(&s->paths, s->name, life->c->id);
	r = removal_begin(s, dir, span, err);
	if (r < 0)
		(void)err_wrap(err, "remove container '%s'", life->c->name);
	/* Without its record it is gone, whatever is left of its files. */
	event_container(life, "destroy");
	forget(s, life);
	return r;
}

static int remove_step(struct job *job, uint32_t index, struct err *err)
{
	const struct step *step = &job->plan.steps.v[index];
	struct life *life = step_life(job, step);
	struct removal_span *span = &job->steps[index].removals;
	if (!life)
		return 0;
	/* What is replaced is waited for by nobody: the other one can start. */
	int r = steps__destroy(life, step->recreate, step->volumes, step->recreate ? NULL : span,
			       err);
	return r < 0 ? r : poll_removal(job, index, err);
}

static int project_remove(struct job *job, uint32_t index, struct err *err)
{
	struct supervisor *s = job->s;
	publish_now(s);
	s->sweep_due = true;
	int r = supervisor_sweep(s, NULL, err);
	if (r == 0)
		r = state_slots_remove(&s->paths, s->name, err);
	if (r == 0) {
		cleanup_free char *dir = state__project_path(&s->paths, s->name, "");
		r = removal_begin(s, dir, &job->steps[index].removals, err);
	}
	return r < 0 ? r : poll_removal(job, index, err);
}

/* --- the table --- */

static const struct {
	int (*run)(struct job *job, uint32_t index, struct err *err);
	int (*poll)(struct job *job, uint32_t index, struct err *err);
	const char *doing, *done, *again, *anew; /* the last two: of a container that is replaced */
} kinds[] = {
	[STEP_NETWORK_CREATE] = { network_create, NULL, "Creating", "Created", NULL, NULL },
	[STEP_NETWORK_REMOVE] = { network_remove, NULL, "Removing", "Removed", NULL, NULL },
	[STEP_VOLUME_CREATE] = { volume_step_create, NULL, "Creating", "Created", NULL, NULL },
	[STEP_VOLUME_REMOVE] = { volume_step_remove, poll_removal, "Removing", "Removed", NULL,
				 NULL },
	[STEP_CREATE] = { create, NULL, "Creating", "Created", "Recreate", "Recreated" },
	[STEP_START] = { start, poll_start, "Starting", "Started", NULL, NULL },
	[STEP_STOP] = { stop, poll_stop, "Stopping", "Stopped", "", "" },
	[STEP_REMOVE] = { remove_step, poll_removal, "Removing", "Removed", "", "" },
	[STEP_UPDATE] = { update, NULL, "Updating", "Updated", NULL, NULL },
	[STEP_PROJECT_REMOVE] = { project_remove, poll_removal, "", "", NULL, NULL },
};
_Static_assert(ARRAY_SIZE(kinds) == STEP_MAX_, "a kind of step without a row");

int steps__run(struct job *job, uint32_t index, struct err *err)
{
	return kinds[job->plan.steps.v[index].kind].run(job, index, err);
}

int steps__poll(struct job *job, uint32_t index, struct err *err)
{
	return kinds[job->plan.steps.v[index].kind].poll(job, index, err);
}

const char *steps__word(const struct step *step, bool done)
{
	const char *other = done ? kinds[step->kind].anew : kinds[step->kind].again;
	if (step->recreate && other)
		return other;
	return done ? kinds[step->kind].done : kinds[step->kind].doing;
}
