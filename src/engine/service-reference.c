/* Containers that others refer to. */
#include "engine/service-reference.h"

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
	vec_each(c, &list.items) {
		if (str_eq((*c)->service, name ? name : reference) && !(*c)->oneoff) {
			*ret = ptr_take(*c);
			return 0;
		}
	}
	return err_not_found(err, "service '%s' has no container", name ? name : reference);
}
