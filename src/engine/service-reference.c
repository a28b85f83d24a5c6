/* Containers that others refer to. */
#include "engine/service-reference.h"

/* The first replica; of two in its slot (it is being replaced) the newer. */
static bool is_better(const struct container *c, const struct container *than)
{
	return c->number != than->number ? c->number < than->number : c->created > than->created;
}

int service_reference(const struct engine_paths *paths, const char *project, const char *reference,
		      struct container **ret, struct err *err)
{
	const char *container = str_after(reference, "container:");
	if (container)
		return state_find(paths, NULL, container, ret, err);
	const char *name = str_after(reference, "service:");
	cleanup_containers struct containers list = { 0 };
	int r = state_containers(paths, project, &list, err);
	if (r < 0)
		return r;
	struct container **best = NULL;
	vec_each(c, &list.items) {
		if (str_eq((*c)->service, name ? name : reference) && !(*c)->oneoff &&
		    (!best || is_better(*c, *best)))
			best = c;
	}
	if (!best)
		return err_not_found(err, "service '%s' has no container", name ? name : reference);
	*ret = ptr_take(*best);
	return 0;
}
