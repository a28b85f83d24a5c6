/* The supervisor: begins from the records and from what the keeper holds, looks after the
 * containers, and leaves when nothing is left to look after. */
#include "engine/supervisor.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/client.h"
#include "engine/conn.h"
#include "engine/event-log.h"
#include "engine/executor.h"
#include "engine/removal.h"
#include "runtime/runtime.h"
#include "volume/volume.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

enum {
	STATUS_GRACE_MS =
		200, /* for the keeper to say how a container ended that died between supervisors */
};

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
		if (steps__destroy(*life, false, true, NULL, &err) < 0 ||
		    supervisor_sweep(s, NULL, &err) < 0)
			event_warning(s, "%s", err.msg);
		supervisor_remember_end(s, (*life)->c);
		control_container_ended(s, *life);
	}
	vec_done(&over);
}

static void remove_over_later(struct supervisor *s)
{
	if (!s->removal_due)
		loop_defer(s->loop, remove_over, s);
	s->removal_due = true;
}

/* --- what is heard from below --- */

static void hear_event(struct supervisor *s, const json_t *event, bool to_job)
{
	control_broadcast(s, event);
	if (str_eq(json_str(event, "kind", ""), "container"))
		event_log_add(&s->paths, s->name, event);
	struct conn *conn = to_job ? job_conn(s) : NULL;
	if (conn)
		conn_event(conn, event);
}

static void hear_started(struct life *life)
{
	cleanup_err struct err err = ERR_INIT;
	(void)life_event(life, LIFE_STARTED, &err); /* cannot fail */
}

static void hear_start_failed(struct life *life)
{
	cleanup_err struct err err = ERR_INIT;
	(void)life_event(life, LIFE_START_FAILED, &err); /* cannot fail */
}

static void hear_changed(struct life *life)
{
	control_container_changed(life->s, life);
	job_container_changed(life);
}

static void hear_removal_over(struct supervisor *s)
{
	job_removal_over(s);
	supervisor_idle_check(s);
}

static void hear_over(struct life *life)
{
	if (life->c->auto_remove)
		remove_over_later(life->s); /* those who wait hear of its end when it is gone */
	else
		control_container_ended(life->s, life);
}

static struct life *life_by_pid(const struct supervisor *s, pid_t pid)
{
	map_each(e, &s->lives) {
		struct life *life = e->value;
		if (life->c->pid == pid && container_is_up(life->c->state))
			return life;
	}
	return NULL;
}

/* None is known: it is of a start that a crash cut off. */
static void child_exited(struct supervisor *s, pid_t pid, int status)
{
	struct life *life = life_by_pid(s, pid);
	if (!life) { /* one whose pid has not been heard yet? */
		ahead_settle_all(s);
		life = life_by_pid(s, pid);
	}
	if (life)
		life_exited(life, status);
}

static void hold_life(struct supervisor *s, struct life *life)
{
	if (life->io)
		stdio_hold(life);
	if (life->console >= 0)
		link_hold(s, life->c->id, "console", life->console);
}

static void hold_all(struct supervisor *s)
{
	prepare_end(s);
	ahead_end(s); /* nothing starts any more when the next supervisor looks around */
	map_each(b, &s->berths)
		berth_hold(b->value);
	map_each(l, &s->lives)
		hold_life(s, l->value);
}

static const struct supervisor_tell tell = {
	.event = hear_event,
	.started = hear_started,
	.start_failed = hear_start_failed,
	.changed = hear_changed,
	.over = hear_over,
	.removed = job_forget_life,
	.removal_over = hear_removal_over,
	.exited = child_exited,
	.new_keeper = hold_all,
};

/* --- the end --- */

static void leave(struct timer *t, void *data)
{
	struct supervisor *s = data;
	(void)t;
	if (!supervisor_is_idle(s))
		return;
	control_close(s);
	map_each(e, &s->berths)
		berth_close(e->value);
	publish_now(s);
	loop_stop(s->loop, SUPERVISOR_DONE);
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
		if (steps__destroy(*life, shared, false, NULL, &err) < 0)
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

/* What a crash left half made or half removed. */
static int sweep_files(struct supervisor *s, struct err *err)
{
	cleanup_strv struct strv paths = { 0 };
	int r = state_unrecorded(&s->paths, s->name, &paths, err);
	if (r == 0)
		r = volume_unnamed(s->paths.root, &paths, err);
	for (size_t i = 0; r == 0 && i < paths.n; i++) {
		cleanup_err struct err why = ERR_INIT; /* its time comes again */
		if (removal_begin(s, paths.v[i], NULL, &why) < 0)
			debug("%s", why.msg);
	}
	return r;
}

static int load(struct supervisor *s, struct err *err)
{
	cleanup_containers struct containers list = { 0 };
	int r = sweep_files(s, err);
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
		remove_over_later(s);
		s->sweep_due = true;
		if (supervisor_sweep(s, NULL, err) < 0) {
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
		.tell = &tell,
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
		timer_again(s.linger, SUPERVISOR_LINGER);
	} else {
		supervisor_idle_check(&s);
	}
	int result = loop_run(s.loop);
	dns_free(s.dns); /* writes the names that are still to be written */
	return result;
}
