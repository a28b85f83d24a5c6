/* Secrets and configs: read now, held in memory of the container's own, on a private tmpfs. */
#include "base/fs.h"
#include "base/parse.h"
#include "engine/service-impl.h"

#include <fcntl.h>

enum { FILE_MAX = 16 << 20, MODE_DEFAULT = 0444 };

struct kind {
	const char *what, *directory;
	const struct project_file *files;
	size_t count;
};

static int read_content(struct making *m, const struct kind *kind, const struct service_file *use,
			const struct project_file *file, struct str *out, struct err *err)
{
	if (file->content) {
		str_add(out, file->content);
		return 0;
	}
	if (!file->file)
		return service__bad(m, &use->place, err,
				    "%s '%s' is external, and stave keeps none of its own",
				    kind->what, use->source);
	int r = fs_read(AT_FDCWD, file->file, FILE_MAX, out, err);
	return r < 0 ? err_wrap(err, "service '%s': %s '%s'", m->service->name, kind->what,
				use->source)
		     : 0;
}

static int parse_id(struct making *m, const struct service_file *use, const char *text,
		    uint32_t *ret, struct err *err)
{
	int64_t id = 0;
	if (!str_empty(text) && parse_i64(text, 0, UINT32_MAX - 1, &id) < 0)
		return service__bad(m, &use->place, err, "owner '%s' of '%s' is not a number", text,
				    use->source);
	*ret = (uint32_t)id;
	return 0;
}

static char *file_target(const struct kind *kind, const struct service_file *use)
{
	const char *name = str_empty(use->target) ? use->source : use->target;
	return path_join(kind->directory, name);
}

static int add_file(struct making *m, const struct kind *kind, const struct service_file *use,
		    struct spec_mount *to, struct err *err)
{
	const struct project_file *file = NULL;
	for (size_t i = 0; i < kind->count && !file; i++) {
		if (str_eq(kind->files[i].key, use->source))
			file = &kind->files[i];
	}
	if (!file)
		return service__bad(m, &use->place, err, "%s '%s' is not defined", kind->what,
				    use->source);
	struct spec_file made = { .mode = use->has_mode ? use->mode : MODE_DEFAULT };
	int r = parse_id(m, use, use->uid, &made.uid, err);
	if (r == 0)
		r = parse_id(m, use, use->gid, &made.gid, err);
	cleanup_str struct str text = STR_INIT_MAX(FILE_MAX);
	if (r == 0)
		r = read_content(m, kind, use, file, &text, err);
	if (r < 0)
		return r;
	made.target = file_target(kind, use);
	made.len = text.len;
	made.data = str_take(&text);
	vec_push(&to->files, made);
	return 0;
}

int service__files(struct making *m, struct err *err)
{
	const struct project *p = m->x->project;
	const struct kind secrets = { "secret", "/run/secrets", p->secrets.v, p->secrets.n };
	const struct kind configs = { "config", "/", p->configs.v, p->configs.n };
	struct spec_mount mount = { .type = SPEC_MOUNT_FILES };
	int r = 0;
	vec_each(use, &m->service->secrets) {
		if (r == 0)
			r = add_file(m, &secrets, use, &mount, err);
	}
	vec_each(use, &m->service->configs) {
		if (r == 0)
			r = add_file(m, &configs, use, &mount, err);
	}
	if (mount.files.n)
		vec_push(&m->spec->mounts, mount);
	return r;
}
