/* What must stay in the store. */
#include "cli/image-use.h"

#include "build/cache.h"

static void add_layers(const struct strv *layers, struct image_use *use)
{
	for (size_t i = 0; i < layers->n; i++)
		if (!strv_has(&use->layers, layers->v[i]))
			strv_add(&use->layers, layers->v[i]);
}

static void add_id(const char *id, const struct container *c, struct image_use *use)
{
	if (id && !strv_has(&use->ids, id))
		strv_add(&use->ids, id);
	strv_addf(&use->containers, "%s %s", id ? id : "", c->name);
}

static int add(struct cli *cli, const struct container *c, struct image_use *use, struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	add_id(c->image_id, c, use);
	vec_each(v, &c->volumes)
		if (v->image_id)
			add_id(v->image_id, c, use);
	int r = state_spec_load(&cli->paths, c, &spec, err);
	if (r == -ENOENT) { /* a container that goes away meanwhile needs nothing */
		err_done(err);
		return 0;
	}
	/* Not knowing what it stands on, nothing may be removed. */
	if (r < 0)
		return r;
	add_layers(&spec.layers, use);
	vec_each(mount, &spec.mounts)
		add_layers(&mount->layers, use);
	return 0;
}

int image_use_load(struct cli *cli, struct image_use *ret, struct err *err)
{
	static const struct strv none = { 0 };
	return image_use_load_but(cli, &none, false, ret, err);
}

int image_use_load_but(struct cli *cli, const struct strv *gone, bool no_cache,
		       struct image_use *ret, struct err *err)
{
	cleanup_strv struct strv projects = { 0 };
	struct image_use use = { 0 };
	int r = state_projects(&cli->paths, &projects, err);
	for (size_t i = 0; r >= 0 && i < projects.n; i++) {
		cleanup_containers struct containers found = { 0 };
		r = state_containers(&cli->paths, projects.v[i], &found, err);
		for (size_t k = 0; r >= 0 && k < found.items.n; k++)
			if (!strv_has(gone, found.items.v[k]->id))
				r = add(cli, found.items.v[k], &use, err);
	}
	/* Layers of steps that a build may find in its cache. */
	if (r >= 0 && !no_cache)
		r = cache_layers(cli->paths.root, &use.layers, err);
	if (r < 0) {
		image_use_done(&use);
		return r;
	}
	*ret = use;
	return 0;
}

void image_use_done(struct image_use *use)
{
	strv_done(&use->ids);
	strv_done(&use->layers);
	strv_done(&use->containers);
}
