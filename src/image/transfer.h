/* Inside of the HTTP client: what http.c, token.c and stream.c share about one transfer. Everybody
 * else includes http.h. */
#ifndef STAVE_IMAGE_TRANSFER_H
#define STAVE_IMAGE_TRANSFER_H

#include "base/time.h"
#include "image/http.h"
#include "image/registries.h"

#include <curl/curl.h>

enum { HTTP_TRIES = 6, HTTP_MIRROR_TRIES = 2 };

struct http {
	CURL *easy;
	char *host; /* of the reference */
	char *base; /* "https://registry-1.docker.io" */
	char *scope;
	char *authorization; /* a whole header line, or NULL */
	char *user, *secret;
	char *prefix; /* of repositories, "" or "cache/": a mirror may keep ours below one */
	struct registry_certs certs;
	int timeout_s, tries;
	bool credentials_asked;
	bool insecure; /* any certificate, or none, is good enough */
	bool direct;   /* never through a proxy: this machine's own */
	bool reached;  /* it has answered: what fails now may pass */
	char error[CURL_ERROR_SIZE];
};

/* Headers of the last answer (after redirects). */
struct answer {
	struct http_response *response;
	struct str *body;
	size_t max;
	char *challenge;
	nsec_t retry_after; /* 0: not said; known once the transfer is over */
	bool overflow;
};

/* --- transfer.c --- */
void image__answer_clear(struct answer *a);
/* What every transfer of this registry has in common. */
void image__transfer_options(struct http *h, CURL *easy);
/* Curl's header function; `user` is the answer to fill. */
size_t image__take_header(char *data, size_t size, size_t n, void *user);
char *image__url(const struct http *h, const char *path); /* owned */
/* The authorisation is for the registry only, not for where an upload or a redirect leads. Owned.
 */
struct curl_slist *image__headers(const struct http *h, const char *url,
				  const struct http_request *q);
/* One request, one answer, no second try. Blocks. */
CURLcode image__perform(struct http *h, const struct http_request *q, struct answer *a);
/* How long before the next try: what the registry says, else doubling, spread so that many clients
 * do not come back at once. Sleeps. */
void image__back_off(int attempt, nsec_t retry_after);
/* Whether trying again may help. */
bool image__may_pass(const struct http *h, CURLcode c, long status);
/* What the finished transfer leaves behind: status and Retry-After. */
void image__answer_end(struct http *h, struct answer *a, CURL *easy, CURLcode c);
int image__network_error(struct http *h, CURLcode c, struct err *err);

/* --- token.c --- */
/* Answers a 401 with this WWW-Authenticate header (NULL: there was none). *ret_again: it makes
 * sense to ask again. */
int image__authorise(struct http *h, const char *header, bool *ret_again, struct err *err);

#endif
