/* A container's record: its words, its tables, its end. */
#include "engine/container.h"

#include "engine/record.h"

#include <stdlib.h>

static const char *const state_names[] = {
#define X(name, text) [CONTAINER_##name] = (text),
	CONTAINER_STATES(X)
#undef X
};

const char *container_state_name(enum container_state state)
{
	return state_names[state];
}

const char *const container_states_shown[] = { "created",  "running", "paused", "restarting",
					       "removing", "exited",  "dead",	NULL };

const char *container_state_shown(enum container_state state)
{
	switch (state) {
	case CONTAINER_STARTING: return "created";
	case CONTAINER_STOPPING: return "running";
	default: return container_state_name(state);
	}
}

const char *container_health_name(enum container_health health)
{
	static const char *const names[] = {
		[HEALTH_NONE] = "",
		[HEALTH_STARTING] = "starting",
		[HEALTH_HEALTHY] = "healthy",
		[HEALTH_UNHEALTHY] = "unhealthy",
	};
	_Static_assert(ARRAY_SIZE(names) == HEALTH_MAX_, "a health without a name");
	return names[health];
}

bool container_is_up(enum container_state state)
{
	switch (state) {
	case CONTAINER_STARTING:
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
	case CONTAINER_STOPPING: return true;
	default: return false;
	}
}

bool container_runs(const struct container *c)
{
	return container_is_up(c->state) && c->pid > 0;
}

/* The one whose gateway is the default route: one that has a way out before one that has none, the
 * highest gw_priority, then the first by name. */
size_t container_default_network(const struct container *c)
{
	size_t best = 0;
	for (size_t i = 1; i < c->networks.n; i++) {
		const struct container_network *a = &c->networks.v[i], *b = &c->networks.v[best];
		int order = (int)b->internal - (int)a->internal;
		if (order == 0)
			order = (a->gw_priority > b->gw_priority) -
				(a->gw_priority < b->gw_priority);
		if (order > 0 || (order == 0 && strcmp(a->network, b->network) < 0))
			best = i;
	}
	return best;
}

static const struct record_field health_config_fields[] = {
	RECORD_BOOL(struct health_config, enabled),
	RECORD_STRV(struct health_config, test),
	RECORD_I64(struct health_config, interval),
	RECORD_I64(struct health_config, timeout),
	RECORD_I64(struct health_config, start_period),
	RECORD_I64(struct health_config, start_interval),
	RECORD_INT(struct health_config, retries),
};
static const struct record health_config_record =
	RECORD(struct health_config, health_config_fields);

static const struct record_field health_result_fields[] = {
	RECORD_I64(struct health_result, start),
	RECORD_I64(struct health_result, end),
	RECORD_INT(struct health_result, exit_code),
	RECORD_STR(struct health_result, output),
};
static const struct record health_result_record =
	RECORD(struct health_result, health_result_fields);

static const struct record_field network_fields[] = {
	RECORD_STR(struct container_network, network),
	RECORD_STR(struct container_network, key),
	RECORD_STRV(struct container_network, aliases),
	RECORD_STRV(struct container_network, link_local),
	RECORD_STR(struct container_network, ipv4_static),
	RECORD_STR(struct container_network, ipv6_static),
	RECORD_STR(struct container_network, mac_static),
	RECORD_STR(struct container_network, ifname),
	RECORD_INT(struct container_network, priority),
	RECORD_INT(struct container_network, gw_priority),
	RECORD_STR(struct container_network, place),
	RECORD_STRV(struct container_network, avoid),
};
static const struct record network_record = RECORD(struct container_network, network_fields);

static const struct record_field port_fields[] = {
	RECORD_U8(struct net_port, protocol),
	RECORD_TEXT(struct net_port, host),
	RECORD_U16(struct net_port, published),
	RECORD_U16(struct net_port, target),
};
static const struct record port_record = RECORD(struct net_port, port_fields);

static const struct record_field volume_fields[] = {
	RECORD_STR(struct container_volume, name),
	RECORD_STR(struct container_volume, source),
	RECORD_STR(struct container_volume, target),
	RECORD_STR(struct container_volume, image_id),
	RECORD_BOOL(struct container_volume, anonymous),
	RECORD_BOOL(struct container_volume, read_only),
};
static const struct record volume_record = RECORD(struct container_volume, volume_fields);

static const char *restart_name(int policy)
{
	static const char *const names[] = {
		[RESTART_NO] = "no",
		[RESTART_ALWAYS] = "always",
		[RESTART_ON_FAILURE] = "on-failure",
		[RESTART_UNLESS_STOPPED] = "unless-stopped",
	};
	return policy >= 0 && (size_t)policy < ARRAY_SIZE(names) ? names[policy] : NULL;
}

static const struct record_field container_fields[] = {
	RECORD_TEXT(struct container, id),
	RECORD_STR(struct container, project),
	RECORD_STR(struct container, service),
	RECORD_STR(struct container, slot),
	RECORD_STR(struct container, name),
	RECORD_U32(struct container, number),
	RECORD_BOOL(struct container, oneoff),
	RECORD_BOOL(struct container, auto_remove),
	RECORD_STR(struct container, image),
	RECORD_STR(struct container, image_id),
	RECORD_STRV(struct container, command),
	RECORD_STR(struct container, config_hash),
	RECORD_I64(struct container, created),
	RECORD_JSON(struct container, labels),
	RECORD_STRV(struct container, depends_on),
	RECORD_STR(struct container, network_mode),
	RECORD_STR(struct container, pid_mode),
	RECORD_STR(struct container, ipc_mode),
	RECORD_LIST(struct container, networks, &network_record),
	RECORD_LIST(struct container, ports, &port_record),
	RECORD_LIST(struct container, volumes, &volume_record),
	RECORD_INT(struct container, stop_signal),
	RECORD_I64(struct container, stop_grace),
	RECORD_ENUM(struct container, restart, restart_name),
	RECORD_INT(struct container, restart_retries),
	RECORD_I64(struct container, restart_delay),
	RECORD_I64(struct container, restart_window),
	RECORD_GROUP(struct container, health, &health_config_record),
	RECORD_JSON(struct container, logging),
	RECORD_BOOL(struct container, tty),
	RECORD_BOOL(struct container, stdin_open),
	RECORD_BOOL(struct container, attach),
	RECORD_BOOL(struct container, serves_names),
	RECORD_STR(struct container, hostname),
	RECORD_STR(struct container, domainname),
	RECORD_STRV(struct container, extra_hosts),
	RECORD_STRV(struct container, expose),
	RECORD_STRV(struct container, dns),
	RECORD_STRV(struct container, dns_search),
	RECORD_STRV(struct container, dns_opt),
	RECORD_JSON(struct container, config),
};
const struct record state__container_record = RECORD(struct container, container_fields);

static const char *state_name(int state)
{
	return state >= 0 && state < CONTAINER_STATE_MAX_ ? container_state_name(state) : NULL;
}

static const char *health_state_name(int health)
{
	static const char *const names[] = {
		[HEALTH_NONE] = "none",
		[HEALTH_STARTING] = "starting",
		[HEALTH_HEALTHY] = "healthy",
		[HEALTH_UNHEALTHY] = "unhealthy",
	};
	return health >= 0 && health < HEALTH_MAX_ ? names[health] : NULL;
}

static const struct record_field state_fields[] = {
	RECORD_ENUM(struct container, state, state_name),
	RECORD_BOOL(struct container, wanted),
	RECORD_INT(struct container, pid),
	RECORD_U64(struct container, start_time),
	RECORD_INT(struct container, exit_code),
	RECORD_BOOL(struct container, oom_killed),
	RECORD_STR(struct container, error),
	RECORD_I64(struct container, started),
	RECORD_I64(struct container, finished),
	RECORD_U32(struct container, restarts),
	RECORD_I64(struct container, restart_at),
	RECORD_ENUM(struct container, health_state, health_state_name),
	RECORD_INT(struct container, health_failing),
	RECORD_BOOL(struct container, held),
	RECORD_BOOL(struct container, hooks_due),
	RECORD_LIST(struct container, health_log, &health_result_record),
};
const struct record state__state_record = RECORD(struct container, state_fields);

/* Addresses change at each start, so they are kept with the state, by network. */
static const struct record_field address_fields[] = {
	RECORD_TEXT(struct net_address, ifname), RECORD_TEXT(struct net_address, ipv4),
	RECORD_TEXT(struct net_address, ipv6),	 RECORD_TEXT(struct net_address, mac),
	RECORD_U8(struct net_address, prefix4),	 RECORD_U8(struct net_address, prefix6),
};
static const struct record address_record = RECORD(struct net_address, address_fields);

json_t *state__state_to_json(const struct container *c)
{
	json_t *j = record_save(&state__state_record, c);
	json_t *addresses = json_object();
	vec_each(n, &c->networks) {
		if (n->address.ifname[0])
			json_put(addresses, n->network, record_save(&address_record, &n->address));
	}
	json_put(j, "addresses", addresses);
	return j;
}

int state__state_from_json(const json_t *j, const char *what, struct container *c, struct err *err)
{
	int r = record_load(&state__state_record, j, what, c, err);
	const json_t *addresses = json_object_get(j, "addresses");
	vec_each(n, &c->networks) {
		const json_t *address = json_object_get(addresses, n->network);
		if (r < 0)
			return r;
		if (address)
			r = record_load(&address_record, address, what, &n->address, err);
	}
	return r;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	record_done(&state__container_record, c);
	record_done(&state__state_record, c);
	free(c);
}

void containers_done(struct containers *list)
{
	vec_each(c, &list->items)
		container_free(*c);
	vec_done(&list->items);
	strv_done(&list->broken_ids);
	strv_done(&list->broken);
}
