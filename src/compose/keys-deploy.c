/* The keys of a service's deploy: section. */
#include "compose/shapes.h"

const struct key device_request_keys[] = {
	{ "capabilities", &string_set, OUT_STRINGS },
	{ "driver", &string, OUT_STRING },
	{ "count", &integer, OUT_COUNT },
	{ "device_ids", &string_set, OUT_STRINGS },
	{ "options", &list_or_map, OUT_LABELS },
	{ NULL },
};
static const struct shape device_request = { .kinds = K_MAP,
					     .flags = SHAPE_X,
					     .keys = device_request_keys,
					     .required = LIST("capabilities") };
static const struct shape device_requests = { .kinds = K_LIST, .items = &device_request };
static const struct key generic_spec_keys[] = {
	{ "kind", &string, OUT_STRING, .flags = KEY_ALWAYS },
	{ "value", &number, OUT_INT, .flags = KEY_ALWAYS },
	{ NULL },
};
static const struct shape generic_spec = { .kinds = K_MAP,
					   .flags = SHAPE_X,
					   .keys = generic_spec_keys };
static const struct key generic_keys[] = {
	{ "discrete_resource_spec", &generic_spec, OUT_OBJECT },
	{ NULL },
};
static const struct shape generic = { .kinds = K_MAP, .flags = SHAPE_X, .keys = generic_keys };
static const struct shape generics = { .kinds = K_LIST, .items = &generic };
static const struct key limit_keys[] = {
	{ "cpus", &number, OUT_FLOAT },
	{ "memory", &string, OUT_BYTES },
	{ "pids", &integer, OUT_INT },
	{ NULL },
};
static const struct shape limits = { .kinds = K_MAP, .flags = SHAPE_X, .keys = limit_keys };
static const struct key reservation_keys[] = {
	{ "cpus", &number, OUT_FLOAT },
	{ "memory", &string, OUT_BYTES },
	{ "devices", &device_requests, OUT_OBJECTS, .item_preset = PRESET_DEVICE_REQUEST },
	{ "generic_resources", &generics, OUT_OBJECTS, .flags = KEY_INERT },
	{ NULL },
};
static const struct shape reservations = { .kinds = K_MAP,
					   .flags = SHAPE_X,
					   .keys = reservation_keys };
static const struct key resource_keys[] = {
	{ "limits", &limits, OUT_OBJECT },
	{ "reservations", &reservations, OUT_OBJECT },
	{ NULL },
};
static const struct shape resources = { .kinds = K_MAP, .flags = SHAPE_X, .keys = resource_keys };
static const struct shape count = { .kinds = K_INT | K_STR, .flags = SHAPE_NOT_NEG };
static const struct shape order = { .kinds = K_STR, .words = LIST("start-first", "stop-first") };
static const struct key update_keys[] = {
	{ "parallelism", &count, OUT_INT_KEEP, .cast = CAST_INT },
	{ "delay", &string, OUT_DURATION_SET },
	{ "failure_action", &string, OUT_STRING },
	{ "monitor", &string, OUT_DURATION_SET },
	{ "max_failure_ratio", &number, OUT_FLOAT, .cast = CAST_FLOAT },
	{ "order", &order, OUT_STRING },
	{ NULL },
};
static const struct shape update = { .kinds = K_MAP, .flags = SHAPE_X, .keys = update_keys };
static const struct key restart_keys[] = {
	{ "condition", &string, OUT_STRING },
	{ "delay", &string, OUT_DURATION },
	{ "max_attempts", &count, OUT_INT_KEEP, .cast = CAST_INT },
	{ "window", &string, OUT_DURATION },
	{ NULL },
};
static const struct shape restart_rules = { .kinds = K_MAP,
					    .flags = SHAPE_X,
					    .keys = restart_keys };
static const struct key preference_keys[] = {
	{ "spread", &string, OUT_STRING },
	{ NULL },
};
static const struct shape preference = { .kinds = K_MAP,
					 .flags = SHAPE_X,
					 .keys = preference_keys };
static const struct shape preferences = { .kinds = K_LIST, .items = &preference };
static const struct key placement_keys[] = {
	{ "constraints", &strings, OUT_STRINGS },
	{ "preferences", &preferences, OUT_OBJECTS },
	{ "max_replicas_per_node", &integer, OUT_INT, .cast = CAST_INT },
	{ NULL },
};
static const struct shape placement = { .kinds = K_MAP, .flags = SHAPE_X, .keys = placement_keys };
static const struct key deploy_keys[] = {
	{ "mode", &string, OUT_STRING },
	{ "replicas", &integer, OUT_INT_KEEP, .cast = CAST_INT },
	{ "labels", &list_or_map, OUT_LABELS, .merge = MERGE_SEQUENCE, .unique = UNIQUE_KEY },
	{ "update_config", &update, OUT_OBJECT, .flags = KEY_INERT },
	{ "rollback_config", &update, OUT_OBJECT, .flags = KEY_INERT },
	{ "resources", &resources, OUT_OBJECT_KEEP },
	{ "restart_policy", &restart_rules, OUT_OBJECT },
	{ "placement", &placement, OUT_OBJECT_KEEP, .flags = KEY_INERT },
	{ "endpoint_mode", &string, OUT_STRING, .flags = KEY_INERT },
	{ NULL },
};
const struct shape deploy_shape = { .kinds = K_MAP | K_NULL,
				    .flags = SHAPE_X,
				    .keys = deploy_keys };
