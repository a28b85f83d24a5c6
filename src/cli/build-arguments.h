/* What the command line and Compose files say about a build, as struct build_options. */
#ifndef STAVE_CLI_BUILD_ARGUMENTS_H
#define STAVE_CLI_BUILD_ARGUMENTS_H

#include "build/build.h"
#include "cli/cli.h"

/* Each adds one; ERR_USAGE or ERR_INPUT. */
int build_argument_arg(struct build_options *b, const char *text, struct err *err);
int build_argument_secret(struct build_options *b, const char *text, struct err *err);
int build_argument_ssh(struct build_options *b, const char *text, struct err *err);
int build_argument_context(struct build_options *b, const char *text, struct err *err);
/* --cache-from and (`to`) --cache-to; relative directories are below `base` (NULL: the current
 * one). *ret_ignored: a kind that is not supported, which does not prevent a build. */
int build_argument_cache(struct build_options *b, const char *text, bool to, const char *base,
			 bool *ret_ignored, struct err *err);
int build_argument_platform(struct build_options *b, const char *text, struct err *err);
int build_argument_annotation(struct build_options *b, const char *text, struct err *err);
/* --provenance, --sbom, --attest: ERR_UNSUPPORTED where one is asked for. */
int build_argument_attest(const char *option, const char *value, struct err *err);
int build_argument_host(struct build_options *b, const char *text, struct err *err);
int build_argument_allow(struct build_options *b, const char *text, struct err *err);
int build_argument_ulimit(struct build_options *b, const char *text, struct err *err);
/* Bytes; NULL or "": *ret stays. */
int build_argument_size(const char *text, const char *what, int64_t *ret, struct err *err);
/* SOURCE_DATE_EPOCH: of the build arguments, else of the environment. */
int build_argument_epoch(struct build_options *b, struct err *err);
/* One secret from a file or a variable (the other NULL). */
int build_secret_add(struct build_options *b, const char *id, const char *file, const char *env,
		     struct err *err);
/* Whether a context is no directory: an address. */
bool build_context_is_remote(const char *context);
/* What does not fit together: network modes, platforms. */
int build_arguments_check(const struct build_options *b, struct err *err);
/* The error of a build as Compose words it (service may be NULL); the diagnostics may have said it
 * already. */
int build_failed(struct cli *cli, const char *service, struct err *err);

#endif
