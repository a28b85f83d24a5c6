/* From a Compose service to a record and a spec: the order of the parts, and identity. */
#include "engine/service-spec.h"

#include "base/hash.h"
#include "engine/service-impl.h"
#include "engine/service-name.h"

static char *container_name(const struct making *m)
{
	if (!m->oneoff)
		return service_container_name(m->x->project, m->service, m->x->slot->number);
	if (m->oneoff->name)
		return xstrdup(m->oneoff->name);
	return xasprintf("%s-%s", m->x->project->name, m->x->slot->name);
}

static int identity(struct making *m, struct err *err)
{
	struct container *c = m->c;
	hex_random(c->id, SPEC_ID_LEN);
	c->project = xstrdup(m->x->project->name);
	c->service = xstrdup(m->service->name);
	c->slot = xstrdup(m->x->slot->name);
	c->number = m->oneoff ? 0 : m->x->slot->number;
	c->oneoff = m->oneoff != NULL;
	c->auto_remove = m->oneoff && m->oneoff->auto_remove;
	c->name = container_name(m);
	c->image = service_image_name(m->x->project, m->service);
	c->image_id = xstrdup(m->x->image->id);
	c->created = now_wall();
	c->state = CONTAINER_CREATED;
	c->wanted = false;
	c->tty = m->oneoff ? m->oneoff->tty : m->service->tty;
	c->stdin_open = m->oneoff ? m->oneoff->interactive : m->service->stdin_open;
	c->attach = !m->service->has_attach || m->service->attach;
	return state_name_check("container", c->name, err);
}

static void spec_basics(struct making *m)
{
	struct spec *spec = m->spec;
	const struct service *s = m->service;
	memcpy(spec->id, m->c->id, sizeof(spec->id));
	spec->project = xstrdup(m->c->project);
	spec->name = xstrdup(m->c->name);
	strv_take(&spec->layers, state_mountpoints_dir(m->x->paths));
	for (size_t i = 0; i < m->x->image->layers.n; i++)
		strv_add(&spec->layers, m->x->image->layers.v[i]);
	spec->dir = state_container_dir(m->x->paths, m->c->project, m->c->id);
	spec->readonly_root = s->read_only;
	spec->init = s->has_init && s->init;
	spec->privileged = s->privileged;
	spec->shm_size = s->shm_size;
	spec->cgroup_parent = xstrdup(s->cgroup_parent);
	spec->stop_signal = m->c->stop_signal;
}

int service_container(const struct service_context *context, struct container **ret,
		      struct spec *ret_spec, struct err *err)
{
	cleanup(container_free_cleanup) struct container *c = new0(struct container);
	cleanup_spec struct spec spec;
	spec_init(&spec);
	struct making m = {
		.x = context,
		.service = context->service,
		.oneoff = context->oneoff,
		.c = c,
		.spec = &spec,
	};
	static int (*const parts[])(struct making * m, struct err * err) = {
		identity,	 service__live,	      service__hostname, service__networks,
		service__ports,	 service__namespaces, service__process,	 service__limits,
		service__mounts, service__files,      service__cdi,
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = parts[i](&m, err);
		if (r < 0)
			return r;
	}
	spec_basics(&m);
	*ret = ptr_take(c);
	*ret_spec = spec;
	spec_init(&spec);
	return 0;
}

int service_update(const struct service_context *context, struct container *c, struct spec *spec,
		   struct err *err)
{
	struct making m = {
		.x = context,
		.service = context->service,
		.oneoff = context->oneoff,
		.c = c,
		.spec = spec,
	};
	int r = service__live(&m, err);
	if (r == 0)
		r = service__ports(&m, err);
	if (r == 0)
		r = service__limits(&m, err);
	spec->stop_signal = c->stop_signal;
	return r;
}
