/* HTTP for registries, over libcurl; for this room alone. One request at a time per `struct http`,
 * which keeps its connection, its authorisation and its manners (retries with backoff,
 * Retry-After). */
#ifndef STAVE_IMAGE_HTTP_H
#define STAVE_IMAGE_HTTP_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* --- auth.c --- */
struct challenge {
	bool bearer; /* else Basic */
	char *realm, *service, *scope;
};
void image__challenge_done(struct challenge *c);
/* Reads the value of a WWW-Authenticate header. ERR_UNSUPPORTED for other schemes. */
int image__challenge_parse(const char *header, struct challenge *ret, struct err *err);
/* What is known of the user at a registry: from $DOCKER_CONFIG/config.json, its credential helpers
 * and stores. Both NULL when nothing is. Forks for a helper. Owned. */
int image__credentials(const char *registry, char **ret_user, char **ret_secret, struct err *err);
/* What login.c shares with it: Docker's config and its directory (owned), the key of a registry in
 * it (borrowed), and a run of `docker-credential-NAME ACTION` with what it printed. */
enum { AUTH_TEXT_MAX = 16384 };
char *image__auth_dir(void);
int image__auth_config(json_t **ret, struct err *err); /* new reference; never NULL */
const char *image__auth_key(const char *registry);
int image__auth_helper(const char *name, const char *action, const char *input, struct str *out,
		       struct err *err);
/* The user whose secret is an identity token (OAuth's refresh token), as Docker writes it. */
#define IMAGE_IDENTITY_TOKEN "<token>"

/* --- http.c: documents --- */
struct http;
/* `host` as in a reference ("docker.io", "localhost:5000"). Finds out whether it speaks TLS: a
 * loopback or insecure host may not. */
int image__http_open(const char *host, struct http **ret, struct err *err);
/* A mirror instead, as "http[s]://HOST[:PORT][/PREFIX]". It is asked less patiently. */
int image__http_open_mirror(const char *url, struct http **ret, struct err *err);
/* What a repository is called there, behind a mirror's prefix. Owned. */
char *image__http_repository(const struct http *h, const char *repository);
/* The same registry and authorisation on connections of its own: for a child process. */
struct http *image__http_clone(const struct http *h);
void image__http_free(struct http *h);
DEFINE_CLEANUP(struct http, image__http_free)
/* Who is asking, instead of what the Docker config says. Copies. */
void image__http_user(struct http *h, const char *user, const char *secret);
/* What the next requests will need: "repository:library/alpine:pull". */
void image__http_scope(struct http *h, const char *scope);

/* A body that is made while it is sent; how long it gets is not known before. */
struct http_body {
	ssize_t (*read)(void *data, void *buf, size_t size); /* 0: the end; negative: give up */
	int (*rewind)(void *data);
	void *data;
};
struct http_request {
	const char *method; /* "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" */
	const char *path;   /* "/v2/..." or a whole URL (an upload's Location) */
	const char *accept, *content_type;
	const char *body;		/* text, or */
	int body_fd;			/* a file from its start; FD_NONE: none; or */
	const struct http_body *stream; /* sent once: a failure is the caller's to try again */
	uint64_t body_size;
	size_t max; /* largest answer taken */
};
struct http_response {
	long status;
	struct str body;
	char *content_type, *digest, *location;
};
void image__http_response_done(struct http_response *r);
#define cleanup_http_response cleanup(image__http_response_done)
/* Retries what may pass (network, 429, 5xx), answers challenges. Success is any status below 500
 * but 401 and 403: *ret is filled and the caller looks at the status. ERR_NETWORK otherwise. */
int image__http_do(struct http *h, const struct http_request *request, struct http_response *ret,
		   struct err *err);
/* Sleeps before the next try of something that failed `attempt` times before. */
void image__http_pause(int attempt);
/* Turns an unexpected answer into an error: the registry's own words where it has some. */
int image__http_fail(const struct http_response *r, struct err *err, const char *what);

/* --- stream.c --- */
/* A body of `size` bytes that is read as a stream from `offset` on, going on with a range where the
 * connection broke or the server stopped too early. */
struct http_stream;
int image__http_stream(struct http *h, const char *path, uint64_t offset, uint64_t size,
		       struct http_stream **ret, struct err *err);
/* At most size bytes; 0 at the end. */
ssize_t image__http_read(struct http_stream *s, void *buf, size_t size, struct err *err);
void image__http_stream_free(struct http_stream *s);
DEFINE_CLEANUP(struct http_stream, image__http_stream_free)

#endif
