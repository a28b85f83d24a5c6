/* The build cache: what a step made, by a key of everything that went into it (never of times).
 *
 *	cache_load(depot, key, &e)     0: made before; its tree is still there
 *	... else the step runs, and its tree is kept with snapshot_finish() ...
 *	cache_save(depot, &e)
 *
 * An entry is one small JSON file, written whole; the file's time says when it was last used. Its
 * tree is a snapshot of the builder's own or, once an image stands on it, a layer of the image
 * store. `stave system df` and `prune` list and remove entries with what is declared last here. */
#ifndef STAVE_BUILD_CACHE_H
#define STAVE_BUILD_CACHE_H

#include "base/hash.h"
#include "base/time.h"
#include "build/depot.h"
#include "image/assemble.h"

#include <stdint.h>

/* One thing that went into a key: "parent", "instruction", "arg VERSION", "file requirements.txt".
 * Values are kept as digests: an argument may be a password. */
struct cache_input {
	char *name;
	char value[SHA256_HEX];
};

struct cache_entry {
	char key[SHA256_HEX];
	char *step; /* "RUN make", for people */
	VEC(struct cache_input) inputs;
	char snapshot[DEPOT_ID];  /* "": none of its own */
	struct image_layer layer; /* layer.chain "": no image stands on it yet */
	bool empty;		  /* the step changed nothing */
	char *result;		  /* text that later steps need; NULL: none */
	char before[SHA256_HEX];  /* key of a run before, whose files its tree shares; "": none */
	uint64_t bytes;		  /* of its tree */
	bool counted;		  /* while it is made: bytes is known, and there are some */
	nsec_t created;		  /* wall */
};
void cache_entry_done(struct cache_entry *e);
#define cleanup_cache_entry cleanup(cache_entry_done)

/* Making a key. The inputs are kept for the explanation; the parent is one of them. */
void cache_input(struct cache_entry *e, const char *name, const char *value);
void cache_input_digest(struct cache_entry *e, const char *name, const char *hex);
/* Sets e->key from the inputs, in their order. */
void cache_key(struct cache_entry *e);

/* Finds the entry of the key, whose tree must still be there, and counts as a use. -ENOENT: never
 * made, or gone (err is empty then). *ret's inputs are filled from the file. */
int cache_load(const struct depot *depot, struct image_store *store, const char *key,
	       struct cache_entry *ret, struct err *err);
/* Reads an entry whatever has become of its tree. -ENOENT. */
int cache_load_any(const struct depot *depot, const char *key, struct cache_entry *ret);
int cache_save(const struct depot *depot, const struct cache_entry *e, struct err *err);

/* Remembers that the step at `where` (Dockerfile, stage and number) had this key. */
int cache_remember(const struct depot *depot, const char *where, const struct cache_entry *e,
		   struct err *err);
/* The key that was remembered there. -ENOENT. */
int cache_last(const struct depot *depot, const char *where, char key[SHA256_HEX]);
/* Why the step at `where` has another key than last time: "the file 'app.py' changed", ... Owned.
 */
char *cache_explain(const struct depot *depot, const char *where, const struct cache_entry *e);

/* --- for listing, pruning and the collector --- */

struct cache_item {
	char *name;		  /* for cache_remove */
	char *step;		  /* what made it */
	uint64_t bytes;		  /* of its tree on disk; of layers that images share, too */
	nsec_t last_use, created; /* wall */
	bool mount;		  /* a cache mount */
	char chain[IMAGE_DIGEST]; /* its tree is a layer of the image store; "": one of ours */
};
struct cache_list {
	VEC(struct cache_item) items; /* least recently used first */
};
void cache_list_done(struct cache_list *list);
#define cleanup_cache_list cleanup(cache_list_done)
/* `root`: STAVE_ROOT. Nothing there is an empty list. */
int cache_list(const char *root, struct cache_list *ret, struct err *err);
/* Absolute directories of the layers in the image store that entries need: roots for its
 * collector, as long as the entries are there. */
int cache_layers(const char *root, struct strv *ret, struct err *err);
/* Removes one. Missing is success; -EWOULDBLOCK (ERR_CONFLICT) while a build runs. */
int cache_remove(const char *root, const char *name, struct err *err);
/* Removes the least recently used until at most `keep_bytes` are left, and everything that no
 * entry needs. What images stand on (`held`: chain ids; NULL: not known) stays and does not count:
 * without its entry it would take as much. While a build runs nothing is done. *ret_freed: bytes;
 * *ret_layers: layers of the image store are among them, which its next collection removes. */
int cache_collect(const char *root, uint64_t keep_bytes, const struct strv *held,
		  uint64_t *ret_freed, bool *ret_layers, struct err *err);
/* How many bytes the cache may have: of /etc/stave/build.conf, or 20 GiB. ERR_INPUT with the line.
 */
int cache_limit(uint64_t *ret, struct err *err);

#endif
