/* What the handle gives the files above it: sockets that are opened late, the way into another
 * network namespace and back, names, locks. */
#include "net/handle.h"

#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/file.h>

enum { NAME_MAX_ = 128 };

int net__rt(struct net *net, struct err *err)
{
	return netlink__open(&net->rt, NETLINK_ROUTE, err);
}

int net__nf(struct net *net, struct err *err)
{
	return netlink__open(&net->nf, NETLINK_NETFILTER, err);
}

int net__enter(struct net *net, int netns, struct err *err)
{
	if (net->self < 0) {
		int fd = fs_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, err);
		if (fd < 0)
			return fd;
		net->self = fd;
	}
	if (setns(netns, CLONE_NEWNET) < 0)
		return err_sys(err, errno, "enter a network namespace");
	return 0;
}

void net__leave(struct net *net)
{
	if (setns(net->self, CLONE_NEWNET) < 0)
		abort();
}

bool net__name_ok(const char *name)
{
	if (str_empty(name) || strlen(name) > NAME_MAX_ || !isalnum((unsigned char)name[0]))
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			return false;
	return true;
}

char *net__key_file(const char *key)
{
	cleanup_strv struct strv parts = strv_split(key, '/');
	if (parts.n > 3)
		return NULL;
	for (size_t i = 0; i < parts.n; i++)
		if (!net__name_ok(parts.v[i]))
			return NULL;
	return strv_join(&parts, "+");
}

int net__lock(int dirfd, const char *dir, int *ret, struct err *err)
{
	cleanup_fd int fd = fs_open(dirfd, dir, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "lock '%s'", dir);
	*ret = fd_take(fd);
	return 0;
}
