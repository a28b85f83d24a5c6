/* Answering a registry's 401: a password, or a token that its token server gives for one. */
#include "base/parse.h"
#include "image/transfer.h"

#include "base/json.h"

#include <stdio.h>

enum { TOKEN_MAX = 65536 };

static int ask_credentials(struct http *h, struct err *err)
{
	if (h->credentials_asked)
		return 0;
	h->credentials_asked = true;
	return image__credentials(h->host, &h->user, &h->secret, err);
}

static char *basic_header(const struct http *h)
{
	cleanup_free char *pair = xasprintf("%s:%s", h->user, h->secret);
	cleanup_free char *text = format_base64(pair, strlen(pair));

	return xasprintf("Authorization: Basic %s", text);
}

static void add_query(struct http *h, struct str *url, const char *key, const char *value)
{
	char *escaped;

	if (str_empty(value))
		return;
	escaped = curl_easy_escape(h->easy, value, 0);
	str_addf(url, "%c%s=%s", strchr(str_text(url), '?') ? '&' : '?', key, escaped);
	curl_free(escaped);
}

/* For this one request the token server is the one to show the password to. */
static CURLcode ask_server(struct http *h, const char *realm, const struct http_request *q,
			   struct answer *a)
{
	const char *host = strstr(realm, "://") + strlen("://");
	char *base = h->base;
	CURLcode c;

	free(h->authorization);
	h->base = xstrndup(realm, (size_t)(host - realm) + strcspn(host, "/?#"));
	h->authorization = h->user && !q->body ? basic_header(h) : NULL;
	c = image__perform(h, q, a);
	free(ptr_take(a->challenge));
	free(ptr_take(h->authorization));
	free(h->base);
	h->base = base;
	return c;
}

/* A GET with the password, or, for an identity token, the form that OAuth wants. */
static void make_request(struct http *h, const struct challenge *challenge, struct str *url,
			 struct str *form, struct http_request *q)
{
	bool identity = str_eq(h->user, IMAGE_IDENTITY_TOKEN);
	struct str *where = identity ? form : url;

	str_add(url, challenge->realm);
	add_query(h, where, "service", challenge->service);
	add_query(h, where, "scope", h->scope ? h->scope : challenge->scope);
	*q = (struct http_request){ .method = "GET", .body_fd = FD_NONE, .max = TOKEN_MAX };
	if (identity) {
		add_query(h, form, "grant_type", "refresh_token");
		add_query(h, form, "client_id", "stave");
		add_query(h, form, "refresh_token", h->secret);
		q->method = "POST";
		q->content_type = "application/x-www-form-urlencoded";
		q->body = str_text(form) + strlen("?");
		q->body_size = form->len - strlen("?");
	}
	q->path = str_text(url);
}

/* A secret must not go over a plain connection, except where the administrator or the address
 * says that it may: to this machine, or to a host that is insecure by name. */
static bool may_be_plain(const struct http *h, const char *realm)
{
	const char *at = str_after(realm, "http://");
	cleanup_registry_settings struct registry_settings settings = { 0 };
	struct err ignored = ERR_INIT; /* the registry's own settings were read well */
	cleanup_free char *host = NULL;

	if (!at || !h->insecure)
		return false;
	host = xstrndup(at, strcspn(at, "/?#"));
	if (strchr(host, '@'))
		return false;
	if (str_eq(host, h->host) || (h->direct && image__registry_loopback(host)))
		return true;
	if (image__registry_settings(host, &settings, &ignored) < 0)
		err_done(&ignored);
	return settings.insecure;
}

static int fetch_token(struct http *h, const struct challenge *challenge, struct err *err)
{
	cleanup_str struct str url = STR_INIT_MAX(TOKEN_MAX), form = STR_INIT_MAX(TOKEN_MAX);
	cleanup_http_response struct http_response response = { 0 };
	cleanup_json json_t *j = NULL;
	struct http_request q;
	const char *token;
	CURLcode c;
	int r;

	if (!str_starts(challenge->realm, "https://") && !may_be_plain(h, challenge->realm))
		return err_input(err,
				 "registry '%s' wants a token from '%.128s', which is not "
				 "https",
				 h->host, challenge->realm);
	make_request(h, challenge, &url, &form, &q);
	for (int attempt = 0;; attempt++) {
		struct answer a = { .response = &response, .max = TOKEN_MAX };

		image__http_response_done(&response);
		c = ask_server(h, challenge->realm, &q, &a);
		if (!image__may_pass(h, c, response.status) || attempt >= h->tries)
			break;
		image__back_off(attempt, a.retry_after);
	}
	if (c != CURLE_OK)
		return err_new(err, ERR_NETWORK, EIO, "get a token from '%.128s': %s",
			       challenge->realm, h->error[0] ? h->error : curl_easy_strerror(c));
	if (response.status != 200)
		return image__http_fail(&response, err, "log in");
	r = json_parse(str_text(&response.body), response.body.len, "token", &j, err);
	if (r < 0)
		return r;
	token = json_str(j, "token", json_str(j, "access_token", NULL));
	if (str_empty(token) || !str_utf8(token, strlen(token), true))
		return err_new(err, ERR_NETWORK, EPROTO, "the token server of '%s' gave no token",
			       h->host);
	h->authorization = xasprintf("Authorization: Bearer %s", token);
	return 0;
}

int image__authorise(struct http *h, const char *header, bool *ret_again, struct err *err)
{
	cleanup(image__challenge_done) struct challenge challenge = { 0 };
	int r;

	*ret_again = false;
	if (!header)
		return 0;
	r = image__challenge_parse(header, &challenge, err);
	if (r == 0)
		r = ask_credentials(h, err);
	if (r < 0)
		return r;
	if (challenge.bearer) {
		r = fetch_token(h, &challenge, err);
		*ret_again = r == 0;
		return r;
	}
	if (!h->user)
		return 0;
	free(h->authorization);
	h->authorization = basic_header(h);
	*ret_again = true;
	return 0;
}
