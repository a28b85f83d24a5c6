/* One transfer, and how patient we are about it: curl's settings, what the answer said, when to try
 * again. */
#include "image/transfer.h"

#include "image/store.h"

#include <stdio.h>
#include <strings.h>

enum {
	HTTP_HEADER_MAX = 8192,
	HTTP_CONNECT_TIMEOUT_S = 30,
	HTTP_STALL_S = 30, /* fewer than one byte a second for this long: the peer is gone */
	HTTP_REDIRECTS_MAX = 10,
};
#define HTTP_WAIT_MAX	(60 * NSEC_PER_SEC)
#define HTTP_WAIT_FIRST (200 * NSEC_PER_MSEC)

/* curl takes http_proxy in small letters only, lest a CGI program's HTTP_PROXY be a request's
 * header. We are none, and everybody else takes both. */
static void plain_proxy(CURL *easy)
{
	const char *proxy = getenv("HTTP_PROXY");

	if (!str_empty(proxy) && str_empty(getenv("http_proxy")))
		curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
}

static void certificates(const struct http *h, CURL *easy)
{
	const struct str *own = &h->certs.authorities;

	if (h->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	} else if (own->len) {
		/* Beside the system's, which curl goes on finding by their directory. */
		struct curl_blob blob = { .data = own->data, .len = own->len };

		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (h->certs.cert) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, h->certs.cert);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, h->certs.key);
	}
}

void image__transfer_options(struct http *h, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "stave/" STAVE_VERSION);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)HTTP_REDIRECTS_MAX);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT,
			 (long)(h->timeout_s ? h->timeout_s : HTTP_CONNECT_TIMEOUT_S));
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
			 (long)(h->timeout_s ? h->timeout_s : HTTP_STALL_S));
	/* A registry must not send us to a file or another protocol of curl's. */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, h->insecure ? "http,https" : "https");
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
	if (h->direct)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	else if (str_starts(h->base, "http://"))
		plain_proxy(easy);
	certificates(h, easy);
}

void image__answer_clear(struct answer *a)
{
	image__http_response_done(a->response);
	free(a->challenge);
	a->challenge = NULL;
	a->retry_after = 0;
}

size_t image__take_header(char *data, size_t size, size_t n, void *user)
{
	struct answer *a = user;
	size_t len = size * n;
	cleanup_free char *line = NULL;
	char *value;

	if (len > HTTP_HEADER_MAX)
		return len;
	line = xstrndup(data, len);
	line[strcspn(line, "\r\n")] = '\0';
	if (str_starts(line, "HTTP/")) /* a new answer: that of a redirect does not count */
		image__answer_clear(a);
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
	const struct http_body *stream;
	uint64_t at, size;
};

static size_t give_body(char *buf, size_t size, size_t n, void *user)
{
	struct upload *u = user;
	uint64_t left = u->size - u->at;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got = (ssize_t)want;

	if (u->stream)
		got = u->stream->read(u->stream->data, buf, size * n);
	else if (u->text)
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

	if (u->stream)
		return offset == 0 && u->stream->rewind(u->stream->data) == 0 ? CURL_SEEKFUNC_OK
									      : CURL_SEEKFUNC_FAIL;
	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > u->size)
		return CURL_SEEKFUNC_FAIL;
	u->at = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

char *image__url(const struct http *h, const char *path)
{
	return *path == '/' ? xasprintf("%s%s", h->base, path) : xstrdup(path);
}

/* The authorisation is for the registry only, not for where an upload or a redirect leads. */
struct curl_slist *image__headers(const struct http *h, const char *url,
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

CURLcode image__perform(struct http *h, const struct http_request *q, struct answer *a)
{
	cleanup_free char *url = image__url(h, q->path);
	struct curl_slist *headers = image__headers(h, url, q);
	struct upload upload = {
		.text = q->body, .fd = q->body_fd, .stream = q->stream, .size = q->body_size
	};
	bool put = str_eq(q->method, "PUT") || str_eq(q->method, "PATCH");
	CURLcode c;

	curl_easy_reset(h->easy);
	h->error[0] = '\0';
	image__transfer_options(h, h->easy);
	curl_easy_setopt(h->easy, CURLOPT_URL, url);
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, image__take_header);
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
		curl_easy_setopt(h->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)IMAGE_COPY_CHUNK);
		curl_easy_setopt(h->easy, CURLOPT_INFILESIZE_LARGE,
				 q->stream ? -1 : (curl_off_t)q->body_size);
	} else if (str_eq(q->method, "HEAD")) {
		curl_easy_setopt(h->easy, CURLOPT_NOBODY, 1L);
	} else if (str_eq(q->method, "POST")) {
		curl_easy_setopt(h->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, (long)q->body_size);
		curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, q->body ? q->body : "");
	}
	if (!str_eq(q->method, "HEAD"))
		curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, q->method);
	c = curl_easy_perform(h->easy);
	image__answer_end(h, a, h->easy, c);
	curl_slist_free_all(headers);
	return c;
}

void image__answer_end(struct http *h, struct answer *a, CURL *easy, CURLcode c)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &a->response->status);
	if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
		a->retry_after = seconds < HTTP_WAIT_MAX / NSEC_PER_SEC ? seconds * NSEC_PER_SEC
									: HTTP_WAIT_MAX;
	h->reached = h->reached || (c == CURLE_OK && a->response->status);
}

static void wait_ns(nsec_t ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

void image__back_off(int attempt, nsec_t retry_after)
{
	nsec_t wait = retry_after ? retry_after : HTTP_WAIT_FIRST << attempt;

	/* Spread, so that many clients do not come back at once. */
	wait += now_mono() % (wait / 4 + 1);
	wait_ns(wait);
}

bool image__may_pass(const struct http *h, CURLcode c, long status)
{
	/* A name or a port that was never there is a mistake; one that was will be back. */
	if (c == CURLE_COULDNT_RESOLVE_HOST || c == CURLE_COULDNT_CONNECT)
		return h->reached;
	if (c != CURLE_OK)
		return c != CURLE_PEER_FAILED_VERIFICATION && c != CURLE_UNSUPPORTED_PROTOCOL &&
		       c != CURLE_WRITE_ERROR && c != CURLE_URL_MALFORMAT &&
		       c != CURLE_TOO_MANY_REDIRECTS;
	return status == 408 || status == 429 || status >= 500;
}

int image__network_error(struct http *h, CURLcode c, struct err *err)
{
	return err_new(err, ERR_NETWORK, c == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO,
		       "registry '%s': %s", h->host,
		       h->error[0] ? h->error : curl_easy_strerror(c));
}
