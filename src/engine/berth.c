/* A slot's berth: namespaces, interfaces and DNS sockets that stay while containers come and go.
 * They are made at the first start, held by the keeper too, and taken away when the slot goes or
 * the project rests. */
#include "base/log.h"
#include "engine/supervisor.h"
#include "runtime/runtime.h"

#include <fcntl.h>

struct berth *berth_get(struct supervisor *s, const char *slot)
{
	struct berth *berth = map_get(&s->berths, slot);
	if (berth)
		return berth;
	berth = new0(struct berth);
	berth->s = s;
	berth->slot = xstrdup(slot);
	berth->key = xasprintf("%s/%s", s->name, slot);
	berth->user = berth->net = berth->udp = berth->tcp = FD_NONE;
	map_set(&s->berths, slot, berth);
	return berth;
}

static void close_descriptors(struct berth *berth)
{
	berth->user = fd_close(berth->user);
	berth->net = fd_close(berth->net);
	berth->udp = fd_close(berth->udp);
	berth->tcp = fd_close(berth->tcp);
	berth->idmap = (struct spec_idmap){ 0 };
}

void berth_free(void *value)
{
	struct berth *berth = value;
	close_descriptors(berth);
	strv_done(&berth->networks);
	free(berth->slot);
	free(berth->key);
	free(berth);
}

void berth_hold(struct berth *berth)
{
	link_hold(berth->s, berth->slot, "user", berth->user);
	link_hold(berth->s, berth->slot, "net", berth->net);
	link_hold(berth->s, berth->slot, "udp", berth->udp);
	link_hold(berth->s, berth->slot, "tcp", berth->tcp);
}

/* --- namespaces --- */

/* A container of another project: its namespaces are found through its process. They live as long
 * as it, or as this one. */
static int join_stranger(struct berth *berth, const char *name, struct spec *spec, struct err *err)
{
	cleanup(container_free_cleanup) struct container *c = NULL;
	cleanup_spec struct spec other = { 0 };
	int r = state_find(&berth->s->paths, NULL, name, &c, err);
	if (r < 0)
		return r;
	if (!container_is_up(c->state))
		return err_new(err, ERR_CONFLICT, ESRCH, "container '%s' is not running", name);
	r = state_spec_load(&berth->s->paths, c, &other, err);
	if (r < 0)
		return r;
	cleanup_free char *net = xasprintf("/proc/%d/ns/net", (int)c->pid);
	cleanup_free char *user = xasprintf("/proc/%d/ns/user", (int)c->pid);
	close_descriptors(berth);
	berth->net = open(net, O_RDONLY | O_CLOEXEC);
	if (other.idmap.count > 0)
		berth->user = open(user, O_RDONLY | O_CLOEXEC);
	if (berth->net < 0)
		return err_sys(err, errno, "open the network namespace of '%s'", name);
	berth->idmap = spec->idmap = other.idmap;
	return 0;
}

/* Chains of one that shares another's, that shares a third's, end; the plan refuses circles, and
 * this bound those of records that were changed by hand. */
enum { JOINS_MAX = 32 };

static bool joins(const char *mode)
{
	return mode && (str_starts(mode, "service:") || str_starts(mode, "container:"));
}

static int join(struct berth *berth, const char *mode, struct spec *spec,
		struct runtime_namespaces *ret, struct err *err)
{
	struct life *life = supervisor_life_by_mode(berth->s, mode);
	for (int i = 0; i < JOINS_MAX && life && joins(life->c->network_mode); i++) {
		mode = life->c->network_mode;
		life = supervisor_life_by_mode(berth->s, mode);
	}
	struct berth *at = life ? life->berth : berth;
	if (!life && str_starts(mode, "container:")) {
		int r = join_stranger(berth, mode + strlen("container:"), spec, err);
		if (r < 0)
			return r;
	} else if (!life) {
		return err_new(err, ERR_CONFLICT, ESRCH,
			       "cannot share the network of '%s': it is not running",
			       strchr(mode, ':') + 1);
	}
	spec->idmap = at->idmap;
	*ret = (struct runtime_namespaces){ .user = at->user, .net = at->net };
	return 0;
}

static int detach_all(struct berth *berth, struct err *err)
{
	int r = 0;
	for (size_t i = 0; i < berth->networks.n && r == 0; i++)
		r = net_detach(berth->s->net, berth->networks.v[i], berth->key, false, err);
	return r;
}

static int make_namespaces(struct berth *berth, const struct spec *spec, bool net, struct err *err)
{
	bool have = berth->net >= 0 || berth->user >= 0;
	if (have && berth->idmap.base == spec->idmap.base &&
	    berth->idmap.count == spec->idmap.count && (berth->net >= 0) == net)
		return 0;
	if (have) { /* the new container is mapped otherwise (privileged, userns_mode: host) */
		int r = detach_all(berth, err);
		if (r < 0)
			return r;
		berth_close(berth);
	}
	if (net && prepare_take(berth->s, berth, &spec->idmap))
		return 0;
	struct runtime_namespaces ns = RUNTIME_NAMESPACES_NONE;
	int r = runtime_namespaces_new(&spec->idmap, net, &ns, err);
	if (r < 0)
		return r;
	berth->user = ns.user;
	berth->net = ns.net;
	berth->idmap = spec->idmap;
	return 0;
}

/* --- networks and names --- */

static int attach_all(struct berth *berth, struct container *c, struct err *err)
{
	vec_each(n, &c->networks)
		n->internal = net_network_internal(berth->s->net, n->network);
	size_t gateway = container_default_network(c);
	for (size_t i = 0; i < c->networks.n; i++) {
		struct container_network *n = &c->networks.v[i];
		const struct net_attach attach = {
			.network = n->network,
			.key = berth->key,
			.ifname = n->ifname,
			.ipv4 = n->ipv4_static,
			.ipv6 = n->ipv6_static,
			.mac = n->mac_static,
			.link_local = &n->link_local,
			.avoid = &n->avoid,
			.default_route = i == gateway,
		};
		int r = net_attach(berth->s->net, berth->net, &attach, &n->address, err);
		if (r < 0)
			return n->place ? err_wrap(err, "%s", n->place) : r;
		if (!strv_has(&berth->networks, n->network))
			strv_add(&berth->networks, n->network);
	}
	for (size_t i = berth->networks.n; i-- > 0;) {
		const char *network = berth->networks.v[i];
		bool wanted = false;
		vec_each(n, &c->networks)
			wanted |= str_eq(n->network, network);
		if (wanted)
			continue;
		int r = net_detach(berth->s->net, network, berth->key, true, err);
		if (r < 0)
			return r;
		strv_remove(&berth->networks, i);
	}
	return 0;
}

static int names_open(struct berth *berth, const struct container *c, struct err *err)
{
	struct supervisor *s = berth->s;
	if (berth->dns)
		return dns_client_networks(s->dns, berth->key, &berth->networks);
	if (berth->udp < 0) {
		int r = c->serves_names
				? dns_sockets_aside(berth->net, &berth->udp, &berth->tcp, err)
				: dns_sockets(berth->net, &berth->udp, &berth->tcp, err);
		if (r < 0)
			return r;
	}
	berth_hold(berth);
	/* What has no way out asks nobody outside either: a name can carry data (CVE-2024-29018).
	 */
	bool way_out = false;
	vec_each(n, &c->networks)
		way_out |= !n->internal;
	/* dns/ gets its own copies: these are kept for a keeper that has to be given them again. */
	struct dns_client client = { .key = berth->key,
				     .udp = fcntl(berth->udp, F_DUPFD_CLOEXEC, 3),
				     .tcp = fcntl(berth->tcp, F_DUPFD_CLOEXEC, 3),
				     .servers = c->dns,
				     .networks = berth->networks,
				     .forward = way_out };
	int r = dns_client_add(s->dns, &client, err);
	berth->dns = r == 0;
	return r;
}

int berth_open(struct berth *berth, struct life *life, struct spec *spec,
	       struct runtime_namespaces *ret, struct err *err)
{
	struct container *c = life->c;
	const char *mode = c->network_mode ? c->network_mode : "";
	if (joins(mode))
		return join(berth, mode, spec, ret, err);
	bool net = !str_eq(mode, "host");
	int r = make_namespaces(berth, spec, net, err);
	if (r == 0 && c->networks.n > 0 && net) {
		r = attach_all(berth, c, err);
		if (r == 0)
			r = names_open(berth, c, err);
	} else if (r == 0) {
		berth_hold(berth);
	}
	if (r < 0)
		return r;
	*ret = (struct runtime_namespaces){ .user = berth->user, .net = berth->net };
	return 0;
}

/* --- after a supervisor's death --- */

static int from_process(struct life *life, const char *what)
{
	cleanup_free char *path = xasprintf("/proc/%d/ns/%s", (int)life->c->pid, what);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? FD_NONE : fd;
}

void berth_adopt(struct berth *berth, struct life *life)
{
	struct supervisor *s = berth->s;
	const struct container *c = life->c;
	const char *mode = c->network_mode ? c->network_mode : "";
	if (joins(mode) || str_eq(mode, "host"))
		return;
	cleanup_spec struct spec spec = { 0 };
	cleanup_err struct err err = ERR_INIT;
	if (state_spec_load(&s->paths, c, &spec, &err) < 0)
		debug("adopt '%s': %s", c->name, err.msg);
	berth->idmap = spec.idmap;
	berth->user = link_claim(s, berth->slot, "user");
	berth->net = link_claim(s, berth->slot, "net");
	berth->udp = link_claim(s, berth->slot, "udp");
	berth->tcp = link_claim(s, berth->slot, "tcp");
	if (berth->net < 0 && life_runs(life))
		berth->net = from_process(life, "net");
	if (berth->user < 0 && berth->idmap.count > 0 && life_runs(life))
		berth->user = from_process(life, "user");
	if (berth->net < 0)
		return;
	vec_each(n, &c->networks) {
		strv_add(&berth->networks, n->network);
		n->internal = net_network_internal(s->net, n->network);
	}
	cleanup_err struct err names = ERR_INIT;
	if (berth->networks.n > 0 && names_open(berth, c, &names) < 0)
		event_warning(s, "container '%s' has no name server: %s", c->name, names.msg);
}

/* --- the end --- */

/* The kernel removes a namespace's interfaces with it, many at once and without anybody waiting for
 * it (a removal by netlink takes milliseconds each). What stays on record is taken away by
 * supervisor_sweep(). */
void berth_close(struct berth *berth)
{
	struct supervisor *s = berth->s;
	if (berth->dns)
		dns_client_remove(s->dns, berth->key);
	berth->dns = false;
	strv_done(&berth->networks);
	close_descriptors(berth);
	link_drop(s, berth->slot, NULL);
}
