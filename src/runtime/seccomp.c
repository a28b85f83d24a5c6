#include "runtime/seccomp.h"

#include "runtime/seccomp-profile.h"

/* One for each profile and set of capabilities; a project has a handful. */
struct cached {
	struct cached *next;
	uint64_t caps;
	char *profile; /* NULL: the default */
	struct sock_fprog program;
};

int runtime__seccomp_load(const struct spec *spec, uint64_t caps, const struct sock_fprog **ret,
			  struct err *err)
{
	static struct cached *cache;
	const char *text = spec->seccomp == SPEC_SECCOMP_PROFILE ? spec->seccomp_profile : NULL;
	struct seccomp_profile profile;
	struct sock_fprog program;
	int r;

	*ret = NULL;
	if (spec->privileged || spec->seccomp == SPEC_SECCOMP_UNCONFINED)
		return 0;
	for (const struct cached *c = cache; c; c = c->next) {
		if (c->caps == caps && str_eq(c->profile, text)) {
			*ret = &c->program;
			return 0;
		}
	}
	if (text && (r = seccomp__profile_parse(text, caps, &profile, err)) < 0)
		return r;
	if (!text)
		seccomp__profile_default(caps, &profile);
	r = seccomp__compile(&profile, &program, err);
	seccomp__profile_done(&profile);
	if (r < 0)
		return r;
	struct cached *c = new0(struct cached);
	*c = (struct cached){ cache, caps, xstrdup(text), program };
	cache = c;
	*ret = &c->program;
	return 0;
}
