/* The passes over the tree, in the order in which load.c calls them. Each works in place, driven by
 * keys.h, and reports what it does not like as diagnostics; those that return int return -1 then.
 */
#ifndef STAVE_COMPOSE_PASS_H
#define STAVE_COMPOSE_PASS_H

#include "compose/keys.h"
#include "compose/model.h"

/* The way from the root to a node, for messages: "services.web.ports[0]". Lives on the stack. */
struct trail {
	const struct trail *up;
	const char *name; /* NULL: an item of a list */
	size_t index;
};
char *trail_text(struct arena *a, const struct trail *t); /* "" for NULL */

/* interpolate.c: substitutes variables in every string below `node` (of `shape`, may be NULL), and
 * turns text into what the key means where only text could be written. */
int pass_interpolate(struct compose_model *m, struct node *node, const struct shape *shape,
		     const struct trail *trail);

/* merge.c: what a later file says on top of an earlier one. Returns the merged node; `base` and
 * `over` are used up. */
struct node *pass_merge(struct compose_model *m, struct node *base, struct node *over);
struct node *pass_merge_service(struct compose_model *m, struct node *base, struct node *over,
				const char *name);

/* reset.c: places tagged !reset and !override, taken out of a document. */
struct resets {
	VEC(struct node *) paths; /* each a list of keys */
};
void resets_done(struct resets *r);
int resets_collect(struct compose_model *m, struct node *doc, struct resets *ret);
/* Removes from `target` what the document resets or overrides. */
void resets_apply(const struct resets *r, struct node *target);
/* The same for one service that is extended under the name `name`. */
void resets_apply_service(const struct resets *r, const char *name, struct node *service);

/* unique.c: the later of two items that mean the same takes the place of the earlier. */
void pass_unique(struct compose_model *m, struct node *root);
/* validate.c: kinds, unknown keys, required keys, words, doubles. */
int pass_validate(struct compose_model *m, const struct node *root);
/* canon.c: short forms to long forms. With `lenient`, what cannot be read is left as it is. */
int pass_canonical(struct compose_model *m, struct node *root, bool lenient);
/* preset.c: defaults that belong to the model. */
void pass_presets(struct compose_model *m, struct node *root);
/* check.c: what the table cannot say about the tree: exclusive keys, addresses. */
int pass_check(struct compose_model *m, const struct node *root);
/* paths.c: relative paths against `dir`. */
int pass_paths(struct compose_model *m, struct node *root, const char *dir);
/* normalize.c */
void pass_environment(struct compose_model *m, struct node *root); /* bare names in lists */
void pass_normalize(struct compose_model *m, struct node *root);

/* Short forms, used by canon.c and unique.c. */
/* ports.c: "127.0.0.1:8000-8001:80-81/tcp" -> entries of `out`. Returns 0, or -1 with a message. */
int port_parse(struct compose_model *m, const struct node *spec, struct node *out,
	       struct str *error);
/* mount.c: "src:dst:ro,z" -> a map. NULL with a message. */
struct node *mount_parse(struct compose_model *m, const struct node *spec, struct str *error);

#endif
