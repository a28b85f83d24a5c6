/* What is asked for, as it travels from the client to the supervisor. */
#include "engine/plan.h"
#include "engine/record.h"

static const char *const goal_names[] = {
	[GOAL_UP] = "up",     [GOAL_CREATE] = "create",	  [GOAL_START] = "start",
	[GOAL_STOP] = "stop", [GOAL_RESTART] = "restart", [GOAL_DOWN] = "down",
	[GOAL_RM] = "rm",     [GOAL_SCALE] = "scale",	  [GOAL_RUN] = "run",
};
_Static_assert(ARRAY_SIZE(goal_names) == GOAL_MAX_, "a goal without a name");

const char *goal_name(enum goal_kind kind)
{
	return goal_names[kind];
}

static const char *kind_name(int kind)
{
	return kind >= 0 && kind < GOAL_MAX_ ? goal_names[kind] : NULL;
}

static const struct record_field scale_fields[] = {
	RECORD_STR(struct goal_scale, service),
	RECORD_U32(struct goal_scale, replicas),
};
static const struct record scale_record = RECORD(struct goal_scale, scale_fields);

static const struct record_field command_fields[] = {
	RECORD_BOOL(struct command, set),
	RECORD_STRV(struct command, args),
};
static const struct record command_record = RECORD(struct command, command_fields);

static const struct record_field oneoff_fields[] = {
	RECORD_STR(struct oneoff, service),
	RECORD_STR(struct oneoff, name),
	RECORD_STR(struct oneoff, slot),
	RECORD_GROUP(struct oneoff, command, &command_record),
	RECORD_GROUP(struct oneoff, entrypoint, &command_record),
	RECORD_STRV(struct oneoff, env),
	RECORD_STRV(struct oneoff, labels),
	RECORD_STRV(struct oneoff, volumes),
	RECORD_STRV(struct oneoff, publish),
	RECORD_STRV(struct oneoff, cap_add),
	RECORD_STRV(struct oneoff, cap_drop),
	RECORD_STR(struct oneoff, user),
	RECORD_STR(struct oneoff, workdir),
	RECORD_STR(struct oneoff, pull),
	RECORD_BOOL(struct oneoff, service_ports),
	RECORD_BOOL(struct oneoff, use_aliases),
	RECORD_BOOL(struct oneoff, auto_remove),
	RECORD_BOOL(struct oneoff, tty),
	RECORD_BOOL(struct oneoff, interactive),
	RECORD_BOOL(struct oneoff, no_deps),
	RECORD_BOOL(struct oneoff, detach),
};
static const struct record oneoff_record = RECORD(struct oneoff, oneoff_fields);

static const struct record_field goal_fields[] = {
	RECORD_ENUM(struct goal, kind, kind_name),
	RECORD_STRV(struct goal, services),
	RECORD_STRV(struct goal, containers),
	RECORD_LIST(struct goal, scale, &scale_record),
	RECORD_BOOL(struct goal, no_deps),
	RECORD_BOOL(struct goal, force_recreate),
	RECORD_BOOL(struct goal, no_recreate),
	RECORD_BOOL(struct goal, always_recreate_deps),
	RECORD_BOOL(struct goal, remove_orphans),
	RECORD_BOOL(struct goal, renew_volumes),
	RECORD_BOOL(struct goal, no_start),
	RECORD_BOOL(struct goal, volumes),
	RECORD_STR(struct goal, rmi),
	RECORD_BOOL(struct goal, stop_first),
	RECORD_BOOL(struct goal, has_timeout),
	RECORD_I64(struct goal, timeout),
	RECORD_BOOL(struct goal, wait),
	RECORD_BOOL(struct goal, has_wait_timeout),
	RECORD_I64(struct goal, wait_timeout),
};
static const struct record goal_record = RECORD(struct goal, goal_fields);

void goal_done(struct goal *goal)
{
	record_done(&goal_record, goal);
	if (goal->oneoff) {
		record_done(&oneoff_record, goal->oneoff);
		free(goal->oneoff);
		goal->oneoff = NULL;
	}
}

json_t *goal_to_json(const struct goal *goal)
{
	json_t *j = record_save(&goal_record, goal);
	if (goal->oneoff)
		json_put(j, "oneoff", record_save(&oneoff_record, goal->oneoff));
	return j;
}

int goal_from_json(const json_t *j, struct goal *ret, struct err *err)
{
	struct goal goal = { 0 };
	const json_t *oneoff = json_object_get(j, "oneoff");
	int r = 0;
	if (!json_object_get(j, "kind"))
		r = err_input(err, "goal: 'kind' is missing");
	if (r == 0)
		r = record_load(&goal_record, j, "goal", &goal, err);
	if (r == 0 && oneoff) {
		goal.oneoff = new0(struct oneoff);
		r = record_load(&oneoff_record, oneoff, "goal: oneoff", goal.oneoff, err);
	}
	if (r < 0) {
		goal_done(&goal);
		return r;
	}
	*ret = goal;
	return 0;
}
