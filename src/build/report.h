/* What a stage's process and the build's process say to each other, over a stream socket pair: a
 * head and its text. The stage reports steps and asks for the results of other stages; the build
 * answers that with the result. Both are the same program. */
#ifndef STAVE_BUILD_REPORT_H
#define STAVE_BUILD_REPORT_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "build/build.h"

enum report_kind {
	REPORT_EVENT,  /* event, step, duration; text */
	REPORT_NEED,   /* step: number of the stage whose result is wanted */
	REPORT_RESULT, /* text: JSON of a struct stage_result */
	REPORT_ERROR,  /* text: JSON of a struct err */
	REPORT_KIND_MAX_
};
enum { REPORT_TEXT_MAX = 64 << 20 };

struct report_head {
	uint32_t kind;	/* enum report_kind */
	uint32_t event; /* enum build_event_kind */
	uint32_t step;
	uint32_t len; /* of the text */
	int64_t duration;
};

/* Blocks. 0 or negative errno. */
int report_send(int fd, const struct report_head *head, const char *text);
/* Takes the next whole message off the start of `in` (what was read so far); false: not yet whole.
 * *ret_text is owned. -EBADMSG in ret_head->kind == REPORT_KIND_MAX_: nonsense. */
bool report_next(struct str *in, struct report_head *ret_head, char **ret_text);
/* Blocks for one message. */
int report_receive(int fd, struct report_head *ret_head, char **ret_text, struct err *err);

json_t *report_err_to_json(const struct err *err);
int report_err_from_json(const char *text, struct err *err); /* -err->no */

#endif
