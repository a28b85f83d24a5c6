#include "engine/oom.h"

#include "base/fs.h"
#include "base/log.h"
#include "engine/supervisor.h"
#include "runtime/runtime.h"

#include <signal.h>

/* The sign comes a moment before the kill (v1). A container that loses one process after the other
 * is looked at this often and no more. */
enum { LOOK_FIRST_MS = 10, LOOK_LAST_MS = 1280 };

struct oom {
	struct life *life;
	struct runtime_oom_watch watch;
	struct watch *ready;
	struct timer *later;
	nsec_t delay;
	uint64_t told; /* kills */
	bool warned;   /* since its start */
};

static void tell(struct life *life, bool warn, int64_t limit)
{
	struct container *c = life->c;
	cleanup_err struct err err = ERR_INIT;
	bool first = !c->oom_killed;
	c->oom_killed = true; /* who hears of it finds it in the record */
	if (first && state_container_save_state(&life->s->paths, c, &err) < 0)
		event_warning(life->s, "container '%s': %s", c->name, err.msg);
	event_container(life, "oom");
	if (warn && limit > 0)
		event_warning(life->s,
			      "container '%s': a process was killed for want of memory (limit %lld "
			      "KiB)",
			      c->name, (long long)limit / 1024);
	else if (warn)
		event_warning(life->s, "container '%s': a process was killed for want of memory",
			      c->name);
}

/* True when there was one that nobody has heard of. */
static bool look(struct oom *o)
{
	cleanup_spec struct spec spec = { 0 };
	supervisor_spec(o->life->s, o->life->c, &spec);
	uint64_t kills = runtime_oom_kills(&spec);
	if (kills <= o->told)
		return false;
	o->told = kills;
	tell(o->life, !o->warned, spec.resources.memory);
	o->warned = true;
	return true;
}

static void look_later(struct timer *t, void *data)
{
	struct oom *o = data;
	(void)t;
	if (look(o))
		o->delay = LOOK_FIRST_MS * NSEC_PER_MSEC;
	else
		o->delay *= 2;
	if (o->delay <= LOOK_LAST_MS * NSEC_PER_MSEC) {
		timer_again(o->later, o->delay);
		return;
	}
	timer_close(o->later);
	o->later = NULL;
	watch_events(o->ready, o->watch.events);
}

static void ready(struct watch *w, int fd, uint32_t events, void *data)
{
	struct oom *o = data;
	(void)fd;
	(void)events;
	runtime_oom_clear(&o->watch);
	watch_events(w, 0); /* until the looks are over */
	o->delay = LOOK_FIRST_MS * NSEC_PER_MSEC;
	(void)look(o);
	o->later = loop_timer(o->life->s->loop, o->delay, 0, look_later, o);
}

void oom_end(struct life *life)
{
	struct oom *o = life->oom;
	if (!o)
		return;
	life->oom = NULL;
	watch_close(o->ready);
	timer_close(o->later);
	fd_close(o->watch.fd);
	free(o);
}

/* Without a limit of its own a container loses a process when the whole machine lacks memory: v1
 * does not say so, and its end tells. */
void oom_begin(struct life *life)
{
	cleanup_spec struct spec spec = { 0 };
	cleanup_err struct err err = ERR_INIT;
	struct runtime_oom_watch watch;
	supervisor_spec(life->s, life->c, &spec);
	if (life->oom || spec.resources.memory <= 0)
		return;
	if (runtime_oom_watch(&spec, &watch, &err) < 0) {
		debug("%s: %s", life->c->name, err.msg);
		return;
	}
	struct oom *o = new0(struct oom);
	life->oom = o;
	o->life = life;
	o->watch = watch;
	o->told = life->c->oom_killed ? runtime_oom_kills(&spec) : 0;
	o->warned = life->c->oom_killed;
	o->ready = loop_watch(life->s->loop, watch.fd, watch.events, ready, o);
	(void)look(o);
}

void oom_last_look(struct life *life)
{
	if (life->oom) {
		(void)look(life->oom);
	} else if (life->c->exit_code == 128 + SIGKILL && !life->c->oom_killed) {
		cleanup_spec struct spec spec = { 0 };
		supervisor_spec(life->s, life->c, &spec);
		if (runtime_oom_kills(&spec) > 0)
			tell(life, true, spec.resources.memory);
	}
}
