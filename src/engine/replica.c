/* A replica among others that answer for the same ports. It is given connections when it listens,
 * none from before it is told to end, and none from the moment that its first process is gone. */
#include "base/log.h"
#include "engine/supervisor.h"

#define LOOK_FIRST (10 * NSEC_PER_MSEC)
#define LOOK_MOST  (500 * NSEC_PER_MSEC)
#define LOOK_OVER  (60 * NSEC_PER_SEC) /* whatever it does, it is not going to listen */

/* To accept what it was given before it left the others: looked at so often, and no longer. */
#define LEAVING_LOOK (5 * NSEC_PER_MSEC)
#define LEAVING_MOST (1 * NSEC_PER_SEC)

static bool has_replicas(const struct life *life)
{
	map_each(e, &life->s->lives) {
		const struct life *other = e->value;
		if (other != life && !other->c->oneoff &&
		    str_eq(other->c->service, life->c->service))
			return !life->c->oneoff;
	}
	return false;
}

static bool publishes(const struct container *c, uint16_t target)
{
	vec_each(p, &c->ports)
		if (p->protocol == IPPROTO_TCP && (!target || p->target == target))
			return true;
	return false;
}

/* Connections that wait in front of its published ports; -1: nobody listens there. */
static int in_front_of(const struct life *life)
{
	struct net_listeners all = { 0 };
	cleanup_err struct err err = ERR_INIT;
	int waiting = -1;
	if (net_listeners(life->s->net, life->berth->net, &all, &err) < 0)
		debug("%s: %s", life->c->name, err.msg);
	vec_each(l, &all.list)
		if (publishes(life->c, l->port))
			waiting = (waiting < 0 ? 0 : waiting) + (int)l->waiting;
	vec_done(&all.list);
	return waiting;
}

/* --- the beginning --- */

static void look(struct timer *t, void *data)
{
	struct life *life = data;
	if (in_front_of(life) < 0 && now_mono() - life->started < LOOK_OVER) {
		life->look_every *= 2;
		timer_again(t, life->look_every < LOOK_MOST ? life->look_every : LOOK_MOST);
		return;
	}
	life->deaf = false;
	timer_close(life->look);
	life->look = NULL;
	publish_later(life->s);
}

/* The end of the process, before anything else is known of it. */
static void gone(struct watch *w, int fd, uint32_t events, void *data)
{
	struct life *life = data;
	(void)fd;
	(void)events;
	watch_close(w);
	life->pidfd_watch = NULL;
	life->over = true;
	publish_now(life->s);
}

void replica_began(struct life *life, bool adopted)
{
	const struct container *c = life->c;
	life->over = life->deaf = false;
	life->left = NULL;
	if (c->ports.n == 0 || life->berth->net < 0)
		return;
	if (!life->foreign && life->pidfd >= 0)
		life->pidfd_watch = loop_watch(life->s->loop, life->pidfd, EPOLLIN, gone, life);
	if (adopted || c->health.enabled || !publishes(c, 0) || !has_replicas(life))
		return;
	life->deaf = true;
	life->look_every = LOOK_FIRST;
	life->look = loop_timer(life->s->loop, LOOK_FIRST, 0, look, life);
}

/* --- the end --- */

static void look_whether_left(struct timer *t, void *data)
{
	struct life *life = data;
	if (in_front_of(life) > 0 && now_mono() < life->leaves_by) {
		timer_again(t, LEAVING_LOOK);
		return;
	}
	timer_close(life->look);
	life->look = NULL;
	life->left(life);
}

bool replica_leaves(struct life *life, nsec_t grace, void (*then)(struct life *life))
{
	timer_close(life->look);
	life->look = NULL;
	if (life->left || life->deaf || grace <= 0 || !publishes(life->c, 0) ||
	    life->berth->net < 0 || !publish_others_answer(life))
		return false;
	life->left = then;
	life->leaves_by = now_mono() + (grace < LEAVING_MOST ? grace : LEAVING_MOST);
	publish_now(life->s);
	life->look = loop_timer(life->s->loop, LEAVING_LOOK, 0, look_whether_left, life);
	return true;
}

void replica_ended(struct life *life)
{
	watch_close(life->pidfd_watch);
	life->pidfd_watch = NULL;
	timer_close(life->look);
	life->look = NULL;
	life->deaf = false;
}
