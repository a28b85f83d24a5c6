/* Answering a registry's 401: a password, or a token that its token server gives for one. */
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
	cleanup_free char *text = image__base64(pair, strlen(pair));

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

static int fetch_token(struct http *h, const struct challenge *challenge, struct err *err)
{
	cleanup_str struct str url = STR_INIT_MAX(TOKEN_MAX);
	cleanup_http_response struct http_response response = { 0 };
	cleanup_json json_t *j = NULL;
	struct answer a = { .response = &response, .max = TOKEN_MAX };
	struct http_request q = { .method = "GET", .body_fd = FD_NONE };
	const char *token;
	CURLcode c;
	int r;

	/* A secret must not go over a plain connection, except on this machine. */
	if (!str_starts(challenge->realm, "https://") &&
	    !(h->loopback && str_starts(challenge->realm, "http://")))
		return err_input(err,
				 "registry '%s' wants a token from '%.128s', which is not "
				 "https",
				 h->host, challenge->realm);
	str_add(&url, challenge->realm);
	add_query(h, &url, "service", challenge->service);
	add_query(h, &url, "scope", h->scope ? h->scope : challenge->scope);
	q.path = str_text(&url);
	curl_easy_reset(h->easy);
	image__transfer_options(h, h->easy);
	free(h->authorization);
	h->authorization = NULL;
	cleanup_free char *base = h->base;
	/* For this one request the token server is the one to show the password to. */
	h->base = xstrndup(challenge->realm, strlen(challenge->realm));
	if (strchr(h->base + strlen("https://"), '/'))
		*strchr(h->base + strlen("https://"), '/') = '\0';
	h->authorization = h->user ? basic_header(h) : NULL;
	c = image__perform(h, &q, &a);
	free(a.challenge);
	free(h->authorization);
	h->authorization = NULL;
	free(h->base);
	h->base = ptr_take(base);
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

/* Answers a 401. *ret_again: it makes sense to ask again. */
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
