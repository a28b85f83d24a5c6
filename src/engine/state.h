/* What is: the records on disk. Every fact that matters is a small file, written whole and renamed
 * (a container's changes are lines added to its file: container-file.c); the supervisor of a
 * project is their only writer while it lives, anybody may read them at any time (ps, logs, exec,
 * ls), and a fresh supervisor starts from them alone.
 *
 * STAVE_ROOT/projects/<project>/
 *   project.json      the project as last applied (project_to_json; mode 0600: it holds secrets)
 *   slots/<slot>.json             what outlives a container: id map, anonymous volumes
 *   slots/<slot>/log, log.1, ...  CRI text (engine/log.h), from the first line on
 *   containers/<id>/container.jsonl  a line each: what was created (struct container, the first
 *                     half), what runs (runtime/spec.h), how it is (the second half); mode 0600
 *   containers/<id>/upper, work   the writable layer
 * STAVE_ROOT/mountpoints          the lowest layer of every container
 * STAVE_ROOT/idmaps/<index>       a leased range of 65,536 host ids; another name of the slot's
 *                     record, as that was when it was leased
 * STAVE_RUN/projects/<project>/lock     held (flock) by the keeper
 * STAVE_RUN/projects/<project>/control  the supervisor's socket
 *
 * A slot is named "<service>-<number>" ("web-2"), a one-off's "<service>-run-<8 hex>". Its key in
 * net/ is "<project>/<slot>". */
#ifndef STAVE_ENGINE_STATE_H
#define STAVE_ENGINE_STATE_H

#include "engine/container.h"
#include "engine/slot.h"
#include "engine/state-path.h"

/* Reading: safe at any time, from any process. A container whose record is being removed or not yet
 * whole is left out. Containers recorded as running whose process is gone are given as EXITED. A
 * project that is not there has no containers (0). */
int state_containers(const struct engine_paths *paths, const char *project, struct containers *ret,
		     struct err *err);
/* Only those of one service: a fraction of the time. */
int state_containers_of(const struct engine_paths *paths, const char *project, const char *service,
			struct containers *ret, struct err *err);
/* The same as the files say, without that correction: for the supervisor, which asks the keeper how
 * they ended. */
int state_containers_recorded(const struct engine_paths *paths, const char *project,
			      struct containers *ret, struct err *err);
/* By exact name, id or unique id prefix, in one project or (project NULL) in all. */
int state_find(const struct engine_paths *paths, const char *project, const char *name,
	       struct container **ret, struct err *err);
int state_projects(const struct engine_paths *paths, struct strv *ret_names, struct err *err);
/* ERR_NOT_FOUND when nothing of that name was ever applied. */
int state_project_load(const struct engine_paths *paths, const char *project, struct project **ret,
		       struct err *err);
int state_spec_load(const struct engine_paths *paths, const struct container *c, struct spec *ret,
		    struct err *err);

/* Writing: the supervisor only. project.json is synced; the rest is not: after a power cut no
 * container runs, and what is torn is reported by name. */
int state_project_save(const struct engine_paths *paths, const struct project *project,
		       struct err *err);
/* Makes the directory with upper and work, and last its file: from then on the container is there
 * for everybody. */
int state_container_create(const struct engine_paths *paths, struct container *c,
			   const struct spec *spec, struct err *err);
int state_container_save(const struct engine_paths *paths, struct container *c,
			 const struct spec *spec, struct err *err); /* all of it */
int state_container_save_state(const struct engine_paths *paths, struct container *c,
			       struct err *err); /* how it is */
/* Removes its record: it is gone for everybody then, however long its directory takes. */
int state_container_forget(const struct engine_paths *paths, const struct container *c,
			   struct err *err);
/* Directories of containers without a record: what a crash left half made or half removed. Asked
 * for by a supervisor as it starts. */
int state_unrecorded(const struct engine_paths *paths, const char *project, struct strv *ret_dirs,
		     struct err *err);
/* Every slot of a project: slot_remove(). */
int state_slots_remove(const struct engine_paths *paths, const char *project, struct err *err);
/* Removes everything of a project below STAVE_ROOT that is left once its containers are gone. */
int state_project_remove(const struct engine_paths *paths, const char *project, struct err *err);

#endif
