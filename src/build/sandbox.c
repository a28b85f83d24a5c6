#include "build/sandbox.h"

#include "base/fs.h"
#include "net/resolv.h"

#include <fcntl.h>
#include <sys/file.h>

#define NETWORK "stave_build"
#define PROJECT "build"

/* The ids above those that systemd's table gives to containers: nobody else's. */
#define IDMAP_FIRST ((uint32_t)0x70000000)
enum { IDMAP_COUNT = 0x10000, SANDBOXES_MAX = 1000, NOTE_MAX = 256 };

/* --- the number --- */

/* What the one before left: a container, when it was killed with its build. */
static void clear_note(int fd, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_spec struct spec spec;

	spec_init(&spec);
	if (fs_read_fd(fd, "note", NOTE_MAX, &text, err) == 0 && text.len == SPEC_ID_LEN) {
		memcpy(spec.id, str_text(&text), SPEC_ID_LEN);
		spec.project = xstrdup(PROJECT);
		(void)runtime_cleanup(&spec, err);
	}
	err_done(err); /* gone is gone; what stays is tried again */
}

static int take_number(struct sandbox *s, struct err *err)
{
	cleanup_free char *dir = path_join(s->run, "build");
	int r = fs_mkdirs(AT_FDCWD, dir, 0700, err);

	for (int i = 0; r >= 0 && i < SANDBOXES_MAX; i++) {
		cleanup_free char *path = xasprintf("%s/%d", dir, i);
		cleanup_fd int fd = fs_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600, err);

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		clear_note(fd, err);
		s->number = i;
		s->lock = fd_take(fd);
		return sandbox_note(s, "", err);
	}
	return r < 0 ? r : err_conflict(err, "%d builds run at once", SANDBOXES_MAX);
}

int sandbox_note(struct sandbox *s, const char *id, struct err *err)
{
	if (ftruncate(s->lock, 0) < 0 || pwrite(s->lock, id, strlen(id), 0) < 0)
		return err_sys(err, errno, "write '%s/build/%d'", s->run, s->number);
	return 0;
}

int sandbox_open(const char *root, const char *run, struct loop *loop, struct sandbox *ret,
		 struct err *err)
{
	struct sandbox s = SANDBOX_NONE_INIT;
	int r;

	s.root = xstrdup(root);
	s.run = xstrdup(run);
	s.loop = loop;
	r = take_number(&s, err);
	if (r < 0) {
		sandbox_close(&s);
		return r;
	}
	if (runtime_can_idmap(root))
		s.idmap = (struct spec_idmap){
			IDMAP_FIRST + (uint32_t)s.number * IDMAP_COUNT,
			IDMAP_COUNT,
		};
	*ret = s;
	return 0;
}

/* --- the network --- */

static char *key_of(const struct sandbox *s)
{
	return xasprintf(PROJECT "/run-%d", s->number);
}

static int lock_network(const struct sandbox *s, bool alone, int *ret_fd, struct err *err)
{
	cleanup_free char *path = path_join(s->run, "build/network");
	cleanup_fd int fd = fs_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600, err);

	if (fd < 0)
		return fd;
	while (flock(fd, alone ? LOCK_EX | LOCK_NB : LOCK_SH) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "lock '%s'", path);
	*ret_fd = fd_take(fd);
	return 0;
}

static int attach(struct sandbox *s, int netns, struct err *err)
{
	struct net_config config;
	struct net_network network = { 0 };
	struct net_address address = { 0 };
	cleanup_free char *key = key_of(s);
	struct net_attach a = { .network = NETWORK, .key = key, .default_route = true };
	bool created;
	int r = net_open(s->root, s->run, &s->net, err);

	if (r == 0)
		r = lock_network(s, false, &s->net_lock, err);
	if (r < 0)
		return r;
	net_config_init(&config);
	config.name = xstrdup(NETWORK);
	r = net_network_create(s->net, &config, &network, &created, err);
	if (r == 0)
		r = net_attach(s->net, netns, &a, &address, err);
	if (r == 0) {
		snprintf(s->address, sizeof(s->address), "%s", address.ipv4);
		snprintf(s->gateway, sizeof(s->gateway), "%s",
			 network.gateway4 ? network.gateway4 : "");
	}
	net_network_done(&network);
	net_config_done(&config);
	return r;
}

/* Names are answered from our event loop, as for every container: also where the host's own
 * resolver listens on an address that only the host reaches. */
static int answer_names(struct sandbox *s, int netns, struct err *err)
{
	cleanup_free char *key = key_of(s);
	cleanup_free char *project = xasprintf(PROJECT ".%d", s->number);
	struct dns_client client = { .key = key, .forward = true };
	int r = dns_sockets(netns, &client.udp, &client.tcp, err);

	if (r == 0)
		r = dns_new(s->loop, s->run, project, &s->dns, err);
	return r < 0 ? r : dns_client_add(s->dns, &client, err);
}

int sandbox_namespaces(struct sandbox *s, enum sandbox_network network,
		       struct runtime_namespaces *ret, struct err *err)
{
	struct runtime_namespaces *ns = &s->ns[network];
	struct spec_idmap none = { 0 };
	int r = 0;

	if (!s->made[network]) {
		if (network != SANDBOX_HOST)
			r = runtime_namespaces_new(s->idmap.count ? &s->idmap : &none, true, ns,
						   err);
		s->made[network] = r == 0;
		if (r == 0 && network == SANDBOX_BRIDGE)
			r = attach(s, ns->net, err);
		if (r == 0 && network == SANDBOX_BRIDGE)
			r = answer_names(s, ns->net, err);
	}
	if (r < 0)
		return err_wrap(err, "the network of the build");
	*ret = *ns;
	return 0;
}

int sandbox_resolv(const struct sandbox *s, enum sandbox_network network, struct str *out,
		   struct err *err)
{
	struct strv none = { 0 };
	int r;

	if (network == SANDBOX_HOST) {
		r = fs_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_FILE_MAX, out, err);
		if (r == -ENOENT) {
			err_done(err);
			r = 0;
		}
		return r < 0 ? r : 0;
	}
	if (network == SANDBOX_BRIDGE) {
		cleanup_resolv struct resolv host = { 0 };

		r = resolv_host(&host, err);
		if (r < 0)
			return r;
		resolv_container(&host, &none, &none, out);
	}
	(void)s;
	return 0;
}

/* The last one takes the network along. */
static void leave_network(struct sandbox *s)
{
	cleanup_free char *key = key_of(s);
	cleanup_fd int alone = FD_NONE;
	cleanup_strv struct strv keep = { 0 };
	struct err ignored = ERR_INIT; /* the next build finds what is left, and uses it */

	if (!s->net)
		return;
	if (s->made[SANDBOX_BRIDGE] && net_detach(s->net, NETWORK, key, true, &ignored) < 0)
		err_done(&ignored);
	s->net_lock = fd_close(s->net_lock);
	if (lock_network(s, true, &alone, &ignored) == 0 &&
	    net_sweep(s->net, PROJECT, &keep, NULL, &ignored) == 0)
		(void)net_network_remove(s->net, NETWORK, &ignored);
	err_done(&ignored);
	net_free(s->net);
}

void sandbox_close(struct sandbox *s)
{
	if (s->dns)
		dns_free(s->dns);
	leave_network(s);
	for (size_t i = 0; i < ARRAY_SIZE(s->ns); i++) {
		fd_close(s->ns[i].user);
		fd_close(s->ns[i].net);
	}
	fd_close(s->net_lock);
	fd_close(s->lock);
	free(s->root);
	free(s->run);
	*s = SANDBOX_NONE_INIT;
}
