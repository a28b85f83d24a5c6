/* A Dockerfile becomes an image. Knows nothing of Compose.
 *
 *	struct build_options o = { .root = ..., .run = ..., .store = store, .context = "/src" };
 *	struct build_job job = { .options = &o };
 *	r = build_run(&job, 1, &err);
 *
 * Each stage that is needed is worked through by a child process of its own, so that independent
 * stages run side by side; the caller's process reads what they report, calls `event`, and makes
 * the image at the end. Where RUN has no user namespace (--network=host, --security=insecure, file
 * systems that cannot be idmapped) the program has to run from a sealed copy: call
 * runtime_protect() before anything else. */
#ifndef STAVE_BUILD_BUILD_H
#define STAVE_BUILD_BUILD_H

#include "base/diagnostic.h"
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "image/image.h"
#include "runtime/spec.h"

#include <stdbool.h>
#include <stdint.h>

enum build_event_kind {
	BUILD_STARTED,	 /* a step begins: text is its name, "[2/5] RUN make" */
	BUILD_CACHED,	 /* ... and needs not run */
	BUILD_DONE,	 /* ... has ended, after `duration` */
	BUILD_FAILED,	 /* ... has failed: text says how */
	BUILD_OUTPUT,	 /* what it writes: a whole line, without its end */
	BUILD_STATUS,	 /* how far it is: "sha256:... 12.3MB / 40MB" */
	BUILD_EXPLAINED, /* why it was not cached */
	BUILD_WARNING,	 /* for people; number 0 */
};
struct build_event {
	enum build_event_kind kind;
	int number; /* of the step, from 1 in the order they begin */
	const char *text;
	nsec_t duration;
};

struct build_secret { /* for RUN --mount=type=secret */
	char *id;
	char *data;
	size_t len;
};
struct build_ssh {	  /* for RUN --mount=type=ssh */
	char *id;	  /* "default" */
	char *socket;	  /* of an agent, or NULL and */
	struct strv keys; /* files of private keys */
};
/* A named context: for FROM, COPY --from, RUN --mount=from=. */
struct build_context {
	char *name;
	char *dir;     /* a directory, absolute; or NULL and */
	char *image;   /* an image's name or id; or NULL and */
	char *address; /* "oci-layout://DIR[:TAG]", or what `context` below may be */
};

/* Where the cache of other machines is, or is to be. */
enum build_cache_kind { BUILD_CACHE_REGISTRY, BUILD_CACHE_LOCAL, BUILD_CACHE_INLINE };
struct build_cache_place {
	enum build_cache_kind kind;
	char *where; /* a reference; an OCI layout directory, absolute; NULL: in the image itself */
	char *tag;   /* in the layout; NULL: "latest" */
	bool max;    /* the steps of all stages, not only those that the image stands on */
	bool ignore_error;
};

/* The files of the image, instead of an image in the store. */
enum build_output_kind { BUILD_TO_DIR, BUILD_TO_TAR, BUILD_TO_NOTHING };
struct build_output {
	enum build_output_kind kind;
	char *dest; /* absolute; of BUILD_TO_TAR also "-": standard output */
};

enum build_outline { BUILD_NO_OUTLINE, BUILD_OUTLINE, BUILD_TARGETS };

struct build_options {
	const char *root, *run; /* STAVE_ROOT, STAVE_RUN */
	struct image_store *store;
	/* A directory or an archive, absolute; a git repository ("https://host/x.git#ref:dir") or
	 * the URL of an archive, which is fetched; "-": an archive on standard input. An archive
	 * that is none is the Dockerfile. NULL: none. */
	const char *context;
	/* A path, absolute (of what is fetched or unpacked: within it), or a URL; NULL: the text */
	const char *dockerfile;
	const char *dockerfile_text; /* instead */
	const char *dockerfile_name; /* how messages call it; NULL: as the path */
	struct strv args;	     /* "NAME=value" */
	struct strv labels;	     /* "name=value" */
	struct strv tags;	     /* names for the image; none: it has only its id */
	const char *target;	     /* stage; NULL: the last */
	const char *platform;	     /* set by build_run(), one after the other, to each of: */
	/* "os/arch[/variant]" as image_platform() gives them; none: this machine's. Several make
	 * one image of several platforms. */
	struct strv platforms;
	struct strv annotations; /* "name=value", of the manifest; "index:name=value" */
	VEC(struct build_output) outputs;
	bool only_files; /* the outputs, and no image */
	VEC(struct build_secret) secrets;
	VEC(struct build_ssh) ssh;
	VEC(struct build_context) contexts;
	struct strv extra_hosts; /* "name=address" */
	const char *network;	 /* NULL or "default", "none", "host" */
	const char *cgroup_parent;
	uint64_t shm_size; /* bytes; 0: the default */
	int64_t memory;	   /* bytes; 0: no limit */
	VEC(struct spec_rlimit) rlimits;
	bool allow_insecure, allow_host_network; /* entitlements */
	bool pull;				 /* base images are looked for in their registry */
	bool no_cache;
	struct strv no_cache_filter; /* stages whose steps all run */
	VEC(struct build_cache_place) cache_from, cache_to;
	bool explain;		    /* say why steps are not cached */
	bool check;		    /* only look for mistakes */
	enum build_outline outline; /* with check: what `describe` is to be told */
	bool has_epoch;
	int64_t epoch; /* SOURCE_DATE_EPOCH: seconds */
	void (*event)(void *data, const struct build_event *event);
	/* Mistakes in the Dockerfile and warnings about it, once, before the first step. */
	void (*diagnose)(void *data, const struct diagnostics *diagnostics, const struct str *text);
	void (*describe)(void *data, const json_t *doc); /* outline.h */
	void *data;
	const int *interrupt; /* a signalfd: readable when the build is to be given up; or NULL */
};
void build_options_done(struct build_options *o); /* its lists */

struct build_job {
	const struct build_options *options; /* borrowed */
	char *id;     /* of the image, or of the one that runs here; NULL with check or outputs */
	char *digest; /* of what its names stand for: a manifest, or an index of several */
	bool cache_grew; /* of the first job: it is time to look at the cache's size (cache.h) */
	/* Why it failed; empty for success. ERR_INPUT with EBADMSG: the diagnostics have said what
	 * is wrong. ERR_CANCELLED: given up, or another one failed. */
	struct err err;
};
void build_job_done(struct build_job *job);

/* Builds all at once, in one store. 0, or negative when one failed (see its err; `err` itself is
 * filled when nothing could be begun). */
int build_run(struct build_job *jobs, size_t count, struct err *err);

#endif
