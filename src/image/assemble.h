/* Images put together from layers that are made on the spot. For build/, in this order:
 *
 *	image_hold(store, &hold)              nothing is collected while the descriptor is open
 *	image_layers_load(store, &base, &l)   what the base image stands on
 *	image_layer_pack(store, fd, &layer)   a directory (an overlay's upper) becomes a blob
 *	image_layer_adopt(store, ...)         and the store's unpacked layer, by renaming it
 *	image_assemble(store, config, ...)    config, manifest and names
 *
 * A packed layer is stored as a plain tar: its digest is its diff id, one pass of hashing makes
 * both, and a build does not wait for a compressor whose work may never be needed. */
#ifndef STAVE_IMAGE_ASSEMBLE_H
#define STAVE_IMAGE_ASSEMBLE_H

#include "image/image.h"

#include <stdint.h>

enum { IMAGE_DIGEST = 72 }; /* "sha256:", 64 digits, NUL */

/* While the descriptor is open nothing in the store is collected by anybody. */
int image_hold(struct image_store *store, int *ret_fd, struct err *err);

struct image_layer {
	char diff_id[IMAGE_DIGEST];
	char chain[IMAGE_DIGEST]; /* its name in the store: of it and all below */
	char blob[IMAGE_DIGEST];
	uint64_t blob_size; /* bytes */
	char media_type[80];
};
struct image_layers {
	VEC(struct image_layer) items; /* bottom first */
};
/* The layers of an image that was found (so they are unpacked). */
int image_layers_load(struct image_store *store, const struct image *image,
		      struct image_layers *ret, struct err *err);

/* Packs the tree beneath `root` (an overlay upper directory with userxattr) into a blob: whiteouts
 * and opaque marks as an archive has them, names sorted, whole seconds, so that the same tree gives
 * the same bytes. Fills diff_id, blob, blob_size and media_type. *ret_entries: how many files. */
int image_layer_pack(struct image_store *store, int root, struct image_layer *ret,
		     uint64_t *ret_entries, struct err *err);
/* The same, and the same bytes, of a tree that shares files with the layer `old` (hard links, where
 * they are the same): what was packed of them is taken from its blob, and they are not read. */
int image_layer_pack_again(struct image_store *store, int root, const struct image_layer *old,
			   struct image_layer *ret, uint64_t *ret_entries, struct err *err);
/* Renames the directory `dir` (absolute, same file system), whose diff/ is the layer's tree, to
 * where layers are, and sets layer->chain. `below`: the layer under it, or NULL. One that is there
 * already stays, and `dir` is removed. */
int image_layer_adopt(struct image_store *store, const char *dir, const struct image_layer *below,
		      struct image_layer *layer, uint64_t entries, struct err *err);
/* Makes the layer, which is in the store under its chain, be there on top of `below`, too: when
 * its chain would be another one, it is unpacked again from its blob. */
int image_layer_move(struct image_store *store, const struct image_layer *below,
		     struct image_layer *layer, struct err *err);
/* Whether the unpacked layer and its blob are (still) in the store. */
bool image_layer_there(struct image_store *store, const struct image_layer *layer);
/* The chain id that a layer with this content has on top of `below` (NULL: at the bottom). */
void image_chain(const struct image_layer *below, const char *diff_id, char ret[IMAGE_DIGEST]);
char *image_layer_dir(struct image_store *store, const struct image_layer *layer); /* owned */

/* One Dockerfile line (CMD, ENV, ...: those of image_import) applied to a config document.
 * ERR_INPUT. */
int image_config_change(json_t *doc, const char *line, struct err *err);

struct image_recipe {
	json_t *config; /* rootfs.diff_ids is set from the layers */
	const struct image_layers *layers;
	const struct strv *names;
	const json_t *annotations; /* of the manifest: an object of strings, or NULL */
};
/* Stores the config document and a manifest, and points the names at it; without names it is kept
 * under none. Owned outputs; ret_manifest may be NULL. */
int image_assemble(struct image_store *store, const struct image_recipe *recipe, char **ret_id,
		   char **ret_manifest, struct err *err);
/* One image of several platforms: an index of the images with these ids, and the names point at it
 * (this machine's, or else the first, is what runs under them). *ret_digest: of the index;
 * *ret_native: the id that runs. Owned outputs. */
int image_index_assemble(struct image_store *store, const struct strv *ids,
			 const struct strv *names, const json_t *annotations, char **ret_digest,
			 char **ret_native, struct err *err);
/* A merged tree as a tar, to a descriptor. */
int image_tree_pack(int root, int fd, struct err *err);
/* The architecture of this machine as images name it: "amd64". */
const char *image_architecture(void);

#endif
