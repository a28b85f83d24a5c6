#include "engine/cdi.h"

#include "base/fs.h"
#include "base/parse.h"
#include "compose/compose.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/mount.h>

enum {
	FILES_MAX = 200,  /* in a directory */
	EDITS_MAX = 1000, /* variables, nodes or mounts of a device; nvidia's have some fifty */
	NAME_MAX_ = 255,
};

/* One description file that was read. */
struct description {
	char *path;
	json_t *doc;
	int rank;    /* of its directory */
	bool edited; /* what it has for all of its devices is in the spec */
};
struct descriptions {
	VEC(struct description) list;
	struct strv broken; /* files that cannot be read, and why */
};

static void descriptions_done(struct descriptions *d)
{
	vec_each(one, &d->list) {
		free(one->path);
		json_decref(one->doc);
	}
	vec_done(&d->list);
	strv_done(&d->broken);
}

/* --- names --- */

static bool is_word(const char *text, size_t len, const char *more)
{
	if (!len || len > NAME_MAX_ || !isalnum((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(more, text[i]))
			return false;
	return true;
}

bool cdi_is_name(const char *text)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	const char *equals = slash ? strchr(slash, '=') : NULL;
	return equals && is_word(text, (size_t)(slash - text), "_-.") &&
	       is_word(slash + 1, (size_t)(equals - slash - 1), "_-.") &&
	       is_word(equals + 1, strlen(equals + 1), "_-.:");
}

/* --- files --- */

static bool is_version(const char *text)
{
	return str_starts(text, "0.") || str_starts(text, "1.");
}

static void read_file(struct descriptions *d, char *path, int rank)
{
	cleanup_free char *own = path;
	cleanup_err struct err why = ERR_INIT;
	json_t *doc = NULL;
	if (compose_read_yaml(path, &doc, &why) < 0) {
		strv_addf(&d->broken, "%s", why.msg);
		return;
	}
	if (!is_version(json_str(doc, "cdiVersion", "")) || str_empty(json_str(doc, "kind", ""))) {
		strv_addf(&d->broken, "'%s' has no known 'cdiVersion', or no 'kind'", path);
		json_decref(doc);
		return;
	}
	vec_push(&d->list, (struct description){ ptr_take(own), doc, rank, false });
}

static void read_files(struct descriptions *d)
{
	const char *chosen = getenv("STAVE_CDI_DIRS");
	cleanup_strv struct strv dirs =
		strv_split(str_empty(chosen) ? "/etc/cdi:/var/run/cdi" : chosen, ':');
	for (size_t i = 0; i < dirs.n; i++) {
		cleanup_strv struct strv names = { 0 };
		cleanup_err struct err missing = ERR_INIT;
		size_t files = 0;
		if (*dirs.v[i] != '/' || fs_list(AT_FDCWD, dirs.v[i], &names, &missing) < 0)
			continue;
		for (size_t k = 0; k < names.n && files < FILES_MAX; k++) {
			if (!str_ends(names.v[k], ".json") && !str_ends(names.v[k], ".yaml"))
				continue;
			files++;
			read_file(d, path_join(dirs.v[i], names.v[k]), (int)i);
		}
	}
}

/* --- a device --- */

static const json_t *device_of(const struct description *d, const char *kind, size_t kind_len,
			       const char *name)
{
	const json_t *device;
	size_t i;
	const char *own = json_str(d->doc, "kind", "");
	if (strlen(own) != kind_len || strncmp(own, kind, kind_len) != 0)
		return NULL;
	json_array_foreach(json_object_get(d->doc, "devices"), i, device)
		if (str_eq(json_str(device, "name", ""), name))
			return device;
	return NULL;
}

static int find_device(struct descriptions *d, const char *name, struct description **ret_file,
		       const json_t **ret, struct err *err)
{
	const char *equals = strchr(name, '=');
	struct description *best = NULL, *other = NULL;
	const json_t *device = NULL;
	vec_each(one, &d->list) {
		const json_t *found = device_of(one, name, (size_t)(equals - name), equals + 1);
		if (!found || (best && best->rank > one->rank))
			continue;
		other = best && best->rank == one->rank ? best : NULL;
		best = one;
		device = found;
	}
	if (other)
		return err_not_found(err, "CDI device '%s' is in '%s' and in '%s'", name,
				     other->path, best->path);
	if (!best) {
		cleanup_free char *broken = strv_join(&d->broken, "; ");
		return err_not_found(err,
				     "there is no CDI device '%s' in /etc/cdi or /var/run/cdi%s%s",
				     name, d->broken.n ? "; not read: " : "", broken);
	}
	*ret_file = best;
	*ret = device;
	return 0;
}

/* --- edits --- */

struct editing {
	const char *device;
	const struct description *file;
	struct spec *spec;
	struct strv *warnings;
};

static int bad(const struct editing *e, struct err *err, const char *what, const char *text)
{
	return err_input(err, "'%s': CDI device '%s': %s '%.200s'", e->file->path, e->device, what,
			 text ? text : "");
}

static bool is_plain_path(const char *path)
{
	return path && *path == '/' && str_utf8(path, strlen(path), true);
}

static int edit_env(struct editing *e, const json_t *item, struct err *err)
{
	const char *text = json_string_value(item), *equals = text ? strchr(text, '=') : NULL;
	struct strv *env = &e->spec->process.env;
	if (!equals || equals == text)
		return bad(e, err, "is not NAME=VALUE:", text);
	size_t name = (size_t)(equals - text) + 1;
	for (size_t i = env->n; i-- > 0;)
		if (strncmp(env->v[i], text, name) == 0)
			strv_remove(env, i);
	strv_add(env, text);
	return 0;
}

static int edit_node(struct editing *e, const json_t *item, struct err *err)
{
	const char *path = json_str(item, "path", NULL);
	const char *host = json_str(item, "hostPath", path);
	const char *access = json_str(item, "permissions", "rwm");
	if (!is_plain_path(path) || !is_plain_path(host))
		return bad(e, err, "has a device node that is no absolute path:", path);
	if (!*access || strspn(access, "rwm") != strlen(access))
		return bad(e, err, "has a device node with permissions", access);
	if (fs_exists(AT_FDCWD, host) == false)
		return err_not_found(err, "CDI device '%s': the host has no '%s'", e->device, host);
	if (json_object_get(item, "fileMode") || json_object_get(item, "uid") ||
	    json_object_get(item, "gid"))
		strv_addf(e->warnings,
			  "CDI device '%s': '%s' has the owner and mode that it has on the host",
			  e->device, path);
	vec_push(&e->spec->devices, (struct spec_device){ .source = xstrdup(host),
							  .target = path_clean(path),
							  .access = xstrdup(access) });
	return 0;
}

/* False: it is not known. */
static bool mount_option(struct spec_mount *m, const char *option)
{
	static const struct {
		const char *name;
		unsigned long propagation;
	} propagations[] = {
		{ "rprivate", MS_PRIVATE | MS_REC }, { "private", MS_PRIVATE },
		{ "rshared", MS_SHARED | MS_REC },   { "shared", MS_SHARED },
		{ "rslave", MS_SLAVE | MS_REC },     { "slave", MS_SLAVE },
	};
	const struct {
		const char *name;
		bool *field, value;
	} flags[] = {
		{ "ro", &m->readonly, true },	    { "rw", &m->readonly, false },
		{ "nosuid", &m->nosuid, true },	    { "suid", &m->nosuid, false },
		{ "nodev", &m->nodev, true },	    { "dev", &m->nodev, false },
		{ "noexec", &m->noexec, true },	    { "exec", &m->noexec, false },
		{ "bind", &m->nonrecursive, true }, { "rbind", &m->nonrecursive, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (str_eq(flags[i].name, option)) {
			*flags[i].field = flags[i].value;
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
		if (str_eq(propagations[i].name, option)) {
			m->propagation = (int)propagations[i].propagation;
			return true;
		}
	}
	return false;
}

static int edit_mount(struct editing *e, const json_t *item, struct err *err)
{
	const char *host = json_str(item, "hostPath", NULL);
	const char *target = json_str(item, "containerPath", NULL);
	const char *type = json_str(item, "type", "bind");
	cleanup_strv struct strv options = { 0 };
	if (!is_plain_path(host) || !is_plain_path(target) || !target[1])
		return bad(e, err, "has a mount that is no absolute path:", target);
	if (!str_eq(type, "bind") && !str_eq(type, "none") && *type)
		return bad(e, err, "has a mount of the type", type);
	if (!fs_exists(AT_FDCWD, host))
		return err_not_found(err, "CDI device '%s': the host has no '%s'", e->device, host);
	struct spec_mount mount = { .type = SPEC_MOUNT_BIND };
	json_strv(item, "options", &options);
	for (size_t i = 0; i < options.n; i++)
		if (!mount_option(&mount, options.v[i]))
			return bad(e, err, "has a mount with the option", options.v[i]);
	mount.source = path_clean(host);
	mount.target = path_clean(target);
	vec_push(&e->spec->mounts, mount);
	return 0;
}

static int edit_group(struct editing *e, const json_t *item, struct err *err)
{
	if (!json_is_integer(item) || json_integer_value(item) < 0 ||
	    json_integer_value(item) >= UINT32_MAX)
		return bad(e, err, "has a group that is no number", json_string_value(item));
	if (json_integer_value(item) > 0)
		strv_addf(&e->spec->process.groups, "%lld", (long long)json_integer_value(item));
	return 0;
}

/* Programs that run as root on the host while the container starts: not here. */
static int refuse(struct editing *e, const json_t *item, const char *what, struct err *err)
{
	const char *program = json_str(json_array_get(item, 0), "path", "");
	if (!item || json_is_null(item) || (json_is_array(item) && json_array_size(item) == 0))
		return 0;
	return err_unsupported(err, "'%s': CDI device '%s' needs %s%s%s%s, which stave does not do",
			       e->file->path, e->device, what, *program ? " ('" : "", program,
			       *program ? "')" : "");
}

static int edit(struct editing *e, const json_t *edits, struct err *err)
{
	static const struct {
		const char *key;
		int (*fn)(struct editing *e, const json_t *item, struct err *err);
	} lists[] = {
		{ "env", edit_env },
		{ "deviceNodes", edit_node },
		{ "mounts", edit_mount },
		{ "additionalGids", edit_group },
	};
	const json_t *item;
	size_t k;
	int r = refuse(e, json_object_get(edits, "hooks"), "hooks", err);
	if (r == 0)
		r = refuse(e, json_object_get(edits, "intelRdt"), "Intel RDT", err);
	if (r == 0)
		r = refuse(e, json_object_get(edits, "netDevices"), "network devices", err);
	for (size_t i = 0; i < ARRAY_SIZE(lists) && r == 0; i++) {
		const json_t *list = json_object_get(edits, lists[i].key);
		if (json_array_size(list) > EDITS_MAX)
			return bad(e, err, "has too many", lists[i].key);
		json_array_foreach(list, k, item) {
			r = lists[i].fn(e, item, err);
			if (r < 0)
				break;
		}
	}
	return r;
}

int cdi_apply(const struct strv *devices, struct spec *spec, struct strv *warnings, struct err *err)
{
	cleanup(descriptions_done) struct descriptions all = { 0 };
	cleanup_strv struct strv seen = { 0 };
	if (devices->n)
		read_files(&all);
	for (size_t i = 0; i < devices->n; i++) {
		const json_t *device = NULL;
		struct description *file = NULL;
		if (strv_has(&seen, devices->v[i]))
			continue;
		strv_add(&seen, devices->v[i]);
		if (!cdi_is_name(devices->v[i]))
			return err_input(err, "'%.200s' is not a CDI device (vendor/class=name)",
					 devices->v[i]);
		int r = find_device(&all, devices->v[i], &file, &device, err);
		if (r < 0)
			return r;
		struct editing e = { devices->v[i], file, spec, warnings };
		if (!file->edited)
			r = edit(&e, json_object_get(file->doc, "containerEdits"), err);
		file->edited = true;
		if (r == 0)
			r = edit(&e, json_object_get(device, "containerEdits"), err);
		if (r < 0)
			return r;
	}
	return 0;
}
