/* How progress is drawn on a terminal: pure, text from lines. */
#include "cli/progress.h"

#include <stdio.h>

static const struct {
	const char *mark, *colour;
} looks[] = {
	[PROGRESS_WORKING] = { NULL, "\033[33m" }, /* its mark turns */
	[PROGRESS_DONE] = { "\xe2\x9c\x94", "\033[32m" },
	[PROGRESS_ERROR] = { "\xe2\x9c\x98", "\033[31m" },
};

static const char *const spinner[] = {
	"\xe2\xa0\x8b", "\xe2\xa0\x99", "\xe2\xa0\xb9", "\xe2\xa0\xb8", "\xe2\xa0\xbc",
	"\xe2\xa0\xb4", "\xe2\xa0\xa6", "\xe2\xa0\xa7", "\xe2\xa0\x87", "\xe2\xa0\x8f",
};

/* Columns of text: characters, which is right for everything but wide and combining ones. */
static size_t columns_of(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += (*text & 0xC0) != 0x80;
	return n;
}

/* At most `width` columns of text, control characters as '?', filled up with blanks when `fill`. */
static void add_cell(struct str *out, const char *text, size_t width, bool fill)
{
	size_t n = 0;
	while (*text && n < width) {
		unsigned char c = (unsigned char)*text;
		str_addc(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
		text++;
		while ((*text & 0xC0) == 0x80)
			str_addc(out, *text++);
		n++;
	}
	for (; fill && n < width; n++)
		str_addc(out, ' ');
}

static void add_colour(const struct progress_view *view, struct str *out, const char *code)
{
	if (view->colour)
		str_add(out, code);
}

static void add_line(const struct progress_view *view, const struct progress_line *line,
		     size_t subject_width, struct str *out)
{
	nsec_t spent = (line->end ? line->end : view->now) - line->start;
	char time[24];
	int n = snprintf(time, sizeof(time), "%.1fs", (double)spent / 1e9);
	const char *mark = looks[line->state].mark;
	if (!mark)
		mark = spinner[(size_t)(view->now / (80 * NSEC_PER_MSEC)) % ARRAY_SIZE(spinner)];

	/* " M subject  text   time": 5 blanks and the mark are fixed. */
	size_t fixed = 6 + (size_t)n;
	size_t room = view->columns > fixed + 1 ? view->columns - fixed - 1 : 0;
	if (subject_width > room)
		subject_width = room;
	str_addc(out, ' ');
	add_colour(view, out, looks[line->state].colour);
	str_add(out, mark);
	add_colour(view, out, "\033[0m");
	str_addc(out, ' ');
	add_cell(out, line->subject, subject_width, true);
	str_add(out, "  ");
	add_colour(view, out, looks[line->state].colour);
	add_cell(out, line->text, room - subject_width, true);
	add_colour(view, out, "\033[0m");
	str_addc(out, ' ');
	str_add(out, time);
	str_add(out, "\033[K\n");
}

/* Which lines are shown when not all fit: those that are done give way, the oldest first. */
static size_t hide_done(const struct progress_view *view, size_t room, bool *hidden)
{
	size_t shown = view->count;
	for (size_t i = 0; i < view->count && shown > room; i++)
		if (view->lines[i].state == PROGRESS_DONE) {
			hidden[i] = true;
			shown--;
		}
	for (size_t i = 0; i < view->count && shown > room; i++)
		if (!hidden[i]) {
			hidden[i] = true;
			shown--;
		}
	return shown;
}

size_t progress__render(const struct progress_view *view, struct str *out)
{
	size_t done = 0, width = 0, shown;
	size_t room = view->rows > 3 ? view->rows - 2 : 1;
	cleanup_free bool *hidden = xcalloc(view->count, sizeof(*hidden));

	for (size_t i = 0; i < view->count; i++) {
		size_t n = columns_of(view->lines[i].subject);
		done += view->lines[i].state == PROGRESS_DONE;
		width = n > width ? n : width;
	}
	shown = hide_done(view, room, hidden);
	size_t total = view->total > view->count ? view->total : view->count;
	add_colour(view, out, done == total ? "\033[34m" : "");
	str_addf(out, "[+] Running %zu/%zu", done, total);
	add_colour(view, out, done == total ? "\033[0m" : "");
	str_add(out, "\033[K\n");
	for (size_t i = 0; i < view->count; i++)
		if (!hidden[i])
			add_line(view, &view->lines[i], width, out);
	return shown + 1;
}
