/* The supervisor: begins from the records and from what the keeper holds, looks after the
 * containers, and leaves when nothing is left to look after. */
#include "engine/supervisor.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/client.h"
#include "engine/executor.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

enum {
	LINGER_MS = 1000, /* `up` after `stop`, `run` after `run`: the same supervisor goes on */
	STATUS_GRACE_MS =
		200, /* for the keeper to say how a container ended that died between supervisors */
};

/* --- what there is --- */

struct life *supervisor_life(const struct supervisor *s, const char *id)
{
	return map_get(&s->lives, id);
}

/* The newest in the slot: while one replaces the other there are two. */
struct life *supervisor_life_by_slot(const struct supervisor *s, const char *slot)
{
	struct life *found = NULL;
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (str_eq(life->c->slot, slot) && !life->gone &&
		    (!found || life->c->created >= found->c->created))
			found = life;
	}
	return found;
}

struct life *supervisor_life_by_mode(const struct supervisor *s, const char *mode)
{
	const char *service = str_after(mode, "service:");
	const char *name = str_after(mode, "container:");
	struct life *found = NULL;
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (!life_runs(life))
			continue;
		bool is = service ? str_eq(life->c->service, service) && !life->c->oneoff
				  : str_eq(life->c->name, name) || str_eq(life->c->id, name);
		if (is && (!found || life->c->number < found->c->number))
			found = life;
	}
	return found;
}

void supervisor_add(struct supervisor *s, struct life *life)
{
	map_set(&s->lives, life->c->id, life);
}

static void free_life(void *data)
{
	life_free(data);
}

void supervisor_remove(struct supervisor *s, struct life *life)
{
	life->gone = true;
	(void)map_take(&s->lives, life->c->id);
	if (!supervisor_life_by_slot(s, life->c->slot)) {
		struct berth *berth = map_take(&s->berths, life->c->slot);
		if (berth)
			berth_free(berth);
	}
	job_forget_life(s, life);
	loop_defer(s->loop, free_life, life);
	publish_later(s);
	supervisor_idle_check(s);
}

struct project *supervisor_project(struct supervisor *s, struct err *err)
{
	if (!s->project && state_project_load(&s->paths, s->name, &s->project, err) < 0)
		return NULL;
	return s->project;
}

void supervisor_forget_project(struct supervisor *s)
{
	project_free(s->project);
	s->project = NULL;
	(void)malloc_trim(0); /* it was most of what was in use */
}

int supervisor_sweep(struct supervisor *s, struct err *err)
{
	cleanup_strv struct strv keep = { 0 };
	if (!s->sweep_due)
		return 0;
	s->sweep_due = false;
	map_each(e, &s->lives) {
		const struct container *c = ((struct life *)e->value)->c;
		strv_addf(&keep, "%s/%s", s->name, c->slot);
		strv_addf(&keep, "%s/%s", s->name, c->service);
	}
	return net_sweep(s->net, s->name, &keep, err);
}

static void remember_end(struct supervisor *s, const struct container *c)
{
	struct ended *ended = &s->ended[s->ended_count++ % ARRAY_SIZE(s->ended)];
	snprintf(ended->id, sizeof(ended->id), "%s", c->id);
	ended->exit_code = c->exit_code;
}

const struct ended *supervisor_ended(const struct supervisor *s, const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->ended); i++)
		if (strcmp(s->ended[i].id, id) == 0)
			return &s->ended[i];
	return NULL;
}

static void remove_over(void *data)
{
	struct supervisor *s = data;
	VEC(struct life *) over = { 0 };
	s->removal_due = false;
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (life->c->auto_remove && life->c->state == CONTAINER_EXITED)
			vec_push(&over, life);
	}
	vec_each(life, &over) {
		cleanup_err struct err err = ERR_INIT;
		if (steps__destroy(*life, false, true, &err) < 0 || supervisor_sweep(s, &err) < 0)
			event_warning(s, "%s", err.msg);
		remember_end(s, (*life)->c);
		control_container_ended(s, *life);
	}
	vec_done(&over);
}

void supervisor_remove_over(struct supervisor *s)
{
	if (!s->removal_due)
		loop_defer(s->loop, remove_over, s);
	s->removal_due = true;
}

/* --- the end --- */

static bool is_idle(const struct supervisor *s)
{
	if (s->jobs.n > 0 || s->conns.n > 0)
		return false;
	map_each(e, &s->lives) {
		const struct life *life = e->value;
		if (container_is_up(life->c->state) || life->c->state == CONTAINER_BACKOFF)
			return false;
	}
	return true;
}

static void leave(struct timer *t, void *data)
{
	struct supervisor *s = data;
	(void)t;
	if (!is_idle(s))
		return;
	control_close(s);
	map_each(e, &s->berths)
		berth_close(e->value);
	publish_now(s);
	loop_stop(s->loop, SUPERVISOR_DONE);
}

void supervisor_idle_check(struct supervisor *s)
{
	if (!is_idle(s))
		return;
	/* Nothing is there to come back to: a `down` is not to leave a process behind for a second.
	 */
	timer_again(s->linger, s->lives.live > 0 ? LINGER_MS * NSEC_PER_MSEC : 0);
}

void supervisor_upgrade(struct supervisor *s)
{
	loop_stop(s->loop, SUPERVISOR_UPGRADE);
}

/* --- the beginning --- */

static void remove_unfinished(struct supervisor *s)
{
	VEC(struct life *) removing = { 0 };
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (life->c->state == CONTAINER_REMOVING)
			vec_push(&removing, life);
	}
	vec_each(life, &removing) {
		cleanup_err struct err err = ERR_INIT;
		bool shared = false;
		map_each(e, &s->lives) {
			struct life *other = e->value;
			shared |= other != *life && str_eq(other->c->slot, (*life)->c->slot);
		}
		if (steps__destroy(*life, shared, false, &err) < 0)
			debug("%s", err.msg);
	}
	vec_done(&removing);
}

/* A start that a crash cut off before its pid was recorded: its processes are in its cgroup. */
static void clear_leftovers(struct supervisor *s, struct life *life)
{
	cleanup_spec struct spec spec = { 0 };
	cleanup_err struct err err = ERR_INIT;
	if (state_spec_load(&s->paths, life->c, &spec, &err) < 0 ||
	    runtime_cleanup(&spec, &err) < 0)
		debug("%s: %s", life->c->name, err.msg);
}

static void unknown_ends(void *data)
{
	struct supervisor *s = data;
	s->ends_unknown = false;
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (container_is_up(life->c->state) && life->pidfd < 0)
			life_exited(life, -1);
	}
	jobs_go_on(s);
}

static void grace_is_over(struct timer *t, void *data)
{
	timer_close(t);
	unknown_ends(data);
}

static void adopt(struct supervisor *s)
{
	bool unknown = false;
	map_each(e, &s->lives) {
		struct life *life = e->value;
		bool was_up = container_is_up(life->c->state);
		bool runs = life_adopt(life);
		unknown |= was_up && !runs;
		berth_adopt(life->berth, life);
		if (was_up)
			stdio_adopt(life);
		else
			clear_leftovers(s, life);
	}
	s->ends_unknown = unknown;
	/* A keeper that has only just come knows of no end. */
	if (unknown && s->fresh)
		loop_defer(s->loop, unknown_ends, s);
	else if (unknown)
		(void)loop_timer(s->loop, STATUS_GRACE_MS * NSEC_PER_MSEC, 0, grace_is_over, s);
}

void supervisor_spec(struct supervisor *s, const struct container *c, struct spec *ret)
{
	cleanup_err struct err ignored = ERR_INIT;
	if (state_spec_load(&s->paths, c, ret, &ignored) == 0)
		return;
	*ret = (struct spec){ .project = xstrdup(s->name) };
	snprintf(ret->id, sizeof(ret->id), "%s", c->id);
}

/* A record that cannot be read is nobody's: what may still run of it would be looked after by no
 * one. Its files stay until `down`. */
static void clear_broken(struct supervisor *s, const char *id)
{
	struct container c = { .project = (char *)s->name };
	cleanup_spec struct spec spec = { 0 };
	cleanup_err struct err err = ERR_INIT;
	snprintf(c.id, sizeof(c.id), "%s", id);
	supervisor_spec(s, &c, &spec);
	if (runtime_cleanup(&spec, &err) < 0)
		debug("%s: %s", id, err.msg);
}

static int load(struct supervisor *s, struct err *err)
{
	cleanup_containers struct containers list = { 0 };
	int r = state_sweep(&s->paths, s->name, err);
	if (r == 0)
		r = state_containers_recorded(&s->paths, s->name, &list, err);
	for (size_t i = 0; r == 0 && i < list.items.n; i++)
		supervisor_add(s, life_new(s, ptr_take(list.items.v[i])));
	for (size_t i = 0; r == 0 && i < list.broken_ids.n; i++)
		clear_broken(s, list.broken_ids.v[i]);
	return r;
}

static int supervisor_open(struct supervisor *s, struct err *err)
{
	int r = loop_new(&s->loop, err);
	if (r == 0)
		r = net_open(s->paths.root, s->paths.run, &s->net, err);
	if (r == 0)
		net_serve(s->net, s->loop);
	if (r == 0)
		r = dns_new(s->loop, s->paths.run, s->name, &s->dns, err);
	if (r == 0 && pipe2(s->scratch, O_CLOEXEC) < 0)
		r = err_sys(err, errno, "make a pipe");
	s->chunk = xmalloc(STDIO_CHUNK);
	s->linger = loop_timer(s->loop, NSEC_PER_SEC, 0, leave, s);
	timer_stop(s->linger);
	if (r == 0)
		r = link_open(s, err);
	if (r == 0)
		r = load(s, err);
	if (r < 0)
		return r;
	adopt(s);
	if (s->lives.live > 0) {
		remove_unfinished(s);
		supervisor_remove_over(s);
		s->sweep_due = true;
		if (supervisor_sweep(s, err) < 0) {
			debug("sweep: %s", err->msg);
			err_done(err);
		}
	}
	link_drop_unclaimed(s);
	r = control_open(s, err);
	if (r < 0)
		return r;
	link_follow(s);
	publish_later(s);
	return 0;
}

static bool is_pipe(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static int give_up(int ready, struct err *err)
{
	if (is_pipe(ready))
		(void)fs_write_all(ready, err->msg,
				   strlen(err->msg)); /* the client may have gone */
	debug("supervisor: %s", err->msg);
	return SUPERVISOR_FAILED;
}

int supervisor_main(const struct engine_paths *paths, const char *project, char **argv)
{
	static struct supervisor s; /* one per process, for as long as that */
	cleanup_err struct err err = ERR_INIT;
	if (runtime_protect(argv, &err) < 0)
		return give_up(KEEPER_FD_READY, &err);
	proc_title("%s [supervisor]", project);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)fcntl(KEEPER_FD_SOCKET, F_SETFD, FD_CLOEXEC);
	bool told = is_pipe(KEEPER_FD_READY);
	if (told)
		(void)fcntl(KEEPER_FD_READY, F_SETFD, FD_CLOEXEC);
	s = (struct supervisor){
		.paths = *paths,
		.name = project,
		.keeper = KEEPER_FD_SOCKET,
		.fresh = told,
		.listener = FD_NONE,
		.published = MAP_INIT_FREE(free),
		.berths = MAP_INIT_FREE(berth_free),
		.scratch = { FD_NONE, FD_NONE },
	};
	if (supervisor_open(&s, &err) < 0)
		return give_up(told ? KEEPER_FD_READY : FD_NONE, &err);
	if (told) {
		(void)fs_write_all(KEEPER_FD_READY, READY_OK, strlen(READY_OK));
		(void)close(KEEPER_FD_READY);
		/* Until the client that started us has connected, or is gone. */
		timer_again(s.linger, LINGER_MS * NSEC_PER_MSEC);
	} else {
		supervisor_idle_check(&s);
	}
	int result = loop_run(s.loop);
	dns_free(s.dns); /* writes the names that are still to be written */
	return result;
}
