/* The record of a network: network.json, and comparing it with a wish.
 *
 * Beside the kernel's own state, in the run directory, lies a copy of each record: it lives as long
 * as the bridge and is what a damaged record is made anew from. After the next boot nothing of the
 * network is left but the record and the leases; a damaged one is then as good as none. */
#include "net/network.h"

#include "base/fs.h"
#include "base/parse.h"
#include "net/subnet.h"

#include <errno.h>
#include <fcntl.h>

enum { RECORD_MAX = 1 << 20 };

static const char opt_mtu[] = "com.docker.network.driver.mtu";
static const char opt_icc[] = "com.docker.network.bridge.enable_icc";
static const char opt_masquerade[] = "com.docker.network.bridge.enable_ip_masquerade";

void net_config_init(struct net_config *config)
{
	*config = (struct net_config){ .ipv4 = true };
}

void net_config_done(struct net_config *c)
{
	free(c->name);
	free(c->project);
	free(c->key);
	free(c->driver);
	vec_each(p, &c->pools) {
		free(p->subnet);
		free(p->gateway);
		free(p->ip_range);
		strv_done(&p->reserved);
	}
	vec_done(&c->pools);
	json_decref(c->labels);
	json_decref(c->options);
	*c = (struct net_config){ 0 };
}

void net_network_done(struct net_network *n)
{
	net_config_done(&n->config);
	free(n->subnet4);
	free(n->gateway4);
	free(n->subnet6);
	free(n->gateway6);
	*n = (struct net_network){ 0 };
}

void network__cached_free(void *data)
{
	struct network *n = data;
	if (!n)
		return;
	net_network_done(&n->record);
	lease__pools_done(&n->pools);
	free(n);
}

/* --- JSON --- */

static json_t *pools_json(const struct net_config *c)
{
	json_t *list = json_array();
	vec_each(p, &c->pools) {
		json_t *o = json_object();
		json_put_str(o, "subnet", p->subnet);
		json_put_str(o, "gateway", p->gateway);
		json_put_str(o, "ip_range", p->ip_range);
		if (p->reserved.n)
			json_put(o, "reserved", json_from_strv(&p->reserved));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *network_json(const struct net_network *n)
{
	const struct net_config *c = &n->config;
	json_t *o = json_object();
	json_put_str(o, "name", c->name);
	json_put_str(o, "id", n->id);
	json_put_str(o, "project", c->project);
	json_put_str(o, "key", c->key);
	json_put_str(o, "driver", c->driver);
	json_put(o, "internal", json_boolean(c->internal));
	json_put(o, "ipv4", json_boolean(c->ipv4));
	json_put(o, "ipv6", json_boolean(c->ipv6));
	json_put(o, "attachable", json_boolean(c->attachable));
	json_put(o, "pools", pools_json(c));
	json_put(o, "labels", json_incref(c->labels));
	json_put(o, "options", json_incref(c->options));
	json_put_str(o, "bridge", n->bridge);
	json_put_str(o, "subnet4", n->subnet4);
	json_put_str(o, "gateway4", n->gateway4);
	json_put_str(o, "subnet6", n->subnet6);
	json_put_str(o, "gateway6", n->gateway6);
	json_put(o, "mtu", json_integer(n->mtu));
	json_put(o, "created", json_integer(n->created));
	return o;
}

static json_t *object_of(const json_t *o, const char *key)
{
	json_t *value = json_object_get(o, key);
	return json_is_object(value) ? json_incref(value) : NULL;
}

static void network_from_json(const json_t *o, struct net_network *n)
{
	struct net_config *c = &n->config;
	c->name = xstrdup(json_str(o, "name", ""));
	c->project = xstrdup(json_str(o, "project", NULL));
	c->key = xstrdup(json_str(o, "key", NULL));
	c->driver = xstrdup(json_str(o, "driver", NULL));
	c->internal = json_flag(o, "internal", false);
	c->ipv4 = json_flag(o, "ipv4", true);
	c->ipv6 = json_flag(o, "ipv6", false);
	c->attachable = json_flag(o, "attachable", false);
	c->labels = object_of(o, "labels");
	c->options = object_of(o, "options");
	size_t i;
	json_t *pool;
	json_array_foreach(json_object_get(o, "pools"), i, pool) {
		struct net_pool *p = vec_add(&c->pools);
		p->subnet = xstrdup(json_str(pool, "subnet", NULL));
		p->gateway = xstrdup(json_str(pool, "gateway", NULL));
		p->ip_range = xstrdup(json_str(pool, "ip_range", NULL));
		json_strv(pool, "reserved", &p->reserved);
	}
	snprintf(n->id, sizeof(n->id), "%s", json_str(o, "id", ""));
	snprintf(n->bridge, sizeof(n->bridge), "%s", json_str(o, "bridge", ""));
	n->subnet4 = xstrdup(json_str(o, "subnet4", NULL));
	n->gateway4 = xstrdup(json_str(o, "gateway4", NULL));
	n->subnet6 = xstrdup(json_str(o, "subnet6", NULL));
	n->gateway6 = xstrdup(json_str(o, "gateway6", NULL));
	n->mtu = (unsigned)json_int(o, "mtu", 0);
	n->created = json_int(o, "created", 0);
}

/* --- the parsed form --- */

static bool option_flag(const json_t *options, const char *key, bool fallback)
{
	const json_t *value = json_object_get(options, key);
	if (json_is_boolean(value))
		return json_is_true(value);
	bool flag = fallback;
	if (json_is_string(value))
		(void)parse_bool(json_string_value(value), &flag); /* checked when it was made */
	return flag;
}

unsigned network__option_mtu(const json_t *options)
{
	const json_t *value = json_object_get(options, opt_mtu);
	int mtu = 0;
	if (json_is_integer(value))
		mtu = (int)json_integer_value(value);
	else if (json_is_string(value))
		(void)parse_int(json_string_value(value), 0, 65535, &mtu);
	return mtu >= 68 && mtu <= 65535 ? (unsigned)mtu : 0;
}

static int parse_side(const char *subnet, const char *gateway, struct lease_pool *pool)
{
	if (!subnet)
		return 0;
	if (subnet__parse(subnet, &pool->subnet) < 0)
		return -EINVAL;
	return gateway ? address__parse(gateway, &pool->gateway) : 0;
}

int network__parse(struct network *n, struct err *err)
{
	const struct net_network *r = &n->record;
	if (parse_side(r->subnet4, r->gateway4, &n->pools.v4) < 0 ||
	    parse_side(r->subnet6, r->gateway6, &n->pools.v6) < 0 || !r->bridge[0])
		return err_input(err, "the record of network '%s' is damaged", r->config.name);
	vec_each(p, &r->config.pools) {
		struct subnet range;
		struct address a;
		if (p->ip_range && subnet__parse(p->ip_range, &range) == 0) {
			struct lease_pool *pool =
				range.family == AF_INET ? &n->pools.v4 : &n->pools.v6;
			pool->range = range;
		}
		for (size_t i = 0; i < p->reserved.n; i++) {
			if (address__parse(p->reserved.v[i], &a) < 0)
				continue;
			struct lease_pool *pool = a.family == AF_INET ? &n->pools.v4 : &n->pools.v6;
			vec_push(&pool->reserved, a);
		}
	}
	n->icc = option_flag(r->config.options, opt_icc, true);
	n->masked = !r->config.internal && option_flag(r->config.options, opt_masquerade, true);
	return 0;
}

/* --- files --- */

int network__dir(struct net *net, const char *name, struct err *err)
{
	if (!net__name_ok(name))
		return err_input(err, "'%s' is not a network name: letters, digits, '_', '.', '-'",
				 name);
	int fd = fs_open(net->root, name, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd == -ENOENT) {
		err_done(err);
		return err_not_found(err, "network '%s' not found", name);
	}
	return fd;
}

static const char copies[] = "networks"; /* in STAVE_RUN */

static char *copy_path(const char *name)
{
	return xasprintf("%s/%s", copies, name);
}

static int save_copy(struct net *net, const struct net_network *n, const json_t *o, struct err *err)
{
	cleanup_free char *path = copy_path(n->config.name);
	int r = fs_mkdirs(net->run, copies, 0755, err);
	return r < 0 ? r : json_write(net->run, path, o, 0644, 0, err);
}

int network__copy(struct net *net, const struct net_network *n, struct err *err)
{
	cleanup_free char *path = copy_path(n->config.name);
	if (fs_exists(net->run, path))
		return 0;
	cleanup_json json_t *o = network_json(n);
	return save_copy(net, n, o, err);
}

void network__forget(struct net *net, const char *name)
{
	cleanup_free char *path = copy_path(name);
	(void)unlinkat(net->run, path, 0); /* often there is none */
	network__cached_free(map_take(&net->networks, name));
}

int network__save(struct net *net, const struct net_network *n, struct err *err)
{
	cleanup_free char *leases = xasprintf("%s/leases", n->config.name);
	cleanup_free char *addresses = xasprintf("%s/addresses", n->config.name);
	cleanup_free char *path = xasprintf("%s/network.json", n->config.name);
	int r = fs_mkdirs(net->root, leases, 0755, err);
	if (r == 0)
		r = fs_mkdirs(net->root, addresses, 0755, err);
	if (r < 0)
		return r;
	cleanup_json json_t *o = network_json(n);
	r = json_write(net->root, path, o, 0644, FS_SYNC, err);
	return r < 0 ? r : save_copy(net, n, o, err);
}

/* ERR_INPUT, and nothing else, says that what is there is no record. */
static int read_whole(int dir, const char *path, const char *name, json_t **ret_json,
		      struct net_network *ret, struct err *err)
{
	cleanup_json json_t *o = NULL;
	cleanup_network struct net_network n = { 0 };
	int r = json_read(dir, path, RECORD_MAX, &o, err);
	if (r < 0)
		return r;
	network_from_json(o, &n);
	if (!str_eq(n.config.name, name) || strlen(n.id) != sizeof(n.id) - 1 || !n.bridge[0])
		return err_input(err, "%s: not a whole record", path);
	*ret = n;
	n = (struct net_network){ 0 };
	*ret_json = ptr_take(o);
	return 0;
}

static int read_record(struct net *net, const char *name, struct net_network *ret, struct err *err)
{
	if (!net__name_ok(name))
		return err_not_found(err, "network '%s' not found", name);
	cleanup_free char *path = xasprintf("%s/network.json", name), *copy = copy_path(name);
	cleanup_json json_t *o = NULL;
	cleanup_err struct err none = ERR_INIT;
	int r = read_whole(net->root, path, name, &o, ret, err);
	if (r == -ENOENT) {
		err_done(err);
		return err_not_found(err, "network '%s' not found", name);
	}
	if (r == 0 || err->kind != ERR_INPUT)
		return r;
	err_done(err);
	bool copied = read_whole(net->run, copy, name, &o, ret, &none) == 0;
	if (!copied && r == -ENODATA) /* a power cut while it was made */
		return err_not_found(err, "network '%s' not found", name);
	if (!copied)
		return err_input(err, "%s/%s: not a whole record", net->root_path, path);
	if (json_write(net->root, path, o, 0644, FS_SYNC, &none) == 0)
		strv_addf(&net->mended, "%s/%s: not a whole record; written anew from its copy",
			  net->root_path, path);
	return 0;
}

bool network__recorded(struct net *net, const char *name)
{
	cleanup_free char *path = xasprintf("%s/network.json", name), *copy = copy_path(name);
	struct stat st;
	return net__name_ok(name) && fstatat(net->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_size > 0 || fs_exists(net->run, copy));
}

int network__get(struct net *net, const char *name, const struct network **ret, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/network.json", name);
	struct network *known = map_get(&net->networks, name);
	struct stat st;
	bool there = fstatat(net->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (known && there && st.st_ino == known->inode &&
	    st.st_mtim.tv_sec == known->modified.tv_sec &&
	    st.st_mtim.tv_nsec == known->modified.tv_nsec) {
		*ret = known;
		return 0;
	}
	network__cached_free(map_take(&net->networks, name));
	struct network *n = new0(struct network);
	int r = read_record(net, name, &n->record, err);
	if (r == 0)
		r = network__parse(n, err);
	if (r < 0) {
		network__cached_free(n);
		return r;
	}
	if (there) {
		n->inode = st.st_ino;
		n->modified = st.st_mtim;
	}
	map_set(&net->networks, name, n);
	*ret = n;
	return 0;
}

int net_network_load(struct net *net, const char *name, struct net_network *ret, struct err *err)
{
	cleanup_network struct net_network n = { 0 };
	int r = read_record(net, name, &n, err);
	if (r == 0) {
		*ret = n;
		n = (struct net_network){ 0 };
	}
	return r;
}

int net_network_list(struct net *net, struct strv *ret_names, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(net->root, ".", &names, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		if (network__recorded(net, names.v[i]))
			strv_add(ret_names, names.v[i]);
	}
	return 0;
}

/* --- comparing --- */

static bool texts_differ(const char *what, const char *has, const char *wants, char **ret_why)
{
	if (str_eq(has, wants))
		return false;
	*ret_why = xasprintf("%s is '%s', not '%s'", what, has ? has : "unset",
			     wants ? wants : "unset");
	return true;
}

static bool flags_differ(const char *what, bool has, bool wants, char **ret_why)
{
	return has != wants &&
	       texts_differ(what, has ? "true" : "false", wants ? "true" : "false", ret_why);
}

static const char *driver_of(const struct net_config *c)
{
	return str_empty(c->driver) ? "bridge" : c->driver;
}

/* Options that change what the network does; "false" and absent differ only where the default is
 * true, so effects are compared, not texts. */
static bool options_differ(const struct net_config *has, const struct net_config *wants,
			   char **ret_why)
{
	static const char opt_bridge[] = "com.docker.network.bridge.name";
	unsigned a = network__option_mtu(has->options), b = network__option_mtu(wants->options);
	if (a != b) {
		*ret_why = xasprintf("its MTU is %u, not %u (0: the default)", a, b);
		return true;
	}
	return flags_differ(opt_icc, option_flag(has->options, opt_icc, true),
			    option_flag(wants->options, opt_icc, true), ret_why) ||
	       flags_differ(opt_masquerade, option_flag(has->options, opt_masquerade, true),
			    option_flag(wants->options, opt_masquerade, true), ret_why) ||
	       texts_differ(opt_bridge, json_str(has->options, opt_bridge, NULL),
			    json_str(wants->options, opt_bridge, NULL), ret_why);
}

static bool pools_differ(const struct net_config *has, const struct net_config *wants,
			 char **ret_why)
{
	cleanup_json json_t *a = pools_json(has);
	cleanup_json json_t *b = pools_json(wants);
	if (json_equal(a, b))
		return false;
	cleanup_free char *have = json_text(a);
	cleanup_free char *want = json_text(b);
	return texts_differ("its address configuration", have, want, ret_why);
}

bool net_network_matches(const struct net_network *network, const struct net_config *wants,
			 char **ret_why)
{
	const struct net_config *has = &network->config;
	return !(texts_differ("its driver", driver_of(has), driver_of(wants), ret_why) ||
		 flags_differ("internal", has->internal, wants->internal, ret_why) ||
		 flags_differ("enable_ipv4", has->ipv4, wants->ipv4, ret_why) ||
		 flags_differ("enable_ipv6", has->ipv6, wants->ipv6, ret_why) ||
		 pools_differ(has, wants, ret_why) || options_differ(has, wants, ret_why));
}
