/* HTTP for registries: a connection and its documents. What is large comes through stream.c. */
#include "image/transfer.h"

#include "base/json.h"
#include "base/log.h"

#include <stdio.h>

static size_t discard(char *data, size_t size, size_t n, void *user)
{
	(void)data;
	(void)user;
	return size * n;
}

/* TLS, or, where that is allowed, plain when the other side does not speak it. */
static int choose_scheme(struct http *h, struct err *err)
{
	const char *name = str_eq(h->host, "docker.io") ? "registry-1.docker.io" : h->host;
	cleanup_free char *url = xasprintf("https://%s/v2/", name);
	CURLcode c;

	h->base = xasprintf("https://%s", name);
	if (!h->insecure)
		return 0;
	image__transfer_options(h, h->easy);
	curl_easy_setopt(h->easy, CURLOPT_URL, url);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, discard);
	c = curl_easy_perform(h->easy);
	if (c == CURLE_COULDNT_CONNECT)
		return err_new(err, ERR_NETWORK, ECONNREFUSED, "registry '%s': %s", h->host,
			       h->error[0] ? h->error : curl_easy_strerror(c));
	h->reached = c == CURLE_OK;
	if (c != CURLE_OK) {
		free(h->base);
		h->base = xasprintf("http://%s", name);
	}
	return 0;
}

/* A client of `host` as the settings want it; without a base yet. */
static int make(const char *host, struct http **ret, struct err *err)
{
	static bool ready;
	cleanup(image__http_free_cleanup) struct http *h = new0(struct http);
	cleanup_registry_settings struct registry_settings settings = { 0 };
	int r;

	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_new(err, ERR_INTERNAL, EIO, "libcurl cannot be used");
	ready = true;
	r = image__registry_settings(host, &settings, err);
	if (r == 0)
		r = image__registry_certs(host, &h->certs, err);
	if (r < 0)
		return r;
	h->host = xstrdup(host);
	h->prefix = xstrdup("");
	h->direct = image__registry_loopback(host);
	h->insecure = h->direct || settings.insecure;
	h->timeout_s = settings.timeout_s;
	h->tries = HTTP_TRIES;
	h->easy = curl_easy_init();
	if (!h->easy)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for a connection");
	*ret = ptr_take(h);
	return 0;
}

int image__http_open(const char *host, struct http **ret, struct err *err)
{
	cleanup(image__http_free_cleanup) struct http *h = NULL;
	int r = make(host, &h, err);

	if (r == 0)
		r = choose_scheme(h, err);
	if (r == 0)
		*ret = ptr_take(h);
	return r;
}

int image__http_open_mirror(const char *url, struct http **ret, struct err *err)
{
	cleanup(image__http_free_cleanup) struct http *h = NULL;
	const char *at = strstr(url, "://") + strlen("://");
	cleanup_free char *host = xstrndup(at, strcspn(at, "/"));
	const char *prefix = at + strlen(host);
	int r = make(host, &h, err);

	if (r < 0)
		return r;
	h->base = xstrndup(url, (size_t)(prefix - url));
	/* Who writes http:// means it. */
	h->insecure = h->insecure || str_starts(url, "http://");
	h->tries = HTTP_MIRROR_TRIES;
	if (*prefix) {
		free(h->prefix);
		h->prefix = xasprintf("%s/", prefix + 1);
	}
	*ret = ptr_take(h);
	return 0;
}

char *image__http_repository(const struct http *h, const char *repository)
{
	return xasprintf("%s%s", h->prefix, repository);
}

struct http *image__http_clone(const struct http *h)
{
	struct http *c = new0(struct http);

	c->easy = curl_easy_init();
	if (!c->easy)
		abort(); /* libcurl fails here for want of memory only */
	c->host = xstrdup(h->host);
	c->base = xstrdup(h->base);
	c->scope = xstrdup(h->scope);
	c->authorization = xstrdup(h->authorization);
	c->user = xstrdup(h->user);
	c->secret = xstrdup(h->secret);
	c->credentials_asked = h->credentials_asked;
	c->prefix = xstrdup(h->prefix);
	str_addn(&c->certs.authorities, str_text(&h->certs.authorities), h->certs.authorities.len);
	c->certs.cert = xstrdup(h->certs.cert);
	c->certs.key = xstrdup(h->certs.key);
	c->timeout_s = h->timeout_s;
	c->tries = h->tries;
	c->insecure = h->insecure;
	c->direct = h->direct;
	c->reached = h->reached;
	return c;
}

void image__http_free(struct http *h)
{
	if (!h)
		return;
	if (h->easy)
		curl_easy_cleanup(h->easy);
	free(h->host);
	free(h->base);
	free(h->prefix);
	image__registry_certs_done(&h->certs);
	free(h->scope);
	free(h->authorization);
	free(h->user);
	free(h->secret);
	free(h);
}

void image__http_user(struct http *h, const char *user, const char *secret)
{
	free(h->user);
	free(h->secret);
	h->user = xstrdup(user);
	h->secret = xstrdup(secret);
	h->credentials_asked = true;
}

void image__http_scope(struct http *h, const char *scope)
{
	if (str_eq(h->scope, scope))
		return;
	free(h->scope);
	h->scope = xstrdup(scope);
	free(h->authorization);
	h->authorization = NULL;
}

void image__http_pause(int attempt)
{
	image__back_off(attempt, 0);
}

int image__http_do(struct http *h, const struct http_request *request, struct http_response *ret,
		   struct err *err)
{
	bool asked = false;

	for (int attempt = 0;; attempt++) {
		cleanup_http_response struct http_response response = { 0 };
		struct answer a = { .response = &response, .max = request->max };
		CURLcode c = image__perform(h, request, &a);
		cleanup_free char *challenge = a.challenge;
		bool again = false;

		debug("%s %s: %ld", request->method, request->path, response.status);
		if (a.overflow)
			return err_new(err, ERR_NETWORK, EFBIG,
				       "registry '%s' answers with more than %zu bytes", h->host,
				       request->max);
		if (c == CURLE_OK && response.status == 401 && !asked) {
			int r = image__authorise(h, challenge, &again, err);

			if (r < 0)
				return r;
			asked = true;
			if (again && request->stream &&
			    request->stream->rewind(request->stream->data) < 0)
				return image__http_fail(&response, err, h->host);
			if (again)
				continue;
		}
		if (image__may_pass(h, c, response.status) && attempt < h->tries &&
		    !request->stream) {
			image__back_off(attempt, a.retry_after);
			continue;
		}
		if (c != CURLE_OK)
			return image__network_error(h, c, err);
		if (response.status == 401 || response.status == 403 || response.status >= 500)
			return image__http_fail(&response, err, h->host);
		*ret = response;
		response = (struct http_response){ 0 };
		return 0;
	}
}
