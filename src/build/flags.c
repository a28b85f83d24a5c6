/* The flags of instructions: one row each. */
#include "base/parse.h"
#include "build/parser.h"

#include <stdarg.h>

enum flag_type {
	FLAG_TEXT,     /* char * */
	FLAG_BOOL,     /* bool; without a value: true */
	FLAG_LIST,     /* struct strv; may stand several times */
	FLAG_DURATION, /* nsec_t */
	FLAG_COUNT,    /* int */
	FLAG_NETWORK,  /* enum run_network */
	FLAG_SECURITY, /* bool */
};

struct flag_row {
	enum instruction_kind kind;
	const char *name;
	enum flag_type type;
	size_t offset; /* in struct instruction */
	size_t given;  /* of a bool that says that it was given; 0: none */
};

#define IN(field)   offsetof(struct instruction, field)
#define COPY(field) offsetof(struct instruction, copy.field)
#define WELL(field) offsetof(struct instruction, health.field)

static const struct flag_row rows[] = {
	{ INSTRUCTION_ADD, "checksum", FLAG_TEXT, COPY(checksum), 0 },
	{ INSTRUCTION_ADD, "chmod", FLAG_TEXT, COPY(chmod), 0 },
	{ INSTRUCTION_ADD, "chown", FLAG_TEXT, COPY(chown), 0 },
	{ INSTRUCTION_ADD, "exclude", FLAG_LIST, COPY(exclude), 0 },
	{ INSTRUCTION_ADD, "keep-git-dir", FLAG_BOOL, COPY(keep_git_dir), 0 },
	{ INSTRUCTION_ADD, "link", FLAG_BOOL, COPY(link), 0 },
	{ INSTRUCTION_ADD, "unpack", FLAG_BOOL, COPY(unpack), COPY(has_unpack) },
	{ INSTRUCTION_COPY, "chmod", FLAG_TEXT, COPY(chmod), 0 },
	{ INSTRUCTION_COPY, "chown", FLAG_TEXT, COPY(chown), 0 },
	{ INSTRUCTION_COPY, "exclude", FLAG_LIST, COPY(exclude), 0 },
	{ INSTRUCTION_COPY, "from", FLAG_TEXT, COPY(from), 0 },
	{ INSTRUCTION_COPY, "link", FLAG_BOOL, COPY(link), 0 },
	{ INSTRUCTION_COPY, "parents", FLAG_BOOL, COPY(parents), 0 },
	{ INSTRUCTION_FROM, "platform", FLAG_TEXT, IN(platform), 0 },
	{ INSTRUCTION_HEALTHCHECK, "interval", FLAG_DURATION, WELL(interval), 0 },
	{ INSTRUCTION_HEALTHCHECK, "retries", FLAG_COUNT, WELL(retries), 0 },
	{ INSTRUCTION_HEALTHCHECK, "start-interval", FLAG_DURATION, WELL(start_interval), 0 },
	{ INSTRUCTION_HEALTHCHECK, "start-period", FLAG_DURATION, WELL(start_period), 0 },
	{ INSTRUCTION_HEALTHCHECK, "timeout", FLAG_DURATION, WELL(timeout), 0 },
	{ INSTRUCTION_RUN, "device", FLAG_LIST, IN(devices), 0 },
	{ INSTRUCTION_RUN, "mount", FLAG_LIST, IN(mounts), 0 },
	{ INSTRUCTION_RUN, "network", FLAG_NETWORK, IN(network), 0 },
	{ INSTRUCTION_RUN, "security", FLAG_SECURITY, IN(insecure), 0 },
};

void fault_done(struct fault *fault)
{
	free(fault->message);
	free(fault->hint);
	*fault = FAULT_INIT;
}

int fault_set(struct fault *fault, const char *format, ...)
{
	if (!fault->message) {
		va_list ap;
		va_start(ap, format);
		fault->message = xvasprintf(format, ap);
		va_end(ap);
	}
	return -EINVAL;
}

static int unknown_flag(const struct instruction *in, const char *name, struct fault *fault)
{
	const char *names[ARRAY_SIZE(rows) + 1] = { 0 }, *near;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].kind == in->kind)
			names[n++] = rows[i].name;
	near = nearest_word(name, names);
	if (near)
		fault->hint = xasprintf("did you mean '--%s'?", near);
	else if (!n)
		fault->hint = xasprintf("%s takes no flags", instruction_name(in->kind));
	return fault_set(fault, "unknown flag '--%s' of %s", name, instruction_name(in->kind));
}

static int store_duration(const struct flag_row *row, const char *value, nsec_t *ret,
			  struct fault *fault)
{
	if (parse_duration(value, ret) < 0)
		return fault_set(fault, "'%s' of --%s is not a duration such as 30s or 1m30s",
				 value, row->name);
	if (*ret && *ret < 1000000)
		return fault_set(fault, "--%s cannot be less than 1ms", row->name);
	return 0;
}

static int store_network(const char *value, enum run_network *ret, struct fault *fault)
{
	static const char *const names[] = {
		[RUN_NETWORK_DEFAULT] = "default",
		[RUN_NETWORK_NONE] = "none",
		[RUN_NETWORK_HOST] = "host",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(value, names[i]) == 0) {
			*ret = (enum run_network)i;
			return 0;
		}
	return fault_set(fault, "--network=%s is not one of default, none, host", value);
}

static int store(struct instruction *in, const struct flag_row *row, const char *value,
		 struct fault *fault)
{
	void *field = (char *)in + row->offset;

	if (row->given)
		*(bool *)((char *)in + row->given) = true;
	switch (row->type) {
	case FLAG_TEXT:
		free(*(char **)field);
		*(char **)field = xstrdup(value);
		return 0;
	case FLAG_LIST: strv_add(field, value); return 0;
	case FLAG_BOOL:
		/* As BuildKit: these words only. */
		if (!str_eq(value, "true") && !str_eq(value, "false"))
			return fault_set(fault, "--%s=%s is neither true nor false", row->name,
					 value);
		*(bool *)field = value[0] == 't';
		return 0;
	case FLAG_DURATION: return store_duration(row, value, field, fault);
	case FLAG_COUNT:
		if (parse_int(value, 0, 1000000, field) < 0)
			return fault_set(fault, "--%s=%s is not a number from 0 to 1000000",
					 row->name, value);
		return 0;
	case FLAG_NETWORK: return store_network(value, field, fault);
	case FLAG_SECURITY:
		if (strcasecmp(value, "sandbox") != 0 && strcasecmp(value, "insecure") != 0)
			return fault_set(fault, "--security=%s is not one of sandbox, insecure",
					 value);
		*(bool *)field = strcasecmp(value, "insecure") == 0;
		return 0;
	}
	return 0;
}

static int read_one(struct instruction *in, const char *word, bool seen[ARRAY_SIZE(rows)],
		    struct fault *fault)
{
	const char *equals = strchr(word, '=');
	cleanup_free char *name =
		xstrndup(word + 2, equals ? (size_t)(equals - word) - 2 : SIZE_MAX);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct flag_row *row = &rows[i];

		if (row->kind != in->kind || !str_eq(row->name, name))
			continue;
		if (seen[i] && row->type != FLAG_LIST)
			return fault_set(fault, "the flag '--%s' is given twice", name);
		seen[i] = true;
		if (!equals && row->type != FLAG_BOOL)
			return fault_set(fault, "the flag '--%s' needs a value: --%s=...", name,
					 name);
		return store(in, row, equals ? equals + 1 : "true", fault);
	}
	return unknown_flag(in, name, fault);
}

int flags__read(struct instruction *in, const char **text, struct fault *fault)
{
	cleanup_strv struct strv words = { 0 };
	bool seen[ARRAY_SIZE(rows)] = { 0 };
	int r = 0;

	*text = words__flags(*text, &words);
	for (size_t i = 0; r == 0 && i < words.n; i++)
		r = read_one(in, words.v[i], seen, fault);
	return r;
}
