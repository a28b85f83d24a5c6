/* The build checks: one row for each rule; one walk over the stages that keeps what is known of
 * variables, shells and working directories. */
#include "build/check.h"

#include "base/fs.h"
#include "base/map.h"
#include "base/parse.h"
#include "build/expand.h"
#include "build/glob.h"
#include "image/image.h"

#include <ctype.h>

enum rule {
	STAGE_NAME_CASING,
	FROM_AS_CASING,
	NO_EMPTY_CONTINUATION,
	CONSISTENT_INSTRUCTION_CASING,
	DUPLICATE_STAGE_NAME,
	RESERVED_STAGE_NAME,
	JSON_ARGS_RECOMMENDED,
	MAINTAINER_DEPRECATED,
	UNDEFINED_ARG_IN_FROM,
	WORKDIR_RELATIVE_PATH,
	UNDEFINED_VAR,
	MULTIPLE_INSTRUCTIONS_DISALLOWED,
	LEGACY_KEY_VALUE_FORMAT,
	REDUNDANT_TARGET_PLATFORM,
	SECRETS_USED_IN_ARG_OR_ENV,
	INVALID_DEFAULT_ARG_IN_FROM,
	FROM_PLATFORM_FLAG_CONST_DISALLOWED,
	COPY_IGNORED_FILE,
	INVALID_DEFINITION_DESCRIPTION,
	EXPOSE_PROTO_CASING,
	EXPOSE_INVALID_FORMAT,
	RULE_MAX_
};

static const struct {
	const char *name, *summary;
	bool experimental; /* only when it is asked for: check=experimental=... */
} rules[] = {
	[STAGE_NAME_CASING] = { "StageNameCasing", "Stage names should be lowercase" },
	[FROM_AS_CASING] = { "FromAsCasing",
			     "The 'as' keyword should match the case of the 'from' keyword" },
	[NO_EMPTY_CONTINUATION] = { "NoEmptyContinuation", "Empty continuation lines will become "
							   "errors in a future release" },
	[CONSISTENT_INSTRUCTION_CASING] = { "ConsistentInstructionCasing",
					    "All commands within the Dockerfile should use the "
					    "same "
					    "casing (either upper or lower)" },
	[DUPLICATE_STAGE_NAME] = { "DuplicateStageName", "Stage names should be unique" },
	[RESERVED_STAGE_NAME] = { "ReservedStageName",
				  "Reserved words should not be used as stage names" },
	[JSON_ARGS_RECOMMENDED] = { "JSONArgsRecommended",
				    "JSON arguments recommended for ENTRYPOINT/CMD to prevent "
				    "unintended behavior related to OS signals" },
	[MAINTAINER_DEPRECATED] = { "MaintainerDeprecated", "The MAINTAINER instruction is "
							    "deprecated, use a label instead to "
							    "define an image author" },
	[UNDEFINED_ARG_IN_FROM] = { "UndefinedArgInFrom", "FROM command must use declared ARGs" },
	[WORKDIR_RELATIVE_PATH] = { "WorkdirRelativePath",
				    "Relative workdir without an absolute workdir declared within "
				    "the "
				    "build can have unexpected results if the base image changes" },
	[UNDEFINED_VAR] = { "UndefinedVar", "Variables should be defined before their use" },
	[MULTIPLE_INSTRUCTIONS_DISALLOWED] = { "MultipleInstructionsDisallowed",
					       "Multiple instructions of the same type should not "
					       "be "
					       "used in the same stage" },
	[LEGACY_KEY_VALUE_FORMAT] = { "LegacyKeyValueFormat", "Legacy key/value format with "
							      "whitespace separator should not "
							      "be used" },
	[REDUNDANT_TARGET_PLATFORM] = { "RedundantTargetPlatform",
					"Setting platform to predefined $TARGETPLATFORM in FROM is "
					"redundant as this is the default behavior" },
	[SECRETS_USED_IN_ARG_OR_ENV] = { "SecretsUsedInArgOrEnv",
					 "Sensitive data should not be used in the ARG or ENV "
					 "commands" },
	[INVALID_DEFAULT_ARG_IN_FROM] = { "InvalidDefaultArgInFrom",
					  "Default value for global ARG results in an empty or "
					  "invalid base image name" },
	[FROM_PLATFORM_FLAG_CONST_DISALLOWED] = { "FromPlatformFlagConstDisallowed",
						  "FROM --platform flag should not use a constant "
						  "value" },
	[COPY_IGNORED_FILE] = { "CopyIgnoredFile",
				"Attempting to Copy file that is excluded by .dockerignore" },
	[INVALID_DEFINITION_DESCRIPTION] = { "InvalidDefinitionDescription",
					     "Comment for build stage or argument should follow "
					     "the "
					     "format: `# <arg/stage name> <description>`. If this "
					     "is "
					     "not intended to be a description comment, add an "
					     "empty "
					     "line or comment between the instruction and the "
					     "comment.",
					     .experimental = true },
	[EXPOSE_PROTO_CASING] = { "ExposeProtoCasing",
				  "Protocol in EXPOSE instruction should be lowercase" },
	[EXPOSE_INVALID_FORMAT] = { "ExposeInvalidFormat",
				    "IP address and host-port mapping should not be used in EXPOSE "
				    "instruction. This will become an error in a future release" },
};

const char *check_name(size_t index)
{
	return index < RULE_MAX_ ? rules[index].name : NULL;
}

const char *check_summary(size_t index)
{
	return index < RULE_MAX_ ? rules[index].summary : NULL;
}

/* What is known of a stage once it is walked. */
struct known {
	struct strv names; /* of variables that are set */
	bool all;	   /* the base image's are not known: any may be */
	bool workdir_set;  /* an absolute WORKDIR was */
	bool shell_set;
};

struct checking {
	const struct dockerfile *file;
	const struct check_options *o;
	struct diagnostics *out;
	bool off[RULE_MAX_];
	bool error;
	size_t found;
	struct strv globals; /* names of the ARGs before the first FROM, and the platforms' */
	struct known *stages;
	/* for the callbacks of an expansion */
	const struct instruction *in;
	const struct known *now;
};

static void __attribute__((format(printf, 5, 6)))
warn(struct checking *c, enum rule rule, uint32_t line, const char *hint, const char *format, ...)
{
	size_t before = c->out->items.n;
	va_list ap;

	if (c->off[rule])
		return;
	va_start(ap, format);
	cleanup_free char *message = xvasprintf(format, ap);
	va_end(ap);
	c->found++;
	dockerfile_diagnose(c->file, c->out, c->error ? SEVERITY_ERROR : SEVERITY_WARNING, line,
			    hint, "%s: %s", rules[rule].name, message);
	if (c->out->items.n > before)
		c->out->items.v[before].path = xstrdup(rules[rule].name);
}

/* --- the directive --- */

static void switch_rule(struct checking *c, const char *name, bool off)
{
	const char *names[RULE_MAX_ + 1] = { 0 }, *near;
	bool found = false;

	for (size_t i = 0; i < RULE_MAX_; i++) {
		names[i] = rules[i].name;
		if (!str_eq(name, "all") && !str_eq(name, rules[i].name))
			continue;
		if (off || rules[i].experimental)
			c->off[i] = off;
		found = true;
	}
	if (found)
		return;
	near = nearest_word(name, names);
	cleanup_free char *hint = near ? xasprintf("did you mean '%s'?", near) : NULL;
	dockerfile_diagnose(c->file, c->out, SEVERITY_WARNING, c->file->check_line, hint,
			    "there is no check '%s'", name);
}

static int read_directive(struct checking *c)
{
	cleanup_strv struct strv options = strv_split(c->file->check ? c->file->check : "", ';');
	cleanup_strv struct strv skipped = { 0 };

	for (size_t i = 0; i < options.n; i++) {
		const char *skip = str_after(options.v[i], "skip=");
		const char *error = str_after(options.v[i], "error=");
		const char *experimental = str_after(options.v[i], "experimental=");
		cleanup_strv struct strv names = strv_split(skip	   ? skip
							    : experimental ? experimental
									   : "",
							    ',');

		if (!*options.v[i])
			continue;
		if (error ? parse_bool(error, &c->error) < 0 : !skip && !experimental) {
			dockerfile_diagnose(
				c->file, c->out, SEVERITY_ERROR, c->file->check_line, NULL,
				"check=%s: known are skip=<names|all>, error=<true|false> "
				"and experimental=<names|all>",
				options.v[i]);
			return -EINVAL;
		}
		/* What is skipped is so also when it is experimental and asked for. */
		for (size_t k = 0; k < names.n && experimental; k++)
			switch_rule(c, names.v[k], false);
		for (size_t k = 0; k < names.n && skip; k++)
			strv_add(&skipped, names.v[k]);
	}
	for (size_t i = 0; i < skipped.n; i++)
		switch_rule(c, skipped.v[i], true);
	return 0;
}

/* --- casing --- */

static bool all_lower(const char *s)
{
	for (; *s; s++)
		if (isupper((unsigned char)*s))
			return false;
	return true;
}

static bool all_upper(const char *s)
{
	for (; *s; s++)
		if (islower((unsigned char)*s))
			return false;
	return true;
}

static void count_casing(const struct instruction *in, int *balance)
{
	*balance += all_lower(in->keyword) - all_upper(in->keyword);
}

static void check_casing(struct checking *c, const struct instruction *in, bool lower)
{
	if (lower ? !all_lower(in->keyword) : !all_upper(in->keyword))
		warn(c, CONSISTENT_INSTRUCTION_CASING, in->first, NULL,
		     "Command '%s' should match the case of the command majority (%s)", in->keyword,
		     lower ? "lowercase" : "uppercase");
}

static void check_file_casing(struct checking *c)
{
	int balance = 0;

	vec_each(stage, &c->file->stages) {
		count_casing(stage->from, &balance);
		vec_each(in, &stage->body)
			count_casing(*in, &balance);
	}
	vec_each(stage, &c->file->stages) {
		check_casing(c, stage->from, balance > 0);
		vec_each(in, &stage->body)
			check_casing(c, *in, balance > 0);
	}
}

/* --- variables --- */

static bool names_has(const struct strv *names, const char *name)
{
	return strv_has(names, name);
}

static const char *value_of(void *data, const char *name)
{
	const struct checking *c = data;

	/* What the values are does not matter here. */
	return c->now->all || names_has(&c->now->names, name) ? "x" : NULL;
}

static void undefined(void *data, const char *name)
{
	struct checking *c = data;
	const char *near =
		c->now->names.n ? nearest_word(name, (const char *const *)c->now->names.v) : NULL;
	cleanup_free char *hint = near ? xasprintf("did you mean $%s?", near) : NULL;

	warn(c, UNDEFINED_VAR, c->in->first, hint, "Usage of undefined variable '$%s'", name);
}

/* Expands everything that the instruction expands, for the sake of the callback. */
static void check_variables(struct checking *c, const struct instruction *in,
			    const struct known *now)
{
	struct expand x = {
		.lookup = value_of, .unset = undefined, .data = c, .escape = c->file->escape
	};
	cleanup_err struct err ignored = ERR_INIT; /* the build itself says what is wrong */
	cleanup_strv struct strv texts = { 0 };
	char *unused = NULL;

	c->in = in;
	c->now = now;
	switch (in->kind) {
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY:
	case INSTRUCTION_EXPOSE:
	case INSTRUCTION_STOPSIGNAL:
	case INSTRUCTION_USER:
	case INSTRUCTION_VOLUME:
	case INSTRUCTION_WORKDIR:
		strv_copy(&texts, &in->args);
		strv_copy(&texts, &in->copy.exclude);
		if (in->copy.chown)
			strv_add(&texts, in->copy.chown);
		if (in->copy.chmod)
			strv_add(&texts, in->copy.chmod);
		break;
	default: break;
	}
	vec_each(pair, &in->pairs) {
		strv_add(&texts, pair->key);
		if (pair->value)
			strv_add(&texts, pair->value);
	}
	for (size_t i = 0; i < texts.n; i++) {
		if (instruction_heredoc(in, texts.v[i]))
			continue;
		if (expand_text(&x, texts.v[i], &unused, &ignored) == 0)
			free(unused);
		err_done(&ignored);
	}
	vec_each(h, &in->heredocs) {
		if (in->kind == INSTRUCTION_RUN || !h->expand)
			continue;
		if (expand_heredoc(&x, h->content, &unused, &ignored) == 0)
			free(unused);
		err_done(&ignored);
	}
}

static const char *const predefined[] = {
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
	"ftp_proxy",  "NO_PROXY",   "no_proxy",	   "ALL_PROXY",	  "all_proxy",
};

static void add_names(struct strv *names, const struct strv *env)
{
	for (size_t i = 0; env && i < env->n; i++)
		strv_take(names, xstrndup(env->v[i], strcspn(env->v[i], "=")));
}

static void begin_stage(struct checking *c, const struct stage *stage, struct known *now)
{
	const struct stage *base =
		stage->from->args.n
			? dockerfile_stage(c->file, stage->from->args.v[0], stage->index)
			: NULL;

	if (base && base->name) {
		const struct known *before = &c->stages[base->index];
		strv_copy(&now->names, &before->names);
		now->all = before->all;
		now->workdir_set = before->workdir_set;
		now->shell_set = before->shell_set;
		return;
	}
	const struct strv *env = c->o->base_env ? c->o->base_env(c->o->data, stage) : NULL;
	now->all = !env && (!stage->from->args.n || !str_eq(stage->from->args.v[0], "scratch"));
	add_names(&now->names, env);
	strv_add(&now->names, "PATH");
	for (size_t i = 0; i < ARRAY_SIZE(predefined); i++)
		strv_add(&now->names, predefined[i]);
}

/* --- FROM --- */

static const char *const platform_args[] = {
	"BUILDPLATFORM", "BUILDOS",	   "BUILDOSVERSION", "BUILDARCH",
	"BUILDVARIANT",	 "TARGETPLATFORM", "TARGETOS",	     "TARGETOSVERSION",
	"TARGETARCH",	 "TARGETVARIANT",  "TARGETSTAGE",
};

struct from_values {
	struct checking *c;
	const struct instruction *in;
	struct map defaults; /* name -> value */
};

static const char *default_of(void *data, const char *name)
{
	return map_get(&((struct from_values *)data)->defaults, name);
}

static void undeclared(void *data, const char *name)
{
	const struct from_values *f = data;
	const struct strv *globals = &f->c->globals;

	if (strv_has(globals, name))
		return;
	const char *near = nearest_word(name, (const char *const *)globals->v);
	cleanup_free char *hint = near ? xasprintf("did you mean %s?", near) : NULL;
	warn(f->c, UNDEFINED_ARG_IN_FROM, f->in->first, hint, "FROM argument '%s' is not declared",
	     name);
}

/* Values as they are when nothing is given on the command line. */
static void load_defaults(struct from_values *f)
{
	struct checking *c = f->c;
	struct expand x = { .lookup = default_of, .data = f, .escape = c->file->escape };

	for (size_t i = 0; i < ARRAY_SIZE(platform_args); i++)
		map_set(&f->defaults, platform_args[i], xstrdup("linux"));
	vec_each(in, &c->file->globals)
		vec_each(pair, &(*in)->pairs) {
			cleanup_err struct err ignored = ERR_INIT;
			char *value = NULL;
			if (!pair->value || expand_text(&x, pair->value, &value, &ignored) == 0)
				map_set(&f->defaults, pair->key, value ? value : xstrdup(""));
		}
}

static bool valid_image(const char *text)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_err struct err ignored = ERR_INIT;

	return *text && image_ref_parse(text, &ref, &ignored) == 0;
}

static void check_platform(struct checking *c, const struct instruction *in)
{
	const char *platform = in->platform, *name = in->stage_name ? in->stage_name : "";

	if (!platform)
		return;
	if (str_eq(platform, "$TARGETPLATFORM") || str_eq(platform, "${TARGETPLATFORM}"))
		warn(c, REDUNDANT_TARGET_PLATFORM, in->first, NULL,
		     "Setting platform to predefined %s in FROM is redundant as this is the "
		     "default "
		     "behavior",
		     platform);
	if (strchr(platform, '$'))
		return;
	/* A stage that says in its name what it is for may be for that alone. */
	cleanup_strv struct strv parts = strv_split(platform, '/');
	for (size_t i = 0; i < parts.n; i++)
		if (*parts.v[i] && strstr(name, parts.v[i]))
			return;
	warn(c, FROM_PLATFORM_FLAG_CONST_DISALLOWED, in->first, NULL,
	     "FROM --platform flag should not use constant value \"%s\"", platform);
}

static void check_base_name(struct checking *c, struct from_values *f, const struct stage *stage)
{
	struct expand x = {
		.lookup = default_of, .unset = undeclared, .data = f, .escape = c->file->escape
	};
	const struct instruction *in = stage->from;
	cleanup_free char *image = NULL, *platform = NULL;
	cleanup_err struct err ignored = ERR_INIT, also = ERR_INIT; /* the build says it */

	f->in = in;
	if (!in->args.n)
		return;
	if (expand_text(&x, in->args.v[0], &image, &ignored) == 0 && strchr(in->args.v[0], '$') &&
	    !dockerfile_stage(c->file, image, stage->index) && !valid_image(image))
		warn(c, INVALID_DEFAULT_ARG_IN_FROM, in->first, NULL,
		     "Default value for ARG %s results in empty or invalid base image name",
		     in->args.v[0]);
	if (in->platform)
		(void)expand_text(&x, in->platform, &platform, &also); /* for the callback */
}

static void check_from(struct checking *c, struct from_values *f, const struct stage *stage)
{
	const struct instruction *in = stage->from;

	check_base_name(c, f, stage);
	check_platform(c, in);
	if (!in->stage_name)
		return;
	if (!all_lower(in->stage_name_written))
		warn(c, STAGE_NAME_CASING, in->first, NULL, "Stage name '%s' should be lowercase",
		     in->stage_name_written);
	if ((all_lower(in->keyword) && !all_lower(in->as_written)) ||
	    (all_upper(in->keyword) && !all_upper(in->as_written)))
		warn(c, FROM_AS_CASING, in->first, NULL,
		     "'%s' and '%s' keywords' casing do not match", in->as_written, in->keyword);
	if (str_eq(in->stage_name, "scratch") || str_eq(in->stage_name, "context"))
		warn(c, RESERVED_STAGE_NAME, in->first, NULL,
		     "'%s' is reserved and should not be used as a stage name", in->stage_name);
	for (size_t i = 0; i < stage->index; i++)
		if (str_eq(c->file->stages.v[i].name, in->stage_name)) {
			warn(c, DUPLICATE_STAGE_NAME, in->first, NULL,
			     "Duplicate stage name '%s', stage names should be unique",
			     in->stage_name_written);
			break;
		}
}

/* --- the others --- */

/* A word of the name, between underscores, says so. */
static bool word_among(const char *key, const char *const *words)
{
	cleanup_strv struct strv parts = strv_split(key, '_');

	for (size_t i = 0; i < parts.n; i++)
		for (const char *const *w = words; *w; w++)
			if (strcasecmp(parts.v[i], *w) == 0)
				return true;
	return false;
}

static void check_secrets(struct checking *c, const struct instruction *in)
{
	static const char *const secret[] = { "apikey", "auth",	    "credential", "credentials",
					      "key",	"password", "pword",	  "passwd",
					      "secret", "token",    NULL };
	static const char *const harmless[] = { "public", "file", "version", NULL };

	if (in->kind != INSTRUCTION_ARG && in->kind != INSTRUCTION_ENV)
		return;
	vec_each(pair, &in->pairs)
		if (word_among(pair->key, secret) && !word_among(pair->key, harmless))
			warn(c, SECRETS_USED_IN_ARG_OR_ENV, in->first, NULL,
			     "Do not use ARG or ENV instructions for sensitive data (%s \"%s\")",
			     instruction_name(in->kind), pair->key);
}

static void check_ports(struct checking *c, const struct instruction *in)
{
	for (size_t i = 0; in->kind == INSTRUCTION_EXPOSE && i < in->args.n; i++) {
		const char *port = in->args.v[i], *slash = strchr(port, '/');

		if (strchr(port, '$'))
			continue; /* its modifiers have colons, too */
		if (strchr(port, ':'))
			warn(c, EXPOSE_INVALID_FORMAT, in->first, NULL,
			     "EXPOSE instruction should not define an IP address or host-port "
			     "mapping, "
			     "found '%s'",
			     port);
		if (slash && !all_lower(slash))
			warn(c, EXPOSE_PROTO_CASING, in->first, NULL,
			     "Defined protocol '%s' in EXPOSE instruction should be lowercase",
			     port);
	}
}

static void check_ignored(struct checking *c, const struct instruction *in)
{
	if ((in->kind != INSTRUCTION_COPY && in->kind != INSTRUCTION_ADD) || !c->o->ignore ||
	    in->copy.from)
		return;
	for (size_t i = 0; i + 1 < in->args.n; i++) {
		const char *source = in->args.v[i];
		if (glob_magic(source) || strchr(source, '$') || strstr(source, "://") ||
		    instruction_heredoc(in, source))
			continue;
		cleanup_free char *rooted = xasprintf("/%s", source);
		cleanup_free char *clean = path_clean(rooted);
		if (clean[1] && ignore_path(c->o->ignore, clean + 1) &&
		    !ignore_has_exceptions(c->o->ignore, clean + 1))
			warn(c, COPY_IGNORED_FILE, in->first, NULL,
			     "Attempting to %s file \"%s\" that is excluded by .dockerignore",
			     in->kind == INSTRUCTION_COPY ? "Copy" : "Add", source);
	}
}

/* "# name description" directly above FROM ... AS name or ARG name. */
static void check_description(struct checking *c, const struct instruction *in)
{
	const char *name = in->kind == INSTRUCTION_FROM			     ? in->stage_name
			   : in->kind == INSTRUCTION_ARG && in->pairs.n == 1 ? in->pairs.v[0].key
									     : NULL;

	if (!name || !in->comments.n)
		return;
	const char *comment = in->comments.v[in->comments.n - 1];
	size_t len = strlen(name);
	if (strncmp(comment, name, len) != 0 || !isspace((unsigned char)comment[len]))
		warn(c, INVALID_DEFINITION_DESCRIPTION, in->first, NULL, "%s",
		     rules[INVALID_DEFINITION_DESCRIPTION].summary);
}

static void check_single(struct checking *c, const struct stage *stage)
{
	static const enum instruction_kind once[] = { INSTRUCTION_CMD, INSTRUCTION_ENTRYPOINT,
						      INSTRUCTION_HEALTHCHECK };

	for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
		const struct instruction *before = NULL;
		vec_each(in, &stage->body) {
			if ((*in)->kind != once[i])
				continue;
			if (before)
				warn(c, MULTIPLE_INSTRUCTIONS_DISALLOWED, before->first, NULL,
				     "Multiple %s instructions should not be used in the same "
				     "stage "
				     "because only the last one will be used",
				     instruction_name(once[i]));
			before = *in;
		}
	}
}

/* What holds wherever the instruction stands, before the first FROM too. */
static void check_alone(struct checking *c, const struct instruction *in)
{
	if (in->empty_continuation)
		warn(c, NO_EMPTY_CONTINUATION, in->first, NULL,
		     "Empty continuation line found in: %s", in->original);
	if (in->kind == INSTRUCTION_MAINTAINER)
		warn(c, MAINTAINER_DEPRECATED, in->first, NULL,
		     "Maintainer instruction is deprecated in favor of using label");
	if (in->pairs.n && in->pairs.v[0].spaced)
		warn(c, LEGACY_KEY_VALUE_FORMAT, in->first, NULL,
		     "\"%s key=value\" should be used instead of legacy \"%s key value\" format",
		     instruction_name(in->kind), instruction_name(in->kind));
	check_secrets(c, in);
	check_ports(c, in);
	check_ignored(c, in);
	check_description(c, in);
}

static void check_in_stage(struct checking *c, const struct instruction *in, struct known *now)
{
	const char *path;

	check_variables(c, in, now);
	switch (in->kind) {
	case INSTRUCTION_ARG:
	case INSTRUCTION_ENV:
		vec_each(pair, &in->pairs)
			/* One without a value is known even so: the user may give it. */
			strv_add(&now->names, pair->key);
		break;
	case INSTRUCTION_SHELL: now->shell_set = true; break;
	case INSTRUCTION_CMD:
	case INSTRUCTION_ENTRYPOINT:
		if (!in->json && !now->shell_set)
			warn(c, JSON_ARGS_RECOMMENDED, in->first, NULL,
			     "JSON arguments recommended for %s to prevent unintended behavior "
			     "related to OS signals",
			     instruction_name(in->kind));
		break;
	case INSTRUCTION_WORKDIR:
		path = in->args.v[0];
		if (*path == '/' || *path == '$' || *path == '"')
			now->workdir_set = true;
		else if (!now->workdir_set)
			warn(c, WORKDIR_RELATIVE_PATH, in->first, NULL,
			     "Relative workdir '%s' can have unexpected results if the base image "
			     "changes",
			     path);
		break;
	default: break;
	}
}

static void check_all(struct checking *c)
{
	struct from_values f = { .c = c, .defaults = MAP_INIT_FREE(free) };

	for (size_t i = 0; i < ARRAY_SIZE(platform_args); i++)
		strv_add(&c->globals, platform_args[i]);
	vec_each(in, &c->file->globals) {
		check_alone(c, *in);
		vec_each(pair, &(*in)->pairs)
			strv_add(&c->globals, pair->key);
	}
	load_defaults(&f);
	check_file_casing(c);
	vec_each(stage, &c->file->stages) {
		struct known *now = &c->stages[stage->index];

		check_alone(c, stage->from);
		check_from(c, &f, stage);
		begin_stage(c, stage, now);
		vec_each(in, &stage->body) {
			check_alone(c, *in);
			check_in_stage(c, *in, now);
		}
		check_single(c, stage);
	}
	map_done(&f.defaults);
}

int dockerfile_check(const struct dockerfile *file, const struct check_options *options,
		     struct diagnostics *diagnostics)
{
	struct checking c = { .file = file, .o = options, .out = diagnostics };
	int r;

	for (size_t i = 0; i < RULE_MAX_; i++)
		c.off[i] = rules[i].experimental;
	if ((r = read_directive(&c)) < 0)
		return r;
	c.stages = xcalloc(file->stages.n, sizeof(*c.stages));
	check_all(&c);
	for (size_t i = 0; i < file->stages.n; i++)
		strv_done(&c.stages[i].names);
	free(c.stages);
	strv_done(&c.globals);
	return c.error && c.found ? -EINVAL : 0;
}
