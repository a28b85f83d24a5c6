/* The keeper from outside: its lock, held (flock) while a project runs, and its start. */
#ifndef STAVE_ENGINE_KEEPER_H
#define STAVE_ENGINE_KEEPER_H

#include "engine/state-path.h"

/* Takes STAVE_RUN/projects/<project>/lock below the open directory. The descriptor, or -EWOULDBLOCK
 * when another process has it, or negative errno. Waits for nothing. */
int keeper_lock(int project_run_dir);

/* Starts one that is nobody's child, with nothing of the caller's terminal, directory, descriptors
 * or environment. What comes of it is written to `ready` (borrowed): see READY_OK, READY_BUSY; the
 * end without a word is that of a keeper that could not begin. Forks; waits for nothing else. */
int keeper_start(const struct engine_paths *paths, const char *project, int ready, struct err *err);

#endif
