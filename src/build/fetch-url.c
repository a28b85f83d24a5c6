/* ADD https://...: one file by libcurl. */
#include "base/fs.h"
#include "base/parse.h"
#include "build/fetch.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>

struct download {
	int fd;
	uint64_t size;
	struct hash *hash;
	int no; /* errno of a failed write */
	bool too_large;
};

bool fetch_is_url(const char *text)
{
	cleanup_git_ref struct git_ref ref = { 0 };
	cleanup_err struct err ignored = ERR_INIT; /* a bad git address is one still */

	if (!str_starts(text, "http://") && !str_starts(text, "https://"))
		return false;
	return git_ref_parse(text, false, &ref, &ignored) == 0;
}

int fetch_url_name(const char *url, char **ret, struct err *err)
{
	CURLU *parsed = curl_url();
	char *path = NULL;
	int r = 0;

	if (!parsed || curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_PATH, &path, CURLU_URLDECODE) != CURLUE_OK)
		r = err_input(err, "'%s' is not a URL", url);
	const char *name = r == 0 ? path_base(path) : "";
	if (r == 0 && (!*name || str_eq(name, ".") || str_eq(name, "..")))
		r = err_input(err,
			      "'%s' has no file name: give the destination one (not ending with a "
			      "slash)",
			      url);
	if (r == 0)
		*ret = xstrdup(name);
	curl_free(path);
	curl_url_cleanup(parsed);
	return r;
}

static size_t on_data(char *data, size_t one, size_t len, void *user)
{
	struct download *d = user;

	d->size += len;
	d->too_large = d->size > FETCH_BYTES_MAX;
	if (d->too_large)
		return 0;
	hash_add(d->hash, data, len);
	d->no = -fs_write_all(d->fd, data, len);
	return d->no ? 0 : len;
}

/* Headers from the secrets for the host. Owned list. */
static struct curl_slist *headers_for(const char *url, const struct fetch_options *options)
{
	struct curl_slist *list = NULL;
	CURLU *parsed = curl_url();
	char *host = NULL;

	if (options->secrets && parsed &&
	    curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
		cleanup_free char *header_key = xasprintf("HTTP_AUTH_HEADER_%s", host);
		cleanup_free char *token_key = xasprintf("HTTP_AUTH_TOKEN_%s", host);
		const char *header = env_get(options->secrets, header_key);
		const char *token = env_get(options->secrets, token_key);
		cleanup_free char *text = header  ? xasprintf("Authorization: %s", header)
					  : token ? xasprintf("Authorization: Bearer %s", token)
						  : NULL;
		/* A line's end in a secret would begin another header. */
		if (text && !strpbrk(text, "\r\n"))
			list = curl_slist_append(NULL, text);
	}
	curl_free(host);
	curl_url_cleanup(parsed);
	return list;
}

static int explain(CURL *curl, CURLcode code, const struct download *d, const char *url,
		   const char *detail, struct err *err)
{
	long status = 0;

	if (d->no)
		return err_sys(err, d->no, "write what '%s' sends", url);
	if (d->too_large)
		return err_input(err, "'%s' sends more than %llu bytes", url,
				 (unsigned long long)FETCH_BYTES_MAX);
	if (code != CURLE_OK)
		return err_new(err, ERR_NETWORK, EIO, "fetch '%s': %s", url,
			       *detail ? detail : curl_easy_strerror(code));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return err_new(err, status == 404 ? ERR_NOT_FOUND : ERR_NETWORK,
			       status == 404 ? ENOENT : EIO, "fetch '%s': the server answers %ld",
			       url, status);
	return 0;
}

static int perform(CURL *curl, const char *url, struct download *d, struct curl_slist *headers,
		   struct err *err)
{
	char detail[CURL_ERROR_SIZE] = "";

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "stave/" STAVE_VERSION);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)FETCH_STALL_SECONDS);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
	CURLcode code = curl_easy_perform(curl);
	return explain(curl, code, d, url, detail, err);
}

static int check_sum(const char *url, const char *checksum, const char *hex, struct err *err)
{
	const char *want = checksum ? str_after(checksum, "sha256:") : NULL;

	if (!checksum || str_eq(want, hex))
		return 0;
	return err_new(err, ERR_INPUT, EBADMSG,
		       "'%s' has the checksum sha256:%s, and --checksum=%s is asked for", url, hex,
		       checksum);
}

int fetch_url(const char *url, int dirfd, const char *name, const char *checksum,
	      const struct fetch_options *options, struct err *err)
{
	char hex[SHA256_HEX];
	curl_off_t modified = -1;
	int r;

	if (checksum && (!str_starts(checksum, "sha256:") || strlen(checksum) != 7 + 64))
		return err_input(err, "--checksum=%s is not of the form sha256:<64 hex digits>",
				 checksum);
	cleanup_fd int fd =
		fs_open(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (fd < 0)
		return fd;
	cleanup(hash_free_cleanup) struct hash *h = hash_new();
	struct download d = { .fd = fd, .hash = h };
	struct curl_slist *headers = headers_for(url, options);
	CURL *curl = curl_easy_init();
	if (!curl)
		r = err_new(err, ERR_INTERNAL, ENOMEM, "libcurl cannot be set up");
	else
		r = perform(curl, url, &d, headers, err);
	if (r == 0)
		curl_easy_getinfo(curl, CURLINFO_FILETIME_T, &modified);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (r < 0)
		return r;
	hash_end(h, hex);
	if (modified >= 0) {
		struct timespec times[2] = { { .tv_sec = modified }, { .tv_sec = modified } };
		(void)futimens(fd, times); /* a time that cannot be kept is no failure */
	}
	return check_sum(url, checksum, hex, err);
}
