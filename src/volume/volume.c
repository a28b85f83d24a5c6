/* Volumes as directories. A volume is made whole under a temporary name and renamed, so that one
 * with a name always has its record; two processes that create the same one agree on the first. */
#include "volume/volume.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/parse.h"
#include "base/usage.h"
#include "volume/quota.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VOLUME_NAME_MAX = 255,
	VOLUME_RECORD_MAX = 1 << 20,
	MOUNTS_MAX = 64 << 20,
	UNFINISHED_AGE = 600, /* seconds: a volume is made in less than one */
	/* For nobody but us: a set-user-ID program that a container's root leaves in a volume is
	 * the host's root's on disk, and no user of the host is to reach it. Containers have their
	 * volumes mounted from descriptors. */
	VOLUMES_MODE = 0700,
	VOLUME_DATA_MODE = 0755,
};

/* Before its record is whole, and after it has lost its name. */
#define UNFINISHED ".new-"
#define BURIED	   ".gone-"

void volume_done(struct volume *v)
{
	free(v->name);
	free(v->project);
	free(v->key);
	free(v->driver);
	free(v->path);
	json_decref(v->options);
	json_decref(v->labels);
	*v = (struct volume){ 0 };
}

int volume_name_check(const char *name, struct err *err)
{
	size_t len = strlen(name);
	bool ok = len > 0 && len <= VOLUME_NAME_MAX && isalnum((unsigned char)*name);

	for (const char *c = name; ok && *c; c++)
		ok = isalnum((unsigned char)*c) || strchr("_.-", *c);
	if (!ok)
		return err_input(
			err,
			"volume name '%.64s': letters, digits, '_', '.' and '-' are allowed, "
			"the first a letter or a digit, at most %d",
			name, VOLUME_NAME_MAX);
	return 0;
}

static int open_volumes(const char *root, bool create, struct err *err)
{
	cleanup_free char *path = path_join(root, "volumes");
	int r;

	if (create) {
		r = fs_mkdirs(AT_FDCWD, root, 0711, err);
		if (r < 0)
			return r;
		r = fs_mkdirs(AT_FDCWD, path, VOLUMES_MODE, err);
		if (r < 0)
			return r;
	}
	int fd = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, err);
	struct stat st;
	/* As earlier builds made it. */
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) && fchmod(fd, VOLUMES_MODE) < 0) {
		r = err_sys(err, errno, "close '%s' to other users", path);
		fd_close(fd);
		return r;
	}
	return fd;
}

static const char *option(const json_t *options, const char *key)
{
	return json_str(options, key, "");
}

/* True when the comma-separated list has the word. */
static bool list_has(const char *list, const char *word)
{
	cleanup_strv struct strv words = strv_split(list, ',');

	return strv_has(&words, word);
}

static bool is_bind(const json_t *options)
{
	const char *type = option(options, "type"), *o = option(options, "o");

	return (!*type || str_eq(type, "none") || str_eq(type, "bind")) &&
	       (list_has(o, "bind") || list_has(o, "rbind"));
}

static int check_size(const struct volume *want, struct err *err)
{
	const char *size = option(want->options, "size");
	uint64_t bytes;

	if (!*size)
		return 0;
	if (is_bind(want->options) || volume_is_mount(want))
		return err_unsupported(err, "volume '%s': driver_opts.size: %s", want->name,
				       is_bind(want->options)
					       ? "a directory of the host's has no limit of its own"
					       : "a file system's own options stand in 'o', as "
						 "'o: size=100m'");
	if (parse_size(size, &bytes) < 0 || bytes == 0)
		return err_input(err,
				 "volume '%s': driver_opts.size '%s' is not a size, as '512m' or "
				 "'10g'",
				 want->name, size);
	return 0;
}

/* What the driver options ask for: our own directory, or a directory of the host. */
static int check_options(const struct volume *want, struct err *err)
{
	const char *type = option(want->options, "type"), *device = option(want->options, "device");
	struct stat st;

	if (!str_empty(want->driver) && !str_eq(want->driver, "local"))
		return err_unsupported(err,
				       "volume '%s': driver '%s' is not available, there is only "
				       "'local'",
				       want->name, want->driver);
	if (!json_object_size(want->options))
		return 0;
	if (check_size(want, err) < 0)
		return -err->no;
	if (is_bind(want->options)) {
		if (*device != '/')
			return err_input(err,
					 "volume '%s': driver_opts.device '%s' is not an absolute "
					 "path",
					 want->name, device);
		if (stat(device, &st) < 0)
			return err_sys(err, errno, "volume '%s': device '%s'", want->name, device);
		if (!S_ISDIR(st.st_mode))
			return err_input(err, "volume '%s': device '%s' is not a directory",
					 want->name, device);
		return 0;
	}
	if (!*type && !*device)
		return 0; /* uid and the like need a mount of their own; Docker ignores them here
			     too */
	if (!volume_is_mount(want) || (!*device && !str_eq(type, "tmpfs")))
		return err_input(err, "volume '%s': driver_opts: a %s is missing", want->name,
				 *device ? "type" : "device");
	return 0;
}

static char *data_path(const char *root, const char *name, const json_t *options)
{
	if (is_bind(options))
		return path_clean(option(options, "device"));
	return xasprintf("%s/volumes/%s/_data", root, name);
}

static void from_json(const char *root, const char *name, json_t *j, struct volume *ret)
{
	struct volume v = { .name = xstrdup(name) };

	v.project = xstrdup(json_str(j, "project", NULL));
	v.key = xstrdup(json_str(j, "key", NULL));
	v.driver = xstrdup(json_str(j, "driver", "local"));
	v.options = json_incref(json_object_get(j, "options"));
	v.labels = json_incref(json_object_get(j, "labels"));
	v.anonymous = json_flag(j, "anonymous", false);
	if (parse_rfc3339(json_str(j, "created", ""), &v.created) < 0)
		v.created = 0;
	v.path = data_path(root, name, v.options);
	*ret = v;
}

static json_t *to_json(const struct volume *v)
{
	json_t *j = json_object();
	char buf[RFC3339_TEXT];

	json_put_str(j, "name", v->name);
	json_put_str(j, "project", v->project);
	json_put_str(j, "key", v->key);
	json_put_str(j, "driver", str_empty(v->driver) ? "local" : v->driver);
	if (v->options)
		json_put(j, "options", json_incref(v->options));
	if (v->labels)
		json_put(j, "labels", json_incref(v->labels));
	if (v->anonymous)
		json_put(j, "anonymous", json_true());
	json_put_str(j, "created", format_rfc3339(v->created ? v->created : now_wall(), buf));
	return j;
}

int volume_load(const char *root, const char *name, struct volume *ret, struct err *err)
{
	cleanup_json json_t *j = NULL;
	cleanup_free char *path = NULL;
	int r;

	r = volume_name_check(name, err);
	if (r < 0)
		return r;
	path = xasprintf("%s/volumes/%s/volume.json", root, name);
	r = json_read(AT_FDCWD, path, VOLUME_RECORD_MAX, &j, err);
	if (r == -ENOENT) {
		err_done(err);
		return err_not_found(err, "volume '%s' does not exist", name);
	}
	if (r == 0 && !json_str(j, "name", NULL))
		r = err_input(err, "%s: not a whole record", path);
	if (r == 0)
		from_json(root, name, j, ret);
	return r;
}

static bool same_options(const json_t *a, const json_t *b)
{
	if (!json_object_size(a) && !json_object_size(b))
		return true;
	return a && b && json_equal(a, b);
}

/* An existing volume may be used as `want` only when it is the same thing underneath. */
static int check_same(const struct volume *have, const struct volume *want, struct err *err)
{
	const char *driver = str_empty(want->driver) ? "local" : want->driver;

	if (!str_eq(have->driver, driver))
		return err_conflict(err, "volume '%s' exists with driver '%s', not '%s'",
				    have->name, have->driver, driver);
	if (!same_options(have->options, want->options)) {
		cleanup_free char *is = have->options ? json_text(have->options) : xstrdup("{}");
		cleanup_free char *asked = want->options ? json_text(want->options) : xstrdup("{}");

		return err_conflict(err,
				    "volume '%s' exists with driver_opts %s, not %s; remove it or "
				    "use another name",
				    have->name, is, asked);
	}
	return 0;
}

/* Fills a new directory `dir` with record and data. */
static int fill(int dir, const struct volume *want, struct err *err)
{
	cleanup_json json_t *j = to_json(want);
	cleanup_fd int data = FD_NONE;
	int r;

	r = json_write(dir, "volume.json", j, 0600, 0, err);
	if (r < 0 || is_bind(want->options))
		return r;
	if (mkdirat(dir, "_data", 0700) < 0 || fchmodat(dir, "_data", VOLUME_DATA_MODE, 0) < 0)
		return err_sys(err, errno, "make the directory of volume '%s'", want->name);
	if (!volume_limit(want))
		return 0;
	data = fs_open(dir, "_data", O_RDONLY | O_DIRECTORY, 0, err);
	r = data < 0 ? data : quota_limit(data, volume_limit(want), err);
	return r < 0 ? err_wrap(err, "volume '%s': driver_opts.size '%s'", want->name,
				option(want->options, "size"))
		     : 0;
}

/* A record that cannot be read is made anew; the data is what it was. */
static int write_anew(int volumes, const struct volume *want, struct err *err)
{
	cleanup_json json_t *j = to_json(want);
	cleanup_free char *path = xasprintf("%s/volume.json", want->name);
	cleanup_free char *data = xasprintf("%s/_data", want->name);
	int r = json_write(volumes, path, j, 0600, 0, err);
	if (r == 0 && !is_bind(want->options) && mkdirat(volumes, data, VOLUME_DATA_MODE) < 0 &&
	    errno != EEXIST)
		r = err_sys(err, errno, "make the directory of volume '%s'", want->name);
	return r;
}

static int make(int volumes, const struct volume *want, bool *ret_created, struct err *err)
{
	char temp[32] = UNFINISHED;
	cleanup_fd int dir = FD_NONE;
	int r;

	hex_random(temp + strlen(temp), 16);
	if (mkdirat(volumes, temp, 0700) < 0 || fchmodat(volumes, temp, VOLUMES_MODE, 0) < 0)
		return err_sys(err, errno, "make volume '%s'", want->name);
	dir = fs_open(volumes, temp, O_RDONLY | O_DIRECTORY, 0, err);
	r = dir < 0 ? dir : fill(dir, want, err);
	if (r == 0) {
		*ret_created = true;
		if (renameat(volumes, temp, volumes, want->name) == 0)
			return 0;
		*ret_created = false;
		/* Somebody else was first: theirs is the volume. */
		if (errno != ENOTEMPTY && errno != EEXIST)
			r = err_sys(err, errno, "make volume '%s'", want->name);
	}
	struct err ignored = ERR_INIT;
	(void)fs_remove_tree(volumes, temp, &ignored); /* a leftover is only a name with a dot */
	err_done(&ignored);
	return r;
}

int volume_create(const char *root, const struct volume *want, struct volume *ret,
		  bool *ret_created, struct err *err)
{
	cleanup_volume struct volume have = { 0 };
	cleanup_fd int volumes = FD_NONE;
	bool created = false;
	int r;

	r = volume_name_check(want->name, err);
	if (r < 0)
		return r;
	r = check_options(want, err);
	if (r < 0)
		return r;
	r = volume_load(root, want->name, &have, err);
	if (r < 0 && (err->kind == ERR_NOT_FOUND || err->kind == ERR_INPUT)) {
		err_done(err);
		volumes = open_volumes(root, true, err);
		if (volumes < 0)
			return volumes;
		r = fs_exists(volumes, want->name) ? write_anew(volumes, want, err)
						   : make(volumes, want, &created, err);
		if (r < 0)
			return r;
		r = volume_load(root, want->name, &have, err);
	}
	if (r < 0)
		return r;
	r = created ? 0 : check_same(&have, want, err);
	if (r < 0)
		return r;
	if (ret_created)
		*ret_created = created;
	if (ret) {
		*ret = have;
		have = (struct volume){ 0 };
	}
	return 0;
}

int volume_list(const char *root, struct strv *ret_names, struct err *err)
{
	cleanup_free char *path = path_join(root, "volumes");
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(AT_FDCWD, path, &names, err);

	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++)
		if (names.v[i][0] != '.')
			strv_add(ret_names, names.v[i]);
	return 0;
}

/* Renaming takes what is mounted below along, and nothing would be removed afterwards. */
static int check_no_mount(int volumes, const char *name, struct err *err)
{
	cleanup_free char *link = xasprintf("/proc/self/fd/%d", volumes);
	cleanup_str struct str mounts = STR_INIT;
	char real[PATH_MAX];
	ssize_t n = readlink(link, real, sizeof(real) - 1);

	if (n < 0)
		return err_sys(err, errno, "look for mounts in volume '%s'", name);
	real[n] = 0;
	cleanup_fd int fd = fs_open(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY, 0, err);
	int r = fd < 0 ? fd : fs_read_fd(fd, "/proc/self/mountinfo", MOUNTS_MAX, &mounts, err);
	if (r < 0)
		return r;
	cleanup_free char *below = xasprintf(" %s/%s/", real, name);
	const char *at = strstr(str_text(&mounts), below);
	if (!at)
		return 0;
	at += 1;
	return err_new(err, ERR_CONFLICT, EXDEV,
		       "remove volume '%s': something is mounted on '%.*s'; unmount it first", name,
		       (int)strcspn(at, " "), at);
}

int volume_bury(const char *root, const char *name, char **ret_path, struct err *err)
{
	cleanup_fd int volumes = FD_NONE, data = FD_NONE;
	cleanup_free char *data_name = NULL;
	char buried[32] = BURIED;
	int r = volume_name_check(name, err);

	if (r < 0)
		return r;
	volumes = open_volumes(root, false, err);
	if (volumes == -ENOENT) {
		err_done(err);
		return 0;
	}
	if (volumes < 0)
		return volumes;
	struct volume v = { 0 };
	struct err none = ERR_INIT;
	if (volume_load(root, name, &v, &none) == 0)
		r = volume_unmount(&v, err);
	err_done(&none);
	volume_done(&v);
	if (r == 0)
		r = check_no_mount(volumes, name, err);
	if (r < 0)
		return r;
	data_name = xasprintf("%s/_data", name);
	data = openat(volumes, data_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	hex_random(buried + strlen(buried), 16);
	if (renameat(volumes, name, volumes, buried) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "remove volume '%s'", name);
	if (data >= 0)
		quota_release(data);
	*ret_path = xasprintf("%s/volumes/%s", root, buried);
	return 0;
}

int volume_remove(const char *root, const char *name, struct err *err)
{
	cleanup_free char *path = NULL;
	int r = volume_bury(root, name, &path, err);

	if (r == 0 && path)
		r = fs_remove_tree(AT_FDCWD, path, err);
	return r;
}

int volume_unnamed(const char *root, struct strv *ret_paths, struct err *err)
{
	cleanup_free char *dir = path_join(root, "volumes");
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(AT_FDCWD, dir, &names, err);

	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, names.v[i]);
		struct stat st;
		bool unfinished = str_starts(names.v[i], UNFINISHED) && lstat(path, &st) == 0 &&
				  now_wall() / NSEC_PER_SEC - st.st_mtim.tv_sec > UNFINISHED_AGE;
		if (unfinished || str_starts(names.v[i], BURIED))
			strv_add(ret_paths, path);
	}
	return r;
}

uint64_t volume_limit(const struct volume *v)
{
	uint64_t bytes = 0;

	return parse_size(option(v->options, "size"), &bytes) == 0 ? bytes : 0;
}

bool volume_is_bind(const struct volume *v)
{
	return is_bind(v->options);
}

int volume_usage(const struct volume *v, uint64_t *ret_bytes, uint64_t *ret_inodes, struct err *err)
{
	cleanup_usage struct usage *u = usage_new();
	cleanup_fd int fd = fs_open(AT_FDCWD, v->path, O_PATH | O_DIRECTORY, 0, err);
	uint64_t bytes = 0;
	int r = fd < 0 ? fd : usage_add(u, fd, ".", &bytes, err);

	if (r < 0)
		return err_wrap(err, "volume '%s'", v->name);
	*ret_bytes = bytes;
	*ret_inodes = usage_files(u);
	return 0;
}
