/* Which files a project is made of, where it lives and what it is called. */
#ifndef STAVE_COMPOSE_DISCOVER_H
#define STAVE_COMPOSE_DISCOVER_H

#include "compose/model.h"

/* Fills cwd, files, working_dir, env, env_files, profiles and, when the command line or the
 * environment say it, name. Returns 0 or negative with err or diagnostics. */
int discover(struct compose_model *m, struct err *err);
/* After the files are read: `from_file` is the last `name:` in them, or NULL. */
int discover_name(struct compose_model *m, const struct node *from_file, struct err *err);

#endif
