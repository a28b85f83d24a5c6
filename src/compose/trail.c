#include "compose/pass.h"

static void print(const struct trail *t, struct str *out)
{
	if (!t)
		return;
	print(t->up, out);
	if (!t->name)
		str_addf(out, "[%zu]", t->index);
	else
		str_addf(out, "%s%s", t->up ? "." : "", t->name);
}

char *trail_text(struct arena *a, const struct trail *t)
{
	cleanup_str struct str out = STR_INIT_MAX(4096);
	print(t, &out);
	return arena_strdup(a, str_text(&out));
}
