/* The project's lock: held (flock) by the keeper while a project runs. */
#ifndef STAVE_ENGINE_KEEPER_H
#define STAVE_ENGINE_KEEPER_H

/* Takes STAVE_RUN/projects/<project>/lock below the open directory. The descriptor, or -EWOULDBLOCK
 * when another process has it, or negative errno. Waits for nothing. */
int keeper_lock(int project_run_dir);

#endif
