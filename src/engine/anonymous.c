/* A slot's anonymous volumes where its container and its record disagree: after a container that
 * was to renew them and did not come to be, and for a record that could not be read. */
#include "base/log.h"
#include "engine/executor.h"
#include "volume/volume.h"

static bool has_volume(const struct container *c, const char *name)
{
	vec_each(v, &c->volumes) {
		if (v->anonymous && str_eq(v->name, name))
			return true;
	}
	return false;
}

void anonymous_of(const struct container *c, struct slot *slot)
{
	vec_each(v, &slot->volumes) {
		free(v->target);
		free(v->volume);
	}
	slot->volumes.n = 0;
	vec_each(v, &c->volumes) {
		if (v->anonymous && v->name)
			vec_push(&slot->volumes,
				 (struct anonymous_volume){ .target = xstrdup(v->target),
							    .volume = xstrdup(v->name) });
	}
}

static void restore(struct supervisor *s, const struct container *stays, struct slot *slot)
{
	cleanup_err struct err err = ERR_INIT;
	anonymous_of(stays, slot);
	if (slot_save(&s->paths, s->name, slot, &err) < 0)
		event_warning(s, "%s", err.msg);
}

void anonymous_give_back(struct supervisor *s, struct slot *slot, const struct container *stays)
{
	cleanup_strv struct strv unused = { 0 };
	vec_each(v, &slot->volumes) {
		if (!stays || !has_volume(stays, v->volume))
			strv_add(&unused, v->volume);
	}
	if (unused.n && stays)
		restore(s, stays, slot);
	for (size_t i = 0; i < unused.n; i++) {
		cleanup_err struct err err = ERR_INIT;
		if (volume_remove(s->paths.root, unused.v[i], &err) < 0)
			event_warning(s, "%s", err.msg);
	}
}
