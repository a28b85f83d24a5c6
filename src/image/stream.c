/* A blob as a stream: the reader drives the transfer (one curl multi handle), so that inflating and
 * unpacking take the bytes as they come and nothing grows. */
#include "image/transfer.h"

#include <poll.h>

struct http_stream {
	struct http *h;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *path;
	char *room; /* where the reader wants them; NULL while it does not ask */
	size_t room_size, filled;
	struct str data; /* arrived beyond that: from `at` on */
	size_t at;
	bool paused;	 /* until data is read: a fast wire does not fill the memory */
	uint64_t offset; /* of the next byte that is wanted from the wire */
	uint64_t size;	 /* of the whole */
	uint64_t skip;	 /* this many of the next bytes are known already */
	struct http_response response;
	struct answer answer;
	CURLcode result;
	bool ended, checked, asked;
	int attempt;
};

/* To the reader; what it has no room for stays here. */
static void take(struct http_stream *s, const char *data, size_t len)
{
	size_t left = s->room_size - s->filled, n = len < left ? len : left;

	memcpy(s->room + s->filled, data, n);
	s->filled += n;
	str_addn(&s->data, data + n, len - n);
}

/* Bytes count only when the answer is what was asked for: the whole, or the rest from the offset. A
 * server without ranges sends it all again: what is known is passed over. */
static size_t stream_body(char *data, size_t size, size_t n, void *user)
{
	struct http_stream *s = user;
	size_t len = size * n;
	size_t known;
	long status = 0;

	if (s->data.len - s->at) {
		s->paused = true;
		return CURL_WRITEFUNC_PAUSE; /* curl keeps these bytes */
	}

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	s->response.status = status;
	if (status != 200 && status != 206)
		return len;
	if (!s->checked)
		s->skip = status == 200 ? s->offset : 0;
	s->checked = true;
	known = len < s->skip ? len : (size_t)s->skip;
	s->skip -= known;
	take(s, data + known, len - known);
	s->offset += len - known;
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
	cleanup_free char *url = image__url(s->h, s->path);
	struct http_request q = { .method = "GET" };

	stream_stop(s);
	s->easy = curl_easy_init();
	if (!s->easy)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for a connection");
	s->h->error[0] = '\0';
	image__transfer_options(s->h, s->easy);
	s->headers = image__headers(s->h, url, &q);
	image__answer_clear(&s->answer);
	s->ended = s->checked = s->paused = false;
	curl_easy_setopt(s->easy, CURLOPT_URL, url);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
	curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, image__take_header);
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

int image__http_stream(struct http *h, const char *path, uint64_t offset, uint64_t size,
		       struct http_stream **ret, struct err *err)
{
	cleanup(image__http_stream_free_cleanup) struct http_stream *s = new0(struct http_stream);
	int r;

	s->h = h;
	s->path = xstrdup(path);
	s->offset = offset;
	s->size = size;
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
	image__answer_clear(&s->answer);
	str_done(&s->data);
	free(s->path);
	free(s);
}

/* Lets curl work until there are bytes or the transfer is over. */
static void stream_pump(struct http_stream *s)
{
	while (!s->ended && !s->filled) {
		int running = 0, left = 0;
		CURLMsg *m;

		if (s->paused) {
			s->paused = false;
			curl_easy_pause(s->easy, CURLPAUSE_CONT);
		}
		curl_multi_perform(s->multi, &running);
		while ((m = curl_multi_info_read(s->multi, &left)))
			if (m->msg == CURLMSG_DONE) {
				s->ended = true;
				s->result = m->data.result;
			}
		if (!s->ended && !s->filled)
			curl_multi_poll(s->multi, NULL, 0, 1000, NULL);
	}
}

/* The transfer is over: 0 at the true end, 1 when it was begun again, or an error. */
static int stream_ended(struct http_stream *s, struct err *err)
{
	bool again = false, whole;
	int r;

	image__answer_end(s->h, &s->answer, s->easy, s->result);
	if (s->response.status == 401 && !s->asked) {
		s->asked = true;
		r = image__authorise(s->h, s->answer.challenge, &again, err);
		if (r < 0)
			return r;
		if (again)
			return (r = stream_start(s, err)) < 0 ? r : 1;
	}
	whole = s->result == CURLE_OK && (s->response.status == 200 || s->response.status == 206);
	if (whole && s->offset >= s->size)
		return 0;
	if (s->result == CURLE_OK && s->response.status == 416)
		return 0; /* nothing after the offset: the digest tells whether that is right */
	if ((whole || image__may_pass(s->h, s->result, s->response.status)) &&
	    s->attempt < s->h->tries) {
		image__back_off(s->attempt++, s->answer.retry_after);
		return (r = stream_start(s, err)) < 0 ? r : 1;
	}
	if (whole)
		return err_new(err, ERR_NETWORK, EPIPE, "registry '%s' sends %llu bytes of %llu",
			       s->h->host, (unsigned long long)s->offset,
			       (unsigned long long)s->size);
	if (s->result != CURLE_OK)
		return image__network_error(s->h, s->result, err);
	return image__http_fail(&s->response, err, s->path);
}

ssize_t image__http_read(struct http_stream *s, void *buf, size_t size, struct err *err)
{
	for (;;) {
		size_t have = s->data.len - s->at;
		int r;

		if (have) {
			size_t n = have < size ? have : size;

			memcpy(buf, s->data.data + s->at, n);
			s->at += n;
			if (s->at == s->data.len) {
				str_clear(&s->data);
				s->at = 0;
			}
			return (ssize_t)n;
		}
		s->room = buf;
		s->room_size = size;
		s->filled = 0;
		stream_pump(s);
		s->room = NULL;
		s->room_size = 0;
		if (s->filled) {
			s->attempt = 0; /* it moves: the patience is for one place */
			s->asked = false;
			return (ssize_t)s->filled;
		}
		r = stream_ended(s, err);
		if (r <= 0)
			return r;
	}
}
