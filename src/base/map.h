/* A map from text to a pointer, in insertion order. Lookups hash (seeded per process, so that
 * hostile keys cannot be chosen to collide); iteration is over `entries`, in the order of first
 * insertion. */
#ifndef STAVE_BASE_MAP_H
#define STAVE_BASE_MAP_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
	char *key;   /* owned by the map; NULL: removed, skip it */
	void *value; /* owned by the map when it was made with a free function */
	uint32_t hash;
};

struct map {
	struct map_entry *entries;
	size_t n;    /* used entries, removed ones included */
	size_t live; /* entries that are not removed */
	size_t cap;
	uint32_t *slots; /* open addressing: index + 1 into entries */
	size_t slot_count;
	void (*free_value)(void *value);
};

#define MAP_INIT	  ((struct map){ 0 })
#define MAP_INIT_FREE(fn) ((struct map){ .free_value = (fn) })

void map_done(struct map *m);
#define cleanup_map cleanup(map_done)
/* Sets (replacing and freeing an old value, which keeps its place). Copies the key. */
void map_set(struct map *m, const char *key, void *value);
void *map_get(const struct map *m, const char *key); /* NULL when missing; borrowed */
bool map_has(const struct map *m, const char *key);
/* Removes; returns the value without freeing it, or NULL. */
void *map_take(struct map *m, const char *key);
/* The hash of a key, for tables of another kind: as hard to choose, another one in each process. */
uint32_t map_hash(const char *key, size_t len);

#define map_each(entry, m)                                                                         \
	for (struct map_entry *entry = (m)->entries; (size_t)(entry - (m)->entries) < (m)->n;      \
	     entry++)                                                                              \
		if (!entry->key)                                                                   \
			continue;                                                                  \
		else

#endif
