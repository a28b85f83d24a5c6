#include "net/resolv.h"

#include "base/fs.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>

static const char host_path[] = "/etc/resolv.conf";
enum { WORDS_MAX = 32 };

void resolv_done(struct resolv *r)
{
	strv_done(&r->servers);
	strv_done(&r->search);
	strv_done(&r->options);
	*r = (struct resolv){ 0 };
}

/* An address, with a zone for a link-local one ("fe80::1%eth0"). */
static bool is_server(const char *text)
{
	char host[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	size_t len = strcspn(text, "%");
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return inet_pton(AF_INET6, host, bytes) == 1 ||
	       (text[len] == '\0' && inet_pton(AF_INET, host, bytes) == 1);
}

static void add_words(struct strv *list, const char *words)
{
	static const char blank[] = " \t\r";
	while (*(words += strspn(words, blank)) && list->n < WORDS_MAX) {
		size_t len = strcspn(words, blank);
		strv_take(list, xstrndup(words, len));
		words += len;
	}
}

static void add_server(struct strv *list, const char *words)
{
	cleanup_strv struct strv one = { 0 };
	add_words(&one, words);
	if (one.n && is_server(one.v[0]) && list->n < RESOLV_SERVERS)
		strv_add(list, one.v[0]);
}

/* The value of a line that begins with this keyword and a blank. */
static const char *value_of(const char *line, const char *keyword)
{
	const char *rest = str_after(line, keyword);
	return rest && (*rest == ' ' || *rest == '\t') ? rest : NULL;
}

void resolv_parse(const char *text, struct resolv *ret)
{
	cleanup_strv struct strv lines = strv_split(text, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		const char *value;
		if ((value = value_of(lines.v[i], "nameserver"))) {
			add_server(&ret->servers, value);
		} else if ((value = value_of(lines.v[i], "search")) ||
			   (value = value_of(lines.v[i], "domain"))) {
			strv_done(&ret->search);
			ret->search = (struct strv){ 0 };
			add_words(&ret->search, value);
		} else if ((value = value_of(lines.v[i], "options"))) {
			add_words(&ret->options, value);
		}
	}
}

int resolv_host(struct resolv *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(AT_FDCWD, host_path, RESOLV_FILE_MAX, &text, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	if (r == 0)
		resolv_parse(str_text(&text), ret);
	return r;
}

static void add_line(struct str *out, const char *keyword, const struct strv *words,
		     const char *last)
{
	if (words->n == 0 && !last)
		return;
	str_add(out, keyword);
	for (size_t i = 0; i < words->n; i++)
		str_addf(out, " %s", words->v[i]);
	if (last)
		str_addf(out, " %s", last);
	str_addc(out, '\n');
}

void resolv_container(const struct resolv *host, const struct strv *search,
		      const struct strv *options, struct str *out)
{
	const struct strv *words = search->n ? search : &host->search;
	bool ndots = false;
	for (size_t i = 0; i < options->n; i++)
		ndots = ndots || str_starts(options->v[i], "ndots:");
	str_add(out, "nameserver 127.0.0.11\n");
	/* "." alone means: no search list, not even the host's. */
	if (!(words->n == 1 && str_eq(words->v[0], ".")))
		add_line(out, "search", words, NULL);
	/* Service names have no dots, so every name is tried as it is first. The host's options
	 * speak about the host's servers (edns0, trust-ad) and are not passed on. */
	add_line(out, "options", options, ndots ? NULL : "ndots:0");
}

/* --- following --- */

void resolv__file_done(struct resolv_file *file)
{
	free(file->path);
	resolv_done(&file->content);
	*file = (struct resolv_file){ 0 };
}

const struct resolv *resolv__file_read(struct resolv_file *file)
{
	struct stat st;
	if (stat(file->path, &st) < 0 ||
	    (st.st_ino == file->inode && st.st_mtim.tv_sec == file->modified.tv_sec &&
	     st.st_mtim.tv_nsec == file->modified.tv_nsec))
		return &file->content;
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	if (fs_read(AT_FDCWD, file->path, RESOLV_FILE_MAX, &text, &err) < 0)
		return &file->content;
	resolv_done(&file->content);
	resolv_parse(str_text(&text), &file->content);
	file->inode = st.st_ino;
	file->modified = st.st_mtim;
	return &file->content;
}
