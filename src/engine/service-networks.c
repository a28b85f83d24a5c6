/* Names, networks, ports and namespaces of a container. */
#include "base/fs.h"
#include "base/parse.h"
#include "engine/service-impl.h"
#include "engine/service-reference.h"

#include <limits.h>
#include <netinet/in.h>

enum { SHORT_ID = 12, NAME_PORT = 53 };

/* --- names --- */

static bool uses_host_names(const struct service *s)
{
	return str_eq(s->uts, "host") || (str_eq(s->network_mode, "host") && !s->hostname);
}

static int check_lines(const struct making *m, const char *key, const struct strv *values,
		       struct err *err)
{
	int r = 0;
	for (size_t i = 0; i < values->n && r == 0; i++)
		r = service__check_line(m, key, values->v[i], err);
	return r;
}

static bool is_reference(const char *mode)
{
	return mode && (str_starts(mode, "service:") || str_starts(mode, "container:"));
}

static bool is_bridge(const char *mode)
{
	return str_eq(mode, "bridge") || str_eq(mode, "default");
}

/* network_mode: a network of the machine by its name, beside the words. */
static bool has_networks(const struct service *s)
{
	const char *mode = s->network_mode;
	return !is_reference(mode) && !str_eq(mode, "host") && !str_eq(mode, "none");
}

/* Who shares another's network bears its name, as with Docker. One that is not there is told of
 * where the network is looked for. */
static bool shared_name(struct making *m)
{
	cleanup(container_free_cleanup) struct container *other = NULL;
	cleanup_err struct err missing = ERR_INIT;
	const struct service *s = m->service;
	if (s->hostname || !is_reference(s->network_mode) ||
	    service_reference(m->x->paths, m->c->project, s->network_mode, &other, &missing) < 0)
		return false;
	m->c->hostname = xstrdup(other->hostname);
	m->c->domainname = xstrdup(other->domainname);
	return true;
}

int service__hostname(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	struct container *c = m->c;
	char host[HOST_NAME_MAX + 1] = "";
	if (uses_host_names(s)) {
		if (gethostname(host, sizeof(host) - 1) < 0)
			return err_sys(err, errno, "gethostname");
		c->hostname = xstrdup(host);
	} else if (!shared_name(m)) {
		c->hostname = s->hostname ? xstrdup(s->hostname) : xstrndup(c->id, SHORT_ID);
	}
	if (!c->domainname)
		c->domainname = xstrdup(s->domainname);
	if (strspn(c->hostname, ".") == strlen(c->hostname) && *c->hostname)
		return service__bad(m, NULL, err, "hostname '%s' has only dots", c->hostname);
	if (strlen(c->hostname) > HOST_NAME_MAX || !*c->hostname)
		return service__bad(m, NULL, err, "hostname '%.80s' is not 1 to %d characters long",
				    c->hostname, HOST_NAME_MAX);
	strv_copy(&c->extra_hosts, &s->extra_hosts);
	strv_copy(&c->dns, &s->dns);
	strv_copy(&c->dns_search, &s->dns_search);
	strv_copy(&c->dns_opt, &s->dns_opt);

	int r = service__check_line(m, "hostname", c->hostname, err);
	if (r == 0)
		r = service__check_line(m, "domainname", c->domainname, err);
	if (r == 0)
		r = check_lines(m, "extra_hosts", &c->extra_hosts, err);
	if (r == 0)
		r = check_lines(m, "dns", &c->dns, err);
	if (r == 0)
		r = check_lines(m, "dns_search", &c->dns_search, err);
	if (r == 0)
		r = check_lines(m, "dns_opt", &c->dns_opt, err);
	if (str_eq(s->uts, "host")) {
		m->spec->uts = SPEC_NS_HOST;
	} else {
		m->spec->hostname = xstrdup(c->hostname);
		m->spec->domainname = xstrdup(c->domainname);
	}
	return r;
}

/* --- networks --- */

/* A one-off answers to the service's names only when asked to: it must not get its traffic. */
static void add_aliases(const struct making *m, const struct service_network *n,
			struct container_network *to)
{
	struct strv *names = &to->aliases;
	if (!m->oneoff || m->oneoff->use_aliases) {
		strv_add(names, m->service->name);
		for (size_t i = 0; n && i < n->aliases.n; i++) {
			if (!strv_has(names, n->aliases.v[i]))
				strv_add(names, n->aliases.v[i]);
		}
	}
	if (!strv_has(names, m->c->name))
		strv_add(names, m->c->name);
	strv_take(names, xstrndup(m->c->id, SHORT_ID));
	if (m->service->hostname && !m->oneoff && !strv_has(names, m->service->hostname))
		strv_add(names, m->service->hostname);
}

static void add_given_to(const struct service *service, const char *key, struct strv *to)
{
	vec_each(n, &service->networks) {
		if (!str_eq(n->network, key))
			continue;
		if (n->ipv4_address)
			strv_add(to, n->ipv4_address);
		if (n->ipv6_address)
			strv_add(to, n->ipv6_address);
	}
}

/* Every service's given addresses on a network: whichever container starts first, it takes none of
 * them, and of those that do not start now neither. */
static void add_given(const struct project *project, const char *key, struct strv *to)
{
	vec_each(s, &project->services)
		add_given_to(s, key, to);
	vec_each(s, &project->disabled)
		add_given_to(s, key, to);
}

static int add_link_local(struct making *m, const struct service_network *n,
			  struct container_network *to, struct err *err)
{
	const struct strv *list = &n->link_local_ips;
	if (list->n > NET_LINK_LOCAL_MAX)
		return service__bad(m, &n->place, err, "link_local_ips: more than %d addresses",
				    NET_LINK_LOCAL_MAX);
	for (size_t i = 0; i < list->n; i++)
		if (!net_link_local(list->v[i]))
			return service__bad(m, &n->place, err,
					    "link_local_ips: '%s' is not a link-local address "
					    "(169.254.0.0/16, fe80::/10)",
					    list->v[i]);
	strv_copy(&to->link_local, list);
	return 0;
}

static int add_network(struct making *m, const struct service_network *n, struct err *err)
{
	const struct project_network *network = project_network(m->x->project, n->network);
	if (!network)
		return service__bad(m, &n->place, err, "network '%s' is not defined", n->network);
	struct container_network *to = vec_add(&m->c->networks);
	to->network = xstrdup(network->name);
	to->key = xstrdup(n->network);
	to->ifname = xstrdup(n->interface_name);
	to->priority = n->priority;
	to->gw_priority = n->gw_priority;
	add_aliases(m, n, to);
	add_given(m->x->project, n->network, &to->avoid);
	if (n->place.file)
		to->place = xasprintf("%s:%d", n->place.file, n->place.line);
	if (m->oneoff)
		return 0; /* the service's replica has the fixed addresses */
	to->ipv4_static = xstrdup(n->ipv4_address);
	to->ipv6_static = xstrdup(n->ipv6_address);
	bool first = m->c->networks.n == 1;
	to->mac_static = xstrdup(n->mac_address ? n->mac_address
				 : first	? m->service->mac_address
						: NULL);
	return add_link_local(m, n, to, err);
}

/* Interfaces are made in this order, so the higher priority is eth0, as with Docker. */
static void sort_networks(struct container *c)
{
	for (size_t i = 1; i < c->networks.n; i++) {
		struct container_network n = c->networks.v[i];
		size_t at = i;
		for (; at > 0 && c->networks.v[at - 1].priority < n.priority; at--)
			c->networks.v[at] = c->networks.v[at - 1];
		c->networks.v[at] = n;
	}
}

/* "53", "53/udp", "50-60". */
static bool exposes(const struct strv *ports, int wanted)
{
	for (size_t i = 0; i < ports->n; i++) {
		int first = 0, last = 0;
		int n = sscanf(ports->v[i], "%d-%d", &first, &last);
		if (n > 0 && wanted >= first && wanted <= (n > 1 ? last : first))
			return true;
	}
	return false;
}

static bool serves_names(const struct making *m)
{
	vec_each(p, &m->service->ports)
		if (p->target == NAME_PORT)
			return true;
	return exposes(&m->service->expose, NAME_PORT) ||
	       exposes(&m->x->image->config.exposed, NAME_PORT);
}

/* Each port once, with its protocol; ranges one by one. */
static void add_exposed(struct strv *to, const struct strv *ports)
{
	enum { PORT_MAX = 65535, SHOWN_MAX = 1000 };
	for (size_t i = 0; i < ports->n; i++) {
		int first = 0, last = 0;
		int n = sscanf(ports->v[i], "%d-%d", &first, &last);
		const char *slash = strchr(ports->v[i], '/');
		last = n > 1 ? last : first;
		for (int port = first;
		     n > 0 && port > 0 && port <= last && port <= PORT_MAX && to->n < SHOWN_MAX;
		     port++) {
			cleanup_free char *text =
				xasprintf("%d/%s", port, slash ? slash + 1 : "tcp");
			if (!strv_has(to, text))
				strv_add(to, text);
		}
	}
}

int service__networks(struct making *m, struct err *err)
{
	const char *mode = m->service->network_mode;
	int r = 0;
	m->c->serves_names = serves_names(m);
	if (!str_eq(mode, "host")) {
		add_exposed(&m->c->expose, &m->x->image->config.exposed);
		add_exposed(&m->c->expose, &m->service->expose);
	}
	if (mode && !has_networks(m->service)) {
		m->c->network_mode = xstrdup(mode);
		return 0;
	}
	if (mode) {
		struct container_network *to = vec_add(&m->c->networks);
		to->network =
			is_bridge(mode) ? xasprintf("%s_bridge", m->c->project) : xstrdup(mode);
		if (m->service->place.file)
			to->place =
				xasprintf("%s:%d", m->service->place.file, m->service->place.line);
		add_aliases(m, NULL, to);
		return 0;
	}
	vec_each(n, &m->service->networks) {
		if (r == 0)
			r = add_network(m, n, err);
	}
	sort_networks(m->c);
	return r;
}

void service_network_config(const struct project *project, const struct project_network *network,
			    struct net_config *ret)
{
	net_config_init(ret);
	ret->project = xstrdup(project->name);
	if (!network) {
		ret->name = xasprintf("%s_bridge", project->name);
		return;
	}
	ret->name = xstrdup(network->name);
	ret->key = xstrdup(network->key);
	ret->driver = xstrdup(network->driver);
	ret->internal = network->internal;
	ret->ipv4 = network->enable_ipv4;
	ret->ipv6 = network->enable_ipv6;
	ret->attachable = network->attachable;
	ret->labels = json_incref(network->labels);
	ret->options = json_incref(network->driver_opts);
	for (size_t i = 0; i < network->ipam_count; i++) {
		const struct ipam_config *from = &network->ipam[i];
		struct net_pool *pool = vec_add(&ret->pools);
		pool->subnet = xstrdup(from->subnet);
		pool->gateway = xstrdup(from->gateway);
		pool->ip_range = xstrdup(from->ip_range);
		strv_copy(&pool->reserved, &from->aux_addresses);
	}
}

/* --- ports --- */

static int protocol_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} protocols[] = {
		{ "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },
		{ "sctp", IPPROTO_SCTP },
	};
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (!name || str_eq(protocols[i].name, name))
			return protocols[i].number;
	}
	return -1;
}

/* "8000", or "8000-8010": of a range the replicas take one after the other. */
static int published_port(const struct making *m, const char *text, uint16_t *ret)
{
	int low = 0, high = 0;
	if (str_empty(text)) {
		*ret = 0;
		return 0;
	}
	cleanup_free char *first = xstrdup(text);
	char *dash = strchr(first, '-');
	if (dash)
		*dash = '\0';
	if (parse_int(first, 0, UINT16_MAX, &low) < 0)
		return -EINVAL;
	high = low;
	if (dash && (parse_int(dash + 1, low, UINT16_MAX, &high) < 0))
		return -EINVAL;
	uint32_t nth = m->c->number ? m->c->number - 1 : 0;
	*ret = (uint16_t)(low + (int)(nth % (uint32_t)(high - low + 1)));
	return 0;
}

static int add_port(struct making *m, const struct service_port *p, struct err *err)
{
	struct net_port port = { .target = p->target };
	int protocol = protocol_number(p->protocol);
	if (protocol < 0 || !p->target || published_port(m, p->published, &port.published) < 0)
		return service__bad(m, &p->place, err, "port '%s:%u/%s' cannot be published",
				    p->published ? p->published : "", p->target,
				    p->protocol ? p->protocol : "tcp");
	port.protocol = (uint8_t)protocol;
	if (p->host_ip) {
		if (strlen(p->host_ip) >= sizeof(port.host))
			return service__bad(m, &p->place, err, "'%s' is not an address",
					    p->host_ip);
		memcpy(port.host, p->host_ip, strlen(p->host_ip) + 1);
		if (str_eq(port.host, "0.0.0.0"))
			port.host[0] = '\0';
	}
	vec_push(&m->c->ports, port);
	return 0;
}

/* run --publish: [[ADDRESS:]HOST:]TARGET[/PROTOCOL]; an IPv6 address stands in brackets. */
static int add_published(struct making *m, const char *text, struct err *err)
{
	cleanup_free char *copy = xstrdup(text);
	struct service_port p = { 0 };
	char *slash = strrchr(copy, '/');
	if (slash) {
		*slash = '\0';
		p.protocol = slash + 1;
	}
	char *target = copy, *colon = strrchr(copy, ':');
	if (colon) {
		*colon = '\0';
		target = colon + 1;
		p.published = copy;
		colon = strrchr(copy, ':');
		if (colon) {
			*colon = '\0';
			p.published = colon + 1;
			p.host_ip = copy;
		}
	}
	if (p.host_ip && *p.host_ip == '[') {
		p.host_ip[strcspn(p.host_ip, "]")] = '\0';
		p.host_ip++;
	}
	int number = 0;
	if (parse_int(target, 1, UINT16_MAX, &number) < 0)
		return err_usage(err, "--publish '%s': '%s' is not a port", text, target);
	p.target = (uint16_t)number;
	return add_port(m, &p, err);
}

int service__ports(struct making *m, struct err *err)
{
	int r = 0;
	vec_done(&m->c->ports);
	if (!has_networks(m->service))
		return 0; /* as Docker: nothing to forward to */
	if (!m->oneoff || m->oneoff->service_ports) {
		vec_each(p, &m->service->ports) {
			if (r == 0)
				r = add_port(m, p, err);
		}
	}
	for (size_t i = 0; m->oneoff && i < m->oneoff->publish.n && r == 0; i++)
		r = add_published(m, m->oneoff->publish.v[i], err);
	return r;
}

/* --- namespaces --- */

static int set_namespace(struct making *m, const char *key, const char *mode, enum spec_ns *to,
			 char **record, struct err *err)
{
	if (is_reference(mode)) {
		*to = SPEC_NS_JOIN;
		*record = xstrdup(mode);
	} else if (str_eq(mode, "host")) {
		*to = SPEC_NS_HOST;
	} else if (!str_empty(mode) && !str_eq(mode, "private") && !str_eq(mode, "shareable") &&
		   !str_eq(mode, "none")) {
		return service__bad(m, NULL, err, "%s: '%s' is not known", key, mode);
	}
	return 0;
}

/* Who shares a namespace has to be of the same user namespace, or it has no rights there. */
static int share_idmap(struct making *m, const char *reference, struct err *err)
{
	cleanup(container_free_cleanup) struct container *other = NULL;
	cleanup_spec struct spec spec;
	spec_init(&spec);
	int r = service_reference(m->x->paths, m->c->project, reference, &other, err);
	if (r == 0)
		r = state_spec_load(m->x->paths, other, &spec, err);
	if (r < 0)
		return err_wrap(err, "service '%s' shares with '%s'", m->service->name, reference);
	m->spec->idmap = spec.idmap;
	return 0;
}

int service__namespaces(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	struct container *c = m->c;
	char *none = NULL;
	if (!str_empty(s->uts) && !str_eq(s->uts, "host"))
		return service__bad(m, NULL, err, "uts: '%s' is not known", s->uts);
	int r = set_namespace(m, "pid", s->pid, &m->spec->pid, &c->pid_mode, err);
	if (r == 0)
		r = set_namespace(m, "ipc", s->ipc, &m->spec->ipc, &c->ipc_mode, err);
	if (r == 0 && is_reference(s->cgroup))
		r = service__bad(m, NULL, err, "cgroup: '%s' is not known", s->cgroup);
	if (r == 0)
		r = set_namespace(m, "cgroup", s->cgroup, &m->spec->cgroup, &none, err);
	if (r < 0)
		return r;
	const char *const shared[] = { s->network_mode, s->pid, s->ipc };
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		if (is_reference(shared[i]))
			return share_idmap(m, shared[i], err);
	}
	bool host = s->privileged || str_eq(s->userns_mode, "host") || str_eq(s->pid, "host") ||
		    str_eq(s->ipc, "host") || str_eq(s->network_mode, "host");
	if (host)
		return 0;
	if (!m->x->can_idmap) {
		service__warn(m,
			      "the file system below '%s' cannot map user ids: its root is the "
			      "machine's root",
			      m->x->paths->root);
		return 0;
	}
	r = slot_lease_idmap(m->x->paths, c->project, m->x->slot, err);
	m->spec->idmap = m->x->slot->idmap;
	return r;
}
