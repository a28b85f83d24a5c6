#include "net/lease.h"

#include "base/fs.h"
#include "base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { LEASE_MAX = 256, FREED_MAX = 4 << 20, SEARCH_MAX = 1 << 16, LINK_MAX_ = 512 };

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

static void path_of(char *buf, size_t size, const char *dir, const char *name)
{
	snprintf(buf, size, "%s/%s", dir, name);
}

static bool same(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->value == b->value;
}

/* A lease file that cannot be read as one (cut short by a power failure) is no lease. */
int lease__find(int dirfd, const char *key, struct lease *ret)
{
	char path[LINK_MAX_];
	path_of(path, sizeof(path), "leases", key);
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(dirfd, path, LEASE_MAX, &text, &err);
	if (r < 0)
		return r;
	char four[INET6_ADDRSTRLEN], six[INET6_ADDRSTRLEN];
	struct lease lease = { 0 };
	if (sscanf(str_text(&text), "%45s %45s", four, six) != 2)
		return -ENOENT;
	if (!str_eq(four, "-") && address__parse(four, &lease.ipv4) < 0)
		return -ENOENT;
	if (!str_eq(six, "-") && address__parse(six, &lease.ipv6) < 0)
		return -ENOENT;
	*ret = lease;
	return 0;
}

static int save(int dirfd, const char *key, const struct lease *lease, struct err *err)
{
	char path[LINK_MAX_], four[INET6_ADDRSTRLEN] = "-", six[INET6_ADDRSTRLEN] = "-";
	path_of(path, sizeof(path), "leases", key);
	if (lease->ipv4.family)
		address__format(&lease->ipv4, four);
	if (lease->ipv6.family)
		address__format(&lease->ipv6, six);
	cleanup_free char *text = xasprintf("%s %s\n", four, six);
	return fs_write_atomic(dirfd, path, text, strlen(text), 0644, 0, err);
}

/* Who has the address: its key in `holder`, or false. A mark whose lease does not say so as well
 * was left by a crash and is taken away. */
static bool held(int dirfd, const struct address *a, char holder[LINK_MAX_])
{
	char text[INET6_ADDRSTRLEN], path[LINK_MAX_];
	path_of(path, sizeof(path), "addresses", address__format(a, text));
	ssize_t n = readlinkat(dirfd, path, holder, LINK_MAX_ - 1);
	if (n < 0)
		return false;
	holder[n] = '\0';
	struct lease lease;
	if (lease__find(dirfd, holder, &lease) == 0 &&
	    (same(&lease.ipv4, a) || same(&lease.ipv6, a)))
		return true;
	(void)unlinkat(dirfd, path, 0); /* fails only when the directory does, which shows next */
	return false;
}

static int mark(int dirfd, const struct address *a, const char *key, struct err *err)
{
	char text[INET6_ADDRSTRLEN], path[LINK_MAX_];
	path_of(path, sizeof(path), "addresses", address__format(a, text));
	if (symlinkat(key, dirfd, path) < 0)
		return err_sys(err, errno, "mark address '%s'", text);
	return 0;
}

/* The line in freed comes first: a crash in between leaves a line too many, which is skipped. */
static int unmark(int dirfd, const struct family *f, const struct address *a, struct err *err)
{
	char text[INET6_ADDRSTRLEN + 1], path[LINK_MAX_];
	address__format(a, text);
	path_of(path, sizeof(path), "addresses", text);
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

static bool usable(int dirfd, const struct lease_pool *pool, const struct address *a)
{
	char holder[LINK_MAX_];
	if (same(a, &pool->gateway))
		return false;
	vec_each(r, &pool->reserved)
		if (same(a, r))
			return false;
	return !held(dirfd, a, holder);
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

/* The first address that was never given. */
static bool choose_new(int dirfd, const struct family *f, const struct lease_pool *pool,
		       uint64_t first, uint64_t last, struct address *ret)
{
	uint64_t next = read_next(dirfd, f);
	bool found = false;
	uint64_t n = next < first ? first : next;
	for (; n <= last && !found; n++) {
		*ret = subnet__host(&pool->subnet, n);
		found = usable(dirfd, pool, ret);
	}
	if (n != next) {
		cleanup_err struct err err = ERR_INIT;
		cleanup_free char *text = xasprintf("%llu", (unsigned long long)n);
		/* When this fails the mark that follows fails as well. */
		(void)fs_write_atomic(dirfd, f->next, text, strlen(text), 0644, 0, &err);
	}
	return found;
}

/* The one that has been free for longest, which leaves the queue. */
static bool choose_freed(int dirfd, const struct family *f, const struct lease_pool *pool,
			 uint64_t first, uint64_t last, struct address *ret)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_str struct str text = STR_INIT;
	if (!f->freed || fs_read(dirfd, f->freed, FREED_MAX, &text, &err) < 0)
		return false;
	const char *line = str_text(&text);
	bool found = false;
	while (*line && !found) {
		char word[INET6_ADDRSTRLEN] = "";
		size_t len = strcspn(line, "\n");
		if (len < sizeof(word))
			memcpy(word, line, len);
		line += len + (line[len] == '\n');
		if (address__parse(word, ret) < 0 || !subnet__contains(&pool->subnet, ret))
			continue;
		uint64_t n = subnet__index(&pool->subnet, ret);
		found = n >= first && n <= last && usable(dirfd, pool, ret);
	}
	if (fs_write_atomic(dirfd, f->freed, line, strlen(line), 0644, 0, &err) < 0)
		return false;
	return found;
}

static int choose(int dirfd, const struct family *f, const struct lease_pool *pool,
		  struct address *ret, struct err *err)
{
	uint64_t first, last;
	char text[SUBNET_TEXT];
	subnet__bounds(&pool->subnet, pool->range.family ? &pool->range : NULL, &first, &last);
	if (choose_new(dirfd, f, pool, first, last, ret) ||
	    choose_freed(dirfd, f, pool, first, last, ret))
		return 0;
	/* The two files may have been lost; the marks tell the truth. */
	for (uint64_t n = first; n <= last && n - first < SEARCH_MAX; n++) {
		*ret = subnet__host(&pool->subnet, n);
		if (usable(dirfd, pool, ret))
			return 0;
	}
	return err_conflict(
		err, "no %s address is left in %s", f->name,
		subnet__format(pool->range.family ? &pool->range : &pool->subnet, text));
}

static int check_static(int dirfd, const struct lease_pool *pool, const char *text, const char *key,
			struct address *ret, struct err *err)
{
	char subnet[SUBNET_TEXT], holder[LINK_MAX_];
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
static int settle(int dirfd, const struct family *f, const struct lease_pool *pool, const char *key,
		  const char *want, struct address *address, struct err *err)
{
	struct address wanted = { 0 };
	int r;
	if (want) {
		r = check_static(dirfd, pool, want, key, &wanted, err);
		if (r < 0 || same(&wanted, address))
			return r;
	} else if (!pool->subnet.family || address->family) {
		return 0;
	} else {
		r = choose(dirfd, f, pool, &wanted, err);
		if (r < 0)
			return r;
	}
	if (address->family) {
		r = unmark(dirfd, f, address, err);
		if (r < 0)
			return r;
	}
	*address = wanted;
	return mark(dirfd, address, key, err);
}

int lease__take(int dirfd, const struct lease_pools *pools, const char *key, const char *want4,
		const char *want6, struct lease *ret, struct err *err)
{
	cleanup_fd int lock = FD_NONE;
	int r = net__lock(dirfd, "lock", &lock, err);
	if (r < 0)
		return r;
	struct lease lease = { 0 };
	(void)lease__find(dirfd, key, &lease); /* none yet is the usual case */
	struct lease old = lease;
	r = settle(dirfd, &family4, &pools->v4, key, want4, &lease.ipv4, err);
	if (r == 0)
		r = settle(dirfd, &family6, &pools->v6, key, want6, &lease.ipv6, err);
	if (r == 0 && (!same(&old.ipv4, &lease.ipv4) || !same(&old.ipv6, &lease.ipv6)))
		r = save(dirfd, key, &lease, err);
	if (r == 0)
		*ret = lease;
	return r;
}

int lease__release(int dirfd, const char *key, struct err *err)
{
	cleanup_fd int lock = FD_NONE;
	int r = net__lock(dirfd, "lock", &lock, err);
	if (r < 0)
		return r;
	struct lease lease = { 0 };
	if (lease__find(dirfd, key, &lease) == 0) {
		if (lease.ipv4.family)
			r = unmark(dirfd, &family4, &lease.ipv4, err);
		if (r == 0 && lease.ipv6.family)
			r = unmark(dirfd, &family6, &lease.ipv6, err);
	}
	char path[LINK_MAX_];
	path_of(path, sizeof(path), "leases", key);
	if (r == 0 && unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
		r = err_sys(err, errno, "remove lease '%s'", key);
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
