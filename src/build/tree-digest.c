/* What a tree is, as one hash. */
#include "base/fs.h"
#include "build/tree-private.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/xattr.h>

enum { CHUNK = 64 << 10, XATTRS_BYTES_MAX = 65536 };

/* --- attributes --- */

static bool of_an_image(const char *name)
{
	if (str_eq(name, "security.capability"))
		return true;
	return str_starts(name, "user.") && !str_starts(name, "user.overlay.");
}

int tree__xattrs(int fd, const char *what,
		 int (*fn)(void *data, const char *name, const void *value, size_t len,
			   struct err *err),
		 void *data, struct err *err)
{
	cleanup_free char *list = NULL, *value = NULL;
	cleanup_strv struct strv names = { 0 };
	ssize_t n = flistxattr(fd, NULL, 0);
	int r = 0;

	if (n <= 0)
		return n == 0 || errno == ENOTSUP ? 0
						  : err_sys(err, errno, "attributes of '%s'", what);
	list = xmalloc(XATTRS_BYTES_MAX);
	n = flistxattr(fd, list, XATTRS_BYTES_MAX);
	if (n < 0)
		return err_sys(err, errno, "attributes of '%s'", what);
	for (const char *name = list; name < list + n; name += strlen(name) + 1)
		if (of_an_image(name))
			strv_add(&names, name);
	strv_sort(&names);
	value = names.n ? xmalloc(XATTRS_BYTES_MAX) : NULL;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		ssize_t len = fgetxattr(fd, names.v[i], value, XATTRS_BYTES_MAX);
		if (len < 0)
			return err_sys(err, errno, "attribute '%s' of '%s'", names.v[i], what);
		r = fn(data, names.v[i], value, (size_t)len, err);
	}
	return r;
}

static int hash_xattr(void *data, const char *name, const void *value, size_t len, struct err *err)
{
	uint64_t size = len;

	hash_add_str(data, name);
	hash_add(data, &size, sizeof(size));
	hash_add(data, value, len);
	return 0;
}

/* --- files --- */

static void unhex(const char hex[SHA256_HEX], unsigned char digest[SHA256_SIZE])
{
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		char high = hex[2 * i], low = hex[2 * i + 1];
		digest[i] = (unsigned char)((high <= '9' ? high - '0' : high - 'a' + 10) << 4 |
					    (low <= '9' ? low - '0' : low - 'a' + 10));
	}
}

static int hash_content(int fd, const char *what, struct hash *h, struct err *err)
{
	cleanup_free char *buf = xmalloc(CHUNK);
	ssize_t n;

	while ((n = read(fd, buf, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read '%s'", what);
		hash_add(h, buf, (size_t)n);
	}
	return tree__xattrs(fd, what, hash_xattr, h, err);
}

int tree__file_digest(const struct tree *tree, const struct tree_entry *e,
		      unsigned char digest[SHA256_SIZE], struct err *err)
{
	struct digest_key key = digest__key(&e->st);
	char hex[SHA256_HEX];
	struct stat st;
	int r;

	if (tree->cache && digest__cached(tree->cache, &key, digest))
		return 0;
	cleanup_fd int fd =
		fs_open_beneath(e->dir, e->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_input(err, "'%s' in %s changed while it was read", e->full, tree->name);
	key = digest__key(&st);
	cleanup(hash_free_cleanup) struct hash *h = hash_new();
	if ((r = hash_content(fd, e->full, h, err)) < 0)
		return r;
	hash_end(h, hex);
	unhex(hex, digest);
	/* Written to in the meantime: what was hashed may be neither the old nor the new content.
	 */
	struct stat after;
	struct digest_key now =
		fstat(fd, &after) == 0 ? digest__key(&after) : (struct digest_key){ 0 };
	if (tree->cache && memcmp(&now, &key, sizeof(key)) == 0)
		digest__remember(tree->cache, &key, digest);
	return 0;
}

static int hash_dir_xattrs(const struct tree_entry *e, struct hash *h, struct err *err)
{
	cleanup_fd int fd =
		*e->name ? fs_open_beneath(e->dir, e->name, O_RDONLY | O_DIRECTORY, 0, err)
			 : fcntl(e->dir, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return *e->name ? fd : err_sys(err, errno, "look at '%s'", e->full);
	return tree__xattrs(fd, e->full, hash_xattr, h, err);
}

/* --- the whole --- */

struct digesting {
	const struct tree *tree;
	struct hash *hash;
};

static int hash_entry(void *data, const struct tree_entry *e, struct err *err)
{
	struct digesting *d = data;
	struct hash *h = d->hash;
	uint32_t mode = e->st.st_mode, owner[2] = { e->st.st_uid, e->st.st_gid };
	unsigned char digest[SHA256_SIZE];
	char target[PATH_MAX];
	int r = 0;

	hash_add_str(h, e->path);
	/* The directory that is copied itself gives only what is in it. */
	if (!*e->path && S_ISDIR(mode))
		return 0;
	if (S_ISLNK(mode))
		mode = S_IFLNK | 0777;
	hash_add(h, &mode, sizeof(mode));
	if (d->tree->keep_owner)
		hash_add(h, owner, sizeof(owner));
	if (S_ISREG(mode)) {
		r = tree__file_digest(d->tree, e, digest, err);
		if (r == 0)
			hash_add(h, digest, sizeof(digest));
	} else if (S_ISDIR(mode)) {
		r = hash_dir_xattrs(e, h, err);
	} else if (S_ISLNK(mode)) {
		ssize_t n = readlinkat(e->dir, e->name, target, sizeof(target) - 1);
		if (n < 0)
			return err_sys(err, errno, "read the link '%s'", e->full);
		target[n] = 0;
		hash_add_str(h, target);
	} else {
		uint64_t device = e->st.st_rdev;
		hash_add(h, &device, sizeof(device));
	}
	return r;
}

int tree_digest(const struct tree *tree, const char *path, const struct ignore *exclude,
		const char *include, struct hash *h, struct err *err)
{
	struct digesting d = { tree, h };
	struct tree_walk walk = {
		.entry = hash_entry, .data = &d, .exclude = exclude, .include = include
	};

	return tree_walk(tree, path, &walk, err);
}
