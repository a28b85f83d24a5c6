/* Volumes that are file systems of their own: driver_opts with a type, a device and mount options,
 * as `mount -t TYPE -o O DEVICE` takes them. Mounted on the volume's directory while containers
 * that use it run. */
#include "volume/volume.h"

#include "base/fs.h"

#include <errno.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const struct {
	const char *word;
	unsigned long set, clear;
} words[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "noatime", MS_NOATIME, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "relatime", MS_RELATIME, 0 },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "defaults", 0, 0 },
};

bool volume_is_mount(const struct volume *v)
{
	const char *type = json_str(v->options, "type", "");
	return *type && !str_eq(type, "none") && !str_eq(type, "bind");
}

static bool take_word(const char *word, unsigned long *flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!str_eq(word, words[i].word))
			continue;
		*flags = (*flags & ~words[i].clear) | words[i].set;
		return true;
	}
	return false;
}

/* The kernel's nfs wants an address where people write a name. */
static int resolve(const struct volume *v, const char *host, struct str *data, struct err *err)
{
	struct addrinfo *found = NULL;
	char text[NI_MAXHOST];
	int r = getaddrinfo(host, NULL, NULL, &found);
	if (r == 0)
		r = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0,
				NI_NUMERICHOST);
	if (found)
		freeaddrinfo(found);
	if (r != 0)
		return err_new(err, ERR_NETWORK, EHOSTUNREACH,
			       "volume '%s': driver_opts.o: addr '%s': %s", v->name, host,
			       gai_strerror(r));
	str_addf(data, "%saddr=%s", data->len ? "," : "", text);
	return 0;
}

static int read_options(const struct volume *v, unsigned long *flags, struct str *data,
			struct err *err)
{
	cleanup_strv struct strv list = strv_split(json_str(v->options, "o", ""), ',');
	for (size_t i = 0; i < list.n; i++) {
		const char *host = str_after(list.v[i], "addr=");
		if (!list.v[i][0] || take_word(list.v[i], flags))
			continue;
		if (!host)
			str_addf(data, "%s%s", data->len ? "," : "", list.v[i]);
		else if (resolve(v, host, data, err) < 0)
			return -err->no;
	}
	return 0;
}

static bool is_mounted(const char *path)
{
	struct statx st;
	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int volume_mount(const struct volume *v, struct err *err)
{
	const char *type = json_str(v->options, "type", "");
	const char *device = json_str(v->options, "device", "");
	cleanup_str struct str data = STR_INIT;
	unsigned long flags = 0;
	if (!volume_is_mount(v) || is_mounted(v->path))
		return 0;
	int r = read_options(v, &flags, &data, err);
	if (r < 0)
		return r;
	if (mount(*device ? device : type, v->path, type, flags, str_text(&data)) == 0)
		return 0;
	if (errno == ENODEV)
		return err_unsupported(err,
				       "volume '%s': this kernel has no file system '%s' (is its "
				       "module there?)",
				       v->name, type);
	return err_sys(err, errno, "volume '%s': mount %s '%s' with '%s'", v->name, type, device,
		       json_str(v->options, "o", ""));
}

int volume_unmount(const struct volume *v, struct err *err)
{
	if (!volume_is_mount(v) || !is_mounted(v->path))
		return 0;
	if (umount2(v->path, UMOUNT_NOFOLLOW) < 0)
		return err_sys(err, errno, "volume '%s': unmount", v->name);
	return 0;
}
