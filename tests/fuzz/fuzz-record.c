/* Records and goals from JSON, as they come from disk and over the control socket: what can be read
 * is written again the same, what cannot is an error, and nothing is left over. */
#include "engine/container-file.h"
#include "engine/plan.h"
#include "engine/record.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_goal(const json_t *j)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_goal struct goal goal = { 0 }, again = { 0 };
	if (goal_from_json(j, &goal, &err) < 0) {
		assert(err.msg);
		return;
	}
	cleanup_json json_t *first = goal_to_json(&goal);
	assert(goal_from_json(first, &again, &err) == 0);
	cleanup_json json_t *second = goal_to_json(&again);
	assert(json_equal(first, second));
}

static void read_records(const json_t *j)
{
	cleanup_err struct err fixed = ERR_INIT, moving = ERR_INIT, other = ERR_INIT;
	struct container *c = new0(struct container);
	struct slot slot = { 0 };
	if (record_load(&state__container_record, j, "fuzz", c, &fixed) == 0)
		(void)state__state_from_json(j, "fuzz", c, &moving); /* any answer will do */
	(void)record_load(&state__slot_record, j, "fuzz", &slot, &other);
	slot_done(&slot);
	container_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_json json_t *j = NULL;
	if (size > 64 << 10 || json_parse((const char *)data, size, "fuzz", &j, &err) < 0)
		return 0;
	read_goal(j);
	read_records(j);
	return 0;
}
