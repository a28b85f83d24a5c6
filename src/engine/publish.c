/* Names and published ports follow the containers' states: collected here, handed to net/ once for
 * all changes of a round, and only what has changed.
 *
 * Who answers for a service: its replicas that run and are healthy (or have no health check). When
 * there is none of these, all that run, healthy or not: a service that is still starting, or wholly
 * unhealthy, is better reached and slow than not found. A stopping replica gets nothing new while
 * another one is there. */
#include "base/log.h"
#include "engine/supervisor.h"

enum answer { ANSWER_NO, ANSWER_ELSE, ANSWER_WELL };

static enum answer answers(const struct life *life)
{
	const struct container *c = life->c;
	if (life->over)
		return ANSWER_NO;
	switch (c->state) {
	case CONTAINER_RUNNING:
		return !life->deaf && (c->health_state == HEALTH_NONE ||
				       c->health_state == HEALTH_HEALTHY)
			       ? ANSWER_WELL
			       : ANSWER_ELSE;
	case CONTAINER_STARTING:
	case CONTAINER_PAUSED:
	case CONTAINER_STOPPING: return ANSWER_ELSE;
	default: return ANSWER_NO;
	}
}

/* Sets `what` to `text` among what is published; false when it was so already. */
static bool remember(struct supervisor *s, const char *what, const char *text)
{
	if (str_eq(map_get(&s->published, what), text))
		return false;
	map_set(&s->published, what, xstrdup(text));
	return true;
}

/* --- names --- */

struct zone { /* one network */
	struct dns_names names;
	VEC(enum answer) answers; /* of each name */
	struct map best;	  /* name -> enum answer */
};

static void zone_free(void *value)
{
	struct zone *zone = value;
	vec_done(&zone->names.names);
	vec_done(&zone->answers);
	map_done(&zone->best);
	free(zone);
}

static struct zone *zone_get(struct map *zones, const char *network)
{
	struct zone *zone = map_get(zones, network);
	if (!zone) {
		zone = new0(struct zone);
		map_set(zones, network, zone);
	}
	return zone;
}

static void zone_add(struct zone *zone, const struct life *life, const struct container_network *n,
		     enum answer answer)
{
	for (size_t i = 0; i < n->aliases.n; i++) {
		const char *name = n->aliases.v[i];
		const struct dns_name entry = {
			.name = name,
			.key = life->berth->key,
			.ipv4 = n->address.ipv4[0] ? n->address.ipv4 : NULL,
			.ipv6 = n->address.ipv6[0] ? n->address.ipv6 : NULL,
		};
		vec_push(&zone->names.names, entry);
		vec_push(&zone->answers, answer);
		if ((uintptr_t)map_get(&zone->best, name) < answer)
			map_set(&zone->best, name, (void *)(uintptr_t)answer);
	}
}

/* Leaves those that answer for their name, in place, and says them as text. */
static void zone_choose(struct zone *zone, struct str *text)
{
	size_t kept = 0;
	for (size_t i = 0; i < zone->names.names.n; i++) {
		const struct dns_name *name = &zone->names.names.v[i];
		if ((uintptr_t)map_get(&zone->best, name->name) != zone->answers.v[i])
			continue;
		str_addf(text, "%s %s %s %s\n", name->name, name->key,
			 name->ipv4 ? name->ipv4 : "-", name->ipv6 ? name->ipv6 : "-");
		zone->names.names.v[kept++] = *name;
	}
	zone->names.names.n = kept;
}

static void publish_names(struct supervisor *s)
{
	struct map zones = MAP_INIT_FREE(zone_free);
	map_each(e, &s->published) { /* networks whose last name may have gone */
		const char *network = str_after(e->key, "names ");
		if (network)
			(void)zone_get(&zones, network);
	}
	map_each(e, &s->lives) {
		struct life *life = e->value;
		enum answer answer = answers(life);
		if (answer == ANSWER_NO)
			continue;
		vec_each(n, &life->c->networks)
			zone_add(zone_get(&zones, n->network), life, n, answer);
	}
	map_each(e, &zones) {
		struct zone *zone = e->value;
		cleanup_str struct str text = STR_INIT;
		cleanup_free char *what = xasprintf("names %s", e->key);
		cleanup_err struct err err = ERR_INIT;
		zone_choose(zone, &text);
		if (remember(s, what, str_text(&text)) &&
		    dns_names_set(s->dns, e->key, &zone->names, &err) < 0)
			event_warning(s, "names on network '%s': %s", e->key, err.msg);
	}
	map_done(&zones);
}

/* --- ports --- */

struct owner {
	char *name; /* "<project>/<service>" */
	const struct container *first;
	struct net_ports ports;
	VEC(enum answer) answers; /* of each target */
	enum answer best;
};

static void owner_free(void *value)
{
	struct owner *owner = value;
	free(owner->name);
	vec_done(&owner->ports.ports);
	vec_done(&owner->ports.targets);
	vec_done(&owner->answers);
	free(owner);
}

static bool same_ports(const struct container *a, const struct container *b)
{
	if (a->ports.n != b->ports.n)
		return false;
	for (size_t i = 0; i < a->ports.n; i++) {
		const struct net_port *p = &a->ports.v[i], *q = &b->ports.v[i];
		if (p->protocol != q->protocol || p->published != q->published ||
		    p->target != q->target || strcmp(p->host, q->host) != 0)
			return false;
	}
	return true;
}

/* Replicas share the service's ports, unless each has its own (of a range): then the slot owns
 * them. */
static char *owner_name(const struct container *c, bool own)
{
	return xasprintf("%s/%s", c->project, own || c->oneoff ? c->slot : c->service);
}

static struct owner *owner_get(struct map *owners, const struct container *c)
{
	cleanup_free char *shared = owner_name(c, false);
	struct owner *owner = map_get(owners, shared);
	cleanup_free char *own = owner_name(c, true);
	if (owner && same_ports(owner->first, c))
		return owner;
	const char *name = owner ? own : shared;
	owner = map_get(owners, name);
	if (owner)
		return owner;
	owner = new0(struct owner);
	owner->name = xstrdup(name);
	owner->first = c;
	owner->ports.owner = owner->name;
	vec_each(p, &c->ports)
		vec_push(&owner->ports.ports, *p);
	map_set(owners, name, owner);
	return owner;
}

static void owner_add_target(struct owner *owner, const struct life *life)
{
	const struct container *c = life->c;
	enum answer answer = answers(life);
	if (answer == ANSWER_NO || c->networks.n == 0)
		return;
	const struct net_address *address = &c->networks.v[container_default_network(c)].address;
	struct net_target target = { 0 };
	memcpy(target.ipv4, address->ipv4, sizeof(target.ipv4));
	memcpy(target.ipv6, address->ipv6, sizeof(target.ipv6));
	vec_push(&owner->ports.targets, target);
	vec_push(&owner->answers, answer);
	if (answer > owner->best)
		owner->best = answer;
}

static void owner_choose(struct owner *owner, struct str *text)
{
	size_t kept = 0;
	vec_each(p, &owner->ports.ports)
		str_addf(text, "%d %s %d %d\n", p->protocol, p->host, p->published, p->target);
	for (size_t i = 0; i < owner->ports.targets.n; i++) {
		const struct net_target target = owner->ports.targets.v[i];
		if (owner->answers.v[i] != owner->best)
			continue;
		str_addf(text, "%s %s\n", target.ipv4, target.ipv6);
		owner->ports.targets.v[kept++] = target;
	}
	owner->ports.targets.n = kept;
}

/* A port that was picked once stays while the owner does. */
static void keep_picked(struct supervisor *s, struct net_ports *ports)
{
	struct net_ports old = { 0 };
	cleanup_err struct err ignored = ERR_INIT; /* nothing was published: nothing to keep */
	bool any = false;
	vec_each(p, &ports->ports)
		any |= p->published == 0;
	if (!any || net_ports_load(s->net, ports->owner, &old, &ignored) < 0)
		return;
	vec_each(p, &ports->ports) {
		vec_each(o, &old.ports) {
			if (p->published != 0 || p->target != o->target ||
			    p->protocol != o->protocol || strcmp(p->host, o->host) != 0)
				continue;
			p->published = o->published;
			o->target = 0; /* one for each */
		}
	}
	net_ports_done(&old);
}

static void publish_owner(struct supervisor *s, struct owner *owner)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_free char *what = xasprintf("ports %s", owner->name);
	cleanup_err struct err err = ERR_INIT;
	owner_choose(owner, &text);
	if (!remember(s, what, str_text(&text)))
		return;
	keep_picked(s, &owner->ports);
	if (net_ports_set(s->net, &owner->ports, &err) < 0)
		event_warning(s, "ports of '%s': %s", owner->name, err.msg);
}

static void publish_ports(struct supervisor *s)
{
	struct map owners = MAP_INIT_FREE(owner_free);
	map_each(e, &s->lives) {
		const struct container *c = ((struct life *)e->value)->c;
		bool is = container_is_up(c->state) || c->state == CONTAINER_BACKOFF;
		if (is && c->ports.n > 0)
			owner_add_target(owner_get(&owners, c), e->value);
	}
	struct strv gone = { 0 };
	map_each(e, &s->published) {
		const char *name = str_after(e->key, "ports ");
		if (name && !map_has(&owners, name))
			strv_add(&gone, e->key);
	}
	for (size_t i = 0; i < gone.n; i++) {
		cleanup_err struct err err = ERR_INIT;
		if (net_ports_remove(s->net, str_after(gone.v[i], "ports "), &err) < 0)
			event_warning(s, "%s: %s", gone.v[i], err.msg);
		free(map_take(&s->published, gone.v[i]));
	}
	strv_done(&gone);
	map_each(e, &owners)
		publish_owner(s, e->value);
	map_done(&owners);
}

/* --- */

void publish_now(struct supervisor *s)
{
	s->publish_due = false;
	publish_ports(s); /* first: connections to one that has died fail until then */
	publish_names(s);
}

static void publish_deferred(void *data)
{
	struct supervisor *s = data;
	if (s->publish_due)
		publish_now(s);
}

void publish_later(struct supervisor *s)
{
	if (!s->publish_due)
		loop_defer(s->loop, publish_deferred, s);
	s->publish_due = true;
}

bool publish_others_answer(const struct life *life)
{
	map_each(e, &life->s->lives) {
		const struct life *other = e->value;
		if (other != life && !other->c->oneoff &&
		    str_eq(other->c->service, life->c->service) && answers(other) == ANSWER_WELL)
			return true;
	}
	return false;
}

int publish_check(struct supervisor *s, const struct container *c, struct err *err)
{
	if (c->ports.n == 0)
		return 0;
	cleanup_free char *name = owner_name(c, false);
	struct net_ports ports = { .owner = name };
	vec_each(p, &c->ports)
		vec_push(&ports.ports, *p);
	int r = net_ports_check(s->net, &ports, err);
	vec_done(&ports.ports);
	return r;
}
