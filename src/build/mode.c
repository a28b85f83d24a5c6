#include "build/mode.h"

#include "base/parse.h"
#include "base/str.h"
#include "base/vec.h"

struct clause {
	mode_t who;	 /* 0700 0070 0007 and combinations */
	char action;	 /* '+' '-' '=' */
	mode_t bits;	 /* rwx of all three, 06000, 01000 */
	bool execute_if; /* X */
	char copy;	 /* 'u' 'g' 'o', or 0 */
};

struct mode_change {
	bool absolute;
	mode_t mode;
	VEC(struct clause) clauses;
};

enum { CLAUSES_MAX = 100 };

void mode_free(struct mode_change *change)
{
	if (change)
		vec_done(&change->clauses);
	free(change);
}

static const char *read_who(const char *s, mode_t *ret)
{
	for (*ret = 0; *s && strchr("ugoa", *s); s++)
		*ret |= *s == 'u' ? 04700 : *s == 'g' ? 02070 : *s == 'o' ? 01007 : 07777;
	if (!*ret)
		*ret = 07777;
	return s;
}

/* What stands behind + - or =. NULL: a letter that means nothing. */
static const char *read_permissions(const char *s, struct clause *c)
{
	if (*s && strchr("ugo", *s)) {
		c->copy = *s;
		return s + 1;
	}
	for (; *s && !strchr(",+-=", *s); s++) {
		switch (*s) {
		case 'r': c->bits |= 0444; break;
		case 'w': c->bits |= 0222; break;
		case 'x': c->bits |= 0111; break;
		case 'X': c->execute_if = true; break;
		case 's': c->bits |= 06000; break;
		case 't': c->bits |= 01000; break;
		default: return NULL;
		}
	}
	return s;
}

static int bad(const char *text, struct err *err)
{
	return err_input(err,
			 "--chmod=%s is neither an octal mode (0 to 7777) nor one such as "
			 "u=rwX,go=rX",
			 text);
}

int mode_parse(const char *text, struct mode_change **ret, struct err *err)
{
	cleanup(mode_free_cleanup) struct mode_change *m = new0(struct mode_change);
	const char *s = text;
	uint32_t octal;

	if (*s >= '0' && *s <= '9') {
		if (s[strspn(s, "01234567")] || parse_octal(s, 07777, &octal) < 0)
			return bad(text, err);
		m->absolute = true;
		m->mode = octal;
		*ret = ptr_take(m);
		return 0;
	}
	do {
		mode_t who;
		s = read_who(s, &who);
		if (!*s || !strchr("+-=", *s))
			return bad(text, err);
		while (*s && strchr("+-=", *s)) {
			struct clause c = { .who = who, .action = *s };
			s = read_permissions(s + 1, &c);
			if (!s || m->clauses.n >= CLAUSES_MAX)
				return bad(text, err);
			vec_push(&m->clauses, c);
		}
		if (*s && *s != ',')
			return bad(text, err);
	} while (*s++ == ',');
	*ret = ptr_take(m);
	return 0;
}

/* The permissions of one of u, g, o in the places of all three. */
static mode_t spread(mode_t mode, char of)
{
	mode_t bits = (of == 'u' ? mode >> 6 : of == 'g' ? mode >> 3 : mode) & 7;

	return bits << 6 | bits << 3 | bits;
}

static mode_t apply(const struct clause *c, mode_t mode, bool is_dir)
{
	mode_t bits = c->copy ? spread(mode, c->copy) : c->bits, touched = c->who;

	if (c->execute_if && (is_dir || (mode & 0111)))
		bits |= 0111;
	bits &= touched;
	if (c->action == '+')
		return mode | bits;
	if (c->action == '-')
		return mode & ~bits;
	/* As chmod does: the special bits of directories stay unless they are named. */
	if (is_dir)
		touched &= (mode_t)~06000 | c->bits;
	return (mode & ~touched) | bits;
}

mode_t mode_apply(const struct mode_change *m, mode_t mode)
{
	mode_t result = mode & 07777;

	if (m->absolute)
		return m->mode;
	vec_each(c, &m->clauses)
		result = apply(c, result, S_ISDIR(mode));
	return result;
}

mode_t mode_of_directory(const struct mode_change *m)
{
	return m && m->absolute ? m->mode : 0755;
}
