/* /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, as they are at a start. */
#include "base/fs.h"
#include "engine/service-reference.h"
#include "engine/service-spec.h"

#include <arpa/inet.h>
#include <fcntl.h>

enum { HOST_FILE_MAX = 1 << 20, SHARES_MAX = 32 };

/* Appends a file of the host. One that is missing is empty. */
static int append_file(struct str *out, const char *path, struct err *err)
{
	int r = fs_read(AT_FDCWD, path, HOST_FILE_MAX, out, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	return r < 0 ? r : 0;
}

/* --- hosts --- */

/* The network's gateway is the host: the one that the project names, or the subnet's first
 * address. */
static bool gateway_of(const struct project *project, const struct container_network *n,
		       char buf[INET_ADDRSTRLEN])
{
	const struct project_network *network =
		project && n->key ? project_network(project, n->key) : NULL;
	for (size_t i = 0; network && i < network->ipam_count; i++) {
		const char *gateway = network->ipam[i].gateway;
		if (gateway && !strchr(gateway, ':') && strlen(gateway) < INET_ADDRSTRLEN) {
			memcpy(buf, gateway, strlen(gateway) + 1);
			return true;
		}
	}
	struct in_addr address;
	if (inet_pton(AF_INET, n->address.ipv4, &address) != 1 || n->address.prefix4 == 0 ||
	    n->address.prefix4 > 31)
		return false;
	uint32_t mask = ~(UINT32_MAX >> n->address.prefix4);
	address.s_addr = htonl((ntohl(address.s_addr) & mask) + 1);
	return inet_ntop(AF_INET, &address, buf, INET_ADDRSTRLEN) != NULL;
}

/* The network whose gateway is the default route. */
static const struct container_network *default_network(const struct container *c)
{
	const struct container_network *n =
		c->networks.n ? &c->networks.v[container_default_network(c)] : NULL;
	return n && n->address.ipv4[0] ? n : NULL;
}

static void add_extra_hosts(struct str *hosts, const struct project *project,
			    const struct container *c)
{
	for (size_t i = 0; i < c->extra_hosts.n; i++) {
		const char *entry = c->extra_hosts.v[i];
		const char *equals = strchr(entry, '=');
		if (!equals)
			continue;
		const char *address = equals + 1;
		char gateway[INET_ADDRSTRLEN];
		if (str_eq(address, "host-gateway")) {
			const struct container_network *n = default_network(c);
			address = n && gateway_of(project, n, gateway) ? gateway : "127.0.0.1";
		}
		str_addf(hosts, "%s\t%.*s\n", address, (int)(equals - entry), entry);
	}
}

static void add_own_names(struct str *hosts, const struct container *c)
{
	vec_each(n, &c->networks) {
		const char *const addresses[] = { n->address.ipv4, n->address.ipv6 };
		for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
			if (!addresses[i][0])
				continue;
			str_addf(hosts, "%s\t", addresses[i]);
			if (!str_empty(c->domainname))
				str_addf(hosts, "%s.%s ", c->hostname, c->domainname);
			str_addf(hosts, "%s\n", c->hostname);
		}
	}
}

/* The address of `other` on a network that both are on. */
static const char *shared_address(const struct container *c, const struct container *other)
{
	vec_each(n, &other->networks) {
		vec_each(own, &c->networks) {
			if (str_eq(own->network, n->network) && n->address.ipv4[0])
				return n->address.ipv4;
		}
	}
	return NULL;
}

/* links: "db:database" is a name that only this container knows, so it stands here and not in the
 * DNS. Leases keep the address over restarts. A plain "db" needs nothing: the DNS has it. */
static int add_links(struct str *hosts, const struct engine_paths *paths,
		     const struct project *project, const struct container *c, struct err *err)
{
	const struct service *s = project ? project_service(project, c->service) : NULL;
	for (int external = 0; s && external < 2; external++) {
		const struct strv *links = external ? &s->external_links : &s->links;
		for (size_t i = 0; i < links->n; i++) {
			cleanup_free char *name = xstrdup(links->v[i]);
			cleanup(container_free_cleanup) struct container *other = NULL;
			char *colon = strchr(name, ':');
			if (!colon && !external)
				continue;
			if (colon)
				*colon = '\0';
			cleanup_free char *reference =
				xasprintf("%s%s", external ? "container:" : "service:", name);
			int r = service_reference(paths, c->project, reference, &other, err);
			if (r < 0)
				return err_wrap(err, "service '%s': link", c->service);
			const char *address = shared_address(c, other);
			if (address)
				str_addf(hosts, "%s\t%s\n", address, colon ? colon + 1 : name);
		}
	}
	return 0;
}

static const char hosts_head[] = "127.0.0.1\tlocalhost\n"
				 "::1\tlocalhost ip6-localhost ip6-loopback\n"
				 "fe00::\tip6-localnet\n"
				 "ff00::\tip6-mcastprefix\n"
				 "ff02::1\tip6-allnodes\n"
				 "ff02::2\tip6-allrouters\n";

static int add_hosts(struct str *hosts, const struct engine_paths *paths,
		     const struct project *project, const struct container *c, struct err *err)
{
	int r = 0;
	if (str_eq(c->network_mode, "host"))
		r = append_file(hosts, "/etc/hosts", err);
	else
		str_add(hosts, hosts_head);
	add_extra_hosts(hosts, project, c);
	if (r == 0)
		r = add_links(hosts, paths, project, c, err);
	add_own_names(hosts, c);
	return r;
}

/* --- resolv.conf --- */

static void add_words(struct str *out, const char *key, const struct strv *words, const char *more)
{
	if (words->n == 0 && !more)
		return;
	str_add(out, key);
	for (size_t i = 0; i < words->n; i++)
		str_addf(out, " %s", words->v[i]);
	if (more)
		str_addf(out, " %s", more);
	str_add(out, "\n");
}

static bool has_ndots(const struct strv *options)
{
	for (size_t i = 0; i < options->n; i++) {
		if (str_starts(options->v[i], "ndots:"))
			return true;
	}
	return false;
}

/* The host's search domains hold where none are given; "." alone means none at all. */
static int host_search(struct strv *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int r = append_file(&text, "/etc/resolv.conf", err);
	if (r < 0)
		return r;
	cleanup_strv struct strv lines = strv_split(str_text(&text), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		const char *rest = str_after(lines.v[i], "search ");
		if (!rest)
			continue;
		strv_done(ret); /* the last line counts */
		cleanup_strv struct strv words = strv_split(rest, ' ');
		for (size_t k = 0; k < words.n; k++) {
			if (*words.v[k])
				strv_add(ret, words.v[k]);
		}
	}
	return 0;
}

static int add_resolv_conf(struct str *text, const struct container *c, struct err *err)
{
	cleanup_strv struct strv search = { 0 };
	bool host = str_eq(c->network_mode, "host"), none = str_eq(c->network_mode, "none");
	int r = 0;
	if (host && c->dns.n == 0 && c->dns_search.n == 0 && c->dns_opt.n == 0)
		return append_file(text, "/etc/resolv.conf", err);
	if (!host && !none)
		str_add(text, "nameserver 127.0.0.11\n");
	for (size_t i = 0; host && i < c->dns.n; i++)
		str_addf(text, "nameserver %s\n", c->dns.v[i]);
	if (c->dns_search.n)
		strv_copy(&search, &c->dns_search);
	else if (!none)
		r = host_search(&search, err);
	if (search.n == 1 && str_eq(search.v[0], "."))
		strv_done(&search);
	add_words(text, "search", &search, NULL);
	/* Our names have no dots: ask for them as they are before trying search domains. */
	add_words(text, "options", &c->dns_opt,
		  host || none || has_ndots(&c->dns_opt) ? NULL : "ndots:0");
	return r;
}

/* --- filling --- */

static struct spec_file *find_file(struct spec *spec, const char *target)
{
	vec_each(m, &spec->mounts) {
		for (size_t i = 0; m->type == SPEC_MOUNT_OWN && i < m->files.n; i++)
			if (str_eq(m->files.v[i].target, target))
				return &m->files.v[i];
	}
	return NULL;
}

static void give(struct spec_file *file, struct str *text)
{
	free(file->data);
	file->len = text->len;
	file->data = str_take(text);
}

static void fill_hostname(struct spec_file *file, const struct container *c)
{
	cleanup_str struct str text = STR_INIT;
	str_addf(&text, "%s\n", c->hostname ? c->hostname : "");
	give(file, &text);
}

int service_fill_etc(const struct engine_paths *paths, const struct project *project,
		     const struct container *c, struct spec *spec, struct err *err)
{
	cleanup(container_free_cleanup) struct container *other = NULL;
	const char *own_project = c->project;
	struct spec_file *hosts = find_file(spec, SERVICE_HOSTS),
			 *resolv_conf = find_file(spec, SERVICE_RESOLV_CONF),
			 *hostname = find_file(spec, SERVICE_HOSTNAME);
	int r = 0;
	if (hostname)
		fill_hostname(hostname, c);
	/* Who shares another's network shares what is said about it. */
	for (int i = 0;
	     i < SHARES_MAX && c->network_mode &&
	     (str_starts(c->network_mode, "service:") || str_starts(c->network_mode, "container:"));
	     i++) {
		struct container *next = NULL;
		r = service_reference(paths, c->project, c->network_mode, &next, err);
		if (r < 0)
			return err_wrap(err, "service '%s': network_mode", c->service);
		container_free(other);
		c = other = next;
	}
	if (!str_eq(c->project, own_project))
		project = NULL;
	if (hosts) {
		cleanup_str struct str text = STR_INIT_MAX(2 * HOST_FILE_MAX);
		r = add_hosts(&text, paths, project, c, err);
		give(hosts, &text);
	}
	if (r == 0 && resolv_conf) {
		cleanup_str struct str text = STR_INIT_MAX(2 * HOST_FILE_MAX);
		r = add_resolv_conf(&text, c, err);
		give(resolv_conf, &text);
	}
	return r;
}
