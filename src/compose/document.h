/* Documents: what a file holds, before extends and include. */
#ifndef STAVE_COMPOSE_DOCUMENT_H
#define STAVE_COMPOSE_DOCUMENT_H

#include "compose/pass.h"

/* One file as a list of documents, the caller's to change. NULL with diagnostics. */
struct node *load_documents(struct compose_model *m, const char *path, struct where where);
/* Refuses a file that is not of this machine (git or OCI); false: it is none. */
bool load_refuses_remote(struct compose_model *m, const struct node *file);
/* One document of a file onto what is there already (NULL at first): the part of load_set that
 * extends needs too. lenient: as for a file that is only extended from. */
struct node *load_apply(struct compose_model *m, struct node *base, struct node *doc,
			const struct resets *resets, const char *path);

#endif
