/* Reading files into the tree: documents, extends, include, merge. */
#ifndef STAVE_COMPOSE_LOAD_H
#define STAVE_COMPOSE_LOAD_H

#include "compose/pass.h"

/* A set of files that make one model together: the -f files, or the paths of one include. */
struct file_set {
	const struct strv *paths;  /* absolute, or "-" */
	const char *dir;	   /* relative paths in them start here; absolute */
	const struct file_set *up; /* the set whose file includes this one */
	struct where where;	   /* of the include */
	bool resolve_paths;
};

/* load.c: the merged, canonical, checked tree of a set, or NULL with diagnostics. */
struct node *load_set(struct compose_model *m, const struct file_set *set);

/* extends.c: replaces every service that extends another by the two merged. `path` is the file. */
int load_extends(struct compose_model *m, struct node *doc, const char *path,
		 const struct file_set *set, const struct resets *resets);
/* include.c: merges what the document includes into it; each include is a set, which `load` loads.
 */
typedef struct node *(*load_fn)(struct compose_model *m, const struct file_set *set);
int load_include(struct compose_model *m, struct node *doc, const char *path,
		 const struct file_set *set, load_fn load);

#endif
