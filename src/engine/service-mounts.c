/* What is mounted where: volumes of every kind, those of other services, the image's own, and the
 * files in /etc that stave writes. One target is mounted once; whoever comes first has it: the
 * command line, the service, volumes_from, the image. */
#include "base/fs.h"
#include "base/hash.h"
#include "base/parse.h"
#include "engine/service-impl.h"
#include "engine/service-reference.h"
#include "volume/volume.h"

#include <fcntl.h>
#include <sys/mount.h>

static bool has_target(const struct making *m, const char *target)
{
	vec_each(mount, &m->spec->mounts) {
		if (str_eq(mount->target, target))
			return true;
	}
	return false;
}

static bool is_at_or_below(const char *path, const char *top)
{
	const char *rest = str_after(path, top);
	return rest && (*rest == '\0' || *rest == '/');
}

/* `target` is clean. An image's VOLUME may not even touch what is below the kernel's directories.
 */
static int check_target(const struct making *m, const struct place *place, const char *target,
			bool from_image, struct err *err)
{
	static const char *const kernel[] = { "/proc", "/sys", "/dev" };
	bool bad = str_eq(target, "/") || is_at_or_below(target, "/proc");
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++) {
		bad |= from_image && is_at_or_below(target, kernel[i]);
		bad |= !m->service->privileged && str_eq(target, kernel[i]);
	}
	if (bad)
		return service__bad(m, place, err, "%s'%s' cannot be mounted over",
				    from_image ? "the image's VOLUME " : "", target);
	return 0;
}

static int clean_target(const struct making *m, const struct place *place, const char *target,
			bool from_image, char **ret, struct err *err)
{
	if (str_empty(target) || *target != '/')
		return service__bad(m, place, err, "mount target '%s' is not an absolute path",
				    target ? target : "");
	cleanup_free char *clean = path_clean(target);
	int r = check_target(m, place, clean, from_image, err);
	if (r == 0)
		*ret = ptr_take(clean);
	return r;
}

/* Takes the mount; records it. `volume` is the volume's name or NULL. */
static void add_mount(struct making *m, const struct spec_mount *mount, const char *volume,
		      bool anonymous)
{
	vec_push(&m->c->volumes, (struct container_volume){
					 .name = xstrdup(volume),
					 .source = xstrdup(mount->source),
					 .target = xstrdup(mount->target),
					 .anonymous = anonymous,
					 .read_only = mount->readonly,
				 });
	vec_push(&m->spec->mounts, *mount);
}

/* --- binds --- */

static int propagation_flags(const char *name)
{
	static const struct {
		const char *name;
		unsigned long flags;
	} modes[] = {
		{ "rprivate", MS_PRIVATE | MS_REC }, { "private", MS_PRIVATE },
		{ "rshared", MS_SHARED | MS_REC },   { "shared", MS_SHARED },
		{ "rslave", MS_SLAVE | MS_REC },     { "slave", MS_SLAVE },
	};
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (str_eq(modes[i].name, name))
			return (int)modes[i].flags;
	}
	return str_empty(name) ? 0 : -EINVAL;
}

static int bind_source(const struct making *m, const struct service_mount *from, struct err *err)
{
	if (access(from->source, F_OK) == 0)
		return 0;
	int no = errno;
	if (no == ENOENT && from->create_host_path) {
		int r = fs_mkdirs(AT_FDCWD, from->source, 0755, err);
		return r < 0 ? err_wrap(err, "service '%s': bind source", m->service->name) : 0;
	}
	const struct place *place = from->place.file ? &from->place : &m->service->place;
	return err_new(err, no == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, no,
		       "%s:%d: service '%s': bind source '%s' %s%s",
		       place->file ? place->file : "compose file", place->line, m->service->name,
		       from->source, no == ENOENT ? "does not exist" : "cannot be reached: ",
		       no == ENOENT ? "" : strerror(no));
}

static int add_bind(struct making *m, const struct service_mount *from, char *target,
		    struct err *err)
{
	int propagation = propagation_flags(from->propagation);
	if (propagation < 0)
		return service__bad(m, &from->place, err, "bind propagation '%s' is not known",
				    from->propagation);
	if (str_empty(from->source) || *from->source != '/')
		return service__bad(m, &from->place, err,
				    "bind source '%s' is not an absolute path",
				    from->source ? from->source : "");
	int r = bind_source(m, from, err);
	if (r < 0)
		return r;
	const struct spec_mount mount = {
		.type = SPEC_MOUNT_BIND,
		.source = path_clean(from->source),
		.target = xstrdup(target),
		.readonly = from->read_only,
		.nonrecursive = str_eq(from->recursive, "disabled"),
		.propagation = propagation,
	};
	add_mount(m, &mount, NULL, false);
	return 0;
}

/* --- volumes --- */

struct volume service_volume(const struct project *project, const struct project_volume *v)
{
	return (struct volume){
		.name = v->name,
		.project = project->name,
		.key = v->key,
		.driver = v->driver,
		.options = v->driver_opts,
		.labels = v->labels,
	};
}

static int add_named(struct making *m, const struct service_mount *from, const char *name,
		     bool anonymous, char *target, struct err *err)
{
	cleanup_volume struct volume volume = { 0 };
	int r = volume_load(m->x->paths->root, name, &volume, err);
	if (r < 0)
		return err_wrap(err, "service '%s'", m->service->name);
	const struct spec_mount mount = {
		.type = SPEC_MOUNT_VOLUME,
		.source = xstrdup(volume.path),
		.target = xstrdup(target),
		.readonly = from->read_only,
		/* A file system of its own has the owner and mode that its options give it. */
		.copy_up = !from->nocopy && str_empty(from->subpath) && !volume_is_mount(&volume),
		.subpath = str_empty(from->subpath) ? NULL : xstrdup(from->subpath),
	};
	add_mount(m, &mount, name, anonymous);
	return 0;
}

static struct anonymous_volume *find_anonymous(struct slot *slot, const char *target)
{
	vec_each(v, &slot->volumes) {
		if (str_eq(v->target, target))
			return v;
	}
	return NULL;
}

/* The slot remembers its unnamed volumes by their target, so that a replaced container finds its
 * data again. */
static int add_anonymous(struct making *m, const struct service_mount *from, char *target,
			 struct err *err)
{
	struct slot *slot = m->x->slot;
	struct anonymous_volume *known = find_anonymous(slot, target);
	if (known && !m->x->renew_volumes)
		return add_named(m, from, known->volume, true, target, err);

	char name[SPEC_ID_LEN + 1];
	hex_random(name, SPEC_ID_LEN);
	cleanup_volume struct volume made = { 0 };
	const struct volume want = {
		.name = name,
		.project = m->c->project,
		.driver = (char *)"local",
		.anonymous = true,
	};
	bool created = false;
	int r = volume_create(m->x->paths->root, &want, &made, &created, err);
	if (r < 0)
		return err_wrap(err, "service '%s'", m->service->name);
	if (!known) {
		known = vec_add(&slot->volumes);
		known->target = xstrdup(target);
	}
	free(known->volume);
	known->volume = xstrdup(name);
	r = slot_save(m->x->paths, m->c->project, slot, err);
	return r < 0 ? r : add_named(m, from, name, true, target, err);
}

static int add_volume(struct making *m, const struct service_mount *from, char *target,
		      struct err *err)
{
	if (str_empty(from->source))
		return add_anonymous(m, from, target, err);
	const struct project_volume *volume = project_volume(m->x->project, from->source);
	if (!volume)
		return service__bad(m, &from->place, err, "volume '%s' is not defined",
				    from->source);
	return add_named(m, from, volume->name, false, target, err);
}

/* --- the others --- */

/* Docker's own: nosuid, nodev and noexec unless the opposite is asked for. */
static int tmpfs_option(struct making *m, const struct service_mount *from, const char *option,
			struct spec_mount *mount, struct err *err)
{
	const struct {
		const char *name;
		bool *field, value;
	} flags[] = {
		{ "exec", &mount->noexec, false }, { "noexec", &mount->noexec, true },
		{ "suid", &mount->nosuid, false }, { "nosuid", &mount->nosuid, true },
		{ "dev", &mount->nodev, false },   { "nodev", &mount->nodev, true },
	};
	const char *uid = str_after(option, "uid="), *gid = str_after(option, "gid=");
	uint64_t id;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (str_eq(flags[i].name, option)) {
			*flags[i].field = flags[i].value;
			return 0;
		}
	}
	if ((uid || gid) && parse_u64(uid ? uid : gid, 0, INT32_MAX, &id) == 0) {
		*(uid ? &mount->uid : &mount->gid) = (uint32_t)id;
		return 0;
	}
	if (uid || gid || str_after(option, "size=") || str_after(option, "mode="))
		return service__bad(m, &from->place, err, "tmpfs '%s': '%s' is not a number",
				    from->target, option);
	service__warn(m, "tmpfs '%s': option '%s' is not acted on", from->target, option);
	return 0;
}

static int add_tmpfs(struct making *m, const struct service_mount *from, char *target,
		     struct err *err)
{
	struct spec_mount mount = {
		.type = SPEC_MOUNT_TMPFS,
		.target = xstrdup(target),
		.readonly = from->read_only,
		.nosuid = true,
		.nodev = true,
		.noexec = true,
		.size = from->tmpfs_size,
		.mode = from->has_tmpfs_mode ? from->tmpfs_mode : 0,
	};
	for (size_t i = 0; i < from->tmpfs_options.n; i++) {
		int r = tmpfs_option(m, from, from->tmpfs_options.v[i], &mount, err);
		if (r < 0) {
			spec_mount_done(&mount);
			return r;
		}
	}
	add_mount(m, &mount, NULL, false);
	return 0;
}

/* Read-only, as with Docker: the image's layers, held by the container's record. */
static int add_image(struct making *m, const struct service_mount *from, char *target,
		     struct err *err)
{
	const struct image *image = NULL;
	if (str_empty(from->source))
		return service__bad(m, &from->place, err,
				    "no source: which image is mounted on '%s'?", target);
	int r = m->x->find_image(m->x->find_data, from->source, &image, err);
	if (r < 0)
		return err_wrap(err, "service '%s': volume '%s'", m->service->name, target);
	struct spec_mount mount = {
		.type = SPEC_MOUNT_OVERLAY,
		.target = xstrdup(target),
		.readonly = true,
		.subpath = str_empty(from->subpath) ? NULL : xstrdup(from->subpath),
	};
	strv_copy(&mount.layers, &image->layers);
	add_mount(m, &mount, NULL, false);
	struct container_volume *v = &m->c->volumes.v[m->c->volumes.n - 1];
	v->source = xstrdup(from->source);
	v->image_id = xstrdup(image->id);
	return 0;
}

static int add_unsupported(struct making *m, const struct service_mount *from, char *target,
			   struct err *err)
{
	return service__bad(m, &from->place, err, "volumes of this type are not supported ('%s')",
			    target);
}

static int add_service_mount(struct making *m, const struct service_mount *from, struct err *err)
{
	static int (*const kinds[])(struct making * m, const struct service_mount *from,
				    char *target, struct err *err) = {
		[MOUNT_KIND_BIND] = add_bind,	      [MOUNT_KIND_VOLUME] = add_volume,
		[MOUNT_KIND_TMPFS] = add_tmpfs,	      [MOUNT_KIND_IMAGE] = add_image,
		[MOUNT_KIND_NPIPE] = add_unsupported, [MOUNT_KIND_CLUSTER] = add_unsupported,
	};
	cleanup_free char *target = NULL;
	int r = clean_target(m, &from->place, from->target, false, &target, err);
	if (r < 0 || has_target(m, target))
		return r;
	return kinds[from->kind](m, from, target, err);
}

/* run --volume: [SOURCE:]TARGET[:OPTIONS]; a source that begins with a slash or dot is a path. */
static int add_short(struct making *m, const char *text, struct err *err)
{
	cleanup_strv struct strv parts = strv_split(text, ':');
	cleanup_free char *path = NULL;
	if (parts.n == 0 || parts.n > 3)
		return err_usage(err, "--volume '%s': not SOURCE:TARGET[:OPTIONS]", text);
	struct service_mount mount = {
		.kind = MOUNT_KIND_VOLUME,
		.target = parts.v[parts.n > 1 ? 1 : 0],
		.create_host_path = true,
	};
	if (parts.n > 2) {
		cleanup_strv struct strv options = strv_split(parts.v[2], ',');
		mount.read_only = strv_has(&options, "ro");
		mount.nocopy = strv_has(&options, "nocopy");
	}
	if (parts.n > 1 && (parts.v[0][0] == '/' || parts.v[0][0] == '.')) {
		mount.kind = MOUNT_KIND_BIND;
		path = path_join(m->x->project->working_dir, parts.v[0]);
		mount.source = path;
	} else if (parts.n > 1) {
		mount.source = parts.v[0];
	}
	return add_service_mount(m, &mount, err);
}

/* "SERVICE[:ro]" or "container:NAME[:ro]" */
static int add_volumes_from(struct making *m, const char *text, struct err *err)
{
	cleanup_free char *reference = xstrdup(text);
	cleanup(container_free_cleanup) struct container *other = NULL;
	cleanup_spec struct spec spec;
	spec_init(&spec);
	bool readonly = str_ends(text, ":ro");
	if (readonly || str_ends(text, ":rw"))
		*strrchr(reference, ':') = '\0';
	int r = service_reference(m->x->paths, m->c->project, reference, &other, err);
	if (r == 0)
		r = state_spec_load(m->x->paths, other, &spec, err);
	if (r < 0)
		return err_wrap(err, "service '%s': volumes_from", m->service->name);
	vec_each(v, &other->volumes) {
		vec_each(from, &spec.mounts) {
			bool shared = from->type == SPEC_MOUNT_BIND ||
				      from->type == SPEC_MOUNT_VOLUME ||
				      from->type == SPEC_MOUNT_OVERLAY;
			if (!shared || !str_eq(from->target, v->target) || has_target(m, v->target))
				continue;
			struct spec_mount mount = *from;
			mount.source = xstrdup(from->source);
			mount.target = xstrdup(from->target);
			mount.subpath = xstrdup(from->subpath);
			mount.layers = (struct strv){ 0 };
			strv_copy(&mount.layers, &from->layers);
			mount.readonly |= readonly;
			add_mount(m, &mount, v->name, v->anonymous);
			if (!v->image_id)
				continue;
			struct container_volume *added = &m->c->volumes.v[m->c->volumes.n - 1];
			added->source = xstrdup(v->source);
			added->image_id = xstrdup(v->image_id);
		}
	}
	return 0;
}

static int add_image_volumes(struct making *m, struct err *err)
{
	const struct strv *volumes = &m->x->image->config.volumes;
	static const struct service_mount plain = { .kind = MOUNT_KIND_VOLUME };
	int r = 0;
	for (size_t i = 0; i < volumes->n && r == 0; i++) {
		cleanup_free char *target = NULL;
		r = clean_target(m, NULL, volumes->v[i], true, &target, err);
		if (r == 0 && !has_target(m, target))
			r = add_anonymous(m, &plain, target, err);
	}
	return r;
}

/* Filled by service_fill_etc() at each start. What the user mounts there himself stays his. */
static void add_etc_files(struct making *m)
{
	static const char *const targets[] = { SERVICE_HOSTS, SERVICE_HOSTNAME,
					       SERVICE_RESOLV_CONF };
	struct spec_mount mount = { .type = SPEC_MOUNT_OWN, .readonly = m->service->read_only };
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		if (has_target(m, targets[i]))
			continue;
		vec_push(&mount.files,
			 (struct spec_file){ .target = xstrdup(targets[i]), .mode = 0644 });
	}
	if (mount.files.n)
		vec_push(&m->spec->mounts, mount);
}

static size_t depth(const char *path)
{
	size_t n = 0;
	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Outer targets are mounted first; of the same depth, in the order of the file. */
static void sort_mounts(struct spec *spec)
{
	for (size_t i = 1; i < spec->mounts.n; i++) {
		struct spec_mount mount = spec->mounts.v[i];
		size_t at = i, deep = depth(mount.target);
		for (; at > 0 && depth(spec->mounts.v[at - 1].target) > deep; at--)
			spec->mounts.v[at] = spec->mounts.v[at - 1];
		spec->mounts.v[at] = mount;
	}
}

int service__mounts(struct making *m, struct err *err)
{
	const struct service *s = m->service;
	int r = 0;
	for (size_t i = 0; m->oneoff && i < m->oneoff->volumes.n && r == 0; i++)
		r = add_short(m, m->oneoff->volumes.v[i], err);
	vec_each(mount, &s->mounts) {
		if (r == 0)
			r = add_service_mount(m, mount, err);
	}
	for (size_t i = 0; i < s->volumes_from.n && r == 0; i++)
		r = add_volumes_from(m, s->volumes_from.v[i], err);
	if (r == 0)
		r = add_image_volumes(m, err);
	if (r < 0)
		return r;
	sort_mounts(m->spec);
	add_etc_files(m);
	return 0;
}
