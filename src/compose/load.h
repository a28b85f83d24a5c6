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
/* One file as a list of documents, the caller's to change. NULL with diagnostics. */
struct node *load_documents(struct compose_model *m, const char *path, struct where where);

/* Refuses a file that is not of this machine (git or OCI); false: it is none. */
bool load_refuses_remote(struct compose_model *m, const struct node *file);

/* extends.c: replaces every service that extends another by the two merged. `path` is the file. */
int load_extends(struct compose_model *m, struct node *doc, const char *path,
		 const struct file_set *set, const struct resets *resets);
/* include.c: merges what the document includes into it. */
int load_include(struct compose_model *m, struct node *doc, const char *path,
		 const struct file_set *set);

/* One document of a file onto what is there already (NULL at first): the part of load_set that
 * extends needs too. lenient: as for a file that is only extended from. */
struct node *load_apply(struct compose_model *m, struct node *base, struct node *doc,
			const struct resets *resets, const char *path);

#endif
