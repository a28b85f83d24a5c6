/* Image references, with the grammar of the distribution project: what people type, what the
 * store's directories are called, and what a registry is asked for. Nothing that passes the parser
 * can leave the refs directory: components are made of a closed set of characters and never start
 * with a dot. */
#include "base/parse.h"
#include "image/image.h"
#include "image/store.h"

#include <ctype.h>

#define DEFAULT_REGISTRY "docker.io"
#define DEFAULT_PREFIX	 "library/"
#define DEFAULT_TAG	 "latest"
enum { REPOSITORY_MAX = 255, TAG_MAX = 128, REGISTRY_MAX = 255 };

void image_ref_done(struct image_ref *ref)
{
	free(ref->registry);
	free(ref->repository);
	free(ref->tag);
	free(ref->digest);
	*ref = (struct image_ref){ 0 };
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool image__digest_ok(const char *digest)
{
	const char *hex = str_after(digest, "sha256:");

	if (!hex || strlen(hex) != 64)
		return false;
	return strspn(hex, "0123456789abcdef") == 64;
}

/* Separators between the alphanumeric runs of a path component: one dot, one or two underscores,
 * any number of dashes. */
static size_t separator_len(const char *s)
{
	if (*s == '.')
		return 1;
	if (*s == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

static bool repository_ok(const char *s)
{
	if (strlen(s) > REPOSITORY_MAX)
		return false;
	for (;;) {
		if (!is_lower_alnum(*s))
			return false;
		while (is_lower_alnum(*s))
			s++;
		if (!*s)
			return true;
		if (*s == '/')
			s++;
		else if (separator_len(s))
			s += separator_len(s);
		else
			return false;
	}
}

static bool tag_ok(const char *s)
{
	size_t len = strlen(s);

	if (!len || len > TAG_MAX || !(isalnum((unsigned char)*s) || *s == '_'))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

static bool port_ok(const char *s)
{
	int port;

	return parse_int(s, 1, 65535, &port) == 0;
}

/* A host name or address with an optional port. */
static bool registry_ok(const char *s)
{
	size_t len = strlen(s);

	if (!len || len > REGISTRY_MAX)
		return false;
	if (*s == '[') { /* IPv6 */
		size_t n = strspn(s + 1, "0123456789abcdefABCDEF:");

		if (n < 2 || s[1 + n] != ']')
			return false;
		s += n + 2;
		return !*s || (*s == ':' && port_ok(s + 1));
	}
	for (;;) {
		const char *label = s;

		while (isalnum((unsigned char)*s) || *s == '-')
			s++;
		if (s == label || *label == '-' || s[-1] == '-')
			return false;
		if (!*s)
			return true;
		if (*s == ':')
			return port_ok(s + 1);
		if (*s++ != '.')
			return false;
	}
}

/* The first component names a registry when it could not be one of a repository: it has a dot, a
 * port, an upper-case letter, or is "localhost". */
static bool names_registry(const char *first, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(".:[", first[i]) || isupper((unsigned char)first[i]))
			return true;
	return len == strlen("localhost") && strncmp(first, "localhost", len) == 0;
}

int image_ref_parse(const char *text, struct image_ref *ret, struct err *err)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_free char *name = xstrdup(text);
	char *rest = name, *at, *colon;
	const char *slash;

	if (!*name)
		return err_input(err, "an image name is empty");
	at = strchr(name, '@');
	if (at) {
		*at = '\0';
		if (!image__digest_ok(at + 1))
			return err_input(err,
					 "image name '%s': the digest is not 'sha256:' and 64 "
					 "lower-case hexadecimal digits",
					 text);
		ref.digest = xstrdup(at + 1);
	}
	slash = strchr(name, '/');
	if (slash && names_registry(name, (size_t)(slash - name))) {
		ref.registry = xstrndup(name, (size_t)(slash - name));
		rest = name + (slash - name) + 1;
	}
	colon = strrchr(rest, ':');
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		ref.tag = xstrdup(colon + 1);
		if (!tag_ok(ref.tag))
			return err_input(err, "image name '%s': '%s' is not a tag", text, ref.tag);
	}
	if (ref.registry && !registry_ok(ref.registry))
		return err_input(err, "image name '%s': '%s' is not a registry", text,
				 ref.registry);
	if (!repository_ok(rest)) {
		for (const char *c = rest; *c; c++)
			if (isupper((unsigned char)*c))
				return err_input(
					err, "image name '%s': the repository must be lower case",
					text);
		return err_input(err, "image name '%s' is not a valid reference", text);
	}
	if (!ref.registry || str_eq(ref.registry, "index.docker.io")) {
		free(ref.registry);
		ref.registry = xstrdup(DEFAULT_REGISTRY);
	}
	if (str_eq(ref.registry, DEFAULT_REGISTRY) && !strchr(rest, '/'))
		ref.repository = xasprintf(DEFAULT_PREFIX "%s", rest);
	else
		ref.repository = xstrdup(rest);
	if (!ref.tag && !ref.digest)
		ref.tag = xstrdup(DEFAULT_TAG);
	*ret = ref;
	ref = (struct image_ref){ 0 };
	return 0;
}

static char *join(const struct image_ref *ref, const char *registry, const char *repository)
{
	return xasprintf("%s%s%s%s%s%s%s", registry, *registry ? "/" : "", repository,
			 ref->tag ? ":" : "", ref->tag ? ref->tag : "", ref->digest ? "@" : "",
			 ref->digest ? ref->digest : "");
}

char *image_ref_familiar(const struct image_ref *ref)
{
	const char *repository = ref->repository, *short_name;

	/* Without the registry, "docker.io/example.com/a" would read as another registry's. */
	if (!str_eq(ref->registry, DEFAULT_REGISTRY) ||
	    (strchr(repository, '/') && names_registry(repository, strcspn(repository, "/"))))
		return join(ref, ref->registry, repository);
	short_name = str_after(repository, DEFAULT_PREFIX);
	/* "library/a/b" must keep its prefix, or it would read as the repository "a/b". */
	if (short_name && !strchr(short_name, '/'))
		repository = short_name;
	return join(ref, "", repository);
}

char *image_ref_full(const struct image_ref *ref)
{
	return join(ref, ref->registry, ref->repository);
}
