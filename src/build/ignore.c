/* Lists of patterns as Docker's pattern matcher reads them. Most patterns are a plain name, a
 * "dir/\**" or a "**\/name", which are compared directly; the others become a list of elements that
 * is followed character by character with the set of places where a match may be. */
#include "build/ignore.h"

#include "base/fs.h"
#include "base/vec.h"
#include "build/glob.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>

enum element_kind {
	ONE_BYTE,  /* this one */
	ONE_OF,	   /* a class of characters, or `?`: `text` is its pattern for glob_match */
	STAR,	   /* any but slashes */
	DIRS,	   /* any number of directories, none too; always followed by */
	DIRS_MORE, /*   the state of being inside of one */
	REST,	   /* anything at all */
	END,
};

struct element {
	enum element_kind kind;
	char byte;
	char *text; /* owned */
};

enum shape { SHAPE_EXACT, SHAPE_PREFIX, SHAPE_SUFFIX, SHAPE_GENERAL };

struct pattern {
	char *text; /* clean, without the `!` */
	bool exception;
	enum shape shape;
	VEC(struct element) elements;
	bool *now, *next; /* places, elements.n each */
};

struct ignore {
	VEC(struct pattern) patterns;
	bool exceptions;
};

enum { PATTERN_BYTES_MAX = 4096 };

/* --- reading --- */

static void add_element(struct pattern *p, enum element_kind kind, char byte, char *text)
{
	vec_push(&p->elements, (struct element){ .kind = kind, .byte = byte, .text = text });
}

/* The length of a class including its brackets. */
static size_t class_length(const char *s)
{
	size_t n = 1 + (s[1] == '^');

	for (bool first = true; s[n] != ']' || first; n++, first = false)
		n += s[n] == '\\';
	return n + 1;
}

static void add_elements(struct pattern *p)
{
	const char *s = p->text;

	while (*s) {
		if (s[0] == '*' && s[1] == '*') {
			s += s[2] == '/' ? 3 : 2;
			if (*s) {
				add_element(p, DIRS, 0, NULL);
				add_element(p, DIRS_MORE, 0, NULL);
			} else {
				add_element(p, REST, 0, NULL);
			}
			continue;
		}
		if (*s == '*') {
			add_element(p, STAR, 0, NULL);
			s++;
		} else if (*s == '[' || *s == '?') {
			size_t len = *s == '?' ? 1 : class_length(s);
			add_element(p, ONE_OF, 0, xstrndup(s, len));
			s += len;
		} else {
			s += *s == '\\';
			add_element(p, ONE_BYTE, *s++, NULL);
		}
	}
	add_element(p, END, 0, NULL);
	p->now = xcalloc(p->elements.n, sizeof(bool));
	p->next = xcalloc(p->elements.n, sizeof(bool));
}

/* "**\/name" and "**name" end with it; "dir/\**" begins with it. */
static enum shape shape_of(const char *text)
{
	size_t len = strlen(text);

	if (!strpbrk(text, "*?[\\"))
		return SHAPE_EXACT;
	if (len >= 2 && strncmp(text, "**", 2) == 0 && !strpbrk(text + 2, "*?[\\"))
		return SHAPE_SUFFIX;
	if (len >= 2 && strcspn(text, "*?[\\") == len - 2 && str_ends(text, "**"))
		return SHAPE_PREFIX;
	return SHAPE_GENERAL;
}

static char *stripped(const char *text, size_t len)
{
	while (len && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	return xstrndup(text, len);
}

static int add_pattern(struct ignore *ignore, const char *text, struct err *err)
{
	cleanup_free char *line = stripped(text, strlen(text)), *rest = NULL;
	bool exception = *line == '!';

	if (!*line)
		return 0;
	rest = stripped(line + exception, strlen(line + exception));
	if (!*rest)
		return err_input(err, "the pattern '!' has nothing behind it");
	if (strlen(rest) > PATTERN_BYTES_MAX)
		return err_input(err, "the pattern '%.64s...' is longer than %d bytes", rest,
				 PATTERN_BYTES_MAX);
	if (ignore->patterns.n >= IGNORE_PATTERNS_MAX)
		return err_input(err, "there are more than %d patterns", IGNORE_PATTERNS_MAX);
	cleanup_free char *clean = path_clean(rest);
	if (!glob_valid(clean))
		return err_input(err,
				 "the pattern '%s' is not valid: a '[' that is not closed, or a "
				 "'\\' at the end",
				 rest);
	size_t slash = clean[0] == '/' && clean[1];
	struct pattern *p = vec_add(&ignore->patterns);
	p->text = xstrdup(clean + slash);
	p->exception = exception;
	p->shape = shape_of(p->text);
	if (p->shape == SHAPE_GENERAL)
		add_elements(p);
	ignore->exceptions = ignore->exceptions || exception;
	return 0;
}

int ignore_parse(const char *text, size_t len, const char *name, struct ignore **ret,
		 struct err *err)
{
	cleanup(ignore_free_cleanup) struct ignore *ignore = new0(struct ignore);
	const char *s = text, *end = text + len;
	int number = 0, r;

	if (len > IGNORE_BYTES_MAX)
		return err_input(err, "'%s' is larger than %d bytes", name, IGNORE_BYTES_MAX);
	if (len >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0)
		s += 3;
	while (s < end) {
		const char *stop = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((stop ? stop : end) - s);
		cleanup_free char *line = xstrndup(s, n);
		number++;
		if (*line != '#' && (r = add_pattern(ignore, line, err)) < 0)
			return err_wrap(err, "%s:%d", name, number);
		s += n + (stop != NULL);
	}
	*ret = ptr_take(ignore);
	return 0;
}

int ignore_new(const struct strv *patterns, struct ignore **ret, struct err *err)
{
	cleanup(ignore_free_cleanup) struct ignore *ignore = new0(struct ignore);
	int r;

	for (size_t i = 0; i < patterns->n; i++)
		if ((r = add_pattern(ignore, patterns->v[i], err)) < 0)
			return r;
	*ret = ptr_take(ignore);
	return 0;
}

/* Reads the file when it is there. A symlink may lead to another place in the context only. */
static int load_one(int context, const char *name, struct ignore **ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT_MAX(IGNORE_BYTES_MAX);
	cleanup_err struct err why = ERR_INIT;
	struct stat st;
	int r;

	cleanup_fd int fd = fs_open_in_root(context, name, O_RDONLY | O_NOCTTY, 0, &why);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return err_move(err, &why);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_input(err, "'%s' is not a regular file", name);
	if ((r = fs_read_fd(fd, name, IGNORE_BYTES_MAX, &text, err)) < 0)
		return r;
	r = ignore_parse(str_text(&text), text.len, name, ret, err);
	return r < 0 ? r : 1;
}

int ignore_load(int context, const char *dockerfile, struct ignore **ret, char **ret_name,
		struct err *err)
{
	cleanup_free char *own = dockerfile ? xasprintf("%s.dockerignore", dockerfile) : NULL;
	const char *names[] = { own, ".dockerignore" };

	*ret = NULL;
	*ret_name = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = names[i] ? load_one(context, names[i], ret, err) : 0;
		if (r > 0)
			*ret_name = xstrdup(names[i]);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return 0;
}

void ignore_free(struct ignore *ignore)
{
	if (!ignore)
		return;
	vec_each(p, &ignore->patterns) {
		free(p->text);
		free(p->now);
		free(p->next);
		vec_each(e, &p->elements)
			free(e->text);
		vec_done(&p->elements);
	}
	vec_done(&ignore->patterns);
	free(ignore);
}

/* --- matching --- */

/* Marks the place and those that are reached from it without a character. */
static void reach(const struct pattern *p, bool *places, size_t i)
{
	for (;; i++) {
		if (places[i])
			return;
		places[i] = true;
		switch (p->elements.v[i].kind) {
		case DIRS:
			places[i + 1] = true;
			i++; /* behind its other half */
			break;
		case STAR:
		case REST: break;
		default: return;
		}
	}
}

/* The bytes of the character at s. */
static size_t char_bytes(const char *s)
{
	size_t n = 1;

	if ((unsigned char)*s >= 0xC0)
		while (n < 4 && ((unsigned char)s[n] & 0xC0) == 0x80)
			n++;
	return n;
}

/* One character of the path from one place. */
static void step(const struct pattern *p, size_t i, const char *s, size_t len)
{
	const struct element *e = &p->elements.v[i];
	char text[8] = { 0 };

	switch (e->kind) {
	case ONE_BYTE:
		/* Characters of several bytes are elements of several bytes: compared at the first,
		 * the rest is stepped over by the caller one by one. */
		if (len == 1 && *s == e->byte)
			reach(p, p->next, i + 1);
		break;
	case ONE_OF:
		memcpy(text, s, len);
		if (*s != '/' && glob_match(e->text, text))
			reach(p, p->next, i + 1);
		break;
	case STAR:
		if (*s != '/')
			reach(p, p->next, i);
		break;
	case DIRS_MORE:
		p->next[i] = true;
		if (*s == '/')
			reach(p, p->next, i + 1);
		break;
	case REST: reach(p, p->next, i); break;
	case DIRS:
	case END: break;
	}
}

/* A multibyte character that the pattern writes out. */
static bool literal_run(const struct pattern *p, size_t i, const char *s, size_t len)
{
	for (size_t k = 0; k < len; k++)
		if (p->elements.v[i + k].kind != ONE_BYTE || p->elements.v[i + k].byte != s[k])
			return false;
	return true;
}

static bool match_general(const struct pattern *p, const char *path)
{
	size_t n = p->elements.n;

	memset(p->now, 0, n * sizeof(bool));
	reach(p, p->now, 0);
	for (const char *s = path; *s;) {
		size_t len = char_bytes(s);
		bool any = false;

		memset(p->next, 0, n * sizeof(bool));
		for (size_t i = 0; i < n; i++) {
			if (!p->now[i])
				continue;
			step(p, i, s, len);
			if (len > 1 && literal_run(p, i, s, len))
				reach(p, p->next, i + len);
		}
		memcpy(p->now, p->next, n * sizeof(bool));
		for (size_t i = 0; i < n && !any; i++)
			any = p->now[i];
		if (!any)
			return false;
		s += len;
	}
	return p->now[n - 1];
}

static bool match_one(const struct pattern *p, const char *path)
{
	switch (p->shape) {
	case SHAPE_EXACT: return str_eq(p->text, path);
	case SHAPE_PREFIX: return strncmp(path, p->text, strlen(p->text) - 2) == 0;
	case SHAPE_SUFFIX:
		return str_ends(path, p->text + 2) ||
		       (p->text[2] == '/' && str_eq(path, p->text + 3));
	case SHAPE_GENERAL: return match_general(p, path);
	}
	return false;
}

/* Matches the path or one of the directories above it. */
static bool match_with_parents(const struct pattern *p, const char *path)
{
	cleanup_free char *part = NULL;

	if (match_one(p, path))
		return true;
	part = xstrdup(path);
	for (char *slash; (slash = strrchr(part, '/'));) {
		*slash = 0;
		if (match_one(p, part))
			return true;
	}
	return false;
}

bool ignore_path(const struct ignore *ignore, const char *path)
{
	bool out = false;

	vec_each(p, &ignore->patterns)
		/* A pattern that would say what holds already need not be asked. */
		if (p->exception == out && match_with_parents(p, path))
			out = !p->exception;
	return out;
}

bool ignore_has_exceptions(const struct ignore *ignore, const char *path)
{
	size_t len = strlen(path);

	if (!ignore->exceptions)
		return false;
	vec_each(p, &ignore->patterns) {
		size_t plain = strcspn(p->text, "*?[\\");
		size_t n = plain < len ? plain : len;

		if (!p->exception || strncmp(p->text, path, n) != 0)
			continue;
		/* Either it goes on below the directory, or what it begins with may still lead
		 * there. */
		if (plain > len ? p->text[len] == '/' : p->text[plain] != 0)
			return true;
	}
	return false;
}

void ignore_state_done(struct ignore_state *state)
{
	free(state->matched);
	state->matched = NULL;
}

bool ignore_step(const struct ignore *ignore, const struct ignore_state *parent, const char *path,
		 struct ignore_state *ret)
{
	bool out = false;
	size_t i = 0;

	ret->matched = xcalloc(ignore->patterns.n / 64 + 1, sizeof(uint64_t));
	vec_each(p, &ignore->patterns) {
		bool match = parent && parent->matched && (parent->matched[i / 64] >> i % 64 & 1);

		if (match || match_one(p, path)) {
			ret->matched[i / 64] |= (uint64_t)1 << i % 64;
			out = !p->exception;
		}
		i++;
	}
	return out;
}
