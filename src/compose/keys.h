/* Every key of a Compose file, one row each. The row says what values the key takes, how two files'
 * values combine, which short form it has, which default, whether it is a path, how `config` prints
 * it and whether the engine acts on it. Validation, merging, normalisation, decoding and output are
 * all driven from here: adding a key is adding a row (and a field in project.h with its row in
 * decode.c, when the engine is to see it). Rows stand in the order in which `config` prints them.
 */
#ifndef STAVE_COMPOSE_KEYS_H
#define STAVE_COMPOSE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a value may be: bits of enum node_kind. */
enum {
	K_NULL = 1u << 0,
	K_BOOL = 1u << 1,
	K_INT = 1u << 2,
	K_FLOAT = 1u << 3,
	K_STR = 1u << 4,
	K_LIST = 1u << 6,
	K_MAP = 1u << 7,
	K_NUM = K_INT | K_FLOAT,
	K_ANY = 0xff,
};

/* Text in a place where interpolation can only leave text, but a type is meant. */
enum cast { CAST_NONE, CAST_BOOL, CAST_INT, CAST_FLOAT };

/* How the value of a later file meets that of an earlier one. */
enum merge {
	MERGE_DEEP,	/* maps key by key, lists appended, scalars replaced */
	MERGE_OVERRIDE, /* replaced whole */
	MERGE_SEQUENCE, /* both as a list of KEY=value, appended; doubles go by `unique` */
	MERGE_HOSTS,	/* the same, without those that are there already */
	MERGE_BUILD,	/* a string is its context */
	MERGE_DEPENDS,	/* a list is a map of service_started */
	MERGE_NAMES,	/* a list is a map of nothing */
	MERGE_LOGGING,	/* options only when the driver is the same */
	MERGE_IPAM,	/* by subnet */
};

/* What makes two items of a list the same; the later one then takes the place of the earlier. */
enum unique {
	UNIQUE_NONE,
	UNIQUE_KEY, /* the text before '=' */
	UNIQUE_VOLUME,
	UNIQUE_DEVICE,
	UNIQUE_EXPOSE,
	UNIQUE_SECRET,
	UNIQUE_CONFIG,
	UNIQUE_PORT,
	UNIQUE_ENV_FILE,
};

/* Short form to long form; `item` ones work on each item of a list or value of a map. */
enum canon {
	CANON_NONE,
	CANON_BUILD,
	CANON_SSH,
	CANON_KEY_VALUE,
	CANON_DEPENDS,
	CANON_ENV_FILE,
	CANON_STRING_LIST,
	CANON_EXTENDS,
	CANON_GPUS,
	CANON_NAMES,
	CANON_PORTS,
	CANON_WATCH,
	CANON_FILE,
	CANON_VOLUME,
	CANON_DEVICE,
	CANON_RESOURCE,
	CANON_MAX_
};

/* Defaults that are part of the model, also in `config --no-interpolate`. */
enum preset {
	PRESET_NONE,
	PRESET_BUILD,
	PRESET_SECRET,
	PRESET_PORT,
	PRESET_DEVICE_REQUEST,
	PRESET_MAX_
};

/* Made absolute against the directory of the file (of the project, for -f). */
enum path_rule {
	PATH_NONE,
	PATH_FILE,
	PATH_CONTEXT, /* not when it is a URL or another service */
	PATH_HOST,    /* also kept when it looks like a Windows path */
	PATH_MOUNT,   /* the source of a bind mount */
	PATH_VOLUME,  /* driver_opts.device of a bind volume */
	PATH_SSH,
};

/* How `config` prints it: the types of Compose's model. Empty ones are left out. */
enum out {
	OUT_NONE,
	OUT_STRING,
	OUT_INT,
	OUT_INT_KEEP, /* also when 0 */
	OUT_BOOL,
	OUT_BOOL_KEEP,
	OUT_FLOAT,
	OUT_BYTES,	  /* "536870912" */
	OUT_DURATION,	  /* "1m30s" */
	OUT_DURATION_SET, /* the same, left out when 0 */
	OUT_MODE,	  /* "0440" */
	OUT_STRINGS,
	OUT_COMMAND,	  /* split like a shell does; null when not set */
	OUT_HOOK_COMMAND, /* the same, left out when not set */
	OUT_TEST,	  /* a string is CMD-SHELL */
	OUT_LABELS,	  /* a map of strings */
	OUT_ENVIRONMENT,  /* a map of strings and nulls */
	OUT_HOSTS,	  /* "name=address", sorted */
	OUT_OBJECT,
	OUT_OBJECT_KEEP, /* {} when not set */
	OUT_OBJECTS,	 /* a list of them */
	OUT_OBJECT_MAP,	 /* a map of them; null stays */
	OUT_COUNT,	 /* of devices: "all" is -1 */
	OUT_ULIMITS,
	OUT_SSH_KEYS,
	OUT_STRINGS_MAP, /* a map of lists of strings */
	OUT_ANY,
	OUT_MAX_
};

struct key;

enum {
	SHAPE_X = 1u << 0,	 /* x-* keys are allowed */
	SHAPE_UNIQUE = 1u << 1,	 /* a list without doubles */
	SHAPE_OPEN = 1u << 2,	 /* any other key is allowed */
	SHAPE_NAMES = 1u << 3,	 /* keys of `each` are [a-zA-Z0-9._-]+ */
	SHAPE_NOT_NEG = 1u << 5, /* numbers from 0 up */
};

/* What a value looks like. */
struct shape {
	uint8_t kinds;
	uint8_t flags;
	const struct key *keys;	   /* of a map, ended by name NULL */
	const struct shape *each;  /* every other key of a map */
	const struct shape *items; /* of a list */
	const char *const *words;  /* a string must be one of these */
	const char *const *required;
	int64_t low, high; /* of a number, when they differ */
};

enum {
	KEY_INERT = 1u << 0,  /* accepted; an engine may not act on it: warned about */
	KEY_ALWAYS = 1u << 1, /* printed as its zero value where it is not set */
};

struct key {
	const char *name;
	const struct shape *shape;
	uint8_t out, cast, item_cast, merge, item_merge, unique, canon, item_canon, preset,
		item_preset, path, item_path, flags;
	const char *shown; /* its name in `config`, where that differs */
};

extern const struct key root_keys[];
extern const struct shape root_shape, service_shape, include_shape;
/* NULL when the shape has no such key. */
const struct key *shape_key(const struct shape *shape, const char *name);
const struct key *service_key(const char *name);

#endif
