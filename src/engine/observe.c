/* What is, gathered for a plan. */
#include "engine/observe.h"

#include "base/map.h"
#include "engine/service-name.h"
#include "engine/service-spec.h"
#include "volume/volume.h"

#include <net/if.h>

static const struct project_network *find_by_name(const struct project *project, const char *name)
{
	if (!project)
		return NULL;
	vec_each(n, &project->networks) {
		if (str_eq(n->name, name))
			return n;
	}
	return NULL;
}

/* Whose a record was that cannot be read: the project's that wants it, or after which it is named.
 */
static bool belongs(const char *name, const char *project_name)
{
	const char *rest = str_after(name, project_name);
	return rest && *rest == '_';
}

/* A network without its bridge (after a reboot) is not there: creating it again brings it back. */
static int observe_network(struct net *net, const struct project *project, const char *project_name,
			   const char *name, struct observed *o, struct err *err)
{
	cleanup_network struct net_network have = { 0 };
	const struct project_network *wanted = find_by_name(project, name);
	int r = net_network_load(net, name, &have, err);
	if (r < 0 && err->kind == ERR_INPUT && !(wanted && wanted->external)) {
		/* It is not there: made anew, or removed, where it is this project's. */
		if (wanted || belongs(name, project_name))
			strv_add(&o->own_networks, name);
		err_done(err);
		return 0;
	}
	if (r == -ENOENT) {
		err_done(err); /* removed meanwhile */
		return 0;
	}
	if (r < 0)
		return r;
	bool own = str_eq(have.config.project, project_name);
	if (own)
		strv_add(&o->own_networks, name);
	if (wanted && !wanted->external && if_nametoindex(have.bridge) == 0)
		return 0;
	strv_add(&o->networks, name);
	if (wanted && !wanted->external) {
		struct net_config config;
		cleanup_free char *why = NULL;
		service_network_config(project, wanted, &config);
		if (!net_network_matches(&have, &config, &why))
			strv_addf(&o->networks_differ, "%s: %s", name, why);
		net_config_done(&config);
	}
	return 0;
}

static int observe_networks(struct net *net, const struct project *project,
			    const char *project_name, struct observed *o, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = net_network_list(net, &names, err);
	for (size_t i = 0; i < names.n && r >= 0; i++)
		r = observe_network(net, project, project_name, names.v[i], o, err);
	return r < 0 ? r : 0;
}

static bool container_has_volume(const struct containers *containers, const char *name)
{
	vec_each(c, &containers->items) {
		vec_each(v, &(*c)->volumes)
			if (v->anonymous && str_eq(v->name, name))
				return true;
	}
	return false;
}

static bool wants_volume(const struct project *project, const char *name)
{
	for (size_t i = 0; project && i < project->volumes.n; i++) {
		const struct project_volume *v = &project->volumes.v[i];
		if (str_eq(v->name, name) && !v->external)
			return true;
	}
	return false;
}

/* One whose record cannot be read. Another project's is no matter of ours. */
static void observe_damaged_volume(const struct project *project, const char *project_name,
				   const char *name, struct observed *o, struct err *err)
{
	bool anonymous = container_has_volume(&o->containers, name);
	strv_add(&o->volumes, name);
	if (anonymous || wants_volume(project, name) || belongs(name, project_name)) {
		strv_add(anonymous ? &o->anonymous_volumes : &o->own_volumes, name);
		strv_add(&o->damaged_volumes, name);
		strv_add(&o->damaged, err->msg);
	}
	err_done(err);
}

static int observe_volumes(const struct engine_paths *paths, const struct project *project,
			   const char *project_name, struct observed *o, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = volume_list(paths->root, &names, err);
	for (size_t i = 0; i < names.n && r >= 0; i++) {
		cleanup_volume struct volume v = { 0 };
		r = volume_load(paths->root, names.v[i], &v, err);
		if (r < 0 && err->kind == ERR_INPUT) {
			observe_damaged_volume(project, project_name, names.v[i], o, err);
			r = 0;
			continue;
		}
		if (r == -ENOENT) {
			err_done(err);
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		strv_add(&o->volumes, names.v[i]);
		if (str_eq(v.project, project_name))
			strv_add(v.anonymous ? &o->anonymous_volumes : &o->own_volumes, names.v[i]);
	}
	return r < 0 ? r : 0;
}

/* Many services share few images: each name is looked up once. */
static int observe_image(struct image_store *images, struct map *known, const char *name,
			 const char **ret_id, struct err *err)
{
	cleanup_image struct image image = { 0 };
	if (map_has(known, name)) {
		*ret_id = map_get(known, name);
		return 0;
	}
	int r = image_find(images, name, &image, err);
	if (r < 0 && err->kind != ERR_NOT_FOUND)
		return r;
	if (r < 0)
		err_done(err);
	map_set(known, name, r < 0 ? NULL : ptr_take(image.id));
	*ret_id = map_get(known, name);
	return 0;
}

/* The name counts first; what is not the name of an image may be that of a service. */
static int observe_mounted(struct image_store *images, const struct project *project,
			   const struct service *service, struct map *known, struct observed *o,
			   struct err *err)
{
	int r = 0;
	vec_each(mount, &service->mounts) {
		const char *id = NULL;
		if (mount->kind != MOUNT_KIND_IMAGE || r < 0 ||
		    observed_mounted(o, mount->source, &id))
			continue;
		r = observe_image(images, known, mount->source, &id, err);
		cleanup_free char *named = service_mounted_image_name(project, mount->source);
		if (r == 0 && !id && named)
			r = observe_image(images, known, named, &id, err);
		if (r == 0)
			vec_push(&o->mounted, (struct observed_mounted){
						      .source = xstrdup(mount->source),
						      .image_id = xstrdup(id),
					      });
	}
	return r;
}

static int observe_images(struct image_store *images, const struct project *project,
			  struct observed *o, struct err *err)
{
	cleanup_map struct map known = MAP_INIT_FREE(free);
	int r = 0;
	for (int disabled = 0; disabled < 2; disabled++) {
		const struct service *s = disabled ? project->disabled.v : project->services.v;
		size_t n = disabled ? project->disabled.n : project->services.n;
		for (size_t i = 0; i < n && r == 0; i++) {
			cleanup_free char *name = service_image_name(project, &s[i]);
			const char *id = NULL;
			r = observe_image(images, &known, name, &id, err);
			if (r == 0)
				vec_push(&o->images, (struct observed_image){
							     .service = xstrdup(s[i].name),
							     .image_id = xstrdup(id),
						     });
			if (r == 0)
				r = observe_mounted(images, project, &s[i], &known, o, err);
		}
	}
	return r;
}

int observe(const struct engine_paths *paths, struct net *net, struct image_store *images,
	    const struct project *project, const char *project_name, struct observed *ret,
	    struct err *err)
{
	struct observed o = { 0 };
	int r = state_containers(paths, project_name, &o.containers, err);
	if (r == 0)
		r = observe_networks(net, project, project_name, &o, err);
	net_mended(net, &o.damaged); /* now, or when the supervisor began */
	if (r == 0)
		r = observe_volumes(paths, project, project_name, &o, err);
	if (r == 0 && project)
		r = observe_images(images, project, &o, err);
	if (r < 0) {
		observed_done(&o);
		return r;
	}
	*ret = o;
	return 0;
}
