#include "net/lease.h"

#include "base/fs.h"
#include "base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { LEASE_MAX = 512, FREED_MAX = 4 << 20, SEARCH_MAX = 1 << 16 };
enum { KEY_MAX = 256, PATH_SIZE = KEY_MAX + 32 };

struct family {
	const char *next, *freed; /* file names; freed NULL: so many addresses that none returns */
	const char *name;
};
static const struct family family4 = { "next4", "freed4", "IPv4" };
static const struct family family6 = { "next6", NULL, "IPv6" };

void lease__pools_done(struct lease_pools *pools)
{
	vec_done(&pools->v4.reserved);
	vec_done(&pools->v6.reserved);
}

/* --- files --- */

static void path_of(char buf[PATH_SIZE], const char *dir, const char *name)
{
	snprintf(buf, PATH_SIZE, "%s/%.*s", dir, KEY_MAX - 1, name);
}

static bool same(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->value == b->value;
}

/* A lease file that cannot be read as one (cut short by a power failure) is no lease. `key` (or
 * NULL) receives whose it is. */
static int read_lease(int dirfd, const char *path, struct lease *ret, char key[KEY_MAX])
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(dirfd, path, LEASE_MAX, &text, &err);
	if (r < 0)
		return r;
	char four[INET6_ADDRSTRLEN], six[INET6_ADDRSTRLEN], owner[KEY_MAX];
	struct lease lease = { 0 };
	if (sscanf(str_text(&text), "%45s %45s %255s", four, six, owner) != 3)
		return -ENOENT;
	if (!str_eq(four, "-") && address__parse(four, &lease.ipv4) < 0)
		return -ENOENT;
	if (!str_eq(six, "-") && address__parse(six, &lease.ipv6) < 0)
		return -ENOENT;
	*ret = lease;
	if (key)
		memcpy(key, owner, sizeof(owner));
	return 0;
}

int lease__find(int dirfd, const char *key, struct lease *ret)
{
	char path[PATH_SIZE];
	path_of(path, "leases", key);
	return read_lease(dirfd, path, ret, NULL);
}

/* Who has the address: its key in `holder`, or false. A file that is not the lease of its key was
 * left by a crash and is taken away. */
static bool held(int dirfd, const struct address *a, char holder[KEY_MAX])
{
	char text[INET6_ADDRSTRLEN], path[PATH_SIZE], lease_path[PATH_SIZE];
	struct stat mark, lease;
	struct lease content;
	path_of(path, "addresses", address__format(a, text));
	if (fstatat(dirfd, path, &mark, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (read_lease(dirfd, path, &content, holder) == 0) {
		path_of(lease_path, "leases", holder);
		if (fstatat(dirfd, lease_path, &lease, AT_SYMLINK_NOFOLLOW) == 0 &&
		    lease.st_ino == mark.st_ino)
			return true;
	}
	(void)unlinkat(dirfd, path, 0); /* fails only when the directory does, which shows next */
	return false;
}

/* The rename at the end is what makes it a lease. */
static int save(int dirfd, const char *key, const struct lease *lease, struct err *err)
{
	char temporary[PATH_SIZE], path[PATH_SIZE];
	char four[INET6_ADDRSTRLEN] = "-", six[INET6_ADDRSTRLEN] = "-";
	snprintf(temporary, sizeof(temporary), "leases/.new-%s", key);
	if (lease->ipv4.family)
		address__format(&lease->ipv4, four);
	if (lease->ipv6.family)
		address__format(&lease->ipv6, six);
	cleanup_free char *text = xasprintf("%s %s %s\n", four, six, key);
	cleanup_fd int fd = fs_open(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
	if (fd < 0)
		return fd;
	int r = fs_write_all(fd, text, strlen(text));
	if (r < 0)
		return err_sys(err, -r, "write lease '%s'", key);
	const char *const marks[] = { four, six };
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (marks[i][0] == '-')
			continue;
		path_of(path, "addresses", marks[i]);
		if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
			return err_sys(err, errno, "replace '%s'", path);
		if (linkat(dirfd, temporary, dirfd, path, 0) < 0)
			return err_sys(err, errno, "mark address '%s'", marks[i]);
	}
	path_of(path, "leases", key);
	if (renameat(dirfd, temporary, dirfd, path) < 0)
		return err_sys(err, errno, "save lease '%s'", key);
	return 0;
}

/* The address goes to the end of the queue. Its mark counts no more by then; the queue first, so
 * that a crash leaves a line too many at worst, which is skipped. */
static int give_back(int dirfd, const struct family *f, const struct address *a, struct err *err)
{
	char text[INET6_ADDRSTRLEN + 1], path[PATH_SIZE];
	address__format(a, text);
	path_of(path, "addresses", text);
	if (f->freed) {
		cleanup_fd int fd =
			fs_open(dirfd, f->freed, O_WRONLY | O_APPEND | O_CREAT, 0644, err);
		if (fd < 0)
			return fd;
		size_t len = strlen(text);
		text[len] = '\n';
		int r = fs_write_all(fd, text, len + 1);
		if (r < 0)
			return err_sys(err, -r, "write '%s'", f->freed);
	}
	if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "free an address");
	return 0;
}

/* --- choosing --- */

struct choice {
	int dirfd;
	const struct family *family;
	const struct lease_pool *pool;
	const struct strv *avoid;
	uint64_t first, last;
};

static bool avoided(const struct strv *avoid, const struct address *a)
{
	struct address other;
	for (size_t i = 0; avoid && i < avoid->n; i++)
		if (address__parse(avoid->v[i], &other) == 0 && same(a, &other))
			return true;
	return false;
}

static bool usable(const struct choice *c, const struct address *a)
{
	const struct lease_pool *pool = c->pool;
	char holder[KEY_MAX];
	if (same(a, &pool->gateway) || avoided(c->avoid, a))
		return false;
	vec_each(r, &pool->reserved)
		if (same(a, r))
			return false;
	return !held(c->dirfd, a, holder);
}

static uint64_t read_next(int dirfd, const struct family *f)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	uint64_t next = 0;
	if (fs_read(dirfd, f->next, LEASE_MAX, &text, &err) == 0)
		(void)parse_u64(str_text(&text), 0, UINT64_MAX, &next); /* else from the start */
	return next;
}

/* In place: a number of fixed length is written whole or not at all, and a wrong one only costs the
 * order. */
static void write_next(int dirfd, const struct family *f, uint64_t next)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_free char *text = xasprintf("%020llu", (unsigned long long)next);
	cleanup_fd int fd = fs_open(dirfd, f->next, O_WRONLY | O_CREAT, 0644, &err);
	if (fd >= 0) /* when this fails the lease that follows fails as well */
		(void)fs_write_all(fd, text, strlen(text));
}

/* The first address that was never given. */
static bool choose_new(const struct choice *c, struct address *ret)
{
	uint64_t next = read_next(c->dirfd, c->family);
	bool found = false;
	uint64_t n = next < c->first ? c->first : next;
	for (; n <= c->last && !found; n++) {
		*ret = subnet__host(&c->pool->subnet, n);
		found = usable(c, ret);
	}
	if (n != next)
		write_next(c->dirfd, c->family, n);
	return found;
}

/* The one that has been free for longest, which leaves the queue. */
static bool choose_freed(const struct choice *c, struct address *ret)
{
	const struct family *f = c->family;
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	if (!f->freed || fs_read(c->dirfd, f->freed, FREED_MAX, &text, &err) < 0)
		return false;
	const char *line = str_text(&text);
	bool found = false;
	while (*line && !found) {
		char word[INET6_ADDRSTRLEN] = "";
		size_t len = strcspn(line, "\n");
		if (len < sizeof(word))
			memcpy(word, line, len);
		line += len + (line[len] == '\n');
		if (address__parse(word, ret) < 0 || !subnet__contains(&c->pool->subnet, ret))
			continue;
		uint64_t n = subnet__index(&c->pool->subnet, ret);
		found = n >= c->first && n <= c->last && usable(c, ret);
	}
	if (fs_write_atomic(c->dirfd, f->freed, line, strlen(line), 0644, 0, &err) < 0)
		return false;
	return found;
}

static int choose(struct choice *c, struct address *ret, struct err *err)
{
	const struct lease_pool *pool = c->pool;
	char text[SUBNET_TEXT];
	subnet__bounds(&pool->subnet, pool->range.family ? &pool->range : NULL, &c->first,
		       &c->last);
	if (choose_new(c, ret) || choose_freed(c, ret))
		return 0;
	/* The two files may have been lost; the marks tell the truth. */
	for (uint64_t n = c->first; n <= c->last && n - c->first < SEARCH_MAX; n++) {
		*ret = subnet__host(&pool->subnet, n);
		if (usable(c, ret))
			return 0;
	}
	return err_conflict(
		err, "no %s address is left in %s", c->family->name,
		subnet__format(pool->range.family ? &pool->range : &pool->subnet, text));
}

static int check_static(int dirfd, const struct lease_pool *pool, const char *text, const char *key,
			struct address *ret, struct err *err)
{
	char subnet[SUBNET_TEXT], holder[KEY_MAX];
	if (address__parse(text, ret) < 0)
		return err_input(err, "'%s' is not an IP address", text);
	if (!pool->subnet.family)
		return err_input(err, "address '%s': the network has no subnet of that kind", text);
	if (!subnet__contains(&pool->subnet, ret))
		return err_input(err, "address '%s' is not in the network's subnet %s", text,
				 subnet__format(&pool->subnet, subnet));
	uint64_t first, last, n = subnet__index(&pool->subnet, ret);
	subnet__bounds(&pool->subnet, NULL, &first, &last);
	if (n < first || n > last)
		return err_input(err, "address '%s' cannot be a host's in %s", text,
				 subnet__format(&pool->subnet, subnet));
	if (same(ret, &pool->gateway))
		return err_conflict(err, "address '%s' is the network's gateway", text);
	if (held(dirfd, ret, holder) && !str_eq(holder, key)) {
		for (char *c = holder; *c; c++)
			*c = *c == '+' ? '/' : *c;
		return err_conflict(err, "address '%s' is in use by '%s'", text, holder);
	}
	return 0;
}

/* --- leases --- */

/* One family of a lease: the old address stays when it is (or may be) the wanted one. */
static int settle(struct choice c, const char *key, const char *want, struct address *address,
		  struct err *err)
{
	if (want)
		return check_static(c.dirfd, c.pool, want, key, address, err);
	if (!c.pool->subnet.family || (address->family && !avoided(c.avoid, address)))
		return 0;
	return choose(&c, address, err);
}

int lease__take(int dirfd, const struct lease_pools *pools, const char *key, const char *want4,
		const char *want6, const struct strv *avoid, struct lease *ret, struct err *err)
{
	const struct choice four = { dirfd, &family4, &pools->v4, avoid, 0, 0 };
	const struct choice six = { dirfd, &family6, &pools->v6, avoid, 0, 0 };
	cleanup_fd int lock = FD_NONE;
	int r = net__lock(dirfd, ".", &lock, err);
	if (r < 0)
		return r;
	struct lease lease = { 0 };
	(void)lease__find(dirfd, key, &lease); /* none yet is the usual case */
	struct lease old = lease;
	r = settle(four, key, want4, &lease.ipv4, err);
	if (r == 0)
		r = settle(six, key, want6, &lease.ipv6, err);
	bool moved4 = !same(&old.ipv4, &lease.ipv4), moved6 = !same(&old.ipv6, &lease.ipv6);
	if (r == 0 && (moved4 || moved6))
		r = save(dirfd, key, &lease, err);
	if (r == 0 && moved4 && old.ipv4.family)
		r = give_back(dirfd, &family4, &old.ipv4, err);
	if (r == 0 && moved6 && old.ipv6.family)
		r = give_back(dirfd, &family6, &old.ipv6, err);
	if (r == 0)
		*ret = lease;
	return r;
}

int lease__release(int dirfd, const char *key, struct err *err)
{
	cleanup_fd int lock = FD_NONE;
	int r = net__lock(dirfd, ".", &lock, err);
	if (r < 0)
		return r;
	struct lease lease = { 0 };
	char path[PATH_SIZE];
	path_of(path, "leases", key);
	(void)lease__find(dirfd, key, &lease); /* a damaged one has no addresses to give back */
	if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove lease '%s'", key);
	if (lease.ipv4.family)
		r = give_back(dirfd, &family4, &lease.ipv4, err);
	if (r == 0 && lease.ipv6.family)
		r = give_back(dirfd, &family6, &lease.ipv6, err);
	return r;
}

int lease__list(int dirfd, struct strv *ret, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(dirfd, "leases", &names, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++)
		if (names.v[i][0] != '.') /* a temporary name that a crash left */
			strv_add(ret, names.v[i]);
	return 0;
}
