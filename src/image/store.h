/* Inside of the image store; for the files of this room alone. See image.h for the layout.
 *
 * Rules that everything here keeps: what has its final name is whole and checked; what is being
 * made lives in blobs/tmp or layers/tmp-*; adding takes the lock shared, collecting takes it
 * exclusive, so that a collection never sees a blob whose reference is about to be written. */
#ifndef STAVE_IMAGE_STORE_H
#define STAVE_IMAGE_STORE_H

#include "base/hash.h"
#include "image/image.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	DIGEST_TEXT = 72,	       /* "sha256:", 64 digits, NUL */
	IMAGE_JSON_MAX = 8 << 20,      /* manifests and configs; registries allow 4 MiB */
	IMAGE_LAYERS_MAX = 127,	       /* as Docker; overlayfs takes 500 */
	IMAGE_COPY_CHUNK = 256 * 1024, /* one read or write of bulk data */
};

struct image_store {
	char *root;
	int blobs;   /* blobs/sha256 */
	int tmp;     /* blobs/tmp */
	int refs;    /* refs */
	int layers;  /* layers */
	bool marked; /* image__unsynced_mark() has been here */
};

bool image__digest_ok(const char *digest); /* "sha256:" and 64 lower-case digits */
static inline const char *image__hex(const char *digest)
{
	return digest + sizeof("sha256:") - 1;
}

/* --- store.c: lock --- */
/* Takes the store's lock; closing the descriptor releases it. Without `wait`: -EWOULDBLOCK when
 * another process has it. */
enum { IMAGE_LOCK_SHARED = 0, IMAGE_LOCK_EXCLUSIVE = 1u << 0, IMAGE_LOCK_NOWAIT = 1u << 1 };
int image__lock(struct image_store *store, unsigned flags, int *ret_fd, struct err *err);
/* -ENOSPC when the store's file system has less room left than is good for the machine. */
int image__check_space(struct image_store *store, struct err *err);

/* --- unsynced.c: names and power cuts --- */
/* To be called before the first of some names is given. */
int image__unsynced_mark(struct image_store *store, struct err *err);
/* After a crash of the machine: what may have been named before it was on the disk is looked at,
 * and removed or made again. Usually there is nothing to do. May take the lock, and time. */
int image__unsynced_recover(struct image_store *store, struct err *err);

/* --- blob.c: content by digest --- */
struct blob_writer {
	struct image_store *store;
	int fd; /* FD_NONE: not open */
	char temp[80];
	bool keep; /* what is there stays for the next try */
	struct hash *hash;
	uint64_t size, checked; /* bytes given; bytes at the last look at the free space */
	struct blob_disk *disk; /* of a download: hashes and writes beside us; NULL: we do */
};
#define BLOB_WRITER_NONE ((struct blob_writer){ .fd = FD_NONE })
int image__blob_begin(struct image_store *store, struct blob_writer *ret, struct err *err);
int image__blob_add(struct blob_writer *w, const void *data, size_t len, struct err *err);
/* Gives the blob its name. With `expect`, -EBADMSG when the bytes have another digest. */
int image__blob_commit(struct blob_writer *w, const char *expect, char ret_digest[DIGEST_TEXT],
		       struct err *err);
/* Begins or goes on with a download. What an earlier try left is in the file: *ret_there bytes,
 * whole blocks, which the caller takes through image__blob_replay before it adds. */
int image__blob_resume(struct image_store *store, const char *digest, struct blob_writer *ret,
		       uint64_t *ret_there, struct err *err);
/* The next bytes that are there already, into buf, as if they were added. */
ssize_t image__blob_replay(struct blob_writer *w, void *buf, size_t size, struct err *err);
void image__blob_done(struct blob_writer *w); /* forgets an uncommitted one */
#define cleanup_blob cleanup(image__blob_done)

int image__blob_put(struct image_store *store, const void *data, size_t len,
		    char ret_digest[DIGEST_TEXT], struct err *err);
/* Stores the compact text of a document. */
int image__blob_put_json(struct image_store *store, const json_t *j, char ret_digest[DIGEST_TEXT],
			 uint64_t *ret_size, struct err *err);
/* Reads it all: whether it is what its name (hex digits) says. */
int image__blob_check(struct image_store *store, const char *hex, bool *ret_good, struct err *err);
bool image__blob_has(struct image_store *store, const char *digest);
/* ERR_NOT_FOUND when missing. Descriptor of a regular file, at its start. */
int image__blob_open(struct image_store *store, const char *digest, uint64_t *ret_size,
		     struct err *err);
/* Reads a document and checks its digest (-EBADMSG). */
int image__blob_json(struct image_store *store, const char *digest, json_t **ret, struct err *err);

/* --- unpack.c: a tar stream to a layer directory --- */
/* Where a stream's bytes come from: at most `size` into buf; 0 at the end, negative errno. */
struct unpack_source {
	ssize_t (*read)(void *data, void *buf, size_t size, struct err *err);
	void *data;
};
struct unpack_limits {
	uint64_t entries, bytes; /* 0: the default */
};
struct unpack_result {
	char diff_id[DIGEST_TEXT];
	uint64_t size; /* bytes of file content */
	uint64_t entries;
};
/* Unpacks into the empty directory `root`, reading the source to its very end. */
int image__unpack(struct image_store *store, int root, const struct unpack_source *source,
		  const struct unpack_limits *limits, struct unpack_result *ret, struct err *err);

/* --- pack.c: a layer directory to a tar stream --- */
struct pack_sink {
	int (*add)(void *data, const void *bytes, size_t len, struct err *err);
	void *data;
};
/* A layer's tree, and that of the layer it is a difference of (FD_NONE: it is whole). */
struct pack_tree {
	int root, base;
};
#define PACK_TREE_NONE ((struct pack_tree){ FD_NONE, FD_NONE })
/* `root` is borrowed. */
int pack_tree_open(int root, struct pack_tree *ret, struct err *err);
void pack_tree_done(struct pack_tree *tree); /* closes the base */
/* A layer that this one was made from, whose files it shares where they did not change. */
struct old_archive;
struct pack_old {
	struct pack_tree tree;	     /* borrowed */
	struct old_archive *archive; /* at its beginning; is read to its end */
};
/* The tree as a layer's tar: sorted, whiteouts as `.wh.` files, whole seconds. The
 * bytes are the same with and without `old` (may be NULL). -EBADMSG: the old archive is damaged.
 * *ret_entries: how many. */
int image__pack(const struct pack_tree *tree, const struct pack_old *old,
		const struct pack_sink *sink, uint64_t *ret_entries, struct err *err);

/* --- layer.c: unpacked layers by chain id --- */
/* Chain id of a layer on top of `parent` (NULL: the bottom one). */
void image__chain(const char *parent, const char *diff_id, char ret[DIGEST_TEXT]);
/* Whether it is there, and what it is a difference of, if it is one. */
bool image__layer_has(struct image_store *store, const char *chain);
char *image__layer_path(struct image_store *store, const char *chain); /* owned */
uint64_t image__layer_size(struct image_store *store, const char *chain);
/* Whether the layer with the chain id's digits `hex` has the layer `below` (NULL: none) beneath it:
 * then so may what is a difference of it, whose whiteouts hide no other layer's files. */
bool image__layer_stands_on(struct image_store *store, const char *hex, const char *below);
struct layer_writer {
	struct image_store *store;
	char temp[40];
	int dir;  /* the temporary directory */
	int root; /* its diff/ */
};
#define LAYER_WRITER_NONE ((struct layer_writer){ .dir = FD_NONE, .root = FD_NONE })
int image__layer_begin(struct image_store *store, struct layer_writer *ret, struct err *err);
/* Names it; one that is there already wins and the new one is dropped. */
int image__layer_commit(struct layer_writer *w, const char *chain,
			const struct unpack_result *result, struct err *err);
/* Renames the directory to the layer's name. 0: the layer is there already, and the directory stays
 * where it is; 1: renamed. */
int image__layer_name(struct image_store *store, int dir, const char *name, const char *chain,
		      struct err *err);
void image__layer_done(struct layer_writer *w);
#define cleanup_layer cleanup(image__layer_done)
/* Unpacks the blob into a layer that was begun; its content must have diff_id (-EBADMSG). */
int image__layer_from_blob(struct image_store *store, struct layer_writer *w, const char *blob,
			   const char *diff_id, const struct image_progress *progress,
			   struct unpack_result *ret, struct err *err);
/* Makes sure that the layer is unpacked, from the blob; its content must have diff_id. */
int image__layer_unpack(struct image_store *store, const char *blob, const char *diff_id,
			const char *chain, const struct image_progress *progress, struct err *err);

/* --- config.c --- */
int image__config_decode(json_t *doc, struct image_config *ret, struct err *err);
void image__config_done(struct image_config *config);

/* --- change.c: one Dockerfile line (CMD, ENV, ...) applied to a config document --- */
int image__change(json_t *doc, const char *line, struct err *err);

/* --- manifest.c --- */
struct manifest_layer {
	char digest[DIGEST_TEXT];
	char *media_type;
	uint64_t size;
};
struct manifest {
	char digest[DIGEST_TEXT]; /* its own */
	char config[DIGEST_TEXT];
	uint64_t config_size;
	VEC(struct manifest_layer) layers; /* bottom first */
	json_t *raw;
};
void image__manifest_done(struct manifest *m);
#define cleanup_manifest cleanup(image__manifest_done)
/* Decodes an image manifest (OCI or Docker schema 2). Does not set `digest`. */
int image__manifest_decode(json_t *doc, struct manifest *ret, struct err *err);
int image__manifest_load(struct image_store *store, const char *digest, struct manifest *ret,
			 struct err *err);
/* Makes and stores an OCI manifest. layers: borrowed. annotations: NULL for none. */
int image__manifest_make(struct image_store *store, const char *config,
			 const struct manifest_layer *layers, size_t count,
			 const json_t *annotations, char ret_digest[DIGEST_TEXT], struct err *err);
bool image__is_index(const json_t *doc);
/* The descriptor in an index that suits the platform ("os/arch[/variant]", NULL: this machine's).
 * Borrowed from doc. ERR_NOT_FOUND names what there is. */
int image__index_choose(const json_t *doc, const char *platform, const json_t **ret,
			struct err *err);
const char *image__machine(void); /* "amd64", "arm64", ... */

/* --- platform.c --- */
/* Of an index's entries: no image, but what is said of one. */
bool image__is_attestation(const json_t *item);
/* Of the manifests that the index (a digest, or "") lists, those that are in the store. *ret_whole:
 * that is all of them, and there is an index. */
int image__index_parts(struct image_store *store, const char *index, struct strv *ret_manifests,
		       bool *ret_whole, struct err *err);
/* The index that a name stands for, when all of it is in the store; else "". */
int image__index_of(struct image_store *store, const char *name, char ret[DIGEST_TEXT],
		    struct err *err);

/* --- push.c, save.c: a manifest that has no name here, with its blobs --- */
/* `name` with a tag: what it is called there. */
int image__push_manifest(struct image_store *store, const char *name, const char *digest,
			 struct err *err);
/* Into blobs/ of an OCI layout; its index.json is the caller's. */
int image__save_manifest(struct image_store *store, const char *digest, int dir, struct err *err);

/* --- refs.c --- */
struct ref_entry {
	char *name; /* familiar; NULL: an untagged image's root */
	char manifest[DIGEST_TEXT];
	char remote[DIGEST_TEXT]; /* what the registry calls it (an index, say), or "" */
};
struct ref_list {
	VEC(struct ref_entry) items;
};
void image__refs_done(struct ref_list *list);
#define cleanup_refs cleanup(image__refs_done)
int image__refs_list(struct image_store *store, struct ref_list *ret, struct err *err);
/* ERR_NOT_FOUND when there is no such reference. */
int image__ref_read(struct image_store *store, const struct image_ref *ref, struct ref_entry *ret,
		    struct err *err);
/* When the reference was last written (wall); 0: it is not there. */
nsec_t image__ref_time(struct image_store *store, const struct image_ref *ref);
/* Points ref at a manifest. An image that loses its last name is kept under none. */
int image__ref_write(struct image_store *store, const struct image_ref *ref, const char *manifest,
		     const char *remote, struct err *err);
int image__ref_remove(struct image_store *store, const struct image_ref *ref, struct err *err);
/* The root of an image without a name, by manifest. */
int image__ref_keep(struct image_store *store, const char *manifest, struct err *err);
int image__ref_unkeep(struct image_store *store, const char *manifest, struct err *err);

/* --- image.c --- */
/* Fills everything of `ret` but the names; unpacks missing layers when asked. */
int image__load_manifest(struct image_store *store, const char *manifest, bool unpack,
			 const struct image_progress *progress, struct image *ret, struct err *err);
/* The manifest that a name or id stands for. *ret_ref is false when it was an id. */
int image__resolve(struct image_store *store, const char *name, char ret_manifest[DIGEST_TEXT],
		   bool *ret_ref, struct err *err);

/* --- collect.c --- */
/* Deletes what no reference and none of the layer directories in `in_use` needs. Takes the lock
 * exclusively; when somebody is adding, does nothing: the next one collects. */
int image__collect(struct image_store *store, const struct strv *in_use, struct err *err);

#endif
