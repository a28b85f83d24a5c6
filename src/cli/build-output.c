#include "cli/build-output.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/parse.h"
#include "cli/provide.h"

#include <fcntl.h>

void build_outputs_done(struct build_outputs *o)
{
	strv_done(&o->archives);
	strv_done(&o->layouts);
}

/* --- reading --- */

struct words {
	const char *type, *dest, *name;
	bool push, tar;
};

static int read_words(const struct strv *parts, struct words *w, const char *text, struct err *err)
{
	/* How layers are written is the store's affair: they are what they are. */
	static const char *const ignored[] = { "compression",
					       "compression-level",
					       "force-compression",
					       "oci-mediatypes",
					       "unpack",
					       "store",
					       "name-canonical",
					       "rewrite-timestamp",
					       "dangling-name-prefix" };

	w->tar = true;
	for (size_t i = 0; i < parts->n; i++) {
		const char *part = parts->v[i], *value;
		size_t len = strcspn(part, "=");
		bool known = str_starts(part, "annotation");

		for (size_t k = 0; k < ARRAY_SIZE(ignored); k++)
			known = known ||
				(strlen(ignored[k]) == len && strncmp(part, ignored[k], len) == 0);
		if ((value = str_after(part, "type=")))
			w->type = value;
		else if ((value = str_after(part, "dest=")))
			w->dest = value;
		else if ((value = str_after(part, "name=")))
			w->name = value;
		else if ((value = str_after(part, "push=")) && parse_bool(value, &w->push) == 0)
			continue;
		else if ((value = str_after(part, "tar=")) && parse_bool(value, &w->tar) == 0)
			continue;
		else if (!known)
			return err_usage(err, "invalid output '%s': '%s' is not known", text, part);
	}
	return 0;
}

static void add_files(struct build_options *b, enum build_output_kind kind, const char *dest)
{
	cleanup_free char *cwd = fs_cwd();
	char *path = str_eq(dest, "-") || !dest ? xstrdup(dest ? dest : "")
						: path_join(cwd ? cwd : "/", dest);

	vec_push(&b->outputs, (struct build_output){ .kind = kind, .dest = path });
}

int build_output_add(struct build_outputs *o, struct build_options *b, const char *text,
		     struct err *err)
{
	cleanup_strv struct strv parts = strv_split(text, ',');
	struct words w = { 0 };
	int r;

	if (!strchr(text, '=')) { /* "-": a tar on standard output; else a directory */
		add_files(b, str_eq(text, "-") ? BUILD_TO_TAR : BUILD_TO_DIR, text);
		return 0;
	}
	r = read_words(&parts, &w, text, err);
	if (r < 0)
		return r;
	if (str_eq(w.type, "local") || str_eq(w.type, "tar")) {
		if (!w.dest)
			return err_usage(err, "dest is required for %s output", w.type);
		add_files(b, *w.type == 'l' ? BUILD_TO_DIR : BUILD_TO_TAR, w.dest);
	} else if (str_eq(w.type, "cacheonly")) {
		add_files(b, BUILD_TO_NOTHING, NULL);
	} else if (str_eq(w.type, "oci") || (str_eq(w.type, "docker") && w.dest)) {
		if (!w.dest && !w.tar)
			return err_usage(err, "dest is required for a directory");
		strv_add(w.tar ? &o->archives : &o->layouts, w.dest ? w.dest : "-");
	} else if (str_eq(w.type, "docker") || str_eq(w.type, "image") ||
		   str_eq(w.type, "registry")) {
		o->keep = true;
		o->push = o->push || w.push || *w.type == 'r';
	} else {
		return err_usage(err,
				 "output type '%s' is not local, tar, oci, docker, image, "
				 "registry or cacheonly",
				 w.type ? w.type : "");
	}
	if (w.name) {
		cleanup_strv struct strv names = strv_split(w.name, ',');

		strv_copy(&b->tags, &names);
	}
	return 0;
}

int build_outputs_check(struct build_outputs *o, struct build_options *b, struct err *err)
{
	size_t to_stdout = 0;

	for (size_t i = 0; i < o->archives.n; i++)
		to_stdout += str_eq(o->archives.v[i], "-");
	vec_each(out, &b->outputs) {
		to_stdout += out->kind == BUILD_TO_TAR && str_eq(out->dest, "-");
		if (out->kind == BUILD_TO_TAR && b->platforms.n > 1)
			return err_usage(err, "files for several platforms go to a directory "
					      "(type=local), not to a tar");
	}
	if (to_stdout > 1)
		return err_usage(err, "two outputs cannot both be standard output");
	if (to_stdout && isatty(STDOUT_FILENO))
		return err_usage(err, "dest file is required for a tar: refusing to write it to a "
				      "terminal");
	if (o->push && !b->tags.n)
		return err_usage(err, "tag is needed when pushing to registry");
	b->only_files = b->outputs.n && !o->keep && !o->push && !o->archives.n && !o->layouts.n;
	return 0;
}

/* --- writing --- */

static int save(struct image_store *store, const struct strv *names, const char *dest,
		struct err *err)
{
	cleanup_fd int fd = FD_NONE;

	if (str_eq(dest, "-"))
		return image_save(store, names, STDOUT_FILENO, err);
	fd = fs_open(AT_FDCWD, dest, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
	return fd < 0 ? fd : image_save(store, names, fd, err);
}

static int push(struct cli *cli, const struct build_options *b, struct build_job *job, bool quiet,
		struct err *err)
{
	struct progress *p = quiet ? NULL : progress_new(cli, 0);
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->tags.n; i++) {
		cleanup_free char *digest = NULL;

		r = provide_push(b->store, p, b->tags.v[i], &digest, err);
		if (r < 0)
			break;
		free(job->digest);
		job->digest = ptr_take(digest);
	}
	progress_done(p);
	return r;
}

int build_outputs_write(struct cli *cli, const struct build_outputs *o,
			const struct build_options *b, struct build_job *job, bool quiet,
			struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = 0;

	if (b->tags.n)
		strv_copy(&names, &b->tags);
	else
		strv_add(&names, job->id);
	for (size_t i = 0; r == 0 && i < o->archives.n; i++)
		r = save(b->store, &names, o->archives.v[i], err);
	for (size_t i = 0; r == 0 && i < o->layouts.n; i++)
		r = image_save_layout(b->store, &names, o->layouts.v[i], err);
	if (r == 0 && o->push)
		r = push(cli, b, job, quiet, err);
	return r;
}

int build_metadata_write(const char *path, const struct build_options *b,
			 const struct build_job *job, struct err *err)
{
	enum { REF = 24 };
	cleanup_json json_t *j = json_object();
	cleanup_strv struct strv full = { 0 };
	cleanup_free char *names = NULL, *text = NULL, *ref = NULL;
	char random[REF + 1];

	if (!path)
		return 0;
	for (size_t i = 0; i < b->tags.n; i++) {
		cleanup_image_ref struct image_ref one = { 0 };
		struct err bad = ERR_INIT; /* the build has said it */

		if (image_ref_parse(b->tags.v[i], &one, &bad) < 0) {
			err_done(&bad);
			continue;
		}
		strv_take(&full, image_ref_full(&one));
	}
	names = strv_join(&full, ",");
	hex_random(random, REF);
	ref = xasprintf("default/default/%.*s", REF, random);
	json_put_str(j, "buildx.build.ref", ref);
	json_put_str(j, "containerimage.config.digest", job->id);
	json_put_str(j, "containerimage.digest", job->digest);
	if (full.n)
		json_put_str(j, "image.name", names);
	text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
	return fs_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, 0, err);
}
