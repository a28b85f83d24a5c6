/* What a build takes from elsewhere: files over HTTP, and git repositories. */
#ifndef STAVE_BUILD_FETCH_H
#define STAVE_BUILD_FETCH_H

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { FETCH_SECONDS_MAX = 1800, FETCH_STALL_SECONDS = 60 };
#define FETCH_BYTES_MAX ((uint64_t)64 << 30)

struct fetch_options {
	const struct strv *secrets; /* "id=value" or NULL: HTTP_AUTH_TOKEN_<host>,
				       HTTP_AUTH_HEADER_<host>, GIT_AUTH_HEADER[.<host>],
				       GIT_AUTH_TOKEN[.<host>] */
	const char *ssh_socket;	    /* for git; NULL: none */
};

/* --- HTTP --- */

bool fetch_is_url(const char *text); /* http:// or https://, and no git repository */
/* The file's name, from the URL's path. ERR_INPUT when it has none. Owned. */
int fetch_url_name(const char *url, char **ret, struct err *err);
/* Downloads into the new file `name` (mode 0600, mtime from Last-Modified) below dirfd. checksum:
 * "sha256:..." or NULL; ERR_INPUT when it is another one. Blocks. */
int fetch_url(const char *url, int dirfd, const char *name, const char *checksum,
	      const struct fetch_options *options, struct err *err);

/* --- git --- */

struct git_ref {
	char *remote; /* what git is given */
	char *ref;    /* branch, tag or commit; NULL: the remote's HEAD */
	char *subdir; /* relative, clean; NULL: the root */
	char *commit; /* what `ref` has to be at, its beginning at least; NULL: whatever */
};
void git_ref_done(struct git_ref *ref);
#define cleanup_git_ref cleanup(git_ref_done)
/* Reads git@host:path, ssh:// and git:// addresses, http(s) addresses that end in ".git", with
 * `context` "github.com/..." too; all with an optional "#ref:subdirectory", http(s) also with
 * "?branch=...&subdir=...". 0: it is none, 1: it is
 * one, -EINVAL: it is a bad one. */
int git_ref_parse(const char *text, bool context, struct git_ref *ret, struct err *err);
/* Checks the repository out, with its submodules, into the empty directory; runs the program `git`
 * with no hooks, no configuration of the user's and no prompts. Without keep_git_dir `.git` is
 * removed. checksum: what the commit's id must begin with, or NULL. *ret_commit: owned. Blocks; an
 * end of the process group is the end of git. ERR_UNSUPPORTED: there is no git. */
int git_fetch(const struct git_ref *ref, int dirfd, bool keep_git_dir, const char *checksum,
	      const struct fetch_options *options, char **ret_commit, struct err *err);

#endif
