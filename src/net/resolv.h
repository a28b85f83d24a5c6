/* resolv.conf: reading the host's, following it, and writing a container's. */
#ifndef STAVE_NET_RESOLV_H
#define STAVE_NET_RESOLV_H

#include "base/err.h"
#include "base/str.h"

#include <sys/stat.h>

struct resolv {
	struct strv servers; /* addresses as text, at most RESOLV_SERVERS */
	struct strv search;
	struct strv options;
};
enum { RESOLV_SERVERS = 8, RESOLV_FILE_MAX = 64 << 10 };
void resolv_done(struct resolv *resolv);
#define cleanup_resolv cleanup(resolv_done)

/* Reads resolv.conf text as the C library does: unknown lines are skipped, the last `search` or
 * `domain` counts. Server lines that are not IP addresses are skipped. */
void resolv_parse(const char *text, struct resolv *ret);
/* The host's /etc/resolv.conf; a missing file is an empty one. */
int resolv_host(struct resolv *ret, struct err *err);
/* The text for a container whose server is 127.0.0.11: nameserver, search, options (ndots:0 unless
 * one is given), each from the container's own wishes or else the host's. */
void resolv_container(const struct resolv *host, const struct strv *search,
		      const struct strv *options, struct str *out);

/* A file that is read again when it has changed. */
struct resolv_file {
	char *path;
	struct resolv content;
	struct timespec modified;
	ino_t inode;
};
void resolv__file_done(struct resolv_file *file);
/* Borrowed until the next call. A file that is missing for a moment (being replaced) keeps what was
 * read before. */
const struct resolv *resolv__file_read(struct resolv_file *file);

#endif
