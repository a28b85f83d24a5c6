/* A slot: the place of one replica, and what stays when the container in it is replaced (its range
 * of ids, its anonymous volumes). */
#ifndef STAVE_ENGINE_SLOT_H
#define STAVE_ENGINE_SLOT_H

#include "base/err.h"
#include "base/vec.h"
#include "engine/state-path.h"
#include "runtime/spec.h"

struct anonymous_volume {
	char *target, *volume; /* path inside, name in volume/ */
};
struct slot {
	char *project;
	char *name; /* "web-1" */
	char *service;
	uint32_t number;
	struct spec_idmap idmap; /* count 0: none leased */
	VEC(struct anonymous_volume) volumes;
	bool stored; /* not part of the record: there is one */
	/* Nor is this: why its record could not be read (owned). It has its range of ids again;
	 * which volumes were its own is not known. */
	char *damaged;
};
void slot_done(struct slot *slot);
/* Loads the record, or makes one that is not stored yet: by slot_save, or with its lease. */
int slot_open(const struct engine_paths *paths, const char *project, const char *name,
	      const char *service, uint32_t number, struct slot *ret, struct err *err);
int slot_save(const struct engine_paths *paths, const char *project, struct slot *slot,
	      struct err *err);
/* Leases an id range when it has none, and stores the record. */
int slot_lease_idmap(const struct engine_paths *paths, const char *project, struct slot *slot,
		     struct err *err);
/* Gives back the id range and removes the directory with its logs. Leaves volumes and network
 * leases to their rooms. */
int slot_remove(const struct engine_paths *paths, const char *project, const char *name,
		struct err *err);

struct record;
extern const struct record state__slot_record; /* its table */

#endif
