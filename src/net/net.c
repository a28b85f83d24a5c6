/* The room's beginning and end: directories, and what each part keeps in the handle. */
#include "base/fs.h"
#include "base/hash.h"
#include "net/monitor.h"
#include "net/network.h"
#include "net/port.h"

#include <fcntl.h>

/* The default STAVE_RUN has the plain table name, so that a person finds it with `nft list`. */
static const char default_run[] = "/run/stave";

static int restore(struct net *net, struct err *err)
{
	int r = network__restore(net, err);
	return r < 0 ? r : port__restore(net, err);
}

int net_open(const char *root, const char *run, struct net **ret, struct err *err)
{
	cleanup(net_free_cleanup) struct net *net = new0(struct net);
	net->root = net->run = net->self = FD_NONE;
	net->rt = net->nf = NETLINK_INIT;
	net->restore = restore;
	net->networks = MAP_INIT_FREE(network__cached_free);
	net->owners = MAP_INIT_FREE(port__owner_free);
	cleanup_free char *networks = path_join(root, "networks");
	net->root_path = path_clean(networks);
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
	strv_done(&net->mended);
	free(net->root_path);
	free(net->run_path);
	free(net);
}

void net_mended(struct net *net, struct strv *ret)
{
	strv_copy(ret, &net->mended);
	strv_done(&net->mended);
}
