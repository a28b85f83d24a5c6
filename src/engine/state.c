/* The records on disk: reading them tolerantly, writing them whole. */
#include "engine/state.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/proc.h"
#include "compose/compose.h"
#include "engine/container-file.h"
#include "engine/record.h"

#include <fcntl.h>
#include <stdlib.h>

enum {
	PROJECT_MAX = 256 << 20, /* thousands of services */
	ID_PREFIX_MIN = 4,	 /* shorter prefixes are taken for names only */
	DIR_MODE = 0700,
	RECORD_MODE = 0600, /* environments hold passwords */
};

/* --- reading --- */

/* A process that died while no supervisor looked: its end is not known, its being over is. */
static void correct_state(struct container *c)
{
	if (!container_is_up(c->state) ||
	    (proc_alive(c->pid, c->start_time) && !proc_abandoned(c->pid)))
		return;
	c->state = CONTAINER_EXITED;
	c->pid = 0;
	c->health_state = HEALTH_NONE;
}

/* Whether the record may be that of a container of the service: looked at as text, because parsing
 * is most of what reading one costs. Keys are written without spaces, names need no escapes. */
static bool may_be_of(const struct container_file *f, const char *service)
{
	cleanup_free char *want = xasprintf("\"service\":\"%s\"", service);
	return memmem(f->record.text, f->record.len, want, strlen(want)) != NULL;
}

/* -ENOENT (ERR_NOT_FOUND) when there is no record, or it is not one of the service's (NULL: of
 * any).
 */
static int load_container(const char *dir, const char *service, bool as_recorded,
			  struct container **ret, struct err *err)
{
	cleanup(container_free_cleanup) struct container *c = new0(struct container);
	cleanup(container_file_done) struct container_file f = { 0 };
	cleanup_json json_t *record = NULL, *state = NULL;

	int r = container_file__read(dir, &f, err);
	if (r == 0 && service && !may_be_of(&f, service))
		r = -ENOENT;
	if (r == 0)
		r = container_file__parse(&f, f.record, &record, err);
	if (r == 0)
		r = container_file__parse(&f, f.state, &state, err);
	if (r == 0)
		r = record_load(&state__container_record, record, f.path, c, err);
	if (r == 0)
		r = state__state_from_json(state, f.path, c, err);
	if (r < 0)
		return r;
	if (!c->project || !c->service || !c->slot || !c->name || strlen(c->id) != SPEC_ID_LEN)
		return err_input(err, "%s: not a whole record; remove its directory", f.path);
	if (service && !str_eq(c->service, service))
		return -ENOENT;
	c->changes = f.changes;
	if (!as_recorded)
		correct_state(c);
	*ret = ptr_take(c);
	return 0;
}

static int compare_containers(const void *a, const void *b)
{
	const struct container *x = *(struct container *const *)a;
	const struct container *y = *(struct container *const *)b;
	int order = strcmp(x->service, y->service);
	if (order == 0)
		order = (x->number > y->number) - (x->number < y->number);
	return order ? order : strcmp(x->name, y->name);
}

static int load_containers(const struct engine_paths *paths, const char *project,
			   const char *service, bool as_recorded, struct containers *ret,
			   struct err *err)
{
	cleanup_containers struct containers list = { 0 };
	cleanup_strv struct strv ids = { 0 };
	int r = state_name_check("project", project, err);
	if (r < 0)
		return r;
	cleanup_free char *dir = state__project_path(paths, project, "containers");
	r = fs_list(AT_FDCWD, dir, &ids, err);
	if (r == -ENOENT) {
		err_done(err);
		*ret = (struct containers){ 0 };
		return 0;
	}
	for (size_t i = 0; r >= 0 && i < ids.n; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, ids.v[i]);
		struct container *c = NULL;
		r = load_container(path, service, as_recorded, &c, err);
		if (r == 0)
			vec_push(&list.items, c);
		if (r < 0 && err->kind == ERR_INPUT) {
			strv_add(&list.broken_ids, ids.v[i]);
			strv_add(&list.broken, err->msg);
			err_done(err);
			r = 0;
		}
		if (r == -ENOENT) {
			err_done(err);
			r = 0;
		}
	}
	if (r < 0)
		return r;
	if (list.items.n)
		qsort(list.items.v, list.items.n, sizeof(*list.items.v), compare_containers);
	*ret = list;
	list = (struct containers){ 0 };
	return 0;
}

int state_containers(const struct engine_paths *paths, const char *project, struct containers *ret,
		     struct err *err)
{
	return load_containers(paths, project, NULL, false, ret, err);
}

int state_containers_of(const struct engine_paths *paths, const char *project, const char *service,
			struct containers *ret, struct err *err)
{
	return load_containers(paths, project, service, false, ret, err);
}

int state_containers_recorded(const struct engine_paths *paths, const char *project,
			      struct containers *ret, struct err *err)
{
	return load_containers(paths, project, NULL, true, ret, err);
}

/* How well a container answers to a name: 2 by its name or whole id, 1 by an id prefix. */
static int match(const struct container *c, const char *name)
{
	if (str_eq(c->name, name) || str_eq(c->id, name))
		return 2;
	return strlen(name) >= ID_PREFIX_MIN && str_starts(c->id, name) ? 1 : 0;
}

int state_find(const struct engine_paths *paths, const char *project, const char *name,
	       struct container **ret, struct err *err)
{
	cleanup_strv struct strv projects = { 0 };
	cleanup(container_free_cleanup) struct container *found = NULL;
	int quality = 0;
	bool twice = false;

	int r = 0;
	if (project)
		strv_add(&projects, project);
	else
		r = state_projects(paths, &projects, err);
	for (size_t i = 0; r == 0 && i < projects.n && quality < 2; i++) {
		cleanup_containers struct containers list = { 0 };
		r = state_containers(paths, projects.v[i], &list, err);
		vec_each(c, &list.items) {
			int q = match(*c, name);
			if (q == 0 || q < quality)
				continue;
			twice = q == quality;
			quality = q;
			container_free(found);
			found = ptr_take(*c);
		}
	}
	if (r < 0)
		return r;
	if (!found)
		return err_not_found(err, "no such container: '%s'", name);
	if (twice)
		return err_input(err, "'%s' is the beginning of more than one container's id",
				 name);
	*ret = ptr_take(found);
	return 0;
}

int state_projects(const struct engine_paths *paths, struct strv *ret_names, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	cleanup_free char *dir = xasprintf("%s/projects", paths->root);
	int r = fs_list(AT_FDCWD, dir, &names, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		cleanup_err struct err ignored =
			ERR_INIT; /* what is not a project's name is not ours */
		if (state_name_check("project", names.v[i], &ignored) == 0)
			strv_add(ret_names, names.v[i]);
	}
	return 0;
}

int state_project_load(const struct engine_paths *paths, const char *project, struct project **ret,
		       struct err *err)
{
	cleanup_json json_t *j = NULL;
	int r = state_name_check("project", project, err);
	if (r < 0)
		return r;
	cleanup_free char *path = state__project_path(paths, project, "project.json");
	r = json_read(AT_FDCWD, path, PROJECT_MAX, &j, err);
	if (r == -ENOENT || r == -ENODATA) { /* empty: a power cut during the first `up` */
		err_done(err);
		return err_not_found(err, "no such project: '%s'", project);
	}
	if (r < 0)
		return r;
	r = project_from_json(j, ret, err);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

int state_spec_load(const struct engine_paths *paths, const struct container *c, struct spec *ret,
		    struct err *err)
{
	cleanup_json json_t *j = NULL;
	cleanup(container_file_done) struct container_file f = { 0 };
	cleanup_free char *dir = state_container_dir(paths, c->project, c->id);
	int r = container_file__read(dir, &f, err);
	if (r == 0)
		r = container_file__parse(&f, f.spec, &j, err);
	if (r < 0)
		return r;
	r = spec_from_json(j, ret, err);
	return r < 0 ? err_wrap(err, "%s", f.path) : 0;
}

/* --- writing --- */

int state_project_save(const struct engine_paths *paths, const struct project *project,
		       struct err *err)
{
	int r = state_name_check("project", project->name, err);
	if (r < 0)
		return r;
	cleanup_free char *dir = state__project_path(paths, project->name, "");
	cleanup_free char *path = state__project_path(paths, project->name, "project.json");
	cleanup_json json_t *j = project_to_json(project);
	r = fs_mkdirs(AT_FDCWD, dir, DIR_MODE, err);
	if (r == 0)
		r = json_write(AT_FDCWD, path, j, RECORD_MODE, FS_SYNC, err);
	if (r < 0)
		(void)rmdir(dir); /* of a project that came to nothing; one that is there is not
				     empty */
	return r;
}

int state_container_save(const struct engine_paths *paths, struct container *c,
			 const struct spec *spec, struct err *err)
{
	cleanup_free char *dir = state_container_dir(paths, c->project, c->id);
	cleanup_json json_t *record = record_save(&state__container_record, c);
	cleanup_json json_t *runs = spec_to_json(spec);
	cleanup_json json_t *state = state__state_to_json(c);
	c->changes = 0;
	return container_file__write(dir, record, runs, state, err);
}

int state_container_save_state(const struct engine_paths *paths, struct container *c,
			       struct err *err)
{
	cleanup_free char *dir = state_container_dir(paths, c->project, c->id);
	cleanup_json json_t *state = state__state_to_json(c);
	return container_file__append(dir, state, &c->changes, err);
}

int state_container_create(const struct engine_paths *paths, struct container *c,
			   const struct spec *spec, struct err *err)
{
	int r = state_name_check("project", c->project, err);
	if (r == 0)
		r = state_name_check("container", c->name, err);
	if (r == 0)
		r = state_name_check("container", c->id, err);
	if (r < 0)
		return r;
	cleanup_free char *dir = state_container_dir(paths, c->project, c->id);
	cleanup_free char *upper = xasprintf("%s/upper", dir);
	cleanup_free char *work = xasprintf("%s/work", dir);
	r = fs_mkdirs(AT_FDCWD, dir, DIR_MODE, err);
	/* The upper directory becomes the container's own "/": its mode is what is seen inside. */
	if (r >= 0)
		r = fs_mkdirs(AT_FDCWD, upper, 0755, err);
	if (r >= 0)
		r = fs_mkdirs(AT_FDCWD, work, DIR_MODE, err);
	if (r >= 0)
		r = state_container_save(paths, c, spec, err);
	if (r < 0) {
		cleanup_err struct err ignored =
			ERR_INIT; /* the first failure is the one to tell */
		(void)fs_remove_tree(AT_FDCWD, dir, &ignored);
		return r;
	}
	return 0;
}

int state_container_forget(const struct engine_paths *paths, const struct container *c,
			   struct err *err)
{
	cleanup_free char *dir = state_container_dir(paths, c->project, c->id);
	cleanup_free char *record = xasprintf("%s/" CONTAINER_FILE, dir);
	if (unlink(record) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove '%s'", record);
	return 0;
}

int state_unrecorded(const struct engine_paths *paths, const char *project, struct strv *ret_dirs,
		     struct err *err)
{
	cleanup_strv struct strv ids = { 0 };
	int r = state_name_check("project", project, err);
	if (r < 0)
		return r;
	cleanup_free char *dir = state__project_path(paths, project, "containers");
	r = fs_list(AT_FDCWD, dir, &ids, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	for (size_t i = 0; r >= 0 && i < ids.n; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, ids.v[i]);
		cleanup_free char *record = xasprintf("%s/" CONTAINER_FILE, path);
		if (!fs_exists(AT_FDCWD, record))
			strv_add(ret_dirs, path);
	}
	return r < 0 ? r : 0;
}

int state_slots_remove(const struct engine_paths *paths, const char *project, struct err *err)
{
	cleanup_strv struct strv slots = { 0 };
	int r = state_name_check("project", project, err);
	if (r < 0)
		return r;
	cleanup_free char *slots_dir = state_slots_dir(paths, project);
	r = fs_list(AT_FDCWD, slots_dir, &slots, err);
	if (r == -ENOENT) {
		err_done(err);
		r = 0;
	}
	for (size_t i = 0; r >= 0 && i < slots.n; i++) {
		char *suffix = strrchr(slots.v[i], '.'); /* a slot's name ends with its number */
		if (suffix && str_eq(suffix, ".json"))
			*suffix = '\0';
		r = slot_remove(paths, project, slots.v[i], err);
	}
	return r < 0 ? r : 0;
}

int state_project_remove(const struct engine_paths *paths, const char *project, struct err *err)
{
	cleanup_free char *dir = state__project_path(paths, project, "");
	int r = state_slots_remove(paths, project, err);
	return r < 0 ? r : fs_remove_tree(AT_FDCWD, dir, err);
}
