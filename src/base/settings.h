/* Where the machine's owner sets things: /etc/stave/NAME.conf. */
#ifndef STAVE_BASE_SETTINGS_H
#define STAVE_BASE_SETTINGS_H

#include "base/err.h"
#include "base/str.h"

/* Where settings are looked for, the first that is there counts: $STAVE_CONFIG alone; else the
 * user's own (unless that is root), then the machine's. */
struct strv settings_dirs(void);
/* The next word of *at, or NULL at the end of the line or at a comment. Cuts the text. */
char *settings_word(char **at);

#endif
