/* HTTP for registries. Small documents go through curl_easy_perform; blobs are read as a stream,
 * where the reader drives the transfer (one curl multi handle), so that inflating and unpacking
 * take the bytes as they come and nothing grows. */
#include "image/http.h"

#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/time.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

enum {
	HTTP_TRIES = 6,
	HTTP_HEADER_MAX = 8192,
	HTTP_CONNECT_TIMEOUT_S = 30,
	HTTP_STALL_S = 60, /* fewer than one byte a second for this long: the peer is gone */
	HTTP_REDIRECTS_MAX = 10,
	TOKEN_MAX = 65536,
};
#define HTTP_WAIT_MAX	(60 * NSEC_PER_SEC)
#define HTTP_WAIT_FIRST (200 * NSEC_PER_MSEC)

struct http {
	CURL *easy;
	char *host; /* of the reference */
	char *base; /* "https://registry-1.docker.io" */
	char *scope;
	char *authorization; /* a whole header line, or NULL */
	char *user, *secret;
	bool credentials_asked, loopback;
	char error[CURL_ERROR_SIZE];
};

/* Headers of the last answer (after redirects). */
struct answer {
	struct http_response *response;
	struct str *body;
	size_t max;
	char *challenge;
	nsec_t retry_after; /* 0: not said */
	bool overflow;
};

static bool is_loopback(const char *host)
{
	return str_eq(host, "localhost") || str_starts(host, "localhost:") ||
	       str_starts(host, "127.") || str_starts(host, "[::1]");
}

static void common_options(struct http *h, CURL *easy)
{
	cleanup_free char *ca = xasprintf("/etc/docker/certs.d/%s/ca.crt", h->host);
	struct stat st;

	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "stave/" STAVE_VERSION);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)HTTP_REDIRECTS_MAX);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_S);
	/* A registry must not send us to a file or another protocol of curl's. */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, h->loopback ? "http,https" : "https");
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
	if (h->loopback) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	} else if (stat(ca, &st) == 0) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
	}
}

static size_t discard(char *data, size_t size, size_t n, void *user)
{
	(void)data;
	(void)user;
	return size * n;
}

/* TLS, or, on loopback, plain when the other side does not speak it. */
static int choose_scheme(struct http *h, struct err *err)
{
	const char *name = str_eq(h->host, "docker.io") ? "registry-1.docker.io" : h->host;
	cleanup_free char *url = xasprintf("https://%s/v2/", name);
	CURLcode c;

	h->base = xasprintf("https://%s", name);
	if (!h->loopback)
		return 0;
	common_options(h, h->easy);
	curl_easy_setopt(h->easy, CURLOPT_URL, url);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, discard);
	c = curl_easy_perform(h->easy);
	if (c == CURLE_COULDNT_CONNECT)
		return err_new(err, ERR_NETWORK, ECONNREFUSED, "registry '%s': %s", h->host,
			       h->error[0] ? h->error : curl_easy_strerror(c));
	if (c != CURLE_OK) {
		free(h->base);
		h->base = xasprintf("http://%s", name);
	}
	return 0;
}

int image__http_open(const char *host, struct http **ret, struct err *err)
{
	static bool ready;
	cleanup(image__http_free_cleanup) struct http *h = new0(struct http);
	int r;

	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_new(err, ERR_INTERNAL, EIO, "libcurl cannot be used");
	ready = true;
	h->host = xstrdup(host);
	h->loopback = is_loopback(host);
	h->easy = curl_easy_init();
	if (!h->easy)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for a connection");
	r = choose_scheme(h, err);
	if (r < 0)
		return r;
	*ret = ptr_take(h);
	return 0;
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
	c->loopback = h->loopback;
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

void image__http_response_done(struct http_response *r)
{
	str_done(&r->body);
	free(r->content_type);
	free(r->digest);
	free(r->location);
	*r = (struct http_response){ 0 };
}

/* --- one transfer --- */

static void answer_clear(struct answer *a)
{
	image__http_response_done(a->response);
	free(a->challenge);
	a->challenge = NULL;
	a->retry_after = 0;
}

static size_t take_header(char *data, size_t size, size_t n, void *user)
{
	struct answer *a = user;
	size_t len = size * n;
	cleanup_free char *line = NULL;
	char *value;
	int64_t seconds;

	if (len > HTTP_HEADER_MAX)
		return len;
	line = xstrndup(data, len);
	line[strcspn(line, "\r\n")] = '\0';
	if (str_starts(line, "HTTP/")) /* a new answer: that of a redirect does not count */
		answer_clear(a);
	value = strchr(line, ':');
	if (!value)
		return len;
	*value++ = '\0';
	value += strspn(value, " \t");
	const struct {
		const char *name;
		char **slot;
	} texts[] = {
		{ "content-type", &a->response->content_type },
		{ "docker-content-digest", &a->response->digest },
		{ "location", &a->response->location },
		{ "www-authenticate", &a->challenge },
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcasecmp(line, texts[i].name) == 0) {
			free(*texts[i].slot);
			*texts[i].slot = xstrdup(value);
		}
	if (strcasecmp(line, "retry-after") == 0 && parse_i64(value, 0, 86400, &seconds) == 0)
		a->retry_after = seconds ? seconds * NSEC_PER_SEC : 1;
	return len;
}

static size_t take_body(char *data, size_t size, size_t n, void *user)
{
	struct answer *a = user;
	size_t len = size * n;

	if (a->response->body.len + len > a->max) {
		a->overflow = true;
		return 0;
	}
	str_addn(&a->response->body, data, len);
	return len;
}

struct upload {
	const char *text;
	int fd;
	uint64_t at, size;
};

static size_t give_body(char *buf, size_t size, size_t n, void *user)
{
	struct upload *u = user;
	uint64_t left = u->size - u->at;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got = (ssize_t)want;

	if (u->text)
		memcpy(buf, u->text + u->at, want);
	else
		got = pread(u->fd, buf, want, (off_t)u->at);
	if (got < 0)
		return CURL_READFUNC_ABORT;
	u->at += (uint64_t)got;
	return (size_t)got;
}

static int seek_body(void *user, curl_off_t offset, int origin)
{
	struct upload *u = user;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > u->size)
		return CURL_SEEKFUNC_FAIL;
	u->at = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static char *url_of(const struct http *h, const char *path)
{
	return *path == '/' ? xasprintf("%s%s", h->base, path) : xstrdup(path);
}

/* The authorisation is for the registry only, not for where an upload or a redirect leads. */
static struct curl_slist *headers_for(const struct http *h, const char *url,
				      const struct http_request *q)
{
	struct curl_slist *list = NULL;
	size_t base = strlen(h->base);

	if (h->authorization && strncmp(url, h->base, base) == 0 &&
	    (url[base] == '/' || !url[base]))
		list = curl_slist_append(list, h->authorization);
	if (q->accept) {
		cleanup_free char *line = xasprintf("Accept: %s", q->accept);
		list = curl_slist_append(list, line);
	}
	if (q->content_type) {
		cleanup_free char *line = xasprintf("Content-Type: %s", q->content_type);
		list = curl_slist_append(list, line);
	}
	return curl_slist_append(list, "Expect:");
}

static CURLcode perform(struct http *h, const struct http_request *q, struct answer *a)
{
	cleanup_free char *url = url_of(h, q->path);
	struct curl_slist *headers = headers_for(h, url, q);
	struct upload upload = { .text = q->body, .fd = q->body_fd, .size = q->body_size };
	bool put = str_eq(q->method, "PUT") || str_eq(q->method, "PATCH");
	CURLcode c;

	curl_easy_reset(h->easy);
	h->error[0] = '\0';
	common_options(h, h->easy);
	curl_easy_setopt(h->easy, CURLOPT_URL, url);
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, a);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(h->easy, CURLOPT_ACCEPT_ENCODING, NULL);
	if (put) {
		curl_easy_setopt(h->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h->easy, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(h->easy, CURLOPT_READDATA, &upload);
		curl_easy_setopt(h->easy, CURLOPT_SEEKFUNCTION, seek_body);
		curl_easy_setopt(h->easy, CURLOPT_SEEKDATA, &upload);
		curl_easy_setopt(h->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body_size);
	} else if (str_eq(q->method, "HEAD")) {
		curl_easy_setopt(h->easy, CURLOPT_NOBODY, 1L);
	} else if (str_eq(q->method, "POST")) {
		curl_easy_setopt(h->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, "");
	}
	if (!str_eq(q->method, "HEAD"))
		curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, q->method);
	c = curl_easy_perform(h->easy);
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &a->response->status);
	curl_slist_free_all(headers);
	return c;
}

/* --- authorisation --- */

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
	common_options(h, h->easy);
	free(h->authorization);
	h->authorization = NULL;
	cleanup_free char *base = h->base;
	/* For this one request the token server is the one to show the password to. */
	h->base = xstrndup(challenge->realm, strlen(challenge->realm));
	if (strchr(h->base + strlen("https://"), '/'))
		*strchr(h->base + strlen("https://"), '/') = '\0';
	h->authorization = h->user ? basic_header(h) : NULL;
	c = perform(h, &q, &a);
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
static int authorise(struct http *h, const char *header, bool *ret_again, struct err *err)
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

/* --- requests --- */

static void wait_ns(nsec_t ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* How long before the next try: what the registry says, else doubling, spread so that many clients
 * do not come back at once. */
static void back_off(int attempt, nsec_t retry_after)
{
	nsec_t wait = retry_after ? retry_after : HTTP_WAIT_FIRST << attempt;

	if (!retry_after)
		wait += now_mono() % (wait / 4);
	wait_ns(wait < HTTP_WAIT_MAX ? wait : HTTP_WAIT_MAX);
}

static bool may_pass(CURLcode c, long status)
{
	if (c != CURLE_OK)
		return c != CURLE_COULDNT_RESOLVE_HOST && c != CURLE_COULDNT_CONNECT &&
		       c != CURLE_PEER_FAILED_VERIFICATION && c != CURLE_UNSUPPORTED_PROTOCOL &&
		       c != CURLE_WRITE_ERROR && c != CURLE_URL_MALFORMAT &&
		       c != CURLE_TOO_MANY_REDIRECTS;
	return status == 408 || status == 429 || status >= 500;
}

static int network_error(struct http *h, CURLcode c, struct err *err)
{
	return err_new(err, ERR_NETWORK, c == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO,
		       "registry '%s': %s", h->host,
		       h->error[0] ? h->error : curl_easy_strerror(c));
}

int image__http_fail(const struct http_response *r, struct err *err, const char *what)
{
	cleanup_json json_t *j = json_loadb(str_text(&r->body), r->body.len, 0, NULL);
	const json_t *first = json_array_get(json_object_get(j, "errors"), 0);
	const char *text = json_str(first, "message", "");
	bool clean = *text && strlen(text) < 300 && str_utf8(text, strlen(text), true);
	enum err_kind kind = r->status == 404			    ? ERR_NOT_FOUND
			     : r->status == 401 || r->status == 403 ? ERR_PERMISSION
								    : ERR_NETWORK;
	int no = kind == ERR_NOT_FOUND ? ENOENT : kind == ERR_PERMISSION ? EACCES : EPROTO;

	return err_new(err, kind, no, "%s: the registry answers %ld%s%s%s", what, r->status,
		       clean ? " (" : "", clean ? text : "", clean ? ")" : "");
}

int image__http_do(struct http *h, const struct http_request *request, struct http_response *ret,
		   struct err *err)
{
	bool asked = false;

	for (int attempt = 0;; attempt++) {
		cleanup_http_response struct http_response response = { 0 };
		struct answer a = { .response = &response, .max = request->max };
		CURLcode c = perform(h, request, &a);
		cleanup_free char *challenge = a.challenge;
		bool again = false;

		debug("%s %s: %ld", request->method, request->path, response.status);
		if (a.overflow)
			return err_new(err, ERR_NETWORK, EFBIG,
				       "registry '%s' answers with more than %zu bytes", h->host,
				       request->max);
		if (c == CURLE_OK && response.status == 401 && !asked) {
			int r = authorise(h, challenge, &again, err);

			if (r < 0)
				return r;
			asked = true;
			if (again)
				continue;
		}
		if (may_pass(c, response.status) && attempt < HTTP_TRIES) {
			back_off(attempt, a.retry_after);
			continue;
		}
		if (c != CURLE_OK)
			return network_error(h, c, err);
		if (response.status == 401 || response.status == 403 || response.status >= 500)
			return image__http_fail(&response, err, h->host);
		*ret = response;
		response = (struct http_response){ 0 };
		return 0;
	}
}

/* --- streams --- */

struct http_stream {
	struct http *h;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *path;
	struct str data; /* arrived, not yet read: from `at` on */
	size_t at;
	uint64_t offset; /* of the next byte from the wire */
	struct http_response response;
	struct answer answer;
	CURLcode result;
	bool ended, checked, asked;
	int attempt;
};

/* Bytes count only when the answer is what was asked for: the whole, or the rest from the offset.
 */
static size_t stream_body(char *data, size_t size, size_t n, void *user)
{
	struct http_stream *s = user;
	size_t len = size * n;
	long status = 0;

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	s->response.status = status;
	if (status != 200 && status != 206)
		return len;
	if (status == 200 && s->offset && !s->checked) {
		/* A server without ranges sends it all again; what is known is passed over. */
		s->checked = true;
		return CURL_WRITEFUNC_ERROR;
	}
	s->checked = true;
	str_addn(&s->data, data, len);
	s->offset += len;
	return len;
}

static void stream_stop(struct http_stream *s)
{
	if (s->easy) {
		curl_multi_remove_handle(s->multi, s->easy);
		curl_easy_cleanup(s->easy);
	}
	s->easy = NULL;
	curl_slist_free_all(s->headers);
	s->headers = NULL;
}

static int stream_start(struct http_stream *s, struct err *err)
{
	cleanup_free char *url = url_of(s->h, s->path);
	struct http_request q = { .method = "GET" };

	stream_stop(s);
	s->easy = curl_easy_init();
	if (!s->easy)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for a connection");
	s->h->error[0] = '\0';
	common_options(s->h, s->easy);
	s->headers = headers_for(s->h, url, &q);
	answer_clear(&s->answer);
	s->ended = s->checked = false;
	curl_easy_setopt(s->easy, CURLOPT_URL, url);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
	curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(s->easy, CURLOPT_HEADERDATA, &s->answer);
	curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, stream_body);
	curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
	if (s->offset) {
		cleanup_free char *range = xasprintf("%llu-", (unsigned long long)s->offset);

		curl_easy_setopt(s->easy, CURLOPT_RANGE, range);
	}
	if (curl_multi_add_handle(s->multi, s->easy) != CURLM_OK)
		return err_new(err, ERR_INTERNAL, EIO, "libcurl does not take a transfer");
	return 0;
}

int image__http_stream(struct http *h, const char *path, uint64_t offset, struct http_stream **ret,
		       struct err *err)
{
	cleanup(image__http_stream_free_cleanup) struct http_stream *s = new0(struct http_stream);
	int r;

	s->h = h;
	s->path = xstrdup(path);
	s->offset = offset;
	s->answer.response = &s->response;
	s->multi = curl_multi_init();
	if (!s->multi)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for a connection");
	r = stream_start(s, err);
	if (r == 0)
		*ret = ptr_take(s);
	return r;
}

void image__http_stream_free(struct http_stream *s)
{
	if (!s)
		return;
	stream_stop(s);
	curl_multi_cleanup(s->multi);
	answer_clear(&s->answer);
	str_done(&s->data);
	free(s->path);
	free(s);
}

/* Lets curl work until there are bytes or the transfer is over. */
static void stream_pump(struct http_stream *s)
{
	while (!s->ended && s->at == s->data.len) {
		int running = 0, left = 0;
		CURLMsg *m;

		str_clear(&s->data);
		s->at = 0;
		curl_multi_perform(s->multi, &running);
		while ((m = curl_multi_info_read(s->multi, &left)))
			if (m->msg == CURLMSG_DONE) {
				s->ended = true;
				s->result = m->data.result;
			}
		if (!s->ended && !s->data.len)
			curl_multi_poll(s->multi, NULL, 0, 1000, NULL);
	}
}

/* The transfer is over: 0 at the true end, 1 when it was begun again, or an error. */
static int stream_ended(struct http_stream *s, struct err *err)
{
	bool again = false;
	int r;

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->response.status);
	if (s->response.status == 401 && !s->asked) {
		s->asked = true;
		r = authorise(s->h, s->answer.challenge, &again, err);
		if (r < 0)
			return r;
		if (again)
			return (r = stream_start(s, err)) < 0 ? r : 1;
	}
	if (s->result == CURLE_OK && (s->response.status == 200 || s->response.status == 206))
		return 0;
	if (s->result == CURLE_OK && s->response.status == 416)
		return 0; /* nothing after the offset: the digest tells whether that is right */
	if (s->result == CURLE_WRITE_ERROR)
		return err_new(err, ERR_NETWORK, ESPIPE,
			       "registry '%s' cannot go on where a download was cut off",
			       s->h->host);
	if (may_pass(s->result, s->response.status) && s->attempt < HTTP_TRIES) {
		back_off(s->attempt++, s->answer.retry_after);
		return (r = stream_start(s, err)) < 0 ? r : 1;
	}
	if (s->result != CURLE_OK)
		return network_error(s->h, s->result, err);
	return image__http_fail(&s->response, err, s->path);
}

ssize_t image__http_read(struct http_stream *s, void *buf, size_t size, struct err *err)
{
	for (;;) {
		size_t have;
		int r;

		stream_pump(s);
		have = s->data.len - s->at;
		if (have) {
			size_t n = have < size ? have : size;

			memcpy(buf, s->data.data + s->at, n);
			s->at += n;
			s->attempt = 0; /* it moves: the patience is for one place */
			return (ssize_t)n;
		}
		r = stream_ended(s, err);
		if (r <= 0)
			return r;
	}
}
