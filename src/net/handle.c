/* The handle: directories, sockets that are opened late, and the way into another network
 * namespace and back. */
#include "net/handle.h"

#include "base/fs.h"
#include "base/hash.h"
#include "net/monitor.h"
#include "net/network.h"
#include "net/port.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/file.h>

/* The default STAVE_RUN has the plain table name, so that a person finds it with `nft list`. */
static const char default_run[] = "/run/stave";
enum { NAME_MAX_ = 128 };

int net_open(const char *root, const char *run, struct net **ret, struct err *err)
{
	cleanup(net_free_cleanup) struct net *net = new0(struct net);
	net->root = net->run = net->self = FD_NONE;
	net->rt = net->nf = NETLINK_INIT;
	net->networks = MAP_INIT_FREE(network__cached_free);
	net->owners = MAP_INIT_FREE(port__owner_free);
	cleanup_free char *networks = path_join(root, "networks");
	net->run_path = path_clean(run);
	net->root = fs_opendirs(AT_FDCWD, networks, 0711, err);
	if (net->root < 0)
		return net->root;
	net->run = fs_opendirs(AT_FDCWD, run, 0711, err);
	if (net->run < 0)
		return net->run;
	if (str_eq(net->run_path, default_run)) {
		snprintf(net->table, sizeof(net->table), "stave");
	} else {
		char hex[SHA256_HEX];
		hash_hex(net->run_path, strlen(net->run_path), hex);
		snprintf(net->table, sizeof(net->table), "stave_%.12s", hex);
	}
	*ret = ptr_take(net);
	return 0;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	cleanup_err struct err ignored = ERR_INIT;
	(void)net_flush(net, &ignored); /* a sweep finds what is left */
	vec_done(&net->detached);
	timer_close(net->flush);
	monitor__free(net->monitor);
	map_done(&net->owners); /* closes the reservations; the rules stay */
	map_done(&net->networks);
	netlink__close(&net->rt);
	netlink__close(&net->nf);
	fd_close(net->root);
	fd_close(net->run);
	fd_close(net->self);
	free(net->run_path);
	free(net);
}

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
