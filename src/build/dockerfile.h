/* A Dockerfile's text as a list of stages and instructions. Nothing is expanded, opened or run
 * here; ARG and ENV values are what was written (expand.h replaces variables, takes quotes away).
 *
 *	struct dockerfile file;
 *	int r = dockerfile_parse(text, len, "Dockerfile", &file, &diagnostics);
 *	(print the diagnostics, whatever r is)
 *	... file.stages ...
 *	dockerfile_done(&file);
 */
#ifndef STAVE_BUILD_DOCKERFILE_H
#define STAVE_BUILD_DOCKERFILE_H

#include "base/diagnostic.h"
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	DOCKERFILE_BYTES_MAX = 1 << 20, /* the longest seen in the wild has 40 KB */
	DOCKERFILE_INSTRUCTIONS_MAX = 10000,
};

#define INSTRUCTION_KINDS(X)                                                                       \
	X(ADD)                                                                                     \
	X(ARG)                                                                                     \
	X(CMD)                                                                                     \
	X(COPY)                                                                                    \
	X(ENTRYPOINT)                                                                              \
	X(ENV)                                                                                     \
	X(EXPOSE)                                                                                  \
	X(FROM)                                                                                    \
	X(HEALTHCHECK)                                                                             \
	X(LABEL)                                                                                   \
	X(MAINTAINER)                                                                              \
	X(ONBUILD)                                                                                 \
	X(RUN)                                                                                     \
	X(SHELL)                                                                                   \
	X(STOPSIGNAL)                                                                              \
	X(USER)                                                                                    \
	X(VOLUME)                                                                                  \
	X(WORKDIR)

enum instruction_kind {
#define X(name) INSTRUCTION_##name,
	INSTRUCTION_KINDS(X)
#undef X
		INSTRUCTION_KIND_MAX_
};
const char *instruction_name(enum instruction_kind kind); /* "COPY" */

/* `<<EOF`: the lines up to the one that is only the name. */
struct heredoc {
	char *name;    /* "EOF", without quotes */
	char *content; /* every line with its end; tabs already gone for `<<-` */
	bool expand;   /* no part of the name was quoted: variables are replaced in COPY and ADD */
	bool tabs;     /* `<<-` */
	uint32_t line; /* of the first line of the content */
};

/* KEY=value of ENV, LABEL, ARG. Neither is expanded; both may hold quotes and escapes. */
struct pair {
	char *key;
	char *value; /* NULL: ARG without a default */
	bool spaced; /* the old `ENV KEY value` */
};

/* --- RUN --mount --- */

enum mount_kind { MOUNT_BIND, MOUNT_CACHE, MOUNT_TMPFS, MOUNT_SECRET, MOUNT_SSH, MOUNT_KIND_MAX_ };
enum mount_sharing { SHARING_SHARED, SHARING_PRIVATE, SHARING_LOCKED, SHARING_MAX_ };
struct run_mount {
	enum mount_kind kind;
	char *target; /* NULL: the kind's default; may be relative to WORKDIR */
	char *source; /* path within `from`; NULL: its root */
	char *from;   /* stage, named context or image; NULL: the context (bind), nothing (cache) */
	char *id;     /* cache, secret, ssh; NULL: the default */
	char *env;    /* secret: the variable; NULL: none */
	bool read_only, required;
	enum mount_sharing sharing;
	uint64_t size_bytes; /* tmpfs; 0: no limit */
	bool has_mode;
	uint32_t mode, uid, gid;
};
void run_mount_done(struct run_mount *mount);
#define cleanup_run_mount cleanup(run_mount_done)

struct expand;
/* Reads what stands behind `--mount=`. With `x`, variables in the values (all but from's) are
 * replaced first; without, a value that has a variable is left as it is and not looked at, which
 * is how the parser checks mounts before there are any values. ERR_INPUT. */
int run_mount_parse(const char *text, const struct expand *x, struct run_mount *ret,
		    struct err *err);

/* --- instructions --- */

enum run_network { RUN_NETWORK_DEFAULT, RUN_NETWORK_NONE, RUN_NETWORK_HOST };

struct copy_flags {
	char *from;	     /* never expanded; a stage's number too */
	char *chown;	     /* not expanded */
	char *chmod;	     /* not expanded */
	char *checksum;	     /* not expanded */
	struct strv exclude; /* not expanded */
	bool link, parents, keep_git_dir;
	bool has_unpack, unpack;
};

struct health_flags {
	bool none;						/* HEALTHCHECK NONE */
	nsec_t interval, timeout, start_period, start_interval; /* 0: not given */
	int retries;						/* 0: not given */
};

struct instruction {
	enum instruction_kind kind;
	char *keyword;	      /* as written: "Run" */
	uint32_t first, last; /* lines, heredocs included */
	char *original; /* the whole logical line as one: no comments, no continuations, no heredocs
			 */
	char *rest;	/* of it, what stands behind keyword and flags */

	/* The operands.
	 *  RUN CMD ENTRYPOINT SHELL, HEALTHCHECK CMD: with `json` the elements; else one string,
	 *      the text for the shell
	 *  ADD COPY: sources and, last, the destination; not expanded. A heredoc's source is its
	 *      word ("<<EOF"), see instruction_heredoc()
	 *  EXPOSE VOLUME: each one, not expanded
	 *  FROM: the image, not expanded
	 *  USER WORKDIR STOPSIGNAL MAINTAINER: one, not expanded (MAINTAINER never is)
	 *  ONBUILD: the trigger's text with its heredocs, as it goes into the image */
	struct strv args;
	bool json;
	VEC(struct pair) pairs; /* ENV LABEL ARG */
	VEC(struct heredoc) heredocs;

	struct strv mounts;  /* RUN: texts for run_mount_parse() */
	struct strv devices; /* RUN --device */
	enum run_network network;
	bool insecure; /* RUN --security=insecure */
	bool script;   /* RUN of one heredoc that begins with "#!": args[0] is the file's content,
			  heredocs[0].name its name; it is run as a program, not given to a shell */
	struct copy_flags copy;
	struct health_flags health;
	char *platform;		     /* FROM --platform, not expanded; NULL: none */
	char *stage_name;	     /* FROM ... AS, lower case; NULL: none */
	char *stage_name_written;    /* as written */
	char *as_written;	     /* the AS keyword as written */
	struct instruction *onbuild; /* ONBUILD: the trigger, parsed */
	struct strv comments;	     /* the comment lines directly above, without '#' */
	bool empty_continuation;     /* an empty line stood inside */
};
void instruction_free(struct instruction *in);

/* The heredoc that the source `word` of a COPY or ADD stands for, or NULL. Borrowed. */
const struct heredoc *instruction_heredoc(const struct instruction *in, const char *word);

struct stage {
	struct instruction *from;
	const char *name; /* from->stage_name or NULL; borrowed */
	size_t index;
	VEC(struct instruction *) body; /* without FROM */
};

struct dockerfile {
	char *name; /* for messages */
	char *text; /* whole, for the lines in diagnostics */
	size_t len;
	char *syntax; /* `# syntax=`; NULL: none. It is noted, not acted on */
	char *check;  /* `# check=` as written; NULL: none */
	uint32_t check_line;
	char escape;			   /* '\\' or '`' */
	VEC(struct instruction *) globals; /* ARG before the first FROM */
	VEC(struct stage) stages;
};
#define DOCKERFILE_INIT ((struct dockerfile){ 0 })

/* 0, or -EINVAL with what is wrong in `diagnostics` (several at once); *ret is to be released in
 * both cases. `name` is how messages call the file. */
int dockerfile_parse(const char *text, size_t len, const char *name, struct dockerfile *ret,
		     struct diagnostics *diagnostics);
void dockerfile_done(struct dockerfile *file);
#define cleanup_dockerfile cleanup(dockerfile_done)

/* Parses one instruction (with its heredocs) outside of a Dockerfile: an ONBUILD trigger of a base
 * image. Owned. `what`: how messages call the place. */
int instruction_parse(const char *text, const char *what, struct instruction **ret,
		      struct err *err);

/* The stage of that name (any case) or number before stage `before` (SIZE_MAX: anywhere), the last
 * one that has it; NULL when there is none. */
const struct stage *dockerfile_stage(const struct dockerfile *file, const char *name,
				     size_t before);

/* Adds a diagnostic for a line of the file, with the line's text. hint may be NULL. */
void dockerfile_diagnose(const struct dockerfile *file, struct diagnostics *d,
			 enum severity severity, uint32_t line, const char *hint,
			 const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
