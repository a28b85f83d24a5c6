/* Who holds a port: another owner of ours, or a process of the host. */
#include "net/port.h"

#include "base/fs.h"
#include "base/parse.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { TABLE_MAX = 64 << 20, COMM_MAX = 64, INODES_MAX = 64 };

bool port__recorded(struct net *net, const struct net_port *port, const char *self, char **ret_who)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_strv struct strv owners = { 0 };
	bool found = false;
	(void)port__owners(net, &owners, &ignored); /* no records: nobody */
	for (size_t i = 0; i < owners.n && !found; i++) {
		cleanup_err struct err gone = ERR_INIT;
		struct net_ports ports = { 0 };
		if (str_eq(owners.v[i], self) ||
		    net_ports_load(net, owners.v[i], &ports, &gone) < 0)
			continue;
		vec_each(p, &ports.ports)
			found = found || port__overlaps(p, port);
		net_ports_done(&ports);
		if (found) {
			const char *service = strchr(owners.v[i], '/');
			*ret_who =
				xasprintf("service '%s' of project '%.*s'",
					  service ? service + 1 : owners.v[i],
					  service ? (int)(service - owners.v[i]) : 0, owners.v[i]);
		}
	}
	return found;
}

/* --- processes --- */

struct inodes {
	uint64_t v[INODES_MAX];
	size_t n;
};

/* Lines as "  0: 00000000:1538 00000000:0000 0A 00000000:... uid timeout inode"; the port is
 * hexadecimal, 0A is a listening socket, and datagram sockets count in any state. */
static void scan_line(const char *line, uint16_t port, bool tcp, struct inodes *ret)
{
	unsigned local = 0, state = 0;
	unsigned long long inode = 0;
	if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %llu",
		   &local, &state, &inode) != 3)
		return;
	if (local == port && (!tcp || state == 0x0a) && inode && ret->n < INODES_MAX)
		ret->v[ret->n++] = inode;
}

static void scan_table(const char *path, uint16_t port, bool tcp, struct inodes *ret)
{
	cleanup_file FILE *f = fopen(path, "re");
	char line[512];
	while (f && fgets(line, sizeof(line), f))
		scan_line(line, port, tcp, ret);
}

static bool holds(int proc, const char *pid, const struct inodes *inodes)
{
	cleanup_free char *path = xasprintf("%s/fd", pid);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		char target[64];
		unsigned long long inode = 0;
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%llu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < inodes->n; i++)
			if (inodes->v[i] == inode)
				return true;
	}
	return false;
}

static char *find_process(const struct inodes *inodes)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_dir DIR *proc = opendir("/proc");
	struct dirent *entry;
	while (proc && inodes->n && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !holds(dirfd(proc), entry->d_name, inodes))
			continue;
		cleanup_str struct str comm = STR_INIT;
		cleanup_free char *path = xasprintf("%s/comm", entry->d_name);
		if (fs_read(dirfd(proc), path, COMM_MAX, &comm, &ignored) < 0)
			continue;
		return xasprintf("process '%.*s' (pid %s)", (int)strcspn(str_text(&comm), "\n"),
				 str_text(&comm), entry->d_name);
	}
	return NULL;
}

char *port__holder(struct net *net, const struct net_port *port, const char *self)
{
	char *who = NULL;
	if (port__recorded(net, port, self, &who))
		return who;
	struct inodes inodes = { 0 };
	bool tcp = port->protocol == IPPROTO_TCP;
	scan_table(tcp ? "/proc/net/tcp" : "/proc/net/udp", port->published, tcp, &inodes);
	scan_table(tcp ? "/proc/net/tcp6" : "/proc/net/udp6", port->published, tcp, &inodes);
	who = find_process(&inodes);
	return who ? who : xstrdup("another process");
}

char *net_port_holder(struct net *net, const struct net_port *port)
{
	return port__holder(net, port, NULL);
}
