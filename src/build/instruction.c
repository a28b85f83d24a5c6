/* One logical line of a Dockerfile becomes an instruction. */
#include "build/expand.h"
#include "build/parser.h"

#include <assert.h>
#include <ctype.h>

static bool blank(char c)
{
	return isspace((unsigned char)c);
}

static char *trimmed(const char *text)
{
	size_t len;

	while (blank(*text))
		text++;
	len = strlen(text);
	while (len && blank(text[len - 1]))
		len--;
	return xstrndup(text, len);
}

/* --- operands, one function for each form --- */

/* Reads in->rest. */
typedef int operand_fn(struct instruction *in, char escape, struct fault *fault);

static int need_operands(const struct instruction *in, struct fault *fault)
{
	return fault_set(fault, "%s needs at least one argument", instruction_name(in->kind));
}

static int read_json(struct instruction *in, const char *text, struct fault *fault)
{
	int r = words__json(text, &in->args);

	if (r < 0)
		return fault_set(fault, "the JSON array of %s has an element that is not a string",
				 instruction_name(in->kind));
	in->json = r > 0;
	return r;
}

static int read_command(struct instruction *in, char escape, struct fault *fault)
{
	int r = read_json(in, in->rest, fault);

	if (r < 0)
		return r;
	if (!in->json && *in->rest)
		strv_add(&in->args, in->rest);
	if (in->kind == INSTRUCTION_RUN && !in->args.n)
		return need_operands(in, fault);
	return 0;
}

static int read_shell(struct instruction *in, char escape, struct fault *fault)
{
	if (read_json(in, in->rest, fault) < 0)
		return -EINVAL;
	if (!in->json)
		return fault_set(fault, "SHELL needs its arguments as a JSON array, such as "
					"[\"/bin/bash\", \"-c\"]");
	if (!in->args.n)
		return need_operands(in, fault);
	return 0;
}

/* Words between blanks, or a JSON array of them. */
static int read_list(struct instruction *in, char escape, struct fault *fault)
{
	int r = read_json(in, in->rest, fault);

	if (r < 0)
		return r;
	if (!in->json)
		words__fields(in->rest, &in->args);
	return in->args.n ? 0 : need_operands(in, fault);
}

static int read_fields(struct instruction *in, char escape, struct fault *fault)
{
	words__fields(in->rest, &in->args);
	return in->args.n ? 0 : need_operands(in, fault);
}

static int read_one(struct instruction *in, char escape, struct fault *fault)
{
	if (!*in->rest)
		return fault_set(fault, "%s needs exactly one argument",
				 instruction_name(in->kind));
	strv_add(&in->args, in->rest);
	return 0;
}

static int read_copy(struct instruction *in, char escape, struct fault *fault)
{
	if (read_list(in, escape, fault) < 0)
		return -EINVAL;
	if (in->args.n < 2)
		return fault_set(fault,
				 "%s needs at least two arguments: what to copy, and where to",
				 instruction_name(in->kind));
	if (in->kind == INSTRUCTION_COPY && in->copy.from && strchr(in->copy.from, '$'))
		return fault_set(fault,
				 "--from=%s cannot have a variable; give the image a stage of its "
				 "own (FROM %s AS name)",
				 in->copy.from, in->copy.from);
	return 0;
}

static void add_pair(struct instruction *in, char *key, char *value, bool spaced)
{
	vec_push(&in->pairs, (struct pair){ .key = key, .value = value, .spaced = spaced });
}

static int check_keys(const struct instruction *in, struct fault *fault)
{
	vec_each(pair, &in->pairs)
		if (!*pair->key)
			return fault_set(fault, "a name of %s cannot be empty",
					 instruction_name(in->kind));
	return 0;
}

/* ENV and LABEL: KEY=value ..., or the old KEY value. */
static int read_pairs(struct instruction *in, char escape, struct fault *fault)
{
	cleanup_strv struct strv words = { 0 };
	const char *name = instruction_name(in->kind);

	words__quoted(in->rest, escape, &words);
	if (!words.n)
		return need_operands(in, fault);
	if (!strchr(words.v[0], '=')) {
		size_t len = 0;
		while (in->rest[len] && !blank(in->rest[len]))
			len++;
		if (!in->rest[len])
			return fault_set(fault, "%s needs two arguments: %s %s=value", name, name,
					 words.v[0]);
		add_pair(in, xstrndup(in->rest, len), trimmed(in->rest + len), true);
		return check_keys(in, fault);
	}
	for (size_t i = 0; i < words.n; i++) {
		const char *word = words.v[i], *equals = strchr(word, '=');
		if (!equals)
			return fault_set(fault, "'%s' of %s has no '=': it must be name=value",
					 word, name);
		add_pair(in, xstrndup(word, (size_t)(equals - word)), xstrdup(equals + 1), false);
	}
	return check_keys(in, fault);
}

/* ARG: name or name=value, several. */
static int read_args(struct instruction *in, char escape, struct fault *fault)
{
	cleanup_strv struct strv words = { 0 };

	words__quoted(in->rest, escape, &words);
	if (!words.n)
		return need_operands(in, fault);
	for (size_t i = 0; i < words.n; i++) {
		const char *word = words.v[i], *equals = strchr(word, '=');
		add_pair(in, xstrndup(word, equals ? (size_t)(equals - word) : SIZE_MAX),
			 equals ? xstrdup(equals + 1) : NULL, false);
	}
	return check_keys(in, fault);
}

static bool stage_name_ok(const char *name)
{
	if (*name < 'a' || *name > 'z')
		return false;
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == 0;
}

static int read_from(struct instruction *in, char escape, struct fault *fault)
{
	words__fields(in->rest, &in->args);
	if (in->args.n != 1 && in->args.n != 3)
		return fault_set(fault, "FROM takes one argument or three: FROM image [AS name]");
	if (in->args.n == 1)
		return 0;
	in->as_written = xstrdup(in->args.v[1]);
	in->stage_name_written = xstrdup(in->args.v[2]);
	in->stage_name = xstrdup(in->args.v[2]);
	strv_remove(&in->args, 2);
	strv_remove(&in->args, 1);
	for (char *c = in->stage_name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strcasecmp(in->as_written, "as") != 0)
		return fault_set(fault, "FROM has '%s' where AS is expected: FROM image [AS name]",
				 in->as_written);
	if (!stage_name_ok(in->stage_name))
		return fault_set(
			fault,
			"'%s' is no name for a stage: it begins with a letter and has only "
			"letters, digits and '-_.'",
			in->stage_name_written);
	return 0;
}

static int read_health(struct instruction *in, char escape, struct fault *fault)
{
	size_t len = 0;

	while (in->rest[len] && !blank(in->rest[len]))
		len++;
	if (!len)
		return need_operands(in, fault);
	cleanup_free char *type = xstrndup(in->rest, len);
	cleanup_free char *command = trimmed(in->rest + len);
	if (strcasecmp(type, "none") == 0) {
		in->health.none = true;
		return *command ? fault_set(fault, "HEALTHCHECK NONE takes no arguments") : 0;
	}
	if (strcasecmp(type, "cmd") != 0)
		return fault_set(fault, "HEALTHCHECK has '%s' where CMD or NONE is expected", type);
	if (read_json(in, command, fault) < 0)
		return -EINVAL;
	if (!in->json && *command)
		strv_add(&in->args, command);
	return in->args.n ? 0 : fault_set(fault, "HEALTHCHECK CMD needs a command");
}

static const struct {
	operand_fn *read;
	bool heredocs; /* `<<EOF` means something */
} forms[] = {
	[INSTRUCTION_ADD] = { read_copy, .heredocs = true },
	[INSTRUCTION_ARG] = { read_args },
	[INSTRUCTION_CMD] = { read_command },
	[INSTRUCTION_COPY] = { read_copy, .heredocs = true },
	[INSTRUCTION_ENTRYPOINT] = { read_command },
	[INSTRUCTION_ENV] = { read_pairs },
	[INSTRUCTION_EXPOSE] = { read_fields },
	[INSTRUCTION_FROM] = { read_from },
	[INSTRUCTION_HEALTHCHECK] = { read_health },
	[INSTRUCTION_LABEL] = { read_pairs },
	[INSTRUCTION_MAINTAINER] = { read_one },
	[INSTRUCTION_ONBUILD] = { NULL }, /* the trigger is an instruction itself */
	[INSTRUCTION_RUN] = { read_command, .heredocs = true },
	[INSTRUCTION_SHELL] = { read_shell },
	[INSTRUCTION_STOPSIGNAL] = { read_one },
	[INSTRUCTION_USER] = { read_one },
	[INSTRUCTION_VOLUME] = { read_list },
	[INSTRUCTION_WORKDIR] = { read_one },
};
static_assert(ARRAY_SIZE(forms) == INSTRUCTION_KIND_MAX_, "each instruction has its form");

/* --- heredocs --- */

/* What is left of a word without quotes and escapes. */
static char *bare(const char *word)
{
	struct expand nothing = { 0 };
	cleanup_err struct err ignored = ERR_INIT;
	char *text = NULL;

	return expand_text(&nothing, word, &text, &ignored) < 0 ? NULL : text;
}

/* Reads `[fd]<<[-]NAME`; false: the word is no heredoc. */
static bool heredoc_word(const char *word, struct heredoc *ret)
{
	const char *s = word + strspn(word, "0123456789");

	if (s[0] != '<' || s[1] != '<')
		return false;
	s += 2;
	*ret = (struct heredoc){ .tabs = *s == '-' };
	s += *s == '-';
	if (!*s || strchr(s, '<') || strchr(s, '$'))
		return false;
	ret->name = bare(s);
	if (str_empty(ret->name) || ret->name[strcspn(ret->name, " \t\r\n\v\f")]) {
		free(ret->name);
		return false;
	}
	ret->expand = str_eq(ret->name, s);
	return true;
}

const struct heredoc *instruction_heredoc(const struct instruction *in, const char *word)
{
	struct heredoc h;

	if (in->json || !heredoc_word(word, &h))
		return NULL;
	const struct heredoc *found = NULL;
	vec_each(candidate, &in->heredocs)
		if (!found && str_eq(candidate->name, h.name))
			found = candidate;
	free(h.name);
	return found;
}

static int read_heredoc(struct heredoc *h, struct line_source *lines, struct fault *fault)
{
	cleanup_str struct str content = STR_INIT_MAX(DOCKERFILE_BYTES_MAX * 2);
	const char *line;
	size_t len;

	h->line = lines->line + 1;
	while (lines->next && lines->next(lines->data, &line, &len)) {
		size_t tabs = 0;
		while (h->tabs && tabs < len && line[tabs] == '\t')
			tabs++;
		if (len - tabs == strlen(h->name) &&
		    memcmp(line + tabs, h->name, len - tabs) == 0) {
			h->content = str_take(&content);
			return 0;
		}
		str_addn(&content, line + tabs, len - tabs);
		str_addc(&content, '\n');
	}
	return fault_set(fault, "the heredoc '%s' has no end: a line that is only '%s'", h->name,
			 h->name);
}

static bool is_json(const char *text)
{
	cleanup_strv struct strv ignored = { 0 };

	return words__json(text, &ignored) != 0;
}

static int read_heredocs(struct instruction *in, struct line_source *lines, struct fault *fault)
{
	cleanup_strv struct strv words = { 0 };
	int r = 0;

	/* Always the usual escape here, whatever the file's is. */
	expand_split(in->rest, '\\', &words);
	for (size_t i = 0; r == 0 && i < words.n; i++) {
		struct heredoc h;
		if (!heredoc_word(words.v[i], &h))
			continue;
		vec_push(&in->heredocs, h);
		r = read_heredoc(&in->heredocs.v[in->heredocs.n - 1], lines, fault);
	}
	return r;
}

/* RUN with heredocs: the text for the shell, or a program of its own. */
static void join_run(struct instruction *in)
{
	struct heredoc word;

	if (!in->heredocs.n || in->args.n != 1)
		return;
	if (heredoc_word(in->args.v[0], &word)) {
		free(word.name);
		in->script = str_starts(in->heredocs.v[0].content, "#!");
		free(in->args.v[0]);
		in->args.v[0] = xstrdup(in->heredocs.v[0].content);
		return;
	}
	cleanup_str struct str text = STR_INIT_MAX(4 * DOCKERFILE_BYTES_MAX);
	str_add(&text, in->args.v[0]);
	vec_each(h, &in->heredocs)
		str_addf(&text, "\n%s%s", h->content, h->name);
	free(in->args.v[0]);
	in->args.v[0] = str_take(&text);
}

static int check_heredocs(const struct instruction *in, struct fault *fault)
{
	if (in->kind == INSTRUCTION_RUN || !in->args.n)
		return 0;
	if (instruction_heredoc(in, in->args.v[in->args.n - 1]))
		return fault_set(fault, "the destination of %s cannot be a heredoc",
				 instruction_name(in->kind));
	vec_each(h, &in->heredocs)
		if (strchr(h->name, '/') || str_eq(h->name, "..") || str_eq(h->name, "."))
			return fault_set(fault, "the heredoc '%s' cannot be the name of a file",
					 h->name);
	return 0;
}

/* --- the whole --- */

static int find_kind(const char *word, enum instruction_kind *ret, struct fault *fault)
{
	cleanup_free char *upper = xstrdup(word);

	for (char *c = upper; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	for (int i = 0; instruction__names[i]; i++)
		if (str_eq(instruction__names[i], upper)) {
			*ret = (enum instruction_kind)i;
			return 0;
		}
	const char *near = nearest_word(upper, instruction__names);
	if (near)
		fault->hint = xasprintf("did you mean %s?", near);
	return fault_set(fault, "unknown instruction '%.64s'", word);
}

static int check_trigger(const struct instruction *trigger, struct fault *fault)
{
	switch (trigger->kind) {
	case INSTRUCTION_ONBUILD:
		return fault_set(fault,
				 "ONBUILD cannot be chained: ONBUILD ONBUILD is not allowed");
	case INSTRUCTION_FROM:
	case INSTRUCTION_MAINTAINER:
		return fault_set(fault, "%s is not allowed as an ONBUILD trigger",
				 instruction_name(trigger->kind));
	default: return 0;
	}
}

static int read_trigger(struct instruction *in, char escape, struct line_source *lines,
			struct fault *fault)
{
	if (!*in->rest)
		return need_operands(in, fault);
	in->onbuild = new0(struct instruction);
	if (instruction__read(in->rest, escape, lines, true, in->onbuild, fault) < 0)
		return -EINVAL;
	cleanup_str struct str text = STR_INIT_MAX(4 * DOCKERFILE_BYTES_MAX);
	str_add(&text, in->rest);
	vec_each(h, &in->onbuild->heredocs)
		str_addf(&text, "\n%s%s", h->content, h->name);
	strv_take(&in->args, str_take(&text));
	return 0;
}

static int check_mounts(const struct instruction *in, struct fault *fault)
{
	for (size_t i = 0; i < in->mounts.n; i++) {
		cleanup_run_mount struct run_mount m = { 0 };
		cleanup_err struct err err = ERR_INIT;
		if (run_mount_parse(in->mounts.v[i], NULL, &m, &err) < 0)
			return fault_set(fault, "%s", err.msg);
	}
	return 0;
}

int instruction__read(const char *text, char escape, struct line_source *lines, bool nested,
		      struct instruction *in, struct fault *fault)
{
	cleanup_free char *line = trimmed(text);
	size_t len = 0;

	in->original = xstrdup(line);
	while (line[len] && !blank(line[len]))
		len++;
	in->keyword = xstrndup(line, len);
	if (find_kind(in->keyword, &in->kind, fault) < 0)
		return -EINVAL;
	if (nested && check_trigger(in, fault) < 0)
		return -EINVAL;
	while (blank(line[len]))
		len++;
	const char *rest = line + len;
	int r = flags__read(in, &rest, fault);
	in->rest = xstrdup(rest);
	/* Heredocs first, so that a mistake in the line does not make instructions of them. */
	if (forms[in->kind].heredocs && !is_json(in->rest) && read_heredocs(in, lines, fault) < 0)
		return -EINVAL;
	if (in->kind == INSTRUCTION_ONBUILD)
		return r < 0 ? r : read_trigger(in, escape, lines, fault);
	if (r < 0 || (r = forms[in->kind].read(in, escape, fault)) < 0)
		return r;
	if (in->kind == INSTRUCTION_RUN)
		join_run(in);
	if (in->heredocs.n && (r = check_heredocs(in, fault)) < 0)
		return r;
	return check_mounts(in, fault);
}

void instruction__done(struct instruction *in)
{
	free(in->keyword);
	free(in->original);
	free(in->rest);
	strv_done(&in->args);
	vec_each(pair, &in->pairs) {
		free(pair->key);
		free(pair->value);
	}
	vec_done(&in->pairs);
	vec_each(h, &in->heredocs) {
		free(h->name);
		free(h->content);
	}
	vec_done(&in->heredocs);
	strv_done(&in->mounts);
	strv_done(&in->devices);
	free(in->copy.from);
	free(in->copy.chown);
	free(in->copy.chmod);
	free(in->copy.checksum);
	strv_done(&in->copy.exclude);
	free(in->platform);
	free(in->stage_name);
	free(in->stage_name_written);
	free(in->as_written);
	instruction_free(in->onbuild);
	strv_done(&in->comments);
}

void instruction_free(struct instruction *in)
{
	if (in)
		instruction__done(in);
	free(in);
}
