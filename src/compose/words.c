#include "compose/words.h"

struct words {
	struct strv *out;
	struct str word;
	bool any; /* the word has begun, be it empty */
	bool escaped, single, twin, back, dollar;
};

static bool inside(const struct words *w)
{
	return w->single || w->twin || w->back || w->dollar;
}

static void end_word(struct words *w)
{
	if (w->any)
		strv_add(w->out, str_text(&w->word));
	str_clear(&w->word);
	w->any = false;
}

static void add(struct words *w, char c)
{
	str_addc(&w->word, c);
	w->any = true;
}

/* Handles c when it is special here. 1: done with it, 0: an ordinary character, -1: refused, 2: the
 * line ends here. */
static int special(struct words *w, char c)
{
	switch (c) {
	case '`':
		if (!w->single && !w->twin && !w->dollar)
			w->back = !w->back;
		return 0;
	case ')':
		if (!w->single && !w->twin && !w->back)
			w->dollar = !w->dollar;
		return 0;
	case '(':
		if (w->single || w->twin || w->back)
			return 0;
		if (w->dollar || !w->word.len || w->word.data[w->word.len - 1] != '$')
			return -1;
		w->dollar = true;
		str_addc(&w->word, c);
		return 1;
	case '"':
		if (w->single || w->dollar)
			return 0;
		w->any |= w->twin;
		w->twin = !w->twin;
		return 1;
	case '\'':
		if (w->twin || w->dollar)
			return 0;
		w->any |= w->single;
		w->single = !w->single;
		return 1;
	case ';':
	case '&':
	case '|':
	case '<':
	case '>':
		if (inside(w))
			return 0;
		/* "2>file": the digit belongs to the redirection */
		if (c == '>' && w->word.len && w->word.data[0] >= '0' && w->word.data[0] <= '9')
			w->any = false;
		return 2;
	default: return 0;
	}
}

int words_split(const char *line, struct strv *out)
{
	struct words w = { .out = out, .word = STR_INIT };
	int r = 0;
	for (const char *p = line; *p && r != 2 && r >= 0; p++) {
		r = 0;
		if (w.escaped) {
			add(&w, *p);
			w.escaped = false;
		} else if (*p == '\\') {
			if (w.single)
				str_addc(&w.word, *p);
			else
				w.escaped = true;
		} else if (strchr(" \t\r\n", *p)) {
			if (inside(&w))
				str_addc(&w.word, *p);
			else
				end_word(&w);
		} else {
			r = special(&w, *p);
			if (r == 0)
				add(&w, *p);
		}
	}
	end_word(&w);
	bool open = w.escaped || inside(&w);
	str_done(&w.word);
	return r < 0 || open ? -1 : 0;
}
