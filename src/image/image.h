/* Where the bytes are: references, blobs, unpacked layers, archives, registries. Knows nothing of
 * Compose. Called by the cli, the supervisor and build/. The store below a root directory:
 *	blobs/sha256/<hex>                    content, as in an OCI image layout
 *	refs/<registry>/<repository>/<tag>    a file holding the digest of a manifest (or, from
 *	                                      Docker archives, of one made for it)
 *	layers/<chain id hex>/                an unpacked layer diff, read-only by convention
 * Layers have the overlay's format: char 0:0 whiteouts and user.overlay.opaque="y" (the overlay is
 * mounted with `userxattr`). Every write is to a temporary name and renamed; a crash leaves only
 * temporary names, which the next collection removes.
 */
#ifndef STAVE_IMAGE_IMAGE_H
#define STAVE_IMAGE_IMAGE_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"

/* "postgres" = "docker.io/library/postgres:latest"; the familiar form drops what is default. */
struct image_ref {
	char *registry;	  /* "docker.io", "localhost:5000" */
	char *repository; /* "library/postgres" */
	char *tag;	  /* NULL with a digest alone */
	char *digest;	  /* "sha256:<hex>" or NULL */
};
int image_ref_parse(const char *text, struct image_ref *ret, struct err *err);
void image_ref_done(struct image_ref *ref);
#define cleanup_image_ref cleanup(image_ref_done)
char *image_ref_familiar(const struct image_ref *ref); /* "postgres:16-alpine"; owned */
char *
image_ref_full(const struct image_ref *ref); /* "docker.io/library/postgres:16-alpine"; owned */

struct image_store;
/* root is created when missing. The store may be used by several processes at once (flock per
 * operation). */
int image_store_open(const char *root, struct image_store **ret, struct err *err);
void image_store_free(struct image_store *store);
DEFINE_CLEANUP(struct image_store, image_store_free)

/* The OCI image config (config.md), as far as running needs it, plus Docker's HEALTHCHECK and
 * ONBUILD. */
struct image_health {
	bool set;
	struct strv test; /* ["NONE"], ["CMD", ...] or ["CMD-SHELL", "..."] */
	nsec_t interval, timeout, start_period, start_interval;
	int retries;
};
struct image_config {
	char *architecture, *os, *variant, *author;
	nsec_t created; /* wall */
	char *user, *working_dir, *stop_signal;
	struct strv env, entrypoint, cmd, shell;
	struct strv exposed; /* "80/tcp" */
	struct strv volumes; /* absolute paths */
	json_t *labels;	     /* object of strings or NULL */
	struct strv onbuild;
	struct image_health health;
	struct strv diff_ids; /* "sha256:..." of the uncompressed layers, bottom first */
	json_t *raw;	      /* the whole document */
};

struct image {
	char *id;	/* "sha256:<hex>" of the config */
	char *manifest; /* digest of the manifest */
	struct image_config config;
	struct strv layers; /* absolute directories, bottom first: struct spec's layers */
	uint64_t size;	    /* bytes of the unpacked layers */
	struct strv names;  /* familiar references that point at it */
};
void image_done(struct image *image);
#define cleanup_image cleanup(image_done)

/* Finds by reference, by id ("sha256:..." or at least 4 hex digits that are unique). ERR_NOT_FOUND
 * when it is not in the store. Makes sure that its layers are unpacked. */
int image_find(struct image_store *store, const char *name, struct image *ret, struct err *err);

/* Platforms: "os/arch[/variant]". In the words of images: "x86_64" is amd64, arm64/v8 is arm64, arm
 * is arm/v7, without an os linux is meant, "local" is this machine. ERR_INPUT. Owned. */
int image_platform(const char *text, char **ret, struct err *err);
/* `platform` as image_platform() gives it. */
bool image_platform_is(const struct image_config *config, const char *platform);
/* The image of a name for a platform, where that is in the store. ERR_NOT_FOUND. */
int image_find_for(struct image_store *store, const char *name, const char *platform,
		   struct image *ret, struct err *err);

/* The id alone, without unpacking anything; and when the name was last pointed at it (wall). Owned;
 * ret_when may be NULL. */
int image_id(struct image_store *store, const char *name, char **ret_id, nsec_t *ret_when,
	     struct err *err);

struct image_info {
	char *name; /* familiar reference, NULL for untagged */
	char *id, *manifest;
	nsec_t created;
	uint64_t size;
	json_t *labels; /* object of strings, or NULL */
};
struct image_list {
	VEC(struct image_info) items;
};
int image_list(struct image_store *store, struct image_list *ret, struct err *err);
void image_list_done(struct image_list *list);

/* What long work reports; called in the caller's process. `what` is a layer or file, done/total in
 * bytes (total 0: unknown). */
struct image_progress {
	void (*fn)(void *data, const char *what, const char *phase, uint64_t done, uint64_t total);
	void *data;
};

/* Docker (`docker save`) and OCI archives, plain or compressed, from a descriptor (a pipe is fine),
 * or an OCI layout directory. Appends the names that were loaded (or ids where there is no name).
 */
int image_load(struct image_store *store, int fd, const struct image_progress *progress,
	       struct strv *ret_names, struct err *err);
/* One image of an OCI layout directory, by its tag or digest (NULL: the only one, or "latest"); it
 * gets no name. */
int image_load_layout(struct image_store *store, int fd, const char *which, const char *platform,
		      char **ret_id, struct err *err);
/* A root file system tar (any compression) becomes a one-layer image. `changes`: Dockerfile lines
 * (CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR HEALTHCHECK SHELL). */
struct image_import {
	const struct strv *changes;
	const char *message, *platform; /* NULL: none; this machine */
	struct image_progress progress;
};
int image_import(struct image_store *store, int fd, const char *name,
		 const struct image_import *options, char **ret_id, struct err *err);
/* A `docker load`able archive that is an OCI layout too. */
int image_save(struct image_store *store, const struct strv *names, int fd, struct err *err);
/* The same as an OCI layout directory, which is made. */
int image_save_layout(struct image_store *store, const struct strv *names, const char *dir,
		      struct err *err);
int image_tag(struct image_store *store, const char *source, const char *target, struct err *err);
/* Removes the reference; when it was the last of its image, the image's blobs and layers that
 * nothing else uses. `in_use`: absolute layer directories that containers need. Fills untagged
 * names and deleted ids. */
int image_remove(struct image_store *store, const char *name, bool force, const struct strv *in_use,
		 struct strv *ret_untagged, struct strv *ret_deleted, struct err *err);
/* Removes what no image and none of the layer directories in `in_use` needs. */
int image_collect(struct image_store *store, const struct strv *in_use, struct err *err);
/* Chain ids of the layers that images in the store stand on. Appends. */
int image_layer_ids(struct image_store *store, struct strv *ret, struct err *err);
struct image_prune {
	bool all;     /* also images with names */
	nsec_t until; /* wall: what was made later stays; 0: not given */
	const struct strv *labels,
		*not_labels;	     /* "NAME[=VALUE]": which it must have; may be NULL */
	bool dry_run;		     /* nothing changes */
	const struct strv *keep_ids; /* ids of images that containers use; may be NULL */
	const struct strv *in_use;   /* absolute layer directories that containers need */
};
struct image_freed { /* bytes on disk */
	uint64_t blobs, layers, temporary;
};
struct image_pruned {
	struct strv untagged, deleted; /* names; ids */
	struct image_freed freed;
};
void image_pruned_done(struct image_pruned *p);
#define cleanup_image_pruned cleanup(image_pruned_done)
/* Removes images that are not kept, then collects. Nothing is freed while somebody else is adding
 * to the store, which keeps the garbage until the next collection. */
int image_prune(struct image_store *store, const struct image_prune *options,
		struct image_pruned *ret, struct err *err);
struct image_damage {
	struct strv blobs;  /* digests of those whose bytes are not what they should be */
	struct strv layers; /* chain ids of unpacked layers that differ from their blob */
};
void image_damage_done(struct image_damage *d);
/* Reads every blob, and unpacks every layer once more beside the one that is there, to compare.
 * With `repair` damaged blobs are removed, so that a pull or load brings them again, and damaged
 * layers are replaced; needs the store for itself. */
int image_verify(struct image_store *store, bool repair, const struct image_progress *progress,
		 struct image_damage *ret, struct err *err);
/* `docker image inspect` form of one image. New reference. */
json_t *image_inspect(const struct image *image);
/* The steps an image was made by, newest first: Id, Created, CreatedBy, Size, Comment. New
 * reference. */
json_t *image_history(struct image_store *store, const struct image *image);

/* Registry (image/registry.c). `platform`: "linux/amd64" or NULL for this machine's. */
struct image_pull {
	const char *platform;
	bool quiet;
	bool keep_name; /* a name that is there goes on standing for what it stands for */
	struct image_progress progress;
};
int image_pull(struct image_store *store, const char *name, const struct image_pull *options,
	       char **ret_id, struct err *err);
int image_push(struct image_store *store, const char *name, const struct image_pull *options,
	       char **ret_digest, struct err *err);
/* Credentials for a registry, as `docker login` keeps them: in the helper or store that the Docker
 * config names, else in the config itself. login asks the registry first; ERR_PERMISSION when it
 * says no. */
int image_login(const char *registry, const char *user, const char *secret, struct err *err);
/* User and password of a login that is there. ERR_NOT_FOUND. Owned. */
int image_login_stored(const char *registry, char **ret_user, char **ret_secret, struct err *err);
int image_logout(const char *registry, bool *ret_was, struct err *err);
/* Digest that the registry has for a tag now (HEAD), without pulling. Owned. */
int image_remote_digest(const char *name, const char *platform, char **ret_digest, struct err *err);

#endif
