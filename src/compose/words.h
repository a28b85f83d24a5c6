/* Command lines as Compose splits them: like a shell, with quotes and backslashes, up to the first
 * unquoted ; & | < or >. */
#ifndef STAVE_COMPOSE_WORDS_H
#define STAVE_COMPOSE_WORDS_H

#include "base/str.h"

/* Appends the words. Returns 0, or -1 when a quote or parenthesis is left open. */
int words_split(const char *line, struct strv *out);

#endif
